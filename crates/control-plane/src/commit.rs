//! From a plan to one guarded transaction: every record a plan changes is guarded at the revision
//! the view had it, so a plan made from an old view is refused whole.

use std::collections::BTreeMap;

use longshore_model::instance::{Connection, Instance};
use longshore_model::task::Task;
use longshore_model::{ClusterName, InstanceId, TaskId, Timestamp};
use longshore_reconcile::Action;
use longshore_store::{Stored, Txn, View};

use crate::controller::Key;

/// The transaction that carries out `actions`, decided for `key` from this very view. `None` if
/// an action names a record that the view does not have, which a decision cannot do.
pub fn translate(view: &View, key: &Key, actions: &[Action], now: Timestamp) -> Option<Txn> {
    let mut txn = Txn::new();
    let cluster = key.cluster();
    let mut tasks: BTreeMap<TaskId, (&Stored<Task>, Task)> = BTreeMap::new();
    let mut placed_on: BTreeMap<InstanceId, u64> = BTreeMap::new();
    for action in actions {
        match action {
            Action::CreateTask(task) => {
                txn.create(&**task);
                *placed_on.entry(task.instance).or_default() += 1;
            }
            Action::StopTask { task, code, reason } => {
                change(&mut tasks, view, cluster, *task)?.stop(*code, reason, now);
            }
            Action::GiveUpTask { task, code, reason } => {
                change(&mut tasks, view, cluster, *task)?.lose(*code, reason, now);
            }
            Action::AccountTask(task) => {
                change(&mut tasks, view, cluster, *task)?.accounted = true;
            }
            Action::ReapTask(task) => {
                txn.delete(view.tasks.get(&(cluster.clone(), *task))?);
            }
            Action::UpdateService(service) => {
                let name = (cluster.clone(), service.name.clone());
                txn.replace(view.services.get(&name)?, &**service);
            }
            Action::LoseInstance => {
                let Key::Instance(cluster, id) = key else {
                    return None;
                };
                let read = view.instances.get(&(cluster.clone(), *id))?;
                let mut instance = Instance::clone(read);
                if let Connection::Disconnected(since) = instance.connection {
                    instance.connection = Connection::Lost(since);
                }
                txn.replace(read, &instance);
            }
        }
    }
    for (read, task) in tasks.into_values() {
        txn.replace(read, &task);
    }
    for (id, count) in placed_on {
        let read = view.instances.get(&(cluster.clone(), id))?;
        let mut instance = Instance::clone(read);
        instance.version += count;
        txn.replace(read, &instance);
    }
    Some(txn)
}

/// The copy of a task that this transaction changes, made on first use.
fn change<'a, 'v>(
    tasks: &'a mut BTreeMap<TaskId, (&'v Stored<Task>, Task)>,
    view: &'v View,
    cluster: &ClusterName,
    id: TaskId,
) -> Option<&'a mut Task> {
    let read = view.tasks.get(&(cluster.clone(), id))?;
    let (_, task) = tasks.entry(id).or_insert_with(|| (read, Task::clone(read)));
    Some(task)
}
