//! The nouns of Longshore: ECS nouns, typed ids, units, statuses, and what a decision looks like.
//!
//! Read this crate first; it is the glossary. Nothing here knows a clock, randomness, async or
//! I/O: time and ids come in through [`plan::Ctx`].
//!
//! | noun | file | written by |
//! |---|---|---|
//! | cluster | [`cluster`] | the API |
//! | task definition | [`task_definition`] | the API |
//! | service | [`service`] | the API what is wanted, the service controller what came of it |
//! | task | [`task`] | the API and the service controller create and stop, the gateway reports |
//! | container instance | [`instance`] | the gateway registers, the API drains, placement versions |
//! | control plane | [`replica`] | itself; its record goes when it does |
//!
//! Each field of a stored noun has one writer, named in its doc comment.

pub mod arn;
pub mod assignment;
pub mod cluster;
pub mod id;
pub mod instance;
pub mod name;
pub mod placement;
pub mod plan;
pub mod query;
pub mod recorded;
pub mod replica;
pub mod report;
pub mod service;
pub mod tag;
pub mod task;
pub mod task_definition;
mod text;
pub mod time;
pub mod unit;

pub use arn::Realm;
pub use id::{DeploymentId, InstanceId, ReplicaId, TaskId};
pub use name::{ClusterName, Family, ServiceName};
pub use time::Timestamp;
pub use unit::{CpuUnits, Mib, Port};
