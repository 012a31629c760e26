//! Clients of the public API, all spoken to alike: an operation's name and its input as ECS writes
//! it in JSON go in, its output comes out in the same form.

mod aws_cli;
mod boto3;
mod grpc;
mod rust_sdk;

use serde_json::Value;

pub use aws_cli::AwsCli;
pub use boto3::Boto3;
pub use grpc::Grpc;
pub use rust_sdk::{RustSdk, configuration};

/// What every client brings for waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiter {
    /// All named services have one deployment, with all tasks running.
    ServicesStable,
    /// All named services are INACTIVE.
    ServicesInactive,
    /// All named tasks are STOPPED.
    TasksStopped,
}

/// A client.
// Nobody spawns these futures, so none needs to be Send.
#[allow(async_fn_in_trait)]
pub trait Driver {
    /// Calls an operation.
    ///
    /// Errors: a [`crate::wire::Fault`] if the service answered with one, or the client failed.
    async fn call(&self, operation: &str, input: Value) -> anyhow::Result<Value>;

    /// Waits with the client's own waiter where it has one. `input` is that of the Describe
    /// operation which the waiter repeats.
    ///
    /// Errors: it gives up, or the client failed.
    async fn wait(&self, waiter: Waiter, input: Value) -> anyhow::Result<()>;
}

/// `DescribeServices` to `describe-services` or, with an underscore, `describe_services`.
fn in_lower_case(operation: &str, separator: char) -> String {
    let mut name = String::new();
    for (index, character) in operation.chars().enumerate() {
        if character.is_ascii_uppercase() && index > 0 {
            name.push(separator);
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

impl Waiter {
    /// The name of the waiter in every SDK.
    fn name(self) -> &'static str {
        match self {
            Self::ServicesStable => "ServicesStable",
            Self::ServicesInactive => "ServicesInactive",
            Self::TasksStopped => "TasksStopped",
        }
    }
}
