//! Rust generated from /proto: the public gRPC API and the agent protocol.
//!
//! The messages of [`ecs`] serve two wires. As protobuf they are prost messages; as AWS JSON 1.1
//! they go through serde, with the member names of the ECS service model. The rules of the JSON
//! wire:
//!
//! - an absent member stays absent, and a member that is null reads as absent;
//! - an empty list or map is left out, except where ECS always shows it as `[]`;
//! - a list message (`LoadBalancerList`) is a bare array, so that absent and `[]` differ;
//! - unknown members are ignored, and of a member that comes twice the last one counts;
//! - a value of another type than the member's is an error, never converted;
//! - times are epoch seconds with milliseconds as the fraction.
//!
//! /proto/README.md tells how the schema is made and regenerated.

mod json;
mod timestamp;
mod value;

pub use timestamp::Timestamp;
pub use value::{Kind, ListValue, Struct, Value};

/// The public API, package `longshore.ecs.v1`: messages for both wires and the gRPC client.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod ecs {
    use serde::ser::SerializeMap as _;

    tonic::include_proto!("longshore.ecs.v1");
    include!(concat!(env!("OUT_DIR"), "/longshore.ecs.v1.json.rs"));
}

/// The agent protocol, package `longshore.agent.v1`: messages, clients and servers.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod agent {
    tonic::include_proto!("longshore.agent.v1");
}

/// What ECS has no operation for, package `longshore.node.v1`: messages, clients and servers.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod node {
    tonic::include_proto!("longshore.node.v1");
}

/// What control planes ask of each other, package `longshore.peer.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod peer {
    tonic::include_proto!("longshore.peer.v1");
}

/// Why tasks are where they are, package `longshore.placement.v1`: messages, clients and servers.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod placement {
    tonic::include_proto!("longshore.placement.v1");
}

/// The encoded `google.protobuf.FileDescriptorSet` of every file under /proto and of all they
/// import, custom options included: what gRPC reflection serves.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/longshore.fds"));

/// An operation of the public API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationInfo {
    /// Name, as in the `X-Amz-Target` header after the dot and as the gRPC method.
    pub name: &'static str,
    /// Name of the request message in [`ecs`].
    pub input: &'static str,
    /// Name of the response message in [`ecs`].
    pub output: &'static str,
    /// Names of the exceptions the service model declares for it, sorted.
    pub errors: &'static [&'static str],
}

include!(concat!(env!("OUT_DIR"), "/operations.rs"));

impl OperationInfo {
    /// The operation with this name; names are case-sensitive.
    pub fn find(name: &str) -> Option<&'static Self> {
        let index = OPERATIONS
            .binary_search_by(|operation| operation.name.cmp(name))
            .ok()?;
        OPERATIONS.get(index)
    }
}
