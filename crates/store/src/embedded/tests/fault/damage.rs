//! Bits that flip and files that are cut off while the store is closed.

use std::path::Path;
use std::time::Instant;

use super::super::luck::Luck;
use super::super::platter::{BASE, Content, Platter, SECTOR};
use super::workload::{Rest, SEGMENT_BYTES, Segment};
use super::{Extent, reopen};
use crate::contract::{Entry, Revision};
use crate::embedded::probe::{self, Soundness};
use crate::embedded::{OpenError, commits_in_log};

/// As a start does it: looks first, and opens only what passes.
fn start(content: Content) -> Result<(Revision, Vec<Entry>), OpenError> {
    examine(&content)?;
    reopen(content)
}

fn examine(content: &Content) -> Result<Soundness, OpenError> {
    let media = Platter::holding(content.clone()).media();
    let directory = Path::new("simulated");
    let (soundness, meta) = probe::examine(&media.base, directory)?;
    meta.check(directory)?;
    commits_in_log(&media, meta, directory)?;
    Ok(soundness)
}

/// The number of a bit somewhere in one of the files, given as file and bit.
fn somewhere(content: &Content, files: std::ops::Range<usize>, luck: &mut Luck) -> (usize, usize) {
    let file = files.start + luck.below(files.len());
    (file, luck.below(content[file].len() * 8))
}

fn some_lives(seed: u64) -> (Rest, Segment) {
    lives(seed, 60)
}

/// A life of 60 commits and one of so many.
fn lives(seed: u64, commits: usize) -> (Rest, Segment) {
    let mut rest = Rest::empty();
    let mut luck = Luck::of(seed, 99);
    rest.run(60, &mut luck);
    let last = rest.run(commits, &mut luck);
    (rest, last)
}

