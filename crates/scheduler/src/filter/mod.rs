//! What a node must have to take a task at all, in the order ECS checks it.

mod agent;
mod attribute;
mod capacity;
mod port;

use longshore_model::placement::Rejection;

use crate::{Node, Request};

/// One reason a node may not take a task.
type Filter = fn(&Node, Request<'_>) -> Result<(), Rejection>;

/// Every filter, in order. The first to fail gives the reason.
const FILTERS: [Filter; 6] = [
    agent::status,
    agent::connected,
    attribute::required,
    capacity::cpu,
    capacity::memory,
    port::host_ports,
];

/// Whether the node can take one task.
///
/// # Errors
/// The reason of the first filter that fails.
pub fn check(node: &Node, request: Request<'_>) -> Result<(), Rejection> {
    FILTERS.iter().try_for_each(|filter| filter(node, request))
}
