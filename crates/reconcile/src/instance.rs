//! Lost agents. An agent that is away keeps its tasks running, so being away changes nothing but
//! placement. Away for longer than the cluster waits, its instance counts as lost: its service
//! tasks are given up, and their services replace them. Standalone tasks are never given up for
//! an agent that may come back, since nobody would start them again.

use std::time::Duration;

use longshore_model::instance::{Connection, Instance, InstanceStatus};
use longshore_model::plan::{Ctx, Plan, Reason};
use longshore_model::task::{StopCode, Task};
use longshore_model::{ClusterName, InstanceId};
use longshore_state::{Change, Stored, View};

use crate::Action;
use crate::controller::{Controller, Pace, Scope, Times, Wake};

/// The controller of container instances.
#[derive(Debug)]
pub struct Instances;

impl Controller for Instances {
    type Key = (ClusterName, InstanceId);

    fn all(view: &View) -> impl Iterator<Item = Self::Key> {
        view.instances.keys().cloned()
    }

    fn wakes(change: &Change, _: &View, wake: Wake<'_, Self::Key>) {
        if let Change::Instance {
            cluster,
            id,
            is_other: true,
        } = change
        {
            wake((cluster.clone(), *id), Pace::Now);
        }
    }

    fn cluster((cluster, _): &Self::Key) -> Option<&ClusterName> {
        Some(cluster)
    }

    fn decide(view: &View, key: &Self::Key, scope: &mut Scope<'_, '_>) -> Option<Plan<Action>> {
        let seen = gather(view, key, scope.times)?;
        Some(reconcile(&seen, scope.ctx))
    }
}

/// What the decision reads.
#[derive(Debug, Clone)]
pub struct InstanceView<'a> {
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

/// From the view of everything to that of one decision; `None` if there is no such instance.
pub fn gather<'a>(
    view: &'a View,
    (cluster, id): &(ClusterName, InstanceId),
    times: Times,
) -> Option<InstanceView<'a>> {
    let instance = view.instances.get(&(cluster.clone(), *id))?;
    let registered = || {
        view.cluster_instances(cluster)
            .filter(|i| i.status != InstanceStatus::Inactive)
    };
    let away = |i: &&Stored<Instance>| matches!(i.connection, Connection::Disconnected(_));
    let tasks = view.instance_tasks(cluster, *id).map(|task| &**task);
    Some(InstanceView {
        instance,
        tasks: tasks.filter(|task| task.is_live()).collect(),
        cluster_size: registered().count(),
        cluster_away: registered().filter(away).count(),
        lost_after: times.lost_after,
    })
}

/// Decides about one instance.
pub fn reconcile(view: &InstanceView<'_>, ctx: &Ctx) -> Plan<Action> {
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
    plan.actions.push(Action::put(Instance {
        connection: Connection::Lost(since),
        ..view.instance.clone()
    }));
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
