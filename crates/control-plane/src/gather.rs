//! From the view of everything to the view of one decision.

use std::collections::{BTreeMap, BTreeSet};

use longshore_model::instance::{Connection, Instance, InstanceStatus};
use longshore_model::service::{Service, ServiceStatus};
use longshore_model::{ClusterName, InstanceId, ServiceName, TaskId};
use longshore_reconcile::{instance, service, task};
use longshore_store::View;

use crate::settings::Settings;

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
        draining,
        healthy_after: settings.healthy_after,
        most_changes: settings.room.changes,
    })
}

/// What the task controller reads; `None` if there is no such task, or if the record of its
/// instance is damaged: a record that cannot be read must never end a task.
pub fn task<'a>(
    view: &'a View,
    cluster: &ClusterName,
    id: TaskId,
    settings: Settings,
) -> Option<task::View<'a>> {
    let task = view.tasks.get(cluster, id)?;
    let instance = view.instances.get(&(cluster.clone(), task.instance));
    if instance.is_none()
        && view.is_set_aside::<Instance>(format_args!("{cluster}/{}", task.instance))
    {
        return None;
    }
    let owned = task.service.as_ref().is_none_or(|owner| {
        match view.services.get(&(cluster.clone(), owner.name.clone())) {
            Some(service) => service.status != ServiceStatus::Inactive,
            None => view.is_set_aside::<Service>(format_args!("{cluster}/{}", owner.name)),
        }
    });
    Some(task::View {
        task,
        instance: instance.map(|i| &**i),
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
    let away = |i: &&longshore_store::Stored<Instance>| {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use longshore_store::table::{self, Record};
    use longshore_store::{Entry, Event, Key};

    use super::*;
    use crate::testing::service_task;

    fn put(view: &mut View, key: Key, value: Bytes) {
        let entry = Entry {
            key,
            value,
            revision: 1,
        };
        view.apply(&Event::Put(entry), 1);
    }

    #[test]
    fn a_record_that_cannot_be_read_ends_no_task() {
        let mut view = View::default();
        let task = service_task();
        put(&mut view, task.key(), table::encode(&task).unwrap());
        let cluster = ClusterName::default_cluster();
        let seen = |view: &View| {
            let seen = super::task(view, &cluster, task.id, Settings::default());
            seen.map(|seen| (seen.instance.is_some(), seen.owned))
        };
        assert_eq!(seen(&view), Some((false, false)));
        let damaged = Bytes::from_static(b"\x01????{}");
        let service = table::key::<Service>("default/web");
        put(&mut view, service, damaged.clone());
        assert_eq!(seen(&view), Some((false, true)));
        let instance = table::key::<Instance>(&format!("default/{}", task.instance));
        put(&mut view, instance, damaged);
        assert_eq!(seen(&view), None);
    }
}
