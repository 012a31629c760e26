//! `longshore explain`: why tasks go where they go, and why others wait.

use clap::{Args, Subcommand};
use longshore_proto::ecs;
use longshore_proto::placement::explain_placement_request::Subject;
use longshore_proto::placement::{
    ExplainPlacementRequest, ExplainPlacementResponse, Question, ServiceSubject, TaskSubject,
};
use serde_json::{Value, json};

use super::{ClusterArgument, Global, Output};
use crate::placement::PlacementArguments;
use crate::table::{self, Listing};
use crate::{api, terminal};

const EXAMPLES: &str = "\
EXAMPLES:
  Where would a task of this definition go, and why not elsewhere?
    longshore explain task-definition web

  Why does this service not start its next task?
    longshore explain service web

  Why is this task where it is?
    longshore explain task 0123456789abcdef0123456789abcdef";

const DEFINITION_EXAMPLES: &str = "\
EXAMPLES:
    longshore explain task-definition web:3
    longshore explain task-definition web --memory 2048 --constraint attribute:disk==ssd
    longshore explain task-definition web --strategy binpack:memory --instances 100 --output json";

const SERVICE_EXAMPLES: &str = "\
EXAMPLES:
    longshore explain service web
    longshore explain service web --cluster test --instances 5";

const TASK_EXAMPLES: &str = "\
EXAMPLES:
    longshore explain task 0123456789abcdef0123456789abcdef";

/// Show where a task would go, and what every instance has to say to that
///
/// Nothing is started. The answer counts all instances of the cluster, names those that come
/// closest with every reason they have, and says what would have to change.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    TaskDefinition(Definition),
    Service(Service),
    Task(Task),
}

/// As if a task of this definition were run now
#[derive(Debug, Args)]
#[command(after_help = DEFINITION_EXAMPLES)]
struct Definition {
    #[command(flatten)]
    cluster: ClusterArgument,
    /// FAMILY for its newest revision, FAMILY:REVISION, or an ARN
    name: String,
    /// CPU units of the task instead of the definition's
    #[arg(long, value_name = "UNITS")]
    cpu: Option<u32>,
    /// MiB of the task instead of the definition's
    #[arg(long, value_name = "MIB")]
    memory: Option<u32>,
    /// Group of the task instead of family:FAMILY
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    #[command(flatten)]
    placement: PlacementArguments,
    #[command(flatten)]
    listed: Listed,
}

/// The next task of a service
#[derive(Debug, Args)]
#[command(after_help = SERVICE_EXAMPLES)]
struct Service {
    #[command(flatten)]
    cluster: ClusterArgument,
    name: String,
    #[command(flatten)]
    listed: Listed,
}

/// A task, as if it were placed again
#[derive(Debug, Args)]
#[command(after_help = TASK_EXAMPLES)]
struct Task {
    #[command(flatten)]
    cluster: ClusterArgument,
    /// Id or ARN
    task: String,
    #[command(flatten)]
    listed: Listed,
}

#[derive(Debug, Args)]
struct Listed {
    /// How many instances to list, those that come closest first
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    instances: u32,
}

impl Explain {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let (subject, max_verdicts) = match self.command {
            Command::TaskDefinition(definition) => {
                let listed = definition.listed.instances;
                (Subject::RunTask(definition.request()), listed)
            }
            Command::Service(service) => {
                let subject = ServiceSubject {
                    cluster: service.cluster.cluster,
                    service: service.name,
                };
                (Subject::Service(subject), service.listed.instances)
            }
            Command::Task(task) => {
                let subject = TaskSubject {
                    cluster: task.cluster.cluster,
                    task: task.task,
                };
                (Subject::Task(subject), task.listed.instances)
            }
        };
        let mut api = global.connect().await?;
        let request = ExplainPlacementRequest {
            subject: Some(subject),
            max_verdicts,
        };
        let answer = api::answer(api.placement.explain_placement(request).await)?;
        match global.output {
            Output::Json => terminal::print_json(&value(&answer)),
            Output::Table => Ok(terminal::print(&text(
                &answer,
                terminal::colour_on_stdout(),
            ))?),
        }
    }
}

