// Made by scripts/generate-schema from the service model. Do not edit.

//! One module for each service that is served.

pub mod application_autoscaling;
pub mod catalog;
pub mod cloudwatch;
pub mod ec2;
pub mod scheduler;
pub mod sts;
