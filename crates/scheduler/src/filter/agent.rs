//! The instance takes tasks, and its agent is there to start them.

use longshore_model::placement::Rejection;

use crate::{Node, Request};

pub(super) fn status(node: &Node, _: Request<'_>) -> Result<(), Rejection> {
    if node.active {
        Ok(())
    } else {
        Err(Rejection::NotActive)
    }
}

pub(super) fn connected(node: &Node, _: Request<'_>) -> Result<(), Rejection> {
    if node.connected {
        Ok(())
    } else {
        Err(Rejection::AgentDisconnected)
    }
}
