//! One task: given up when its instance is gone, forgotten when it has been STOPPED long enough.

use std::time::Duration;

use longshore_model::instance::{Instance, InstanceStatus};
use longshore_model::plan::{Ctx, Plan};
use longshore_model::task::{StopCode, Task};

use crate::Action;

/// What the decision reads.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The task.
    pub task: &'a Task,
    /// The instance it was placed on, if there still is a record of it.
    pub instance: Option<&'a Instance>,
    /// Whether the service it belongs to still has a record. True for standalone tasks.
    pub owned: bool,
    /// How long a STOPPED task stays visible; ECS keeps it at least an hour.
    pub retention: Duration,
}

/// Decides about one task.
pub fn reconcile(view: View<'_>, ctx: &Ctx) -> Plan<Action> {
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
