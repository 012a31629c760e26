//! Drives the real binaries against a real Docker daemon, as a user would: nothing here links a
//! crate that decides or stores, but for what the store's conformance suite has for tests.
//!
//! - [`longshore`]: an installation of its own for one test, gone when the test is.
//! - [`wire`]: signed AWS JSON, for calls that an SDK would not let out.
//! - [`driver`]: the four clients that the common scenario runs through.
//! - [`docker`]: the test image, and what Docker says about containers.
//! - [`watcher`]: watches a service all the time a deployment takes.
//! - [`fleet`]: several control planes on a real [`etcd`], for one test; [`process`]: what tests kill,
//!   pause and start again; [`plain`]: unsigned JSON.
//! - [`failover`]: the scenario that loses leaders again and again.
//! - [`control_plane`], [`stub`]: the real control plane by itself, and stub agents for it over the
//!   real protocol, where thousands of instances are wanted.
//! - [`bearer`]: tokens for its gRPC services.
//! - [`eventually`]: the one place that waits.

pub mod bearer;
pub mod binary;
pub mod control_plane;
pub mod docker;
pub mod driver;
pub mod etcd;
pub mod eventually;
pub mod failover;
pub mod fleet;
pub mod longshore;
pub mod plain;
pub mod process;
pub mod scenario;
pub mod stub;
pub mod watcher;
pub mod wire;