/// What the files hold when the process is killed after the last answer, and what the disk holds
/// for certain when the power is cut then.
fn killed(last: &Segment) -> (Content, Content) {
    let (length, _) = last.acknowledged[last.acknowledged.len() - 1];
    let platter = Platter::holding(last.base.clone());
    platter.replay(&last.log[..length]);
    let (killed, cut, _) = platter.contents();
    (killed, cut)
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

/// A store that was closed well: any flipped bit is refused by name, or lies where nothing is.
/// Nothing of its log counts.
#[test]
fn a_flipped_bit_is_never_served() {
    let extent = Extent::of_this_run();
    let (rest, _) = some_lives(extent.seed);
    let begin = Instant::now();
    assert_eq!(examine(&rest.content).unwrap(), Soundness::Sound);
    let mut luck = Luck::of(extent.seed, 1);
    let (mut refused, mut harmless) = (0, 0);
    // Some bits of the header, and those that say of each of its two slots which format it has.
    let versions = (64 * 8..65 * 8).chain(192 * 8..193 * 8);
    let header = (0..320 * 8).step_by(extent.pick(29, 1)).chain(versions);
    let base = (0..extent.pick(150, 50_000)).map(|_| somewhere(&rest.content, 0..1, &mut luck));
    let base: Vec<_> = base.collect();
    let log = (0..extent.pick(20, 2_000)).map(|_| somewhere(&rest.content, 1..3, &mut luck));
    let log: Vec<_> = log.collect();
    for (file, bit) in header.map(|bit| (BASE, bit)).chain(base).chain(log) {
        let mut damaged = rest.content.clone();
        damaged[file].flip(bit);
        match start(damaged) {
            Ok((revision, entries)) => {
                let same = revision == rest.revision && rest.state.holds(&entries);
                assert!(
                    same,
                    "bit {bit} of file {file} made revision {revision} of {}",
                    rest.revision
                );
                harmless += 1;
            }
            Err(error) => {
                assert_eq!(file, BASE, "bit {bit}: {error}");
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

/// A store whose process was killed: nothing that was acknowledged is missing from what is served,
/// whatever bit flips. The log has what the base file lacks, and marks say how far it goes.
#[test]
fn a_flipped_bit_after_a_kill_costs_nothing() {
    let extent = Extent::of_this_run();
    let begin = Instant::now();
    let (mut refused, mut served) = ([0, 0], [0, 0]);
    // In the short life nothing is settled: the newest commit of the base file is the opening.
    for commits in [5, 60] {
        let last = lives(extent.seed, commits).1;
        flip_after_a_kill(&last, extent, &mut refused, &mut served);
    }
    println!(
        "measured: after a kill, {} bits of the base file flipped, {} refused by name; {} of the \
         log, {} refused; every acknowledged commit served else, {:.1} s",
        refused[0] + served[0],
        refused[0],
        refused[1] + served[1],
        refused[1],
        begin.elapsed().as_secs_f64()
    );
    assert!(refused.iter().chain(&served).all(|count| *count > 0));
}

/// Counts what was refused and what was served, of the base file and of the log.
fn flip_after_a_kill(
    last: &Segment,
    extent: Extent,
    refused: &mut [usize; 2],
    served: &mut [usize; 2],
) {
    let (killed, _) = killed(last);
    assert_eq!(examine(&killed).unwrap(), Soundness::Unclosed);
    let (_, newest) = last.acknowledged[last.acknowledged.len() - 1];
    let mut luck = Luck::of(extent.seed, 2);
    for n in 0..extent.pick(150, 20_000) {
        let files = if n % 2 == 0 { 0..1 } else { 1..3 };
        let (file, bit) = somewhere(&killed, files, &mut luck);
        let mut damaged = killed.clone();
        damaged[file].flip(bit);
        let place = format!("bit {bit} of file {file}");
        match start(damaged) {
            Ok((revision, entries)) => {
                assert_eq!(revision, newest, "{place}");
                assert!(last.states[&revision].holds(&entries), "{place}");
                served[n % 2] += 1;
            }
            Err(error) => {
                assert_says_what_to_do(&error, &place);
                refused[n % 2] += 1;
            }
        }
    }
}

/// After a power cut the newest record of the log may have no mark: a bit that flips in it then
/// looks like a record that the cut tore, so that one may be missing. No other is.
#[test]
fn a_flipped_bit_after_a_power_cut_costs_no_more_than_the_newest_record() {
    let extent = Extent::of_this_run();
    let (_, last) = some_lives(extent.seed);
    let (_, cut) = killed(&last);
    let (_, newest) = last.acknowledged[last.acknowledged.len() - 1];
    let groups = last.acknowledged.iter().rev();
    let before = groups
        .map(|(_, revision)| *revision)
        .find(|revision| *revision < newest)
        .unwrap();
    let mut luck = Luck::of(extent.seed, 3);
    let mut missing = 0;
    for _ in 0..extent.pick(300, 20_000) {
        let (file, bit) = somewhere(&cut, 0..3, &mut luck);
        let mut damaged = cut.clone();
        damaged[file].flip(bit);
        let place = format!("bit {bit} of file {file}");
        match start(damaged) {
            Ok((revision, entries)) => {
                assert!(revision >= before, "{place}: {revision} of {newest}");
                assert!(last.states[&revision].holds(&entries), "{place}");
                missing += usize::from(revision < newest);
            }
            Err(error) => assert_says_what_to_do(&error, &place),
        }
    }
    println!("measured: after a power cut, the newest record is dropped for {missing} bits");
}

/// A record that was acknowledged and reads as nothing is refused, wherever it is; what the power
/// cut tore is not.
#[test]
fn a_lost_record_is_refused_and_a_torn_one_is_not() {
    let extent = Extent::of_this_run();
    let (_, last) = some_lives(extent.seed);
    let (killed, _) = killed(&last);
    let (_, newest) = last.acknowledged[last.acknowledged.len() - 1];
    let mut refused = 0;
    for file in 1..3 {
        for block in 0..killed[file].len() / 4096 {
            let mut damaged = killed.clone();
            damaged[file].wipe(block * 4096, 4096);
            match start(damaged) {
                Ok((revision, _)) => assert_eq!(revision, newest, "block {block} of file {file}"),
                Err(error) => {
                    assert!(error.to_string().contains("its log lacks"), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 2, "{refused}");
}

/// A file that lost its end.
#[test]
fn a_file_cut_off_is_refused() {
    let extent = Extent::of_this_run();
    let (rest, last) = some_lives(extent.seed);
    let step = SECTOR * extent.pick(37, 1);
    let whole = rest.content[BASE].len();
    for length in (0..whole).step_by(step) {
        let mut short = rest.content.clone();
        short[BASE].resize(length);
        match start(short) {
            Ok((revision, entries)) => {
                let same = revision == rest.revision && rest.state.holds(&entries);
                assert!(same, "{length} of {whole} bytes");
            }
            Err(error) => assert_says_what_to_do(&error, &format!("{length} of {whole} bytes")),
        }
    }
    let (killed, _) = killed(&last);
    for file in 1..3 {
        for length in (0..SEGMENT_BYTES).step_by(step) {
            let mut short = killed.clone();
            short[file].resize(length);
            let error = start(short).unwrap_err();
            assert_says_what_to_do(&error, "the log");
            assert!(error.to_string().contains("cut off"), "{error}");
        }
    }
}
