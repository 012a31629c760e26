//! `longshore task`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::{Args, Subcommand};
use longshore_proto::{ecs, node};
use serde_json::json;
use tokio::time::sleep;

use super::{ClusterArgument, Global, Output, UsageError};
use crate::api::{self, Api, ApiError, Patience};
use crate::hint;
use crate::listing;
use crate::placement::PlacementArguments;
use crate::table::{self, Listing};
use crate::terminal::{self, Progress};

const EXAMPLES: &str = "\
EXAMPLES:
    longshore task run web
    longshore task list
    longshore task logs 3f2a --follow
    longshore task stop 3f2a";

const RUN_EXAMPLES: &str = "\
EXAMPLES:
  Run a task and exit as it does:
    longshore task run migrate:3 --env STAGE=test --wait

  Run another command in the task's container; everything after the flag belongs to it:
    longshore task run web --wait --override-command sh -c env

  Keep the id:
    id=$(longshore task run web)

  Only where the instances have an attribute, spread over zones:
    constraint='attribute:disk == ssd'
    longshore task run web --constraint \"$constraint\" --strategy spread:attribute:ecs.availability-zone";

const STOP_EXAMPLES: &str = "\
EXAMPLES:
  The first characters of an id are enough:
    longshore task stop 3f2a 77c0 --reason maintenance";

const LIST_EXAMPLES: &str = "\
EXAMPLES:
    longshore task list
    longshore task list --all --output json";

const LOGS_EXAMPLES: &str = "\
EXAMPLES:
  The last ten lines, then what comes:
    longshore task logs 3f2a --tail 10 --follow

  Of one container of several:
    longshore task logs 3f2a --container sidecar";

/// A full task id. Shorter texts are taken as its beginning.
const ID_LENGTH: usize = 32;
/// How often a task is looked at while waiting for its end.
const POLL: Duration = Duration::from_millis(500);
/// As many ambiguous ids as are shown.
const SHOWN_MATCHES: usize = 5;

/// Run, stop and look at tasks
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Task {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Run),
    Stop(Stop),
    List(List),
    Logs(Logs),
}

/// Run a task definition once; prints the ids of the tasks
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
struct Run {
    #[command(flatten)]
    cluster: ClusterArgument,

    /// FAMILY for its newest revision, FAMILY:REVISION, or an ARN
    task_definition: String,

    /// How many tasks, at most 10
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=10))]
    count: i32,

    /// Set a variable in the container
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = parse_variable)]
    environment: Vec<(String, String)>,

    /// Container that --env and --override-command are for, when there are several
    #[arg(long, value_name = "NAME")]
    container: Option<String>,

    #[command(flatten)]
    placement: PlacementArguments,

    /// Follow the tasks until they stop, and exit as their essential container did
    #[arg(long)]
    wait: bool,

    /// Run this in the container instead; takes the rest of the line
    #[arg(long, value_name = "ARG", num_args = 1.., allow_hyphen_values = true)]
    override_command: Vec<String>,
}

/// Stop tasks
#[derive(Debug, Args)]
#[command(after_help = STOP_EXAMPLES)]
struct Stop {
    #[command(flatten)]
    cluster: ClusterArgument,

    /// Ids, their first characters, or ARNs
    #[arg(required = true, value_name = "ID")]
    tasks: Vec<String>,

    /// Kept with the task as its stopped reason
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// List tasks, newest first
#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
struct List {
    #[command(flatten)]
    cluster: ClusterArgument,

    /// Stopped ones too
    #[arg(long)]
    all: bool,
}

/// Show what a container of a task wrote
#[derive(Debug, Args)]
#[command(after_help = LOGS_EXAMPLES)]
struct Logs {
    #[command(flatten)]
    cluster: ClusterArgument,

    /// Id, its first characters, or ARN
    #[arg(value_name = "ID")]
    task: String,

    /// Which container, when the task has several
    #[arg(long, value_name = "NAME")]
    container: Option<String>,

    /// Go on with what the container writes from now
    #[arg(long, short)]
    follow: bool,

