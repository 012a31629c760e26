//! The numbers that controllers go by.

use longshore_reconcile::Times;
use longshore_store::{Bounds, Embedded};

/// The times that the controllers go by; every one is a flag of the binary. And how much they may
/// commit at once, which depends on the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The times.
    pub times: Times,
    /// How much of plans is committed together.
    pub room: CommitRoom,
}

/// How much a commit of plans may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitRoom {
    /// Most tasks that one plan starts, most it stops for either of two reasons and most it counts;
    /// with the instances it places on, a plan has five writes for each of these, and one.
    pub changes: usize,
    /// Most writes.
    pub writes: usize,
    /// Most bytes.
    pub bytes: usize,
}

impl CommitRoom {
    /// In an etcd that was not told otherwise, which takes 1.5 MiB, with room to spare.
    pub const SHARED: Self = Self {
        changes: 200,
        writes: Bounds::COMMON.writes,
        bytes: 1024 * 1024,
    };
    /// In a store of our own. Every instance that a commit places on is written once in it, so few
    /// large commits cost less than many small ones.
    pub const OWN: Self = Self {
        changes: 1000,
        writes: Embedded::BOUNDS.writes,
        bytes: longshore_store::MAX_COMMIT_BYTES / 8 * 7,
    };
}

// The largest plan by itself, with the fence of the term, is a commit.
const _: () = {
    assert!(5 * CommitRoom::SHARED.changes + 2 < Bounds::COMMON.writes);
    assert!(5 * CommitRoom::SHARED.changes + 2 < Bounds::COMMON.guards);
    assert!(5 * CommitRoom::OWN.changes + 2 < Embedded::BOUNDS.writes);
    assert!(5 * CommitRoom::OWN.changes + 2 < Embedded::BOUNDS.guards);
};

impl Default for Settings {
    fn default() -> Self {
        Self {
            times: Times::default(),
            room: CommitRoom::SHARED,
        }
    }
}
