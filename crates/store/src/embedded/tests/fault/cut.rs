//! Power cuts at every change of the disk.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::super::luck::Luck;
use super::super::platter::{Change, Changed, Content, Operation};
use super::workload::{Rest, Segment};
use super::{Extent, check, in_parallel};
use crate::contract::Revision;

/// Commits in one life of the store.
const SEGMENT_COMMITS: usize = 100;

#[derive(Debug, Default)]
struct Counts {
    boundaries: AtomicUsize,
    cuts: AtomicUsize,
    opens: AtomicUsize,
}

/// Power is cut before every change that the disk is asked for, and of what was not synced
/// - nothing survives (drop),
/// - everything does (the process was killed),
/// - everything does but for the end of the last write, at each sector (tear),
/// - any part does (reorder).
///
/// The store opens again each time and holds every commit that was acknowledged, and of others
/// only whole ones.
#[test]
fn no_power_cut_loses_what_was_acknowledged() {
    let extent = Extent::of_this_run();
    let segments = extent.pick(3, 100);
    let start = Instant::now();
    let counts = Counts::default();
    in_parallel(
        |out| {
            let mut rest = Rest::empty();
            for number in 0..segments {
                let mut luck = Luck::of(extent.seed, number as u64);
                out((number, rest.run(SEGMENT_COMMITS, &mut luck)));
            }
        },
        |(number, segment)| cut_everywhere(&segment, number, extent, &counts),
    );
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "measured: {} commits cut at {} I/O boundaries: {} cuts, {} opens, {:.1} s, seed {}",
        segments * SEGMENT_COMMITS,
        count(&counts.boundaries),
        count(&counts.cuts),
        count(&counts.opens),
        start.elapsed().as_secs_f64(),
        extent.seed,
    );
    assert!(count(&counts.cuts) > 4 * count(&counts.boundaries) / 2);
}

fn cut_everywhere(segment: &Segment, number: usize, extent: Extent, counts: &Counts) {
    let mut synced = segment.base.clone();
    // What no sync of its file has followed.
    let mut pending: Vec<Operation> = Vec::new();
    let mut acknowledged = segment.acknowledged.iter().peekable();
    let mut floor = 0;
    // Dropping everything leaves the same at each boundary between two syncs.
    let mut dropped: Option<Revision> = None;
    let mut sample = Luck::of(extent.seed, (number as u64) << 32);
    for boundary in 0..=segment.log.len() {
        while let Some((_, revision)) = acknowledged.next_if(|(length, _)| *length <= boundary) {
            floor = *revision;
        }
        if extent.full || sample.one_in(16) {
            let cut = Cut {
                segment,
                number,
                boundary,
                synced: &synced,
                pending: &pending,
                floor,
                extent,
                counts,
            };
            cut.all(&mut dropped);
        }
        let Some(operation) = segment.log.get(boundary) else {
            return;
        };
        if operation.change == Change::Sync {
            for operation in pending.extract_if(.., |before| before.file == operation.file) {
                synced.apply(&operation);
            }
            dropped = None;
        } else {
            pending.push(operation.clone());
        }
    }
}

/// One boundary.
struct Cut<'a> {
    segment: &'a Segment,
    number: usize,
    boundary: usize,
    synced: &'a Content,
    pending: &'a [Operation],
    floor: Revision,
    extent: Extent,
    counts: &'a Counts,
}

impl Cut<'_> {
    fn all(&self, dropped: &mut Option<Revision>) {
        self.counts.boundaries.fetch_add(1, Ordering::Relaxed);
        let found = dropped.get_or_insert_with(|| self.open("drop", self.synced.clone()));
        self.counts.cuts.fetch_add(1, Ordering::Relaxed);
        assert!(*found >= self.floor, "{}", self.place("drop"));
        let Some((last, before)) = self.pending.split_last() else {
            // Nothing is on its way: every cut leaves the same.
            self.counts.cuts.fetch_add(3, Ordering::Relaxed);
            return;
        };
        let mut kept = self.synced.clone();
        for operation in before {
            kept.apply(operation);
        }
        for sectors in 1..last.sectors() {
            let mut torn = kept.clone();
            torn.apply_torn(last, sectors);
            self.cut(&format!("tear after sector {sectors}"), torn);
        }
        kept.apply(last);
        self.cut("keep", kept);
        let mut luck = Luck::of(self.extent.seed, self.boundary as u64 ^ 0xf00d);
        let mut some = self.synced.clone();
        some.apply_some(self.pending, &mut luck);
        self.cut("reorder", some);
    }

    fn cut(&self, how: &str, content: Content) {
        self.counts.cuts.fetch_add(1, Ordering::Relaxed);
        self.open(how, content);
    }

    fn open(&self, how: &str, content: Content) -> Revision {
        self.counts.opens.fetch_add(1, Ordering::Relaxed);
        let place = || self.place(how);
        check(content, &self.segment.states, self.floor, &place)
    }

    fn place(&self, how: &str) -> String {
        format!(
            "seed {}, segment {}, before change {}: {how}",
            self.extent.seed, self.number, self.boundary
        )
    }
}

/// The same seed makes the same changes of the disk, or no failure could be had again.
#[test]
fn a_seed_makes_the_same_changes_again() {
    let record = || {
        let mut rest = Rest::empty();
        let first = rest.run(40, &mut Luck::new(7)).log;
        (first, rest.run(40, &mut Luck::new(8)).log)
    };
    assert!(record() == record());
}
