//! Drives the real binaries against a real Docker daemon, as a user would: nothing here links a
//! crate that decides or stores.
//!
//! - [`longshore`]: an installation of its own for one test, gone when the test is.
//! - [`wire`]: signed AWS JSON, for calls that an SDK would not let out.
//! - [`driver`]: the four clients that the common scenario runs through.
//! - [`docker`]: the test image, and what Docker says about containers.
//! - [`watcher`]: watches a service all the time a deployment takes.
//! - [`control_plane`], [`stub`]: the real control plane by itself, and stub agents for it over the
//!   real protocol, where thousands of instances are wanted.
//! - [`bearer`]: tokens for its gRPC services.
//! - [`eventually`]: the one place that waits.

pub mod bearer;
pub mod binary;
pub mod control_plane;
pub mod docker;
pub mod driver;
pub mod eventually;
pub mod longshore;
pub mod scenario;
pub mod stub;
pub mod watcher;
pub mod wire;