    /// Newest lines to start with [default: all that is kept]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    tail: Option<u32>,
}

impl Task {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run(run) => return run.run(global).await,
            Command::Stop(stop) => stop.run(global).await?,
            Command::List(list) => list.run(global).await?,
            Command::Logs(logs) => logs.run(global).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Run {
    async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let mut api = global.connect().await?;
        let overrides = self.overrides(&mut api).await?;
        let request = ecs::RunTaskRequest {
            cluster: Some(self.cluster.cluster.clone()),
            task_definition: Some(self.task_definition.clone()),
            count: Some(self.count),
            overrides,
            placement_constraints: self.placement.constraints.clone(),
            placement_strategy: self.placement.strategy.clone(),
            ..Default::default()
        };
        let mut response = api::answer(api.ecs.run_task(request).await)?;
        let arns: Vec<String> = response
            .tasks
            .iter()
            .filter_map(|task| task.task_arn.clone())
            .collect();
        if global.output == Output::Table {
            for arn in &arns {
                terminal::print_line(table::name_of(arn))?;
            }
        }
        let mut code = ExitCode::SUCCESS;
        if self.wait && !arns.is_empty() {
            response.tasks = wait_for_end(&api, &self.cluster.cluster, &arns).await?;
            code = exit_code(&mut api, &response.tasks).await?;
        }
        if global.output == Output::Json {
            terminal::print_json(&response)?;
        }
        let started = i32::try_from(arns.len()).unwrap_or(i32::MAX);
        if started < self.count {
            bail!(
                "{} of {} tasks were not placed: {}",
                self.count - started,
                self.count,
                failures(&response.failures)
            );
        }
        Ok(code)
    }

