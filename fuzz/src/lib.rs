//! What the fuzz targets do with their input.
//!
//! Each target is a plain function over bytes that panics when something does not hold. The
//! libFuzzer programs in `fuzz_targets/` and the tests in `tests/` call the same functions.
//!
//! | module | reads | holds |
//! |---|---|---|
//! | [`request`] | inputs of all operations, AWS JSON and gRPC | what is decoded is encoded and decoded to the same |
//! | [`wire`] | inputs of other services on their own wires | what is decoded is encoded and decoded to the same |
//! | [`sigv4`] | a signed HTTP request | accepted exactly if a second implementation accepts it; no changed byte passes |
//! | [`bearer`] | a bearer token | only minted tokens pass |
//! | [`arn`] | ARNs, names and ids | what is printed is read as the same |
//! | [`task_definition`] | RegisterTaskDefinition | the normal form is one: registering it again changes nothing |
//! | [`image_reference`] | image references | what is valid follows the published grammar |
//! | [`page_token`] | page tokens | only given tokens are taken; they lead to their key |
//! | [`agent_message`] | what agents send | what is taken over round-trips, and no status goes back |
//! | [`control_message`] | what agents are sent | the same, and the agent's core takes it |
//! | [`docker`] | Docker's events, inspections and listings | only what an agent asked for is seen |
//! | [`store_record`] | records of every table | only the record that the key names is taken |
//! | [`store_recovery`] | a damaged data directory | an error, or a store that works and holds only what was written |
//!
//! There is no parser of environment files and none of the cluster query language yet; each gets
//! its module here when there is.

pub mod agent_message;
pub mod arn;
pub mod bearer;
pub mod control_message;
pub mod docker;
pub mod fixture;
pub mod image_reference;
mod input;
mod operation;
pub mod page_token;
pub mod request;
pub mod sigv4;
pub mod store_record;
pub mod store_recovery;
pub mod task_definition;
pub mod wire;

use longshore_model::Realm;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Of its program, its seeds and its regression cases.
    pub name: &'static str,
    /// What it does with one input. Panics when something does not hold.
    pub run: fn(&[u8]),
    /// How many inputs the property test tries where it is not told how long to go on.
    pub cases: u32,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("agent_message", agent_message::run, 500),
    target("arn", arn::run, 500),
    target("aws_json", request::aws_json, 500),
    target("bearer", bearer::run, 200),
    target("control_message", control_message::run, 300),
    target("docker", docker::run, 300),
    target("grpc", request::protobuf, 500),
    target("image_reference", image_reference::run, 500),
    target("page_token", page_token::run, 500),
    target("sigv4", sigv4::run, 200),
    target("store_record", store_record::run, 500),
    target("store_recovery", store_recovery::run, 20),
    target("task_definition", task_definition::run, 300),
    target("wire", wire::run, 500),
];

const fn target(name: &'static str, run: fn(&[u8]), cases: u32) -> Target {
    Target { name, run, cases }
}

/// Where the installation under test says it is; the seeds were recorded for it.
pub fn realm() -> Realm {
    Realm {
        partition: "aws".to_owned(),
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
    }
}

/// Holds that what someone is told is not much larger than what they sent.
fn assert_bounded(message: &str, input: &[u8]) {
    let most = 2 * input.len() + 4096;
    assert!(
        message.len() <= most,
        "{} bytes are answered to {} bytes",
        message.len(),
        input.len()
    );
}