impl Definition {
    fn request(self) -> ecs::RunTaskRequest {
        let overrides = ecs::TaskOverride {
            cpu: self.cpu.map(|cpu| cpu.to_string()),
            memory: self.memory.map(|memory| memory.to_string()),
            ..Default::default()
        };
        ecs::RunTaskRequest {
            cluster: Some(self.cluster.cluster),
            task_definition: Some(self.name),
            group: self.group,
            overrides: Some(overrides),
            placement_constraints: self.placement.constraints,
            placement_strategy: self.placement.strategy,
            ..Default::default()
        }
    }
}

/// The answer for people.
pub(super) fn text(answer: &ExplainPlacementResponse, colour: bool) -> String {
    let mut text = answer.question.as_ref().map(question).unwrap_or_default();
    text.push_str(&format!("\n{}\n", answer.summary));
    if !answer.placed_on.is_empty() {
        text.push_str(&format!(
            "It is on {}.\n",
            table::name_of(&answer.placed_on)
        ));
    }
    if !answer.fixes.is_empty() {
        text.push_str("It would fit\n");
    }
    for fix in &answer.fixes {
        text.push_str(&format!("  {}\n", fix.what));
    }
    if !answer.refused.is_empty() {
        let mut counts = Listing::new(&["FIRST REASON", "INSTANCES"], colour).right(1);
        for count in &answer.refused {
            counts.row([count.reason.clone(), count.instances.to_string()]);
        }
        text.push_str(&format!("\n{}", counts.text("")));
    }
    if !answer.verdicts.is_empty() {
        let mut verdicts = Listing::new(&["INSTANCE", "FITS", "WHY NOT"], colour);
        for verdict in &answer.verdicts {
            let refusals = verdict.refusals.iter();
            let why: Vec<String> = refusals
                .map(|refusal| {
                    format!(
                        "{}: {}",
                        refusal.reason.trim_end_matches('.'),
                        refusal.detail
                    )
                })
                .collect();
            let id = table::short_id(&verdict.container_instance_arn);
            let fits = if verdict.fits { "yes" } else { "no" };
            verdicts.row([id.to_owned(), fits.to_owned(), why.join("; ")]);
        }
        text.push_str(&format!("\n{}", verdicts.text("")));
        if answer.more_verdicts {
            text.push_str("There are more; list them with --instances N.\n");
        }
    }
    text
}

fn question(question: &Question) -> String {
    let mut text = format!(
        "Task of {} in group {}: {} CPU units, {} MiB\n",
        table::name_of(&question.task_definition_arn),
        question.group,
        question.cpu,
        question.memory
    );
    let ports = |ports: &[u32], protocol: &str| {
        let ports = ports.iter().map(|port| format!("{port}/{protocol}"));
        ports.collect::<Vec<_>>()
    };
    let mut all = ports(&question.tcp_ports, "tcp");
    all.extend(ports(&question.udp_ports, "udp"));
    if !all.is_empty() {
        text.push_str(&format!("Host ports: {}\n", all.join(", ")));
    }
    for (index, constraint) in question.constraints.iter().enumerate() {
        text.push_str(&format!("Constraint {}: {constraint}\n", index + 1));
    }
    text.push_str(&format!(
        "Strategy: {}\n",
        question.strategies.join(", then ")
    ));
    text
}

