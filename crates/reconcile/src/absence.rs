//! Agents of a control plane that is gone. An instance's record says through which control plane its
//! agent is connected; where that one has ended without a word its agents have time to move, and are
//! noted as away then.
//!
//! The other way round, a session that is noted as being with a control plane that lives and is not
//! there, only that control plane can know of itself.

use std::collections::BTreeSet;
use std::time::Duration;

use longshore_model::instance::{Connection, Instance};
use longshore_model::plan::{Plan, Reason};
use longshore_model::replica::Replica;
use longshore_model::{ClusterName, ReplicaId};
use longshore_state::{Change, Stored, View};

use crate::Action;
use crate::controller::{Controller, Pace, Scope, Wake};

/// How long after a control plane is gone its agents count as connected. They move by themselves,
/// at once where the connection broke; where it merely fell silent they notice after 15 s.
pub const GRACE: Duration = Duration::from_secs(20);

/// The controller of agents whose control plane is gone.
#[derive(Debug)]
pub struct Absences;

impl Controller for Absences {
    /// The control plane; `None` stands in records of before there were several.
    type Key = Option<ReplicaId>;

    fn all(view: &View) -> impl Iterator<Item = Self::Key> {
        let orphans = view.instances.values().filter(|i| is_orphan(view, i));
        let gone: BTreeSet<Self::Key> = orphans.map(|instance| instance.replica).collect();
        gone.into_iter()
    }

    fn wakes(change: &Change, view: &View, wake: Wake<'_, Self::Key>) {
        match change {
            Change::Replica(id) => wake(Some(*id), Pace::Now),
            Change::Instance {
                cluster,
                id,
                is_other: true,
            } => {
                let instance = view.instances.get(&(cluster.clone(), *id));
                if let Some(orphan) = instance.filter(|i| is_orphan(view, i)) {
                    wake(orphan.replica, Pace::Now);
                }
            }
            _ => {}
        }
    }

    fn cluster(_: &Self::Key) -> Option<&ClusterName> {
        None
    }

    fn decide(view: &View, key: &Self::Key, scope: &mut Scope<'_, '_>) -> Option<Plan<Action>> {
        if !is_gone(view, *key) {
            return None;
        }
        let of_it = |i: &&Stored<Instance>| i.replica == *key && i.connection.is_connected();
        let mut orphans = view.instances.values().filter(of_it).peekable();
        orphans.peek()?;
        let mut plan = Plan {
            waits: true,
            ..Plan::default()
        };
        let left = GRACE.saturating_sub(scope.waited);
        if !left.is_zero() {
            let until = scope.ctx.now.after(left);
            plan.wake(until);
            plan.reasons.push(Reason::ControlPlaneAway { until });
            return Some(plan);
        }
        for orphan in orphans.by_ref().take(scope.most_changes) {
            let mut instance = Instance::clone(orphan);
            instance.connection = Connection::Disconnected(scope.ctx.now);
            plan.actions.push(Action::put(instance));
        }
        if orphans.peek().is_some() {
            plan.wake(scope.ctx.now);
        }
        Some(plan)
    }
}

/// Whether a control plane is not there. A damaged record of it is no proof of its end.
fn is_gone(view: &View, replica: Option<ReplicaId>) -> bool {
    replica.is_none_or(|id| !view.replicas.contains_key(&id) && !view.is_set_aside::<Replica>(id))
}

/// Whether the record says connected and the control plane it names is not there.
fn is_orphan(view: &View, instance: &Stored<Instance>) -> bool {
    instance.connection.is_connected() && is_gone(view, instance.replica)
}
