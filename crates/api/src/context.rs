//! What every handler works with: the state, the time, a source of ids, and placement.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use longshore_model::placement::{PlacementConstraint, PlacementStrategy, Unplaced};
use longshore_model::plan::Ctx;
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{ClusterName, InstanceId, Realm, Timestamp};
use longshore_store::{Db, View};

/// Reads the wall clock. Injected so that tests and simulations choose the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;
/// Gives 128 unpredictable bits. Injected likewise.
pub type Entropy = Arc<dyn Fn() -> u128 + Send + Sync>;

/// The ECS API of one installation.
pub struct Ecs {
    /// The fixed part of its ARNs.
    pub realm: Realm,
    /// Its state.
    pub db: Arc<Db>,
    /// Decides where tasks go.
    pub placer: Arc<dyn Placer>,
    /// The time.
    pub clock: Clock,
    /// Where ids come from.
    pub entropy: Entropy,
}

impl Ecs {
    /// The context of one decision, made now. A handler makes one per call, outside the closure
    /// that may run again after a conflict, and clones it there.
    pub fn ctx(&self) -> Ctx {
        let since_epoch = (self.clock)()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Ctx::new(Timestamp::from_millis(millis), (self.entropy)())
    }
}

/// Equal tasks to be placed at once.
pub struct PlacementRequest<'a> {
    /// Where to.
    pub cluster: &'a ClusterName,
    /// What they run, overrides applied.
    pub definition: &'a TaskDefinition,
    /// How many.
    pub count: u32,
    /// Their group. `spread` counts the tasks of this group, `distinctInstance` keeps them apart.
    pub group: &'a str,
    /// Every constraint that binds, checked: those of the definition first, then those of the
    /// request. The placer need not look at the definition's again. Empty for StartTask, which
    /// nothing but resources, attributes and the agent can turn down.
    pub constraints: &'a [PlacementConstraint],
    /// The chain of strategies, checked, in the order of the request. Empty: what ECS does where a
    /// request names none, which for standalone tasks is chance.
    pub strategy: &'a [PlacementStrategy],
    /// Look at this instance only (StartTask).
    pub only: Option<InstanceId>,
}

/// Where equal tasks go.
#[derive(Debug, Default)]
pub struct PlacementAnswer {
    /// One instance per task placed; fewer than asked for where they do not fit.
    pub placed: Vec<InstanceId>,
    /// Why the rest goes nowhere.
    pub unplaced: Option<Unplaced>,
}

/// Placement as the handlers see it; the control plane provides it from the scheduler.
pub trait Placer: Send + Sync {
    /// Decides from the view alone; writes nothing. The caller commits the tasks together with
    /// every instance it placed on, `version` increased, so that no two placements made at once
    /// can both stand.
    fn place(&self, view: &View, request: &PlacementRequest<'_>, ctx: &mut Ctx) -> PlacementAnswer;
}
