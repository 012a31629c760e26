//! Errors of every call to the disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::super::luck::Luck;
use super::super::platter::{Changed, ErrorCode, Fault, Platter};
use super::workload::{Rest, State, has_failed, let_settle, open, relieved, settle_all};
use super::{Extent, check, in_parallel};
use crate::contract::{Revision, Store};
use crate::watch::WatchError;
use longshore_state::Key;

/// Commits in one life of the store. Few, since each is lived again for every call it makes.
const SEGMENT_COMMITS: usize = 10;

#[derive(Debug, Default)]
struct Counts {
    errors: AtomicUsize,
    at_open: AtomicUsize,
    at_close: AtomicUsize,
    opens: AtomicUsize,
}

/// Every call to the disk fails once, reads included, and the disk recovers at once. The store
/// serves nothing after it and asks the disk for no further change; opened again, it holds every
/// commit that was acknowledged.
#[test]
fn no_error_of_the_disk_loses_what_was_acknowledged() {
    let extent = Extent::of_this_run();
    let segments = extent.pick(6, 1000);
    let start = Instant::now();
    let counts = Counts::default();
    in_parallel(
        |out| {
            let mut rest = Rest::empty();
            for number in 0..segments {
                let seed = Luck::of(extent.seed, number as u64).next();
                out((rest.clone(), seed));
                rest.run(SEGMENT_COMMITS, &mut Luck::new(seed));
            }
        },
        |(rest, seed)| {
            for error in [ErrorCode::Io, ErrorCode::NoSpace] {
                fail_everywhere(&rest, seed, error, extent, &counts);
            }
        },
    );
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "measured: {} commits, EIO and ENOSPC at every call: {} errors ({} while opening, {} while \
         closing), {} opens, {:.1} s, seed {}",
        segments * SEGMENT_COMMITS,
        count(&counts.errors),
        count(&counts.at_open),
        count(&counts.at_close),
        count(&counts.opens),
        start.elapsed().as_secs_f64(),
        extent.seed,
    );
    for counter in [&counts.errors, &counts.at_open, &counts.at_close] {
        assert!(count(counter) > 0, "{counts:?}");
    }
}

fn fail_everywhere(rest: &Rest, seed: u64, error: ErrorCode, extent: Extent, counts: &Counts) {
    let platter = Platter::holding(rest.content.clone());
    super::super::block_on(live(rest, &platter, seed, &|| {
        "without an error".to_owned()
    }));
    let mut sample = Luck::of(seed, 1);
    for after in 0..platter.calls() {
        if extent.full || sample.one_in(8) {
            fail_once(rest, seed, error, after, counts);
        }
    }
}

/// Lives the segment with an error after so many calls.
fn fail_once(rest: &Rest, seed: u64, error: ErrorCode, after: usize, counts: &Counts) {
    let platter = Platter::holding(rest.content.clone());
    platter.fail(Fault {
        after,
        error,
        for_good: false,
    });
    let place = || format!("segment seed {seed}, {error:?} at call {after}");
    let lived = super::super::block_on(live(rest, &platter, seed, &place));
    assert!(platter.has_failed(), "{}", place());
    counts.errors.fetch_add(1, Ordering::Relaxed);
    match lived.failed {
        When::Opening => counts.at_open.fetch_add(1, Ordering::Relaxed),
        When::Closing => counts.at_close.fetch_add(1, Ordering::Relaxed),
        When::Serving => 0,
    };
    assert_eq!(
        platter.changes_after_fault(),
        0,
        "{}: the disk was asked again",
        place()
    );
    let (cached, synced, pending) = platter.contents();
    let mut some = synced.clone();
    some.apply_some(&pending, &mut Luck::of(seed, after as u64));
    for content in [cached, synced, some] {
        counts.opens.fetch_add(1, Ordering::Relaxed);
        check(content, &lived.states, lived.acknowledged, &place);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Opening,
    Serving,
    Closing,
}

struct Lived {
    acknowledged: Revision,
    states: BTreeMap<Revision, State>,
    failed: When,
}

/// Opens, commits until the store says that it has failed, and closes.
async fn live(rest: &Rest, platter: &Platter, seed: u64, place: &dyn Fn() -> String) -> Lived {
    let mut rest = rest.clone();
    let mut luck = Luck::new(seed);
    let mut lived = Lived {
        acknowledged: rest.revision,
        states: BTreeMap::from([(rest.revision, rest.state.clone())]),
        failed: When::Closing,
    };
    let Ok(store) = open(platter, rest.revision + 1) else {
        lived.failed = When::Opening;
        return lived;
    };
    for _ in 0..SEGMENT_COMMITS {
        let commit = rest.commit(&mut luck);
        let changes = rest.state.is_changed_by(&commit.writes);
        let after = rest.state.after(&commit.writes, rest.revision + 1);
        if changes {
            // It may be on the disk whatever the answer is, unless a guard broke.
            lived.states.insert(rest.revision + 1, after.clone());
        }
        let_settle(&store, platter, &mut luck).await;
        let answer = relieved(store.commit(commit), &store, platter).await;
        if has_failed(&answer) {
            assert!(platter.has_failed(), "{}: {answer:?}", place());
            assert_ended(&store, &rest, place).await;
            lived.failed = When::Serving;
            return lived;
        }
        match answer {
            Ok(revision) if changes => {
                rest.revision = revision;
                rest.state = after;
                lived.acknowledged = revision;
            }
            Ok(_) => {}
            Err(error) => {
                assert!(error.is_conflict(), "{}: {error}", place());
                lived.states.remove(&(rest.revision + 1));
            }
        }
    }
    settle_all(&store, platter).await;
    lived
}

/// Nothing is served any more, though the disk would answer again.
async fn assert_ended(store: &dyn Store, rest: &Rest, place: &dyn Fn() -> String) {
    let commit = rest.commit(&mut Luck::new(0));
    assert!(has_failed(&store.commit(commit).await), "{}", place());
    let key = Key::new("task/00").unwrap();
    assert!(store.get(&key).await.is_err(), "{}", place());
    assert!(store.list("").await.is_err(), "{}", place());
    let watch = store.watch("", rest.revision).await;
    assert!(
        matches!(watch, Err(WatchError::Unavailable(_))),
        "{}",
        place()
    );
}
