//! What placement and the gateway have done since the process began, and how long it took. Read over
//! `longshore.placement.v1.Placement/ReadStatistics`; nothing is decided from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A count or an amount of time that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The count; of a time, in nanoseconds.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Does something and adds the time that it took, in nanoseconds.
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.took(begun.elapsed());
        done
    }

    /// Adds a time, in nanoseconds.
    pub fn took(&self, time: Duration) {
        self.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// All counters. Times are in nanoseconds.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Decisions about services.
    pub decisions: Counter,
    /// Transactions these were committed in.
    pub commits: Counter,
    /// Of these, refused since something had changed meanwhile.
    pub conflicts: Counter,
    /// Tasks placed by controllers.
    pub placed: Counter,
    /// Times a waiting service was woken since something might make room.
    pub wakes: Counter,
    /// Times an index was made anew.
    pub index_rebuilds: Counter,
    /// Changes that an index took over instead.
    pub index_changes: Counter,
    /// Deciding, the index included.
    pub decide: Counter,
    /// Bringing the index up to date.
    pub index: Counter,
    /// Writing decisions down as records.
    pub encode: Counter,
    /// Commits, from the store's queue to the view.
    pub commit: Counter,
    /// Making out what agents are told of their tasks.
    pub dispatch: Counter,
    /// Taking over what agents report of their tasks.
    pub report: Counter,
    /// Services that wait for room; set, not added to.
    pub waiting: AtomicU64,
    /// When the newest of the placed tasks had been committed, in milliseconds since 1970; set
    /// before they are counted.
    pub placed_at: AtomicU64,
}
