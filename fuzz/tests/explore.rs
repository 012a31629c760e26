//! Changed seeds and random bytes, through every target: the fallback where there is no libFuzzer.
//!
//! `FUZZ_SECONDS` says how long each target goes on, or `FUZZ_INPUTS` for how many inputs, instead
//! of its usual number, and `FUZZ_TARGETS` names the only ones. A failure is shrunk and written to
//! `regressions/`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use longshore_fuzz::{TARGETS, Target};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestError, TestRunner};

/// Most changes to one seed.
const MAX_EDITS: usize = 6;
/// Longest random input, in bytes.
const MAX_RANDOM: usize = 512;
/// Pieces that readers look at.
const TOKENS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\n",
    b"\"",
    b"\\u0000",
    b"{}",
    b"[]",
    b"null",
    b"-1",
    b"1e999",
    b"0",
    b"4294967296",
    b"9223372036854775808",
    b"/",
    b":",
    b"::",
    b"@",
    b";",
    b",",
    b".",
    b"\xff",
    "é".as_bytes(),
    b" ",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
];

/// A change to an input.
#[derive(Debug, Clone)]
enum Edit {
    Set(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Token(Index, Index),
    Repeat(Index, usize),
    /// Goes on with the end of another seed.
    Splice(Index, Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), 1..16_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<Index>(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<Index>(), any::<Index>()).prop_map(|(at, token)| Edit::Token(at, token)),
        (any::<Index>(), 1..64_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
        (any::<Index>(), any::<Index>(), any::<Index>())
            .prop_map(|(at, seed, from)| Edit::Splice(at, seed, from)),
    ]
}

fn apply(input: &mut Vec<u8>, seeds: &[Vec<u8>], edit: &Edit) {
    let place = |at: &Index, input: &[u8]| at.index(input.len() + 1);
    match edit {
        Edit::Set(at, byte) if !input.is_empty() => {
            let at = at.index(input.len());
            input[at] = *byte;
        }
        Edit::Set(_, byte) => input.push(*byte),
        Edit::Remove(at, length) => {
            let at = place(at, input);
            input.drain(at..input.len().min(at + length));
        }
        Edit::Insert(at, bytes) => {
            let at = place(at, input);
            input.splice(at..at, bytes.iter().copied());
        }
        Edit::Token(at, token) => {
            let at = place(at, input);
            input.splice(at..at, token.get(TOKENS).iter().copied());
        }
        Edit::Repeat(at, length) => {
            let at = place(at, input);
            let piece = input[at..input.len().min(at + length)].to_vec();
            input.splice(at..at, piece);
        }
        Edit::Splice(at, seed, from) => {
            let seed = seed.get(seeds);
            input.truncate(place(at, input));
            input.extend(&seed[place(from, seed)..]);
        }
    }
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Tries inputs until there were enough.
fn explore(name: &str) {
    let only = std::env::var("FUZZ_TARGETS").unwrap_or_default();
    if !only.is_empty() && !only.split(' ').any(|wanted| wanted == name) {
        return;
    }
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let (seconds, inputs) = (number("FUZZ_SECONDS"), number("FUZZ_INPUTS"));
    let started = Instant::now();
    let mut tried = 0;
    loop {
        try_some(target);
        tried += u64::from(target.cases);
        if started.elapsed() >= Duration::from_secs(seconds) && tried >= inputs {
            break;
        }
    }
    println!(
        "measured: {name}: {tried} inputs in {} s",
        started.elapsed().as_secs()
    );
}

/// A number from the environment; 0 where there is none.
fn number(name: &str) -> u64 {
    std::env::var(name).map_or(0, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text}, which is no whole number"))
    })
}

fn try_some(target: &Target) {
    let seeds = seeds(target);
    let changed = (any::<Index>(), vec(edit(), 0..MAX_EDITS)).prop_map(move |(seed, edits)| {
        let mut input = seed.get(&seeds).clone();
        for edit in &edits {
            apply(&mut input, &seeds, edit);
        }
        input
    });
    let input = prop_oneof![9 => changed, 1 => vec(any::<u8>(), 0..MAX_RANDOM)];
    let mut runner = TestRunner::new(Config {
        cases: target.cases,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&input, |input| {
        (target.run)(&input);
        Ok(())
    });
    if let Err(TestError::Fail(reason, input)) = result {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("regressions")
            .join(target.name);
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("found.seed");
        fs::write(&path, &input).unwrap();
        panic!("{reason}; the input is in {}", path.display());
    }
    result.unwrap();
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            explore(stringify!($name));
        })*

        #[test]
        fn all_targets_are_here() {
            let names = [$(stringify!($name)),*];
            assert!(TARGETS.iter().map(|target| target.name).eq(names));
        }
    };
}

targets! {
    agent_message arn aws_json bearer control_message docker grpc image_reference page_token sigv4
    store_record store_recovery task_definition wire
}
