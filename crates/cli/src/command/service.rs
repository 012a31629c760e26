//! `longshore service`.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use longshore_proto::ecs;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::service_plan::Plan;
use super::{ClusterArgument, Global, Output, parse_duration};
use crate::api::{self, Api, ApiError, Patience};
use crate::hint;
use crate::listing;
use crate::placement::{self, PlacementArguments};
use crate::table::{self, Listing};
use crate::terminal::{self, Progress};

const EXAMPLES: &str = "\
EXAMPLES:
    longshore service create web --task-definition web --count 2 --wait
    longshore service list
    longshore service scale web 5 --wait
    longshore service events web --follow";

const LIST_EXAMPLES: &str = "\
EXAMPLES:
    longshore service list
    longshore service list --cluster test --output json";

const DESCRIBE_EXAMPLES: &str = "\
EXAMPLES:
    longshore service describe web";

const EVENTS_EXAMPLES: &str = "\
EXAMPLES:
    longshore service events web
    longshore service events web --follow";

const CREATE_EXAMPLES: &str = "\
EXAMPLES:
    longshore service create web --task-definition web:3 --count 2 --wait

  Each task on an instance of its own, the fullest first:
    longshore service create web --task-definition web --constraint distinctInstance --strategy binpack:memory

  For everything else that a service can be told, use the stock command:
    aws ecs create-service --service-name web --task-definition web:3 --desired-count 2 …";

const SCALE_EXAMPLES: &str = "\
EXAMPLES:
    longshore service scale web 5
    longshore service scale web 0 --wait";

const WAIT_EXAMPLES: &str = "\
EXAMPLES:
    longshore service wait web --timeout 2m";

const DELETE_EXAMPLES: &str = "\
EXAMPLES:
    longshore service scale web 0
    longshore service delete web

  In one step:
    longshore service delete web --force";

/// How often a service is looked at while waiting or following.
const POLL: Duration = Duration::from_millis(500);
/// As many events as `describe` shows; `events` shows all that are kept.
const DESCRIBED_EVENTS: usize = 10;

/// Create, scale and look at services
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Service {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    Plan(Plan),
    List(List),
    Describe(Describe),
    Events(Events),
    Scale(Scale),
    Wait(Wait),
    Delete(Delete),
}

/// Create a service
#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
struct Create {
    #[command(flatten)]
    cluster: ClusterArgument,
    name: String,
    /// FAMILY for its newest revision, FAMILY:REVISION, or an ARN
    #[arg(long, value_name = "NAME")]
    task_definition: String,
    /// How many tasks to keep running
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(0..))]
    count: i32,
    #[command(flatten)]
    placement: PlacementArguments,
    /// Return when the service is stable
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    limit: Limit,
}

/// List services
#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
struct List {
    #[command(flatten)]
    cluster: ClusterArgument,
}

/// Show a service with its deployments and newest events
#[derive(Debug, Args)]
#[command(after_help = DESCRIBE_EXAMPLES)]
struct Describe {
    #[command(flatten)]
    cluster: ClusterArgument,
    name: String,
}

/// Show what happened to a service, oldest first
#[derive(Debug, Args)]
#[command(after_help = EVENTS_EXAMPLES)]
struct Events {
    #[command(flatten)]
    cluster: ClusterArgument,
    name: String,
    /// Go on with what happens from now
    #[arg(long, short)]
    follow: bool,
}

/// Change how many tasks a service keeps running
#[derive(Debug, Args)]
#[command(after_help = SCALE_EXAMPLES)]
struct Scale {
    #[command(flatten)]
    cluster: ClusterArgument,
    name: String,
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    count: i32,
    /// Return when the service is stable
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    limit: Limit,
}

/// Wait until a service is stable: one deployment, and as many running tasks as desired
#[derive(Debug, Args)]
#[command(after_help = WAIT_EXAMPLES)]
struct Wait {
    #[command(flatten)]
    cluster: ClusterArgument,
    name: String,
    #[command(flatten)]
    limit: Limit,
}