    /// The overrides for the container that is meant, or None when nothing is overridden.
    async fn overrides(&self, api: &mut Api) -> anyhow::Result<Option<ecs::TaskOverride>> {
        if self.environment.is_empty() && self.override_command.is_empty() {
            if let Some(container) = &self.container {
                let error = format!("--container {container} needs --env or --override-command");
                return Err(UsageError(error).into());
            }
            return Ok(None);
        }
        let name = match &self.container {
            Some(name) => name.clone(),
            None => {
                let definition = describe_definition(api, &self.task_definition).await?;
                only_container(&definition)?.to_owned()
            }
        };
        let environment = self
            .environment
            .iter()
            .map(|(name, value)| ecs::KeyValuePair {
                name: Some(name.clone()),
                value: Some(value.clone()),
            });
        let container = ecs::ContainerOverride {
            name: Some(name),
            command: self.override_command.clone(),
            environment: environment.collect(),
            ..Default::default()
        };
        Ok(Some(ecs::TaskOverride {
            container_overrides: vec![container],
            ..Default::default()
        }))
    }
}

async fn describe_definition(api: &mut Api, name: &str) -> anyhow::Result<ecs::TaskDefinition> {
    let request = ecs::DescribeTaskDefinitionRequest {
        task_definition: Some(name.to_owned()),
        include: Vec::new(),
    };
    let response = api::answer(api.ecs.describe_task_definition(request).await)?;
    Ok(response.task_definition.unwrap_or_default())
}

fn only_container(definition: &ecs::TaskDefinition) -> anyhow::Result<&str> {
    let names: Vec<&str> = definition
        .container_definitions
        .iter()
        .filter_map(|container| container.name.as_deref())
        .collect();
    match names.as_slice() {
        [name] => Ok(name),
        names => {
            let error = format!(
                "the task definition has several containers; choose one with --container: {}",
                names.join(", ")
            );
            Err(UsageError(error).into())
        }
    }
}

/// Follows tasks until all have stopped.
async fn wait_for_end(api: &Api, cluster: &str, arns: &[String]) -> anyhow::Result<Vec<ecs::Task>> {
    let mut progress = Progress::start("the tasks are requested");
    let mut patience = Patience::default();
    loop {
        let answer = listing::describe_tasks(api, cluster, arns).await;
        if let Some(tasks) = patience.with(answer)? {
            ensure!(
                tasks.len() == arns.len(),
                "a task has stopped and is no longer kept, so its exit code is not known"
            );
            if tasks.iter().all(is_stopped) {
                return Ok(tasks);
            }
            progress.set(&standing(&tasks));
        }
        sleep(POLL).await;
    }
}

fn is_stopped(task: &ecs::Task) -> bool {
    task.last_status.as_deref() == Some("STOPPED")
}

fn standing(tasks: &[ecs::Task]) -> String {
    let each: Vec<_> = tasks
        .iter()
        .map(|task| {
            format!(
                "{} {}",
                table::short_id(table::text(task.task_arn.as_ref())),
                table::text(task.last_status.as_ref())
            )
        })
        .collect();
    each.join(", ")
}

/// The exit code of stopped tasks: that of the first essential container that failed. A task
/// whose essential container never ran counts as 1.
async fn exit_code(api: &mut Api, tasks: &[ecs::Task]) -> anyhow::Result<ExitCode> {
    let mut code = 0;
    for task in tasks {
        let arn = table::text(task.task_definition_arn.as_ref());
        let definition = describe_definition(api, arn).await?;
        let of_task = task_exit_code(task, &definition);
        if of_task != 0 || task.stop_code.as_deref() == Some("TaskFailedToStart") {
            terminal::say(&ending(task));
        }
        if code == 0 {
            code = of_task;
        }
    }
    Ok(ExitCode::from(code))
}

fn task_exit_code(task: &ecs::Task, definition: &ecs::TaskDefinition) -> u8 {
    let is_essential = |container: &ecs::Container| {
        definition
            .container_definitions
            .iter()
            .find(|defined| defined.name == container.name)
            .is_none_or(|defined| defined.essential != Some(false))
    };
    let mut ran = false;
    for container in task.containers.iter().filter(|&c| is_essential(c)) {
        if let Some(code) = container.exit_code {
            ran = true;
            if code != 0 {
                // Runtimes report 0 to 255; anything else is still a failure.
                return u8::try_from(code).unwrap_or(1);
            }
        }
    }
    u8::from(!ran)
}

/// Why a task ended, for people.
fn ending(task: &ecs::Task) -> String {
    let mut text = format!(
        "{} stopped: {}",
        table::short_id(table::text(task.task_arn.as_ref())),
        table::text(task.stopped_reason.as_ref())
    );
    for container in &task.containers {
        let name = table::text(container.name.as_ref());
        let code = container.exit_code.map_or_else(
            || "no exit code".to_owned(),
            |code| format!("exit code {code}"),
        );
        let reason = container.reason.as_deref();
        let reason = reason.map_or_else(String::new, |reason| format!(", {reason}"));
        text.push_str(&format!("\n  {name}: {code}{reason}"));
    }
    text
}

/// Failures of a call in one line, equal reasons once.
/// What is told of the failures of a call: the first one, which is that of the instance that came
/// closest and counts what the others lacked; without such a detail, every reason once.
fn failures(failures: &[ecs::Failure]) -> String {
    let reason = |failure: &ecs::Failure| table::text(failure.reason.as_ref()).to_owned();
    if let Some(first) = failures.first()
        && let Some(detail) = &first.detail
    {
        return format!("{} ({detail})", reason(first));
    }
    let mut reasons: Vec<String> = failures.iter().map(reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    if reasons.is_empty() {
        return "no reason was given".to_owned();
    }
    reasons.join(", ")
}

impl Stop {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let mut api = global.connect().await?;
        let cluster = &self.cluster.cluster;
        // All ids are understood before the first task is stopped.
        let mut tasks = Vec::new();
        for text in &self.tasks {
            tasks.push(find(&api, cluster, text).await?);
        }
        let mut stopped = Vec::new();
        for task in tasks {
            let request = ecs::StopTaskRequest {
                cluster: Some(cluster.clone()),
                task: Some(task),
                reason: self.reason.clone(),
            };
            let task = api::answer(api.ecs.stop_task(request).await)?.task;
            let task = task.unwrap_or_default();
            if global.output == Output::Table {
                let id = table::name_of(table::text(task.task_arn.as_ref()));
                terminal::print_line(id)?;
            }
            stopped.push(task);
        }
        if global.output == Output::Json {
            terminal::print_json(&json!({ "tasks": stopped }))?;
        }
        Ok(())
    }
}

impl List {
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let api = global.connect().await?;
        let tasks = listing::tasks(&api, &self.cluster.cluster, self.all).await?;
        match global.output {
            Output::Json => terminal::print_json(&json!({ "tasks": tasks })),
            Output::Table => {
                let text = tasks_table(&tasks, table::now_millis(), terminal::colour_on_stdout());
                Ok(terminal::print(&text)?)
            }
        }
    }
}

