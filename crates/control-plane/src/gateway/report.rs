//! Taking over what an agent reports.

use std::collections::BTreeMap;

use longshore_model::instance::Incarnation;
use longshore_model::report::TaskReport;
use longshore_model::task::Task;
use longshore_model::{ClusterName, InstanceId, TaskId, Timestamp};
use longshore_store::{Stored, Txn, View};

/// The transaction that takes over these reports, in order. Reports on tasks that were never
/// placed on this instance, that are over, or that are older than what is known change nothing;
/// nor does anything that was said by an earlier life of the agent than the one registered.
pub fn apply(
    view: &View,
    (cluster, instance): (&ClusterName, InstanceId),
    incarnation: &Incarnation,
    reports: &[TaskReport],
    now: Timestamp,
) -> Txn {
    let registered = view.instances.get(&(cluster.clone(), instance));
    if registered.is_some_and(|registered| registered.incarnation != *incarnation) {
        tracing::info!(%instance, "what an earlier life of the agent said is not taken over");
        return Txn::new();
    }
    // With whether anything changed.
    let mut seen: BTreeMap<TaskId, (&Stored<Task>, Task, bool)> = BTreeMap::new();
    for report in reports {
        let Some(read) = view.tasks.get(&(cluster.clone(), report.task)) else {
            continue;
        };
        if read.instance != instance {
            tracing::warn!(%instance, task = %report.task, "an agent reports a task of another");
            continue;
        }
        let (_, task, changed) = seen
            .entry(report.task)
            .or_insert_with(|| (read, Task::clone(read), false));
        *changed |= task.apply_report(report, now);
    }
    let mut txn = Txn::new();
    for (read, task, changed) in seen.into_values() {
        if changed {
            txn.replace_owned(read, task);
        }
    }
    txn
}

/// Of these reports, the newest on each task whose record is damaged. They are to be taken over
/// once it is mended, and must not be acknowledged before: an agent forgets what was.
pub fn unreadable(view: &View, cluster: &ClusterName, reports: &[TaskReport]) -> Vec<TaskReport> {
    if view.quarantined.is_empty() {
        return Vec::new();
    }
    let mut kept = BTreeMap::new();
    for report in reports {
        if view.is_set_aside::<Task>(&format!("{cluster}/{}", report.task)) {
            kept.insert(report.task, report.clone());
        }
    }
    kept.into_values().collect()
}