/// The answer for programs.
pub(super) fn value(answer: &ExplainPlacementResponse) -> Value {
    let question = answer.question.clone().unwrap_or_default();
    let verdicts = answer.verdicts.iter().map(|verdict| {
        let refusals = verdict.refusals.iter();
        json!({
            "containerInstanceArn": verdict.container_instance_arn,
            "fits": verdict.fits,
            "refusals": refusals
                .map(|refusal| json!({"reason": refusal.reason, "detail": refusal.detail}))
                .collect::<Vec<_>>(),
        })
    });
    let counts = answer.refused.iter();
    let fixes = answer.fixes.iter();
    json!({
        "question": {
            "clusterArn": question.cluster_arn,
            "taskDefinitionArn": question.task_definition_arn,
            "group": question.group,
            "cpu": question.cpu,
            "memory": question.memory,
            "tcpPorts": question.tcp_ports,
            "udpPorts": question.udp_ports,
            "attributes": question.attributes,
            "constraints": question.constraints,
            "strategies": question.strategies,
        },
        "summary": answer.summary,
        "containerInstanceArn": present(&answer.container_instance_arn),
        "placedOn": present(&answer.placed_on),
        "instances": answer.instances,
        "fitting": answer.fitting,
        "refused": counts
            .map(|count| json!({"reason": count.reason, "instances": count.instances}))
            .collect::<Vec<_>>(),
        "fixes": fixes
            .map(|fix| json!({"what": fix.what, "instances": fix.instances}))
            .collect::<Vec<_>>(),
        "verdicts": verdicts.collect::<Vec<_>>(),
        "moreVerdicts": answer.more_verdicts,
    })
}

fn present(arn: &str) -> Option<&str> {
    Some(arn).filter(|arn| !arn.is_empty())
}

#[cfg(test)]
mod tests {
    use longshore_proto::placement::{Count, Fix, Refusal, Verdict};

    use super::*;

    fn answer() -> ExplainPlacementResponse {
        ExplainPlacementResponse {
            question: Some(Question {
                task_definition_arn: "arn:aws:ecs:r:0:task-definition/web:3".to_owned(),
                group: "service:web".to_owned(),
                cpu: 256,
                memory: 512,
                tcp_ports: vec![80],
                constraints: vec!["memberOf(attribute:disk == ssd)".to_owned()],
                strategies: vec!["spread(instanceId)".to_owned(), "binpack(CPU)".to_owned()],
                ..Question::default()
            }),
            instances: 2,
            refused: vec![Count {
                reason: "RESOURCE:MEMORY".to_owned(),
                instances: 2,
            }],
            verdicts: vec![Verdict {
                container_instance_arn: "arn:aws:ecs:r:0:container-instance/c/0123456789abcdef"
                    .to_owned(),
                fits: false,
                refusals: vec![Refusal {
                    reason: "RESOURCE:MEMORY".to_owned(),
                    detail: "wants 512 MiB, 412 left".to_owned(),
                }],
            }],
            more_verdicts: true,
            fixes: vec![Fix {
                what: "on 1 instance if memory ≤ 412 MiB".to_owned(),
                instances: 1,
            }],
            summary: "It fits on none of 2 instances.".to_owned(),
            ..ExplainPlacementResponse::default()
        }
    }

    #[test]
    fn people_read_the_question_the_answer_and_what_would_help() {
        assert_eq!(
            text(&answer(), false),
            "Task of web:3 in group service:web: 256 CPU units, 512 MiB
Host ports: 80/tcp
Constraint 1: memberOf(attribute:disk == ssd)
Strategy: spread(instanceId), then binpack(CPU)

It fits on none of 2 instances.
It would fit
  on 1 instance if memory ≤ 412 MiB

FIRST REASON     INSTANCES
RESOURCE:MEMORY          2

INSTANCE      FITS  WHY NOT
0123456789ab  no    RESOURCE:MEMORY: wants 512 MiB, 412 left
There are more; list them with --instances N.
"
        );
    }

    #[test]
    fn programs_read_everything() {
        let value = value(&answer());
        assert_eq!(value["refused"][0]["instances"], 2);
        assert_eq!(
            value["verdicts"][0]["refusals"][0]["reason"],
            "RESOURCE:MEMORY"
        );
        assert_eq!(value["containerInstanceArn"], Value::Null);
        assert_eq!(value["question"]["tcpPorts"], json!([80]));
    }
}
