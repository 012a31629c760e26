//! The numbers that decide how patient the controllers are.

use std::time::Duration;

/// How patient the controllers are. Every value is a flag of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a task without health checks must be RUNNING to count as healthy. ECS waits 40 s
    /// and its users suffer; a program that dies at start mostly does so in the first seconds.
    pub healthy_after: Duration,
    /// How long an agent may be away before its instance counts as lost.
    pub lost_after: Duration,
    /// How long STOPPED tasks stay visible. ECS promises an hour.
    pub stopped_retention: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            healthy_after: Duration::from_secs(5),
            lost_after: Duration::from_secs(60),
            stopped_retention: Duration::from_secs(3600),
        }
    }
}