/// Delete a service that is scaled to 0
#[derive(Debug, Args)]
#[command(after_help = DELETE_EXAMPLES)]
struct Delete {
    #[command(flatten)]
    cluster: ClusterArgument,
    name: String,
    /// Whatever it is scaled to; its tasks are stopped
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct Limit {
    /// How long to wait for it to become stable
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    timeout: Duration,
}

impl Service {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let mut api = global.connect().await?;
        match self.command {
            Command::Create(create) => create.run(global, &mut api).await,
            Command::Plan(plan) => plan.run(global, &mut api).await,
            Command::List(list) => {
                let services = listing::services(&api, &list.cluster.cluster).await?;
                show(global, &json!({ "services": services }), || {
                    services_table(&services, terminal::colour_on_stdout())
                })
            }
            Command::Describe(describe) => {
                let service = describe_one(&api, &describe.cluster.cluster, &describe.name).await?;
                show(global, &service, || {
                    description(&service, table::now_millis(), terminal::colour_on_stdout())
                })
            }
            Command::Events(events) => events.run(global, &api).await,
            Command::Scale(scale) => scale.run(global, &mut api).await,
            Command::Wait(wait) => {
                let service = describe_one(&api, &wait.cluster.cluster, &wait.name).await?;
                let cluster = &wait.cluster.cluster;
                let service = wait_until_stable(&api, cluster, service, wait.limit.timeout).await?;
                show_one(global, &service)
            }
            Command::Delete(delete) => delete.run(global, &mut api).await,
        }
    }
}

impl Create {
    async fn run(self, global: &Global, api: &mut Api) -> anyhow::Result<()> {
        let cluster = self.cluster.cluster;
        let request = ecs::CreateServiceRequest {
            cluster: Some(cluster.clone()),
            service_name: Some(self.name),
            task_definition: Some(self.task_definition),
            desired_count: Some(self.count),
            placement_constraints: self.placement.constraints,
            placement_strategy: self.placement.strategy,
            ..Default::default()
        };
        let response = api::answer(api.ecs.create_service(request).await)?;
        let mut service = response.service.unwrap_or_default();
        if self.wait {
            service = wait_until_stable(api, &cluster, service, self.limit.timeout).await?;
        }
        show_one(global, &service)
    }
}

impl Scale {
    async fn run(self, global: &Global, api: &mut Api) -> anyhow::Result<()> {
        let cluster = self.cluster.cluster;
        let request = ecs::UpdateServiceRequest {
            cluster: Some(cluster.clone()),
            service: Some(self.name),
            desired_count: Some(self.count),
            ..Default::default()
        };
        let response = api::answer(api.ecs.update_service(request).await)?;
        let mut service = response.service.unwrap_or_default();
        if self.wait {
            service = wait_until_stable(api, &cluster, service, self.limit.timeout).await?;
        }
        show_one(global, &service)
    }
}

impl Delete {
    async fn run(self, global: &Global, api: &mut Api) -> anyhow::Result<()> {
        let request = ecs::DeleteServiceRequest {
            cluster: Some(self.cluster.cluster),
            service: Some(self.name),
            force: Some(self.force),
        };
        let response = api::answer(api.ecs.delete_service(request).await)?;
        show_one(global, &response.service.unwrap_or_default())
    }
}

impl Events {
    async fn run(self, global: &Global, api: &Api) -> anyhow::Result<()> {
        let (cluster, name) = (&self.cluster.cluster, &self.name);
        let mut seen = SeenEvents::default();
        let mut service = describe_one(api, cluster, name).await?;
        let mut patience = Patience::default();
        loop {
            for event in seen.fresh(&service) {
                match global.output {
                    Output::Json => terminal::print_line(&serde_json::to_string(&event)?)?,
                    Output::Table => terminal::print_line(&event_line(&event))?,
                }
            }
            if !self.follow {
                return Ok(());
            }
            sleep(POLL).await;
            match patience.with(find_one(api, cluster, name).await)? {
                Some(Some(now)) => service = now,
                Some(None) => bail!(unknown(name, cluster)),
                None => {}
            }
        }
    }
}

fn show(
    global: &Global,
    value: &impl serde::Serialize,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    match global.output {
        Output::Json => terminal::print_json(value),
        Output::Table => Ok(terminal::print(&text())?),
    }
}

fn show_one(global: &Global, service: &ecs::Service) -> anyhow::Result<()> {
    show(global, service, || {
        services_table(std::slice::from_ref(service), terminal::colour_on_stdout())
    })
}

async fn find_one(api: &Api, cluster: &str, name: &str) -> Result<Option<ecs::Service>, ApiError> {
    let services = listing::describe_services(api, cluster, &[name.to_owned()]).await?;
    Ok(services.into_iter().next())
}

async fn describe_one(api: &Api, cluster: &str, name: &str) -> anyhow::Result<ecs::Service> {
    match find_one(api, cluster, name).await? {
        Some(service) => Ok(service),
        None => bail!(unknown(name, cluster)),
    }
}

fn unknown(name: &str, cluster: &str) -> String {
    let list = hint::in_cluster("service list", cluster);
    format!("cluster {cluster} has no service {name}; see `{list}`")
}

