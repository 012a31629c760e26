//! `longshore service plan`: where the tasks of a service would go.

use std::collections::BTreeMap;

use anyhow::bail;
use clap::Args;
use longshore_proto::ecs;
use longshore_proto::placement::plan_service_request::Service as Planned;
use longshore_proto::placement::{PlanServiceRequest, PlanServiceResponse};
use serde_json::{Value, json};

use super::{ClusterArgument, Global, Output, explain};
use crate::api::{self, Api};
use crate::placement::PlacementArguments;
use crate::table::{self, Listing};
use crate::{listing, terminal};

const EXAMPLES: &str = "\
EXAMPLES:
  A service that exists, with more tasks:
    longshore service plan web --count 20

  A service that is yet to be created:
    longshore service plan api --task-definition api:1 --count 6 --strategy binpack:memory";

/// Show where the tasks of a service would go, without starting any
///
/// A service that exists is taken as it is, with what is given here changed; its tasks stay where
/// they are. Any other is taken as if it were created.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Plan {
    #[command(flatten)]
    cluster: ClusterArgument,
    name: String,
    /// FAMILY for its newest revision, FAMILY:REVISION, or an ARN
    #[arg(long, value_name = "NAME")]
    task_definition: Option<String>,
    /// How many tasks to keep running [default: as it is, or 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    count: Option<i32>,
    #[command(flatten)]
    placement: PlacementArguments,
}

impl Plan {
    pub(super) async fn run(self, global: &Global, api: &mut Api) -> anyhow::Result<()> {
        let name = self.name.clone();
        let service = self.service(api).await?;
        let request = PlanServiceRequest {
            service: Some(service),
        };
        let plan = api::answer(api.placement.plan_service(request).await)?;
        match global.output {
            Output::Json => terminal::print_json(&value(&plan)),
            Output::Table => {
                let text = text(&name, &plan, terminal::colour_on_stdout());
                Ok(terminal::print(&text)?)
            }
        }
    }

    async fn service(self, api: &Api) -> anyhow::Result<Planned> {
        let cluster = self.cluster.cluster;
        let known = listing::describe_services(api, &cluster, std::slice::from_ref(&self.name));
        let exists = known
            .await?
            .iter()
            .any(|service| service.status.as_deref() == Some("ACTIVE"));
        let (constraints, strategy) = (self.placement.constraints, self.placement.strategy);
        if exists {
            return Ok(Planned::Update(ecs::UpdateServiceRequest {
                cluster: Some(cluster),
                service: Some(self.name),
                task_definition: self.task_definition,
                desired_count: self.count,
                placement_constraints: (!constraints.is_empty())
                    .then_some(ecs::PlacementConstraintList { items: constraints }),
                placement_strategy: (!strategy.is_empty())
                    .then_some(ecs::PlacementStrategyList { items: strategy }),
                ..Default::default()
            }));
        }
        let Some(definition) = self.task_definition else {
            bail!(
                "cluster {cluster} has no service {}; to plan a new one, name its --task-definition",
                self.name
            );
        };
        Ok(Planned::Create(ecs::CreateServiceRequest {
            cluster: Some(cluster),
            service_name: Some(self.name),
            task_definition: Some(definition),
            desired_count: Some(self.count.unwrap_or(1)),
            placement_constraints: constraints,
            placement_strategy: strategy,
            ..Default::default()
        }))
    }
}

fn text(name: &str, plan: &PlanServiceResponse, colour: bool) -> String {
    let mut text = format!(
        "Service {name} would start {} of {} tasks now.\n",
        plan.tasks.len(),
        plan.wanted
    );
    let mut instances: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for task in &plan.tasks {
        let id = table::name_of(&task.container_instance_arn);
        *instances.entry((&task.zone, id)).or_default() += 1;
    }
    if !instances.is_empty() {
        let mut listing = Listing::new(&["ZONE", "INSTANCE", "TASKS"], colour).right(2);
        for ((zone, id), tasks) in instances {
            let zone = if zone.is_empty() {
                table::NOTHING
            } else {
                zone
            };
            listing.row([zone.to_owned(), id.to_owned(), tasks.to_string()]);
        }
        text.push_str(&format!("\n{}", listing.text("")));
    }
    if let Some(why) = &plan.why {
        text.push_str(&format!("\n{} would wait. The next one:\n\n", plan.waiting));
        text.push_str(&explain::text(why, colour));
    }
    text
}

fn value(plan: &PlanServiceResponse) -> Value {
    let tasks = plan.tasks.iter().map(|task| {
        json!({
            "containerInstanceArn": task.container_instance_arn,
            "zone": task.zone,
        })
    });
    json!({
        "wanted": plan.wanted,
        "tasks": tasks.collect::<Vec<_>>(),
        "waiting": plan.waiting,
        "why": plan.why.as_ref().map(explain::value),
    })
}

#[cfg(test)]
mod tests {
    use longshore_proto::placement::PlannedTask;

    use super::*;

    #[test]
    fn a_plan_is_shown_by_zone_and_instance() {
        let task = |zone: &str, id: &str| PlannedTask {
            container_instance_arn: format!("arn:aws:ecs:r:0:container-instance/c/{id}"),
            zone: zone.to_owned(),
        };
        let plan = PlanServiceResponse {
            wanted: 4,
            tasks: vec![task("b", "2"), task("a", "1"), task("b", "2")],
            waiting: 1,
            why: None,
        };
        assert_eq!(
            text("web", &plan, false),
            "Service web would start 3 of 4 tasks now.\n\nZONE  INSTANCE  TASKS\na     1             1\nb     2             2\n"
        );
        assert_eq!(value(&plan)["tasks"][1]["zone"], "a");
    }
}
