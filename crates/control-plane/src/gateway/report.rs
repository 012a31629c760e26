//! Taking over what an agent reports.

use std::collections::BTreeMap;

use longshore_model::instance::Incarnation;
use longshore_model::report::TaskReport;
use longshore_model::task::Task;
use longshore_model::{ClusterName, InstanceId, TaskId, Timestamp};
use longshore_store::{Stored, Txn, View};

use super::registration;

/// Whose reports they are: one session of an agent.
#[derive(Debug, Clone)]
pub struct Reporter {
    /// The cluster of its instance.
    pub cluster: ClusterName,
    /// The instance.
    pub instance: InstanceId,
    /// The life of the agent.
    pub incarnation: Incarnation,
    /// When the session registered.
    pub since: Timestamp,
}

/// The transaction that takes over what a session reports, as [`apply`] makes it, and those reports
/// that it leaves out, see [`unreadable`]. `None` once another session of the instance has
/// registered, or it counts as gone: nothing is acknowledged then, so the agent says it again.
pub fn take_over(
    view: &View,
    reporter: &Reporter,
    reports: &[TaskReport],
    now: Timestamp,
) -> Option<(Txn, Vec<TaskReport>)> {
    let node = (&reporter.cluster, reporter.instance);
    if !registration::stands(view, node.0, node.1, reporter.since) {
        return None;
    }
    let txn = apply(view, node, &reporter.incarnation, reports, now);
    Some((txn, unreadable(view, node.0, reports)))
}

/// The transaction that takes over these reports, in order. Reports on tasks that were never
/// placed on this instance, that are over, or that are older than what is known change nothing;
/// nor does anything that was said by an earlier life of the agent than the one registered. Those
/// on tasks whose record is damaged are left out, see [`unreadable`].
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
        let Some(read) = view.tasks.get(cluster, report.task) else {
            continue;
        };
        // What was read before the damage is not what is stored: writing in its place would fail,
        // and all that is reported beside it.
        if is_damaged(view, cluster, report.task) {
            continue;
        }
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
    let damaged = reports
        .iter()
        .filter(|report| is_damaged(view, cluster, report.task));
    let newest: BTreeMap<_, _> = damaged.map(|report| (report.task, report)).collect();
    newest.into_values().cloned().collect()
}

fn is_damaged(view: &View, cluster: &ClusterName, task: TaskId) -> bool {
    view.is_set_aside::<Task>(format_args!("{cluster}/{task}"))
}

#[cfg(test)]
mod tests {
    use longshore_model::instance::Connection;
    use longshore_model::task::TaskStatus;

    use super::*;
    use crate::testing::{damage, instance, put, service_task};

    #[test]
    fn what_a_session_says_that_another_has_replaced_is_not_taken_over() {
        let mut view = View::default();
        let task = service_task();
        let since = Timestamp::from_millis(5);
        let registered = instance(task.instance, Connection::Connected(since));
        put(&mut view, &task);
        put(&mut view, &registered);
        let reports = [TaskReport::new(task.id, TaskStatus::Running)];
        let taken = |since| {
            let reporter = Reporter {
                cluster: task.cluster.clone(),
                instance: task.instance,
                incarnation: registered.incarnation.clone(),
                since,
            };
            let taken = take_over(&view, &reporter, &reports, Timestamp::default());
            taken.map(|(txn, _)| txn.len())
        };
        assert_eq!(taken(since), Some(1));
        assert_eq!(taken(Timestamp::from_millis(4)), None);
    }

    #[test]
    fn a_damaged_record_holds_up_no_report_on_others() {
        let mut view = View::default();
        let damaged = service_task();
        let sound = Task {
            id: TaskId::new(2),
            ..damaged.clone()
        };
        put(&mut view, &damaged);
        put(&mut view, &sound);
        let reports = [&damaged, &sound].map(|task| TaskReport::new(task.id, TaskStatus::Running));
        let node = (&sound.cluster, sound.instance);
        let agent = Incarnation {
            boot_id: "boot".to_owned(),
            agent_started_at: Timestamp::default(),
        };
        let written = |view: &View| apply(view, node, &agent, &reports, Timestamp::default()).len();
        assert_eq!(written(&view), 2);
        assert!(unreadable(&view, node.0, &reports).is_empty());
        damage(&mut view, &damaged);
        assert_eq!(written(&view), 1);
        assert_eq!(unreadable(&view, node.0, &reports), reports[..1]);
    }
}
