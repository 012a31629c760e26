//! One task: given up when its instance is gone, forgotten when it has been STOPPED long enough.

use std::time::Duration;

use longshore_model::instance::{Instance, InstanceStatus};
use longshore_model::plan::{Ctx, Plan};
use longshore_model::service::{Service, ServiceStatus};
use longshore_model::task::{StopCode, Task};
use longshore_model::{ClusterName, TaskId};
use longshore_state::{Change, View};

use crate::Action;
use crate::controller::{Controller, Pace, Scope, Times, Wake};

/// The controller of tasks.
#[derive(Debug)]
pub struct Tasks;

impl Controller for Tasks {
    type Key = (ClusterName, TaskId);

    fn all(view: &View) -> impl Iterator<Item = Self::Key> {
        let tasks = view.tasks.iter();
        tasks.map(|(cluster, task)| (cluster.clone(), task.id))
    }

    fn wakes(change: &Change, view: &View, wake: Wake<'_, Self::Key>) {
        match change {
            Change::Task { cluster, id, .. }
                if !view.tasks.get(cluster, *id).is_some_and(|t| t.is_live()) =>
            {
                wake((cluster.clone(), *id), Pace::Now);
            }
            Change::Instance {
                cluster,
                id,
                is_other: true,
            } => {
                for task in view.instance_tasks(cluster, *id) {
                    wake((cluster.clone(), task.id), Pace::Now);
                }
            }
            _ => {}
        }
    }

    fn cluster((cluster, _): &Self::Key) -> Option<&ClusterName> {
        Some(cluster)
    }

    fn decide(view: &View, key: &Self::Key, scope: &mut Scope<'_, '_>) -> Option<Plan<Action>> {
        let seen = gather(view, key, scope.times)?;
        Some(reconcile(seen, scope.ctx))
    }
}

/// What the decision reads.
#[derive(Debug, Clone, Copy)]
pub struct TaskView<'a> {
    /// The task.
    pub task: &'a Task,
    /// The instance it was placed on, if there still is a record of it.
    pub instance: Option<&'a Instance>,
    /// Whether the service it belongs to still has a record. True for standalone tasks.
    pub owned: bool,
    /// How long a STOPPED task stays visible; ECS keeps it at least an hour.
    pub retention: Duration,
}

/// From the view of everything to that of one decision; `None` if there is no such task, or if the
/// record of its instance is damaged: a record that cannot be read must never end a task.
pub fn gather<'a>(
    view: &'a View,
    (cluster, id): &(ClusterName, TaskId),
    times: Times,
) -> Option<TaskView<'a>> {
    let task = view.tasks.get(cluster, *id)?;
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
    Some(TaskView {
        task,
        instance: instance.map(|i| &**i),
        owned,
        retention: times.stopped_retention,
    })
}

/// Decides about one task.
pub fn reconcile(view: TaskView<'_>, ctx: &Ctx) -> Plan<Action> {
    let mut plan = Plan::default();
    let task = view.task;
    let gone = view
        .instance
        .is_none_or(|i| i.status == InstanceStatus::Inactive);
    if task.is_live() && gone {
        plan.actions.push(Action::GiveUpTask {
            task: task.id,
            code: StopCode::TerminationNotice,
            reason: format!(
                "Container instance {} is no longer registered.",
                task.instance
            ),
        });
    } else if task.is_live() && !view.owned {
        plan.actions.push(Action::StopTask {
            task: task.id,
            code: StopCode::ServiceSchedulerInitiated,
            reason: "The service of this task no longer exists.".to_owned(),
        });
    } else if let (false, Some(stopped_at)) = (task.is_live(), task.stopped_at) {
        // A stop that its service has not counted yet must not be forgotten.
        let countable = task.service.is_none() || task.accounted || !view.owned;
        let due = stopped_at.after(view.retention);
        if countable && ctx.now >= due {
            plan.actions.push(Action::ReapTask(task.id));
        } else if countable {
            plan.wake(due);
        }
    }
    plan
}
