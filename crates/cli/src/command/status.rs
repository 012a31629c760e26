//! `longshore status`.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use longshore_proto::ecs;
use serde::Serialize;
use serde_json::json;
use tokio::time::sleep;

use super::{Global, Output, service, task};
use crate::api::{Api, ApiError, Patience};
use crate::table::{self, Listing};
use crate::{listing, terminal};

const EXAMPLES: &str = "\
EXAMPLES:
    longshore status
    longshore status --cluster test --watch
    longshore status --output json";

/// How often `--watch` looks again.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
const ZONE_ATTRIBUTE: &str = "ecs.availability-zone";

/// Show clusters with their container instances, services and tasks
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Status {
    /// Only this cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,

    /// Show it again and again until ^C
    #[arg(long, short)]
    watch: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterStatus {
    cluster: ecs::Cluster,
    container_instances: Vec<ecs::ContainerInstance>,
    services: Vec<ecs::Service>,
    tasks: Vec<ecs::Task>,
}

impl Status {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let api = global.connect().await?;
        if !self.watch {
            let clusters = gather(&api, self.cluster.as_deref()).await?;
            return self.show(global, &clusters);
        }
        let mut patience = Patience::default();
        loop {
            let answer = gather(&api, self.cluster.as_deref()).await;
            if let Some(clusters) = patience.with(answer)? {
                self.show(global, &clusters)?;
            }
            sleep(WATCH_INTERVAL).await;
        }
    }

    fn show(&self, global: &Global, clusters: &[ClusterStatus]) -> anyhow::Result<()> {
        if let (Some(name), true) = (&self.cluster, clusters.is_empty()) {
            bail!("there is no cluster {name}");
        }
        if global.output == Output::Json {
            return terminal::print_json(&json!({ "clusters": clusters }));
        }
        let text = text(clusters, table::now_millis(), terminal::colour_on_stdout());
        if self.watch && terminal::stdout_is_terminal() {
            terminal::clear()?;
        }
        Ok(terminal::print(&text)?)
    }
}

async fn gather(api: &Api, cluster: Option<&str>) -> Result<Vec<ClusterStatus>, ApiError> {
    let clusters = match cluster {
        Some(name) => listing::describe_clusters(api, &[name.to_owned()]).await?,
        None => listing::clusters(api).await?,
    };
    let mut all = Vec::new();
    for cluster in clusters {
        // A deleted cluster can still be described, but not listed.
        if cluster.status.as_deref() == Some("INACTIVE") {
            continue;
        }
        let name = cluster.cluster_name.clone().unwrap_or_default();
        all.push(ClusterStatus {
            container_instances: listing::container_instances(api, &name, None).await?,
            services: listing::services(api, &name).await?,
            tasks: listing::tasks(api, &name, false).await?,
            cluster,
        });
    }
    Ok(all)
}

fn text(clusters: &[ClusterStatus], now_millis: i64, colour: bool) -> String {
    if clusters.is_empty() {
        return "No clusters.\n".to_owned();
    }
    let each: Vec<String> = clusters
        .iter()
        .map(|status| {
            [
                headline(&status.cluster),
                instances_table(&status.container_instances, colour),
                service::services_table(&status.services, colour),
                task::tasks_table(&status.tasks, now_millis, colour),
            ]
            .join("\n")
        })
        .collect();
    each.join("\n\n")
}

fn headline(cluster: &ecs::Cluster) -> String {
    format!(
        "Cluster {}: {}, {} running, {} pending\n",
        table::text(cluster.cluster_name.as_ref()),
        table::text(cluster.status.as_ref()),
        cluster.running_tasks_count.unwrap_or_default(),
        cluster.pending_tasks_count.unwrap_or_default()
    )
}

pub(super) fn instances_table(instances: &[ecs::ContainerInstance], colour: bool) -> String {
    let titles = [
        "INSTANCE",
        "ZONE",
        "STATUS",
        "AGENT",
        "CPU LEFT",
        "MEMORY LEFT",
        "TASKS",
    ];
    let mut listing = Listing::new(&titles, colour).right(4).right(5).right(6);
    for instance in instances {
        let connected = instance.agent_connected == Some(true);
        let tasks = instance.running_tasks_count.unwrap_or_default()
            + instance.pending_tasks_count.unwrap_or_default();
        listing.row([
            table::short_id(table::text(instance.container_instance_arn.as_ref())).into(),
            zone(instance).into(),
            table::status_cell(table::text(instance.status.as_ref())),
            table::status_cell(if connected {
                "connected"
            } else {
                "disconnected"
            }),
            left(instance, "CPU").into(),
            left(instance, "MEMORY").into(),
            tasks.into(),
        ]);
    }
    listing.text("No container instances.")
}

fn zone(instance: &ecs::ContainerInstance) -> &str {
    let zone = instance
        .attributes
        .iter()
        .find(|attribute| attribute.name.as_deref() == Some(ZONE_ATTRIBUTE));
    table::text(zone.and_then(|zone| zone.value.as_ref()))
}

/// `3584/4096`: what is left of what was registered, in CPU units or MiB.
fn left(instance: &ecs::ContainerInstance, name: &str) -> String {
    let amount = |resources: &[ecs::Resource]| {
        resources
            .iter()
            .find(|resource| resource.name.as_deref() == Some(name))
            .and_then(|resource| resource.integer_value)
            .map_or_else(|| table::NOTHING.to_owned(), |value| value.to_string())
    };
    format!(
        "{}/{}",
        amount(&instance.remaining_resources),
        amount(&instance.registered_resources)
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_picture() {
        let cluster = ecs::Cluster {
            cluster_name: Some("default".to_owned()),
            status: Some("ACTIVE".to_owned()),
            running_tasks_count: Some(2),
            ..Default::default()
        };
        let instance = serde_json::from_str(
            r#"{
                "containerInstanceArn": "arn:aws:ecs:r:0:container-instance/default/0123456789abcdef",
                "status": "ACTIVE", "agentConnected": true,
                "runningTasksCount": 1, "pendingTasksCount": 2,
                "attributes": [{"name": "ecs.availability-zone", "value": "us-east-1a"}],
                "registeredResources": [
                    {"name": "CPU", "type": "INTEGER", "integerValue": 4096},
                    {"name": "MEMORY", "type": "INTEGER", "integerValue": 16000}],
                "remainingResources": [
                    {"name": "CPU", "type": "INTEGER", "integerValue": 3584},
                    {"name": "MEMORY", "type": "INTEGER", "integerValue": 15744}]
            }"#,
        )
        .unwrap();
        let lost = ecs::ContainerInstance {
            container_instance_arn: Some("x/lost".to_owned()),
            ..Default::default()
        };
        let status = ClusterStatus {
            cluster,
            container_instances: vec![instance, lost],
            services: Vec::new(),
            tasks: Vec::new(),
        };
        assert_eq!(
            text(&[status], 0, false),
            "\
Cluster default: ACTIVE, 2 running, 0 pending

INSTANCE      ZONE        STATUS  AGENT          CPU LEFT  MEMORY LEFT  TASKS
0123456789ab  us-east-1a  ACTIVE  connected     3584/4096  15744/16000      3
lost          -           -       disconnected        -/-          -/-      0

No services.

No tasks.
"
        );
        assert_eq!(text(&[], 0, false), "No clusters.\n");
    }
}
