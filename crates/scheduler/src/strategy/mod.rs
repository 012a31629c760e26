//! Which of the nodes that can take a task should.

mod random;
mod spread;

use std::collections::BTreeMap;

use longshore_model::plan::Ctx;

use crate::Node;

/// How to choose. What ECS does where a request names no strategy (developer guide, "task
/// placement strategies"); the strategies a request can name join this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Service tasks: fewest tasks of the group in the zone, then on the node, then by chance.
    SpreadZonesThenNodes,
    /// Standalone tasks: by chance.
    Random,
}

impl Strategy {
    /// The chosen candidate; `None` if there is none.
    pub fn pick(self, nodes: &[Node], candidates: Vec<usize>, ctx: &mut Ctx) -> Option<usize> {
        let best = match self {
            Self::SpreadZonesThenNodes => {
                let zones = tasks_by_zone(nodes);
                let zoned = spread::fewest(candidates, |i| zones.get(nodes[i].zone.as_str()));
                spread::fewest(zoned, |i| nodes[i].group_tasks)
            }
            Self::Random => candidates,
        };
        random::one(best, ctx)
    }
}

/// Tasks of the group per zone, over all nodes and not only the candidates.
fn tasks_by_zone(nodes: &[Node]) -> BTreeMap<&str, u32> {
    let mut zones = BTreeMap::new();
    for node in nodes {
        *zones.entry(node.zone.as_str()).or_default() += node.group_tasks;
    }
    zones
}
