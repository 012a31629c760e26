//! Clusters: CreateCluster, DescribeClusters, ListClusters, DeleteCluster.

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_door::page::{MAX_RESULTS, PageRequest};
use longshore_model::ClusterName;
use longshore_model::Realm;
use longshore_model::cluster::{Cluster, ClusterStatus};
use longshore_model::instance::{Instance, InstanceStatus};
use longshore_model::service::{Service, ServiceStatus};
use longshore_model::task::Task;
use longshore_proto::ecs;
use longshore_store::{Txn, View};

use super::wire::{
    self, TaskCounts, creation_key, merge_tags, missing, number, pair, recall, record,
};
use super::{advise, at_most, identifier, includes_tags, required};
use crate::context::Ecs;
use crate::exception;
use crate::touched;

/// Clusters of one installation (ECS service quotas).
const MAX_CLUSTERS: usize = 10_000;
/// Settings of one cluster that are kept; ECS knows one name.
const MAX_SETTINGS: usize = 1;

/// What DescribeClusters adds on demand.
#[derive(Debug, Clone, Copy, Default)]
struct Include {
    settings: bool,
    statistics: bool,
    tags: bool,
}

impl Include {
    fn read(given: &[String]) -> Result<Self, ApiError> {
        let allowed = [
            "ATTACHMENTS",
            "CONFIGURATIONS",
            "SETTINGS",
            "STATISTICS",
            "TAGS",
        ];
        let tags = includes_tags(given, &allowed)?;
        let has = |word: &str| given.iter().any(|value| value == word);
        Ok(Self {
            settings: has("SETTINGS"),
            statistics: has("STATISTICS"),
            tags,
        })
    }
}

/// A cluster on the wire, counts taken from the view.
fn show(
    realm: &Realm,
    view: &View,
    cluster: &Cluster,
    include: Include,
) -> Result<ecs::Cluster, ApiError> {
    let kept: ecs::CreateClusterRequest = recall(&cluster.recorded)?;
    let tasks = TaskCounts::of(view.cluster_tasks(&cluster.name).map(|task| &**task));
    let instances = view
        .cluster_instances(&cluster.name)
        .filter(|instance| is_registered(instance));
    let services = |status| {
        view.cluster_services(&cluster.name)
            .filter(|service| service.status == status)
            .count()
    };
    let active_services = services(ServiceStatus::Active);
    let statistics = || {
        vec![
            pair("runningEC2TasksCount", tasks.running),
            pair("runningFargateTasksCount", 0),
            pair("pendingEC2TasksCount", tasks.pending),
            pair("pendingFargateTasksCount", 0),
            pair("activeEC2ServiceCount", active_services),
            pair("activeFargateServiceCount", 0),
            pair("drainingEC2ServiceCount", services(ServiceStatus::Draining)),
            pair("drainingFargateServiceCount", 0),
        ]
    };
    Ok(ecs::Cluster {
        cluster_arn: Some(realm.cluster(&cluster.name)),
        cluster_name: Some(cluster.name.to_string()),
        status: Some(cluster.status.as_str().to_owned()),
        registered_container_instances_count: Some(number(instances.count())),
        running_tasks_count: Some(tasks.running),
        pending_tasks_count: Some(tasks.pending),
        active_services_count: Some(number(active_services)),
        statistics: if include.statistics {
            statistics()
        } else {
            Vec::new()
        },
        tags: wire::show_tags_if(include.tags, &cluster.tags),
        settings: if include.settings {
            kept.settings
        } else {
            Vec::new()
        },
        ..ecs::Cluster::default()
    })
}

fn is_registered(instance: &Instance) -> bool {
    instance.status != InstanceStatus::Inactive
}

fn check_settings(settings: &[ecs::ClusterSetting]) -> Result<(), ApiError> {
    at_most("settings", settings.len(), MAX_SETTINGS)?;
    for setting in settings {
        let name = setting.name.as_deref().unwrap_or_default();
        super::word("settings[].name", name, &["containerInsights"])?;
        let value = setting.value.as_deref().unwrap_or_default();
        super::word(
            "settings[].value",
            value,
            &["enabled", "disabled", "enhanced"],
        )?;
    }
    Ok(())
}

/// Makes a cluster, or returns the one of that name unchanged.
pub struct CreateCluster;

impl Operation for CreateCluster {
    const NAME: &'static str = "CreateCluster";
    type Context = Ecs;
    type Input = ecs::CreateClusterRequest;
    type Output = ecs::CreateClusterResponse;

    fn resources(ecs: &Ecs, _: &View, input: &Self::Input) -> Vec<Touched> {
        touched::named_cluster(ecs, input)
    }