/// The table of tasks.
pub(crate) fn tasks_table(tasks: &[ecs::Task], now_millis: i64, colour: bool) -> String {
    let titles = [
        "TASK",
        "STATUS",
        "GROUP",
        "TASK DEFINITION",
        "INSTANCE",
        "PORTS",
        "STARTED",
        "REASON",
    ];
    let mut listing = Listing::new(&titles, colour);
    for task in tasks {
        let instance = task.container_instance_arn.as_deref();
        let ports = ports(task);
        listing.row([
            table::short_id(table::text(task.task_arn.as_ref())).into(),
            table::status_cell(table::text(task.last_status.as_ref())),
            table::text(task.group.as_ref()).into(),
            table::name_of(table::text(task.task_definition_arn.as_ref())).into(),
            instance.map_or(table::NOTHING, table::short_id).into(),
            if ports.is_empty() {
                table::NOTHING
            } else {
                ports.as_str()
            }
            .into(),
            table::ago(task.started_at.as_ref(), now_millis).into(),
            task.stopped_reason.as_deref().unwrap_or_default().into(),
        ]);
    }
    listing.text("No tasks.")
}

/// `49153->80/tcp`, or the container's port alone where it is the host's as well.
fn ports(task: &ecs::Task) -> String {
    let bindings = task.containers.iter().flat_map(|c| &c.network_bindings);
    let mut ports: Vec<String> = bindings
        .filter_map(|binding| {
            let protocol = binding.protocol.as_deref().unwrap_or("tcp");
            match (binding.host_port, binding.container_port) {
                (Some(host), Some(container)) => Some(format!("{host}->{container}/{protocol}")),
                (None, Some(container)) => Some(format!("{container}/{protocol}")),
                _ => {
                    let host = binding.host_port_range.as_deref()?;
                    let container = binding.container_port_range.as_deref()?;
                    Some(format!("{host}->{container}/{protocol}"))
                }
            }
        })
        .collect();
    // IPv4 and IPv6 bindings of one port look the same.
    ports.sort_unstable();
    ports.dedup();
    ports.join(", ")
}

impl Logs {
    /// Writes what the container wrote, byte for byte, each stream to ours of the same name.
    async fn run(self, global: &Global) -> anyhow::Result<()> {
        let mut api = global.connect().await?;
        let cluster = &self.cluster.cluster;
        let request = node::ReadLogsRequest {
            cluster: cluster.clone(),
            task: find(&api, cluster, &self.task).await?,
            container: self.container.unwrap_or_default(),
            follow: self.follow,
            tail: self.tail.unwrap_or_default(),
        };
        let mut lines = api::answer(api.logs.read_logs(request).await)?;
        while let Some(line) = lines.message().await.map_err(ApiError::from)? {
            match global.output {
                Output::Json => terminal::print_line(&serde_json::to_string(&json!({
                    "container": line.container,
                    "stream": line.stream,
                    "message": String::from_utf8_lossy(&line.data),
                }))?)?,
                Output::Table if line.stream == "stderr" => terminal::pass_on(&line.data)?,
                Output::Table => terminal::print_bytes(&line.data)?,
            }
        }
        Ok(())
    }
}

/// The task that an id, the beginning of one, or an ARN stands for.
async fn find(api: &Api, cluster: &str, text: &str) -> anyhow::Result<String> {
    if text.starts_with("arn:") || text.len() >= ID_LENGTH {
        return Ok(text.to_owned());
    }
    let mut arns = listing::task_arns(api, cluster, "RUNNING").await?;
    arns.extend(listing::task_arns(api, cluster, "STOPPED").await?);
    only_match(&arns, cluster, text)
}