/// Follows a service until it is stable, telling its events meanwhile: they say what it waits
/// for. `service` is how it was when the waiting began.
///
/// Errors: its deployment fails, it is deleted, or it is not stable in time.
async fn wait_until_stable(
    api: &Api,
    cluster: &str,
    mut service: ecs::Service,
    timeout: Duration,
) -> anyhow::Result<ecs::Service> {
    let deadline = Instant::now() + timeout;
    let name = service.service_name.clone().unwrap_or_default();
    let mut seen = SeenEvents::default();
    seen.fresh(&service);
    let mut patience = Patience::default();
    let mut progress = Progress::start(&standing(&service));
    loop {
        match stability(&service) {
            Stability::Stable => {
                progress.done(&standing(&service));
                return Ok(service);
            }
            Stability::Never(reason) => bail!("service {name} does not become stable: {reason}"),
            Stability::NotYet => {}
        }
        if Instant::now() >= deadline {
            bail!(
                "service {name} is not stable after {timeout:?}: {}; see `{}`",
                standing(&service),
                hint::longshore(&format!("service events {name}"))
            );
        }
        sleep(POLL).await;
        let answer = find_one(api, cluster, &name).await;
        match patience.with(answer)? {
            Some(Some(now)) => service = now,
            Some(None) => bail!(unknown(&name, cluster)),
            None => {}
        }
        for event in seen.fresh(&service) {
            progress.line(&event_line(&event));
        }
        progress.set(&standing(&service));
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Stability {
    Stable,
    NotYet,
    Never(String),
}

/// Stable is what `aws ecs wait services-stable` calls so: one deployment, and as many running
/// tasks as desired.
fn stability(service: &ecs::Service) -> Stability {
    let status = service.status.as_deref().unwrap_or_default();
    if status != "ACTIVE" {
        return Stability::Never(format!("it is {status}"));
    }
    let failed = service.deployments.iter().find(|deployment| {
        deployment.status.as_deref() == Some("PRIMARY")
            && deployment.rollout_state.as_deref() == Some("FAILED")
    });
    if let Some(deployment) = failed {
        let reason = table::text(deployment.rollout_state_reason.as_ref());
        return Stability::Never(reason.to_owned());
    }
    if service.deployments.len() == 1 && service.running_count == service.desired_count {
        Stability::Stable
    } else {
        Stability::NotYet
    }
}

fn standing(service: &ecs::Service) -> String {
    let deployments = match service.deployments.len() {
        0 | 1 => String::new(),
        several => format!(", {several} deployments"),
    };
    format!(
        "{}: {}/{} running, {} pending{deployments}",
        table::text(service.service_name.as_ref()),
        service.running_count.unwrap_or_default(),
        service.desired_count.unwrap_or_default(),
        service.pending_count.unwrap_or_default()
    )
}

/// Which events were told already. Bounded by what a service keeps: ids that it no longer has
/// are forgotten.
#[derive(Default)]
struct SeenEvents {
    ids: BTreeSet<String>,
}

impl SeenEvents {
    /// The events that were not there before, oldest first.
    fn fresh(&mut self, service: &ecs::Service) -> Vec<ecs::ServiceEvent> {
        let id = |event: &ecs::ServiceEvent| event.id.clone().unwrap_or_default();
        let fresh = service
            .events
            .iter()
            .rev()
            .filter(|event| !self.ids.contains(&id(event)))
            .cloned()
            .collect();
        self.ids = service.events.iter().map(id).collect();
        fresh
    }
}

fn event_line(event: &ecs::ServiceEvent) -> String {
    format!(
        "{}  {}",
        table::moment(event.created_at.as_ref()),
        table::text(event.message.as_ref())
    )
}

/// The table of services.
pub(crate) fn services_table(services: &[ecs::Service], colour: bool) -> String {
    let titles = [
        "SERVICE",
        "STATUS",
        "DESIRED",
        "RUNNING",
        "PENDING",
        "TASK DEFINITION",
        "ROLLOUT",
    ];
    let mut listing = Listing::new(&titles, colour).right(2).right(3).right(4);
    for service in services {
        let primary = service
            .deployments
            .iter()
            .find(|deployment| deployment.status.as_deref() == Some("PRIMARY"));
        let rollout = primary.and_then(|deployment| deployment.rollout_state.as_ref());
        listing.row([
            table::text(service.service_name.as_ref()).into(),
            table::status_cell(table::text(service.status.as_ref())),
            service.desired_count.unwrap_or_default().into(),
            service.running_count.unwrap_or_default().into(),
            service.pending_count.unwrap_or_default().into(),
            table::name_of(table::text(service.task_definition.as_ref())).into(),
            table::status_cell(table::text(rollout)),
        ]);
    }
    listing.text("No services.")
}

fn description(service: &ecs::Service, now_millis: i64, colour: bool) -> String {
    let mut text = services_table(std::slice::from_ref(service), colour);
    let titles = [
        "DEPLOYMENT",
        "STATUS",
        "DESIRED",
        "RUNNING",
        "PENDING",
        "FAILED",
        "TASK DEFINITION",
        "CREATED",
        "ROLLOUT",
    ];
    let mut deployments = Listing::new(&titles, colour)
        .right(2)
        .right(3)
        .right(4)
        .right(5);
    for deployment in &service.deployments {
        let reason = deployment.rollout_state_reason.as_ref();
        deployments.row([
            table::text(deployment.id.as_ref()).into(),
            table::status_cell(table::text(deployment.status.as_ref())),
            deployment.desired_count.unwrap_or_default().into(),
            deployment.running_count.unwrap_or_default().into(),
            deployment.pending_count.unwrap_or_default().into(),
            deployment.failed_tasks.unwrap_or_default().into(),
            table::name_of(table::text(deployment.task_definition.as_ref())).into(),
            table::ago(deployment.created_at.as_ref(), now_millis).into(),
            table::text(reason.or(deployment.rollout_state.as_ref())).into(),
        ]);
    }
    let constraints = service.placement_constraints.iter();
    text.push_str(&placement::lines(
        constraints.map(|c| (&c.r#type, &c.expression)),
        &service.placement_strategy,
    ));
    text.push('\n');
    text.push_str(&deployments.text("No deployments."));
    text.push('\n');
    if service.events.is_empty() {
        text.push_str("No events.\n");
    }
    let newest = service.events.iter().take(DESCRIBED_EVENTS);
    for event in newest.rev() {
        text.push_str(&event_line(event));
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SERVICE: &str = r#"{
        "serviceName": "web", "status": "ACTIVE",
        "desiredCount": 2, "runningCount": 1, "pendingCount": 1,
        "taskDefinition": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:3",
        "deployments": [{
            "id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": "IN_PROGRESS",
            "rolloutStateReason": "ECS deployment ecs-svc/1 in progress.",
            "desiredCount": 2, "runningCount": 1, "pendingCount": 1, "createdAt": 1700000000,
            "taskDefinition": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:3"
        }],
        "events": [
            {"id": "b", "createdAt": 1700000001, "message": "second"},
            {"id": "a", "createdAt": 1700000000, "message": "first"}
        ]
    }"#;

    fn service() -> ecs::Service {
        serde_json::from_str(SERVICE).unwrap()
    }

    #[test]
    fn the_tables() {
        assert_eq!(
            services_table(&[service()], false),
            "\
SERVICE  STATUS  DESIRED  RUNNING  PENDING  TASK DEFINITION  ROLLOUT
web      ACTIVE        2        1        1  web:3            IN_PROGRESS
"
        );
        assert_eq!(
            description(&service(), 1_700_000_010_000, false),
            "\
SERVICE  STATUS  DESIRED  RUNNING  PENDING  TASK DEFINITION  ROLLOUT
web      ACTIVE        2        1        1  web:3            IN_PROGRESS

DEPLOYMENT  STATUS   DESIRED  RUNNING  PENDING  FAILED  TASK DEFINITION  CREATED  ROLLOUT
ecs-svc/1   PRIMARY        2        1        1       0  web:3            10s ago  ECS deployment ecs-svc/1 in progress.

2023-11-14T22:13:20Z  first
2023-11-14T22:13:21Z  second
"
        );
    }

    #[test]
    fn when_a_service_is_stable() {
        let mut service = service();
        assert_eq!(stability(&service), Stability::NotYet);
        service.running_count = Some(2);
        assert_eq!(stability(&service), Stability::Stable);
        service.deployments.push(ecs::Deployment::default());
        assert_eq!(stability(&service), Stability::NotYet);
        service.deployments[0].rollout_state = Some("FAILED".to_owned());
        assert!(matches!(stability(&service), Stability::Never(_)));
        service.status = Some("DRAINING".to_owned());
        assert_eq!(
            stability(&service),
            Stability::Never("it is DRAINING".to_owned())
        );
    }

    #[test]
    fn events_are_told_once_and_oldest_first() {
        let mut service = service();
        let mut seen = SeenEvents::default();
        let told = |events: Vec<ecs::ServiceEvent>| -> Vec<String> {
            events.into_iter().filter_map(|event| event.id).collect()
        };
        assert_eq!(told(seen.fresh(&service)), ["a", "b"]);
        assert!(seen.fresh(&service).is_empty());
        let newest = ecs::ServiceEvent {
            id: Some("c".to_owned()),
            ..Default::default()
        };
        service.events.insert(0, newest);
        service.events.truncate(2);
        assert_eq!(told(seen.fresh(&service)), ["c"]);
        assert_eq!(seen.ids.len(), 2);
    }
}
