//! The tasks of a service, sorted by what a decision needs to know of them.

use std::collections::BTreeSet;

use longshore_model::task::{DesiredStatus, Task, TaskStatus};
use longshore_model::{DeploymentId, Timestamp};

use super::ServiceView;

/// The live tasks of a service, each in exactly one list.
#[derive(Debug, Default)]
pub(super) struct Tally<'a> {
    /// Of the primary deployment, RUNNING long enough.
    pub(super) healthy: Vec<&'a Task>,
    /// Of the primary deployment, RUNNING, not long enough yet.
    pub(super) settling: Vec<&'a Task>,
    /// Of the primary deployment, not RUNNING yet.
    pub(super) starting: Vec<&'a Task>,
    /// To be replaced: of older deployments, or on a DRAINING instance; still wanted to run.
    pub(super) replaced: Vec<&'a Task>,
    /// Told to stop, not STOPPED yet.
    pub(super) stopping: Vec<&'a Task>,
    /// All of the above.
    pub(super) total: u32,
    /// Deployments with a task in any list.
    pub(super) deployments_alive: BTreeSet<DeploymentId>,
    /// When the next settling task becomes healthy.
    pub(super) next_healthy_at: Option<Timestamp>,
}

/// How many, as tasks are counted.
pub(super) fn count<T>(tasks: &[T]) -> u32 {
    u32::try_from(tasks.len()).unwrap_or(u32::MAX)
}

/// Whether the task is meant to run.
pub(super) fn wanted(task: &Task) -> bool {
    task.desired_status == DesiredStatus::Running
}

/// Whether the task runs as far as its agent said last.
pub(super) fn running(task: &Task) -> bool {
    task.last_status == TaskStatus::Running
}

impl<'a> Tally<'a> {
    pub(super) fn of(view: &ServiceView<'a>, now: Timestamp) -> Self {
        let primary = view.service.primary().map(|deployment| deployment.id);
        let mut tally = Self::default();
        for &task in view.tasks.iter().filter(|task| task.is_live()) {
            let deployment = task.service.as_ref().map(|service| service.deployment);
            tally.deployments_alive.extend(deployment);
            tally.total += 1;
            let list = if !wanted(task) {
                &mut tally.stopping
            } else if deployment != primary || view.draining.contains(&task.instance) {
                &mut tally.replaced
            } else if !running(task) {
                &mut tally.starting
            } else {
                let healthy_at = task.started_at.unwrap_or(now).after(view.healthy_after);
                if now >= healthy_at {
                    &mut tally.healthy
                } else {
                    let next = tally
                        .next_healthy_at
                        .map_or(healthy_at, |at| at.min(healthy_at));
                    tally.next_healthy_at = Some(next);
                    &mut tally.settling
                }
            };
            list.push(task);
        }
        tally
    }

    /// Tasks of the primary deployment that are to stay, whatever their state.
    pub(super) fn kept(&self) -> u32 {
        count(&self.healthy) + count(&self.settling) + count(&self.starting)
    }
}
