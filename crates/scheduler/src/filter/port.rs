//! The fixed host ports of the task are free, per protocol.

use std::collections::BTreeSet;

use longshore_model::Port;
use longshore_model::placement::Rejection;
use longshore_model::unit::Protocol;

use crate::{Node, Request};

pub(super) fn host_ports(node: &Node, request: Request<'_>) -> Result<(), Rejection> {
    let free = |wanted: &BTreeSet<Port>, taken: &BTreeSet<Port>, protocol| match wanted
        .intersection(taken)
        .next()
    {
        Some(&port) => Err(Rejection::Port { port, protocol }),
        None => Ok(()),
    };
    free(
        &request.demand.tcp_ports,
        &node.taken.tcp_ports,
        Protocol::Tcp,
    )?;
    free(
        &request.demand.udp_ports,
        &node.taken.udp_ports,
        Protocol::Udp,
    )
}
