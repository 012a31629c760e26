//! Placement for RunTask and StartTask, from the same decision that services use.

use longshore_api::context::{PlacementAnswer, PlacementRequest, Placer};
use longshore_model::plan::Ctx;
use longshore_reconcile::placement::{self, Purpose};
use longshore_store::View;

use crate::gather;

/// Places standalone tasks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SchedulerPlacer;

impl Placer for SchedulerPlacer {
    fn place(&self, view: &View, request: &PlacementRequest<'_>, ctx: &mut Ctx) -> PlacementAnswer {
        let mut nodes = gather::nodes(view, request.cluster, request.group);
        if let Some(only) = request.only {
            nodes.retain(|node| node.id == only);
        }
        let definition = request.definition;
        let placement = placement::place(
            &mut nodes,
            definition,
            Purpose::Standalone,
            request.count,
            ctx,
        );
        PlacementAnswer {
            placed: placement.placed,
            unplaced: placement.unplaced,
        }
    }
}
