//! Enough CPU and memory is left.

use longshore_model::placement::Rejection;

use crate::{Node, Request};

pub(super) fn cpu(node: &Node, request: Request<'_>) -> Result<(), Rejection> {
    let (wanted, left) = (request.demand.cpu, node.left_cpu());
    if wanted <= left {
        Ok(())
    } else {
        Err(Rejection::Cpu { wanted, left })
    }
}

pub(super) fn memory(node: &Node, request: Request<'_>) -> Result<(), Rejection> {
    let (wanted, left) = (request.demand.memory, node.left_memory());
    if wanted <= left {
        Ok(())
    } else {
        Err(Rejection::Memory { wanted, left })
    }
}