    async fn run(ecs: &Ecs, _: &Caller, mut input: Self::Input) -> Result<Self::Output, ApiError> {
        let name: ClusterName = match input.cluster_name.take() {
            None => ClusterName::default_cluster(),
            Some(text) => text.parse()?,
        };
        let mut tags = longshore_model::tag::Tags::new();
        merge_tags(&mut tags, std::mem::take(&mut input.tags))?;
        check_settings(&input.settings)?;
        let new = Cluster {
            name,
            status: ClusterStatus::Active,
            created_at: ecs.ctx().now,
            tags,
            recorded: record(&input)?,
        };
        let include = Include {
            settings: true,
            statistics: false,
            tags: true,
        };
        let cluster = ecs
            .transact(|view| {
                let mut txn = Txn::new();
                match view.clusters.get(&new.name) {
                    Some(existing) if existing.status == ClusterStatus::Active => {
                        return Ok((txn, show(&ecs.realm, view, existing, include)?));
                    }
                    Some(inactive) => txn.replace(inactive, &new),
                    None if view.clusters.len() >= MAX_CLUSTERS => {
                        return Err(exception::client(format!(
                            "The quota of {MAX_CLUSTERS} clusters is reached. Use one that exists; see ListClusters."
                        )));
                    }
                    None => txn.create(&new),
                }
                Ok((txn, show(&ecs.realm, view, &new, include)?))
            })
            .await?;
        Ok(ecs::CreateClusterResponse {
            cluster: Some(cluster),
        })
    }
}

/// Shows clusters; INACTIVE ones too.
pub struct DescribeClusters;

impl Operation for DescribeClusters {
    const NAME: &'static str = "DescribeClusters";
    type Context = Ecs;
    type Input = ecs::DescribeClustersRequest;
    type Output = ecs::DescribeClustersResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::clusters(ecs, view, &input.clusters)
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let include = Include::read(&input.include)?;
        let mut names = Vec::new();
        if input.clusters.is_empty() {
            names.push(ClusterName::default_cluster());
        }
        for text in &input.clusters {
            names.push(identifier::cluster(&ecs.realm, Some(text))?);
        }
        let view = ecs.db.view();
        let mut output = ecs::DescribeClustersResponse::default();
        for name in names {
            match view.clusters.get(&name) {
                Some(cluster) => {
                    output
                        .clusters
                        .push(show(&ecs.realm, &view, cluster, include)?);
                }
                None => output.failures.push(missing(ecs.realm.cluster(&name))),
            }
        }
        Ok(output)
    }
}

/// Lists ACTIVE clusters, oldest first.
pub struct ListClusters;

impl Operation for ListClusters {
    const NAME: &'static str = "ListClusters";
    type Context = Ecs;
    type Input = ecs::ListClustersRequest;
    type Output = ecs::ListClustersResponse;

    fn resources(_: &Ecs, _: &View, _: &Self::Input) -> Vec<Touched> {
        vec![Touched::any()]
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let page = PageRequest::new(
            Self::NAME,
            input.next_token.as_deref(),
            input.max_results,
            MAX_RESULTS,
            MAX_RESULTS,
        )?;
        let mut found: Vec<(String, String)> = ecs
            .db
            .view()
            .clusters
            .values()
            .filter(|cluster| cluster.status == ClusterStatus::Active)
            .map(|cluster| {
                (
                    creation_key(cluster.created_at, &cluster.name),
                    ecs.realm.cluster(&cluster.name),
                )
            })
            .collect();
        found.sort();
        let page = page.cut(found, |(key, _)| key.clone());
        Ok(ecs::ListClustersResponse {
            cluster_arns: page.items.into_iter().map(|(_, arn)| arn).collect(),
            next_token: page.next_token,
        })
    }
}

/// Makes an empty cluster INACTIVE.
pub struct DeleteCluster;

impl Operation for DeleteCluster {
    const NAME: &'static str = "DeleteCluster";
    type Context = Ecs;
    type Input = ecs::DeleteClusterRequest;
    type Output = ecs::DeleteClusterResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::cluster(ecs, view, input.cluster.as_deref())
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let text = required("cluster", input.cluster)?;
        let name = identifier::cluster(&ecs.realm, Some(&text))?;
        let cluster = ecs
            .transact(|view| {
                let cluster = identifier::active_cluster(view, &name)?;
                check_empty(view, &name)?;
                let deleted = Cluster {
                    status: ClusterStatus::Inactive,
                    ..Cluster::clone(cluster)
                };
                // Nothing may be put into the cluster while this is decided. What creates a task
                // or a service guards the cluster record; registration is seen by these.
                let inside = format!("{name}/");
                let mut txn = Txn::new();
                txn.replace(cluster, &deleted);
                txn.guard_none_newer::<Instance>(&inside, view.revision);
                txn.guard_none_newer::<Service>(&inside, view.revision);
                txn.guard_none_newer::<Task>(&inside, view.revision);
                Ok((txn, show(&ecs.realm, view, &deleted, Include::default())?))
            })
            .await?;
        Ok(ecs::DeleteClusterResponse {
            cluster: Some(cluster),
        })
    }
}

/// Refuses a cluster that still holds something.
fn check_empty(view: &View, name: &ClusterName) -> Result<(), ApiError> {
    if view
        .cluster_instances(name)
        .any(|instance| is_registered(instance))
    {
        return Err(advise(
            exception::cluster_contains_container_instances(),
            "Deregister them first; see ListContainerInstances.",
        ));
    }
    if view
        .cluster_services(name)
        .any(|service| service.status != ServiceStatus::Inactive)
    {
        return Err(advise(
            exception::cluster_contains_services(),
            "Delete them with DeleteService and wait until they are INACTIVE.",
        ));
    }
    if view.cluster_tasks(name).any(|task| task.is_live()) {
        return Err(advise(
            exception::cluster_contains_tasks(),
            "Stop them with StopTask and wait until they are STOPPED.",
        ));
    }
    Ok(())
}
