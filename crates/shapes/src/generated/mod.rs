//! One module for each service that is served.
//!
//! Made by scripts/generate-schema from published service models. Do not edit.

pub mod application_autoscaling;
pub mod catalog;
pub mod cloudwatch;
pub mod ec2;
pub mod ecs;
pub mod scheduler;
pub mod sts;
