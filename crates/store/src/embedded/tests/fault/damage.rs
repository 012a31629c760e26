//! Bits that flip and files that are cut off while the store is closed.

use std::io;
use std::path::Path;
use std::time::Instant;

use super::super::luck::Luck;
use super::super::platter::{Content, SECTOR};
use super::workload::{Rest, Segment};
use super::{Extent, reopen};
use crate::contract::{Entry, Revision};
use crate::embedded::OpenError;
use crate::embedded::probe::{self, Soundness, Source};

impl Source for Content {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.get(usize::try_from(offset).unwrap(), out)
    }
}

/// As a start does it: looks first, and opens only what passes.
fn start(content: Content) -> Result<(Revision, Vec<Entry>), OpenError> {
    probe::examine(content.clone(), Path::new("simulated"))?;
    reopen(content)
}

fn some_lives(seed: u64) -> (Rest, Segment) {
    let mut rest = Rest::empty();
    let mut luck = Luck::of(seed, 99);
    rest.run(60, &mut luck);
    let last = rest.run(60, &mut luck);
    (rest, last)
}

/// A refusal must say that the file is damaged, where it is, and what to do.
fn assert_says_what_to_do(error: &OpenError, place: &str) {
    assert!(
        matches!(error, OpenError::Damaged { .. }),
        "{place}: {error:?}"
    );
    let text = error.to_string();
    for part in ["simulated", "damaged", "restore"] {
        assert!(text.contains(part), "{place}: {text}");
    }
}

/// A file that was closed well: any flipped bit is refused by name, or lies where nothing is.
#[test]
fn a_flipped_bit_is_never_served() {
    let extent = Extent::of_this_run();
    let (rest, _) = some_lives(extent.seed);
    let begin = Instant::now();
    assert_eq!(
        probe::examine(rest.content.clone(), Path::new("simulated")).unwrap(),
        Soundness::Sound
    );
    let mut luck = Luck::of(extent.seed, 1);
    let (mut refused, mut harmless) = (0, 0);
    let header = 0..320 * 8;
    let anywhere: Vec<usize> = (0..extent.pick(150, 50_000))
        .map(|_| luck.below(rest.content.len() * 8))
        .collect();
    let step = extent.pick(29, 1);
    for bit in header.step_by(step).chain(anywhere) {
        let mut damaged = rest.content.clone();
        damaged.flip(bit);
        match start(damaged) {
            Ok((revision, entries)) => {
                let same = revision == rest.revision && rest.state.holds(&entries);
                assert!(
                    same,
                    "bit {bit} made revision {revision} of {}",
                    rest.revision
                );
                harmless += 1;
            }
            Err(error) => {
                assert_says_what_to_do(&error, &format!("bit {bit}"));
                refused += 1;
            }
        }
    }
    println!(
        "measured: {} flipped bits: {refused} refused by name, {harmless} without effect, {:.1} s",
        refused + harmless,
        begin.elapsed().as_secs_f64()
    );
    assert!(refused > 0 && harmless > 0);
}

/// A file that was not closed: a flipped bit in the newest commit looks like a commit that the
/// power cut tore, so that one may be missing. No other is, and nothing else is served.
#[test]
fn a_flipped_bit_after_a_crash_costs_no_more_than_the_newest_commit() {
    let extent = Extent::of_this_run();
    let (_, last) = some_lives(extent.seed);
    let (length, newest) = last.acknowledged[last.acknowledged.len() - 1];
    let mut crashed = last.base.clone();
    for operation in &last.log[..length] {
        crashed.apply(operation);
    }
    assert_eq!(
        probe::examine(crashed.clone(), Path::new("simulated")).unwrap(),
        Soundness::Unclosed
    );
    // Those of the newest group share one transaction of the disk.
    let groups: Vec<Revision> = last
        .acknowledged
        .iter()
        .map(|(_, revision)| *revision)
        .collect();
    let before = groups
        .iter()
        .rev()
        .find(|revision| **revision < newest)
        .unwrap();
    let mut luck = Luck::of(extent.seed, 2);
    for _ in 0..extent.pick(150, 20_000) {
        let bit = luck.below(crashed.len() * 8);
        let mut damaged = crashed.clone();
        damaged.flip(bit);
        match start(damaged) {
            Ok((revision, entries)) => {
                assert!(revision >= *before, "bit {bit}: {revision} of {newest}");
                assert!(last.states[&revision].holds(&entries), "bit {bit}");
            }
            Err(error) => assert_says_what_to_do(&error, &format!("bit {bit}")),
        }
    }
}

/// A file that lost its end.
#[test]
fn a_file_cut_off_is_refused() {
    let extent = Extent::of_this_run();
    let (rest, _) = some_lives(extent.seed);
    let whole = rest.content.len();
    for length in (0..whole).step_by(SECTOR * extent.pick(37, 1)) {
        let mut short = rest.content.clone();
        short.resize(length);
        match start(short) {
            Ok((revision, entries)) => {
                let same = revision == rest.revision && rest.state.holds(&entries);
                assert!(same, "{length} of {whole} bytes");
            }
            Err(error) => assert_says_what_to_do(&error, &format!("{length} of {whole} bytes")),
        }
    }
}
