//! Placing a number of equal tasks: the step the service controller and RunTask share.

use std::collections::BTreeSet;

use longshore_model::plan::Ctx;
use longshore_model::task_definition::TaskDefinition;
use longshore_scheduler::{Node, Placement, Request, Strategy};

/// Whom tasks are placed for; it decides the strategy where none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Tasks of a service spread over zones, then instances.
    Service,
    /// Standalone tasks go anywhere.
    Standalone,
}

/// Places `count` tasks of a definition with overrides applied. `nodes` carry, per node, the
/// tasks of the same group; they are left with what the placed tasks take.
pub fn place(
    nodes: &mut [Node],
    definition: &TaskDefinition,
    purpose: Purpose,
    count: u32,
    ctx: &mut Ctx,
) -> Placement {
    let demand = definition.demand();
    let attributes: &BTreeSet<String> = &definition.requires_attributes;
    let request = Request {
        demand: &demand,
        attributes,
    };
    let strategy = match purpose {
        Purpose::Service => Strategy::SpreadZonesThenNodes,
        Purpose::Standalone => Strategy::Random,
    };
    longshore_scheduler::place(nodes, request, strategy, count, ctx)
}
