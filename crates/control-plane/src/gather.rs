//! From the view of everything to the view of one decision.

use std::collections::{BTreeMap, BTreeSet};

use longshore_model::instance::{Connection, InstanceStatus};
use longshore_model::task::{DesiredStatus, Task};
use longshore_model::{ClusterName, InstanceId, ServiceName, TaskId};
use longshore_reconcile::{instance, service, task};
use longshore_scheduler::Node;
use longshore_store::View;

use crate::settings::Settings;

/// The instances of a cluster as placement sees them for tasks of this group.
pub fn nodes(view: &View, cluster: &ClusterName, group: &str) -> Vec<Node> {
    let registered = view
        .cluster_instances(cluster)
        .filter(|i| i.status != InstanceStatus::Inactive);
    registered
        .map(|instance| {
            let of_group = |task: &&longshore_store::Stored<Task>| {
                task.group == group && task.desired_status == DesiredStatus::Running
            };
            let tasks = view
                .instance_tasks(cluster, instance.id)
                .filter(of_group)
                .count();
            Node {
                id: instance.id,
                active: instance.status == InstanceStatus::Active,
                connected: instance.connection.is_connected(),
                registered: instance.registered.clone(),
                taken: view.taken(instance),
                attributes: instance.attributes.clone(),
                zone: instance.zone().to_owned(),
                group_tasks: u32::try_from(tasks).unwrap_or(u32::MAX),
            }
        })
        .collect()
}

/// What the service controller reads; `None` if there is no such service.
pub fn service<'a>(
    view: &'a View,
    cluster: &ClusterName,
    name: &ServiceName,
    settings: Settings,
) -> Option<service::View<'a>> {
    let service = view.services.get(&(cluster.clone(), name.clone()))?;
    let definitions = service
        .deployments
        .iter()
        .filter_map(|deployment| {
            let name = (deployment.family.clone(), deployment.revision);
            let definition = view.task_definitions.get(&name)?;
            Some((name, &**definition))
        })
        .collect::<BTreeMap<_, _>>();
    let draining = view
        .cluster_instances(cluster)
        .filter(|instance| instance.status == InstanceStatus::Draining)
        .map(|instance| instance.id)
        .collect::<BTreeSet<_>>();
    Some(service::View {
        service,
        tasks: view
            .service_tasks(cluster, name)
            .map(|task| &**task)
            .collect(),
        definitions,
        nodes: nodes(view, cluster, &service.group()),
        draining,
        healthy_after: settings.healthy_after,
    })
}

/// What the task controller reads; `None` if there is no such task.
pub fn task<'a>(
    view: &'a View,
    cluster: &ClusterName,
    id: TaskId,
    settings: Settings,
) -> Option<task::View<'a>> {
    let task = view.tasks.get(&(cluster.clone(), id))?;
    let owned = task.service.as_ref().is_none_or(|service| {
        view.services
            .contains_key(&(cluster.clone(), service.name.clone()))
    });
    Some(task::View {
        task,
        instance: view
            .instances
            .get(&(cluster.clone(), task.instance))
            .map(|i| &**i),
        owned,
        retention: settings.stopped_retention,
    })
}

/// What the instance controller reads; `None` if there is no such instance.
pub fn instance<'a>(
    view: &'a View,
    cluster: &ClusterName,
    id: InstanceId,
    settings: Settings,
) -> Option<instance::View<'a>> {
    let instance = view.instances.get(&(cluster.clone(), id))?;
    let registered = || {
        view.cluster_instances(cluster)
            .filter(|i| i.status != InstanceStatus::Inactive)
    };
    let away = |i: &&longshore_store::Stored<longshore_model::instance::Instance>| {
        matches!(i.connection, Connection::Disconnected(_))
    };
    Some(instance::View {
        instance,
        tasks: view
            .instance_tasks(cluster, id)
            .map(|t| &**t)
            .filter(|t| t.is_live())
            .collect(),
        cluster_size: registered().count(),
        cluster_away: registered().filter(away).count(),
        lost_after: settings.lost_after,
    })
}
