//! What every handler of ECS works with: the backend, and placement.

use std::ops::Deref;
use std::sync::Arc;

use longshore_door::Backend;
use longshore_model::placement::{PlacementConstraint, PlacementStrategy, Unplaced};
use longshore_model::plan::Ctx;
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{ClusterName, InstanceId};
use longshore_store::View;

/// The ECS API of one installation.
pub struct Ecs {
    /// Its state, the time, a source of ids.
    pub backend: Backend,
    /// Decides where tasks go.
    pub placer: Arc<dyn Placer>,
}

impl Deref for Ecs {
    type Target = Backend;

    fn deref(&self) -> &Backend {
        &self.backend
    }
}

impl AsRef<Backend> for Ecs {
    fn as_ref(&self) -> &Backend {
        &self.backend
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
