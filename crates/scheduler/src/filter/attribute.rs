//! The instance has every attribute the task definition requires.

use longshore_model::placement::Rejection;

use crate::{Node, Request};

pub(super) fn required(node: &Node, request: Request<'_>) -> Result<(), Rejection> {
    match request
        .attributes
        .iter()
        .find(|name| !node.attributes.contains_key(*name))
    {
        Some(missing) => Err(Rejection::Attribute(missing.clone())),
        None => Ok(()),
    }
}
