//! The numbers that decide how patient the controllers are.

use std::time::Duration;

/// How patient the controllers are; every such value is a flag of the binary. And how much they
/// may commit at once, which depends on the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a task without health checks must be RUNNING to count as healthy. ECS waits 40 s
    /// and its users suffer; a program that dies at start mostly does so in the first seconds.
    pub healthy_after: Duration,
    /// How long an agent may be away before its instance counts as lost.
    pub lost_after: Duration,
    /// How long STOPPED tasks stay visible. ECS promises an hour.
    pub stopped_retention: Duration,
    /// Bytes of the plans that are committed together.
    pub commit_bytes: usize,
}

/// What an etcd takes that was not told otherwise, which is 1.5 MiB, with room to spare.
const SHARED_COMMIT_BYTES: usize = 1024 * 1024;
/// Half of what any commit may have. More would make others wait for the disk for long.
const OWN_COMMIT_BYTES: usize = longshore_store::MAX_COMMIT_BYTES / 2;

/// Bytes of the plans that are committed together, in a store that is shared or our own.
pub const fn commit_bytes(is_shared: bool) -> usize {
    match is_shared {
        true => SHARED_COMMIT_BYTES,
        false => OWN_COMMIT_BYTES,
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            healthy_after: Duration::from_secs(5),
            lost_after: Duration::from_secs(60),
            stopped_retention: Duration::from_secs(3600),
            commit_bytes: commit_bytes(true),
        }
    }
}
