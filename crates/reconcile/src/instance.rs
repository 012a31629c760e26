//! Lost agents. An agent that is away keeps its tasks running, so being away changes nothing but
//! placement. Away for longer than the cluster waits, its instance counts as lost: its service
//! tasks are given up, and their services replace them. Standalone tasks are never given up for
//! an agent that may come back, since nobody would start them again.

use std::time::Duration;

use longshore_model::instance::{Connection, Instance};
use longshore_model::plan::{Ctx, Plan, Reason};
use longshore_model::task::{StopCode, Task};

use crate::Action;

/// What the decision reads.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// The instance.
    pub instance: &'a Instance,
    /// Tasks on it that are not STOPPED.
    pub tasks: Vec<&'a Task>,
    /// Registered instances of the cluster.
    pub cluster_size: usize,
    /// Those of them whose agent is away and that are not lost yet.
    pub cluster_away: usize,
    /// How long an agent may be away.
    pub lost_after: Duration,
}

/// Decides about one instance.
pub fn reconcile(view: &View<'_>, ctx: &Ctx) -> Plan<Action> {
    let mut plan = Plan::default();
    let Connection::Disconnected(since) = view.instance.connection else {
        return plan;
    };
    let due = since.after(view.lost_after);
    if ctx.now < due {
        plan.wake(due);
        plan.reasons.push(Reason::AgentAway { until: due });
        return plan;
    }
    // When most agents go away at once the fault is on our side of the network, and starting
    // everything a second time would only make it worse.
    if view.cluster_away * 2 > view.cluster_size {
        plan.reasons.push(Reason::MassDisconnect {
            away: view.cluster_away,
            all: view.cluster_size,
        });
        return plan;
    }
    plan.actions.push(Action::LoseInstance);
    for task in view
        .tasks
        .iter()
        .filter(|task| task.service.is_some() && task.is_live())
    {
        plan.actions.push(Action::GiveUpTask {
            task: task.id,
            code: StopCode::TerminationNotice,
            reason: format!(
                "The agent of container instance {} has been away for {} s; the task is given up and replaced.",
                view.instance.id,
                ctx.now.since(since).as_secs()
            ),
        });
    }
    plan
}
