//! What faults of the disk do to the store: power cuts at every change, errors of every call,
//! damage at rest.
//!
//! Everything follows from one seed, and a failure names it with the place. In a debug build, and
//! unless `LONGSHORE_SWEEP=full` is set, the sweeps visit a sample of the places; the full sweep
//! visits every one. `LONGSHORE_SEED` sets the seed.

mod cut;
mod damage;
mod error;
mod workload;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::{env, thread};

use super::platter::{Content, Platter};
use crate::contract::{Entry, Revision, Store};
use crate::embedded::OpenError;
use workload::State;

/// Segments that wait for a thread to check them.
const WAITING: usize = 2;

/// The salt of a log that is begun only to see that it can be.
const REOPENED: u64 = u64::MAX;

/// How much of a sweep is done, and from which seed.
#[derive(Debug, Clone, Copy)]
struct Extent {
    seed: u64,
    full: bool,
}

impl Extent {
    fn of_this_run() -> Extent {
        Extent {
            seed: env::var("LONGSHORE_SEED").map_or(1, |text| text.parse().unwrap()),
            full: env::var("LONGSHORE_SWEEP").is_ok_and(|text| text == "full"),
        }
    }

    /// One of two numbers.
    fn pick(self, sample: usize, full: usize) -> usize {
        if self.full { full } else { sample }
    }
}

/// What a store holds once it was opened on this content.
fn reopen(content: Content) -> Result<(Revision, Vec<Entry>), OpenError> {
    let store = workload::open(&Platter::holding(content), REOPENED)?;
    let snapshot = super::block_on(store.list("")).map_err(|fault| OpenError::Database {
        directory: Path::new("simulated").to_owned(),
        source: Box::new(redb::Error::Corrupted(fault.to_string())),
    })?;
    Ok((snapshot.revision, snapshot.entries))
}

/// Panics unless a store opened on this content holds the whole state of one revision, and that is
/// at least the last one that was acknowledged. Returns the revision.
fn check(
    content: Content,
    states: &BTreeMap<Revision, State>,
    acknowledged: Revision,
    place: &dyn Fn() -> String,
) -> Revision {
    let (revision, entries) = match reopen(content) {
        Ok(found) => found,
        Err(error) => panic!(
            "{}: {error}: {:?}",
            place(),
            std::error::Error::source(&error)
        ),
    };
    assert!(
        revision >= acknowledged,
        "{}: revision {acknowledged} was acknowledged, and the disk is at {revision}",
        place()
    );
    let state = states.get(&revision);
    assert!(
        state.is_some_and(|state| state.holds(&entries)),
        "{}: the entries are not those of revision {revision}",
        place()
    );
    revision
}

/// Runs `check` on what `make` hands out, on as many threads as there are processors.
fn in_parallel<T: Send>(make: impl FnOnce(&mut dyn FnMut(T)), check: impl Fn(T) + Sync) {
    let (queue, items) = sync_channel::<T>(WAITING);
    let items = Mutex::new(items);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let item = items.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match item {
                        Ok(item) => check(item),
                        Err(_) => return,
                    }
                }
            });
        }
        make(&mut |item| queue.send(item).unwrap());
        drop(queue);
    });
}