fn only_match(arns: &[String], cluster: &str, text: &str) -> anyhow::Result<String> {
    let mut matches: Vec<&str> = arns
        .iter()
        .map(|arn| table::name_of(arn))
        .filter(|id| !text.is_empty() && id.starts_with(text))
        .collect();
    matches.sort_unstable();
    matches.dedup();
    match matches.as_slice() {
        [id] => Ok((*id).to_owned()),
        [] => bail!(
            "no task of cluster {cluster} has an id that starts with {text:?}; \
             see `{}`",
            hint::in_cluster("task list --all", cluster)
        ),
        several => {
            let shown = several.get(..SHOWN_MATCHES).unwrap_or(several);
            let more = if shown.len() < several.len() {
                ", \u{2026}"
            } else {
                ""
            };
            bail!(
                "{} tasks have ids that start with {text:?}: {}{more}; write more of it",
                several.len(),
                shown.join(", ")
            )
        }
    }
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form NAME=VALUE")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TASK: &str = r#"{
        "taskArn": "arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef",
        "containerInstanceArn": "arn:aws:ecs:us-east-1:000000000000:container-instance/default/fedcba9876543210fedcba9876543210",
        "taskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:3",
        "lastStatus": "RUNNING", "group": "service:web", "startedAt": 1700000000,
        "containers": [
            {"name": "app", "exitCode": 3, "networkBindings": [
                {"bindIP": "0.0.0.0", "containerPort": 80, "hostPort": 49153, "protocol": "tcp"},
                {"bindIP": "::", "containerPort": 80, "hostPort": 49153, "protocol": "tcp"}]},
            {"name": "sidecar", "exitCode": 5}
        ]
    }"#;

    fn task() -> ecs::Task {
        serde_json::from_str(TASK).unwrap()
    }

    #[test]
    fn the_table() {
        let pending = ecs::Task {
            task_arn: Some("arn:aws:ecs:r:0:task/default/ffff".to_owned()),
            last_status: Some("PENDING".to_owned()),
            group: Some("family:batch".to_owned()),
            ..Default::default()
        };
        let text = tasks_table(&[task(), pending], 1_700_000_065_000, false);
        assert_eq!(
            text,
            "\
TASK          STATUS   GROUP         TASK DEFINITION  INSTANCE      PORTS          STARTED    REASON
0123456789ab  RUNNING  service:web   web:3            fedcba987654  49153->80/tcp  1m 5s ago
ffff          PENDING  family:batch  -                -             -              -
"
        );
        assert_eq!(tasks_table(&[], 0, false), "No tasks.\n");
    }

    #[test]
    fn the_essential_container_gives_the_exit_code() {
        let definition: ecs::TaskDefinition = serde_json::from_str(
            r#"{"containerDefinitions": [
                {"name": "app", "essential": false}, {"name": "sidecar", "essential": true}]}"#,
        )
        .unwrap();
        let mut task = task();
        assert_eq!(task_exit_code(&task, &definition), 5);
        assert_eq!(task_exit_code(&task, &ecs::TaskDefinition::default()), 3);
        for (code, expected) in [(Some(0), 0), (None, 1), (Some(137), 137), (Some(-1), 1)] {
            task.containers[1].exit_code = code;
            assert_eq!(task_exit_code(&task, &definition), expected, "{code:?}");
        }
        assert!(ending(&task).contains("\n  app: exit code 3"));
    }

    #[test]
    fn the_beginning_of_an_id_is_enough_if_it_is_the_only_one() {
        let arns = ["t/c/abc1", "t/c/abd2", "t/c/f", "t/c/f"].map(str::to_owned);
        assert_eq!(only_match(&arns, "c", "abc").unwrap(), "abc1");
        assert_eq!(only_match(&arns, "c", "f").unwrap(), "f");
        for (text, expected) in [("ab", "2 tasks"), ("x", "no task"), ("", "no task")] {
            let error = only_match(&arns, "c", text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn failures_are_told_once() {
        let failure = |reason: &str| ecs::Failure {
            reason: Some(reason.to_owned()),
            ..Default::default()
        };
        let several = [failure("RESOURCE:CPU"), failure("AGENT"), failure("AGENT")];
        assert_eq!(failures(&several), "AGENT, RESOURCE:CPU");
        assert_eq!(failures(&[]), "no reason was given");
        let detailed = |reason: &str, detail: &str| ecs::Failure {
            detail: Some(detail.to_owned()),
            ..failure(reason)
        };
        let several = [
            detailed(
                "RESOURCE:CPU",
                "wants 9 CPU units, 1 left; of 2 instances: ...",
            ),
            detailed("AGENT", "its agent is not connected; of 2 instances: ..."),
        ];
        assert_eq!(
            failures(&several),
            "RESOURCE:CPU (wants 9 CPU units, 1 left; of 2 instances: ...)"
        );
    }

    #[test]
    fn variables() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(parse_variable("A=b=c"), Ok(pair("A", "b=c")));
        assert_eq!(parse_variable("A="), Ok(pair("A", "")));
        assert!(parse_variable("A").is_err() && parse_variable("=b").is_err());
    }
}
