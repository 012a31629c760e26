//! Rules on how files are written.

use crate::hold;
use crate::source::{self, Source};

/// Longest file, in lines. Beyond it a file is about more than one thing.
const MAX_LINES: usize = 900;

/// Files that are longer because a program wrote them, or because they are one list.
const LONG: &[&str] = &[
    "Cargo.lock",
    "crates/shapes/src/generated/catalog.rs",
    "crates/shapes/src/generated/ecs.rs",
    "proto/ecs.lock.toml",
    "proto/longshore/ecs/v1/ecs.proto",
];

/// Where a test may sleep, and why.
const MAY_SLEEP: &[(&str, &str)] = &[
    (
        "tests/src/eventually.rs",
        "the one polling loop, with a deadline and a name for what it waits for",
    ),
    (
        "crates/agent/tests/docker.rs",
        "polls Docker with a deadline; and the journal of a living agent cannot be read from outside, so the half second within which it writes must pass",
    ),
    (
        "tests/bench/",
        "benchmarks pace their load; nothing is concluded from a pause",
    ),
    ("tests/tests/tidy/", "names what it looks for"),
];

/// Words that do not belong into the repository. Empty today.
const FORBIDDEN_WORDS: &[&str] = &[];

#[test]
fn nothing_is_left_undone() {
    let patterns = [
        "#[ignore",
        "todo!(",
        "unimplemented!(",
        "dbg!(",
        "FIXME",
        "XXX:",
    ];
    let faults = source::rust()
        .filter(|source| !source.path.starts_with("tests/tests/tidy/"))
        .flat_map(|source| find(source, source.text.lines().enumerate(), &patterns))
        .collect();
    hold(
        "no ignored tests, no todo!, no unimplemented!, no dbg!, no FIXME",
        "what is not done is in an issue, where someone can find it",
        faults,
    );
}

fn find<'a>(
    source: &'a Source,
    lines: impl Iterator<Item = (usize, &'a str)>,
    patterns: &[&str],
) -> Vec<String> {
    lines
        .filter(|(_, line)| patterns.iter().any(|pattern| line.contains(pattern)))
        .map(|(index, line)| source.at(index + 1, line))
        .collect()
}

#[test]
fn tests_do_not_sleep_to_wait_for_something() {
    let patterns = ["thread::sleep(", "time::sleep(", " sleep("];
    let mut faults = Vec::new();
    for source in source::rust() {
        if MAY_SLEEP
            .iter()
            .any(|(path, _)| source.path.starts_with(path))
        {
            continue;
        }
        // Virtual time passes without waiting.
        if source.text.contains("start_paused = true") {
            continue;
        }
        for (number, line) in source.tests() {
            if patterns.iter().any(|pattern| line.contains(pattern)) {
                faults.push(source.at(number, line));
            }
        }
    }
    hold(
        "tests do not sleep; files that may are listed in this test with the reason",
        "a sleep is too short on a slow machine and too long on every other: wait for the thing itself, with a deadline",
        faults,
    );
}

#[test]
fn unsafe_does_not_occur() {
    let faults = source::rust()
        .flat_map(|source| {
            source
                .code()
                .filter(|(_, line)| {
                    ["unsafe {", "unsafe fn", "unsafe impl", "allow(unsafe_code)"]
                        .iter()
                        .any(|pattern| line.contains(pattern))
                        && !source.path.starts_with("tests/tests/tidy/")
                })
                .map(|(number, line)| source.at(number, line))
        })
        .collect();
    hold(
        "no unsafe code",
        "the lint forbids it per crate; this finds files that no crate includes",
        faults,
    );
}

#[test]
fn files_are_about_one_thing() {
    let faults = source::all()
        .iter()
        .filter(|source| source.path.ends_with(".rs") || source.path.ends_with(".proto"))
        .filter(|source| !LONG.contains(&source.path.as_str()))
        .filter_map(|source| {
            let lines = source.text.lines().count();
            (lines > MAX_LINES).then(|| format!("{}: {lines} lines", source.path))
        })
        .collect();
    hold(
        "no file is longer than 900 lines, but for those listed",
        "a file is named for its noun; when it is about two, it is two files",
        faults,
    );
}

#[test]
fn files_end_with_one_newline() {
    let mut faults = Vec::new();
    for source in source::all() {
        if source.text.is_empty() {
            continue;
        }
        if !source.text.ends_with('\n') || source.text.ends_with("\n\n") {
            faults.push(format!("{}: does not end with one newline", source.path));
        }
        let checked = ["rs", "proto", "toml", "py"]
            .iter()
            .any(|extension| source.path.ends_with(&format!(".{extension}")));
        if checked {
            for (index, line) in source.text.lines().enumerate() {
                if line.ends_with([' ', '\t']) || line.ends_with('\r') {
                    faults.push(source.at(index + 1, "white space at the end of the line"));
                }
            }
        }
    }
    hold(
        "files end with one newline, lines without white space",
        "differences show what changed, not how someone's editor is set",
        faults,
    );
}

#[test]
fn rust_files_say_what_they_are() {
    let faults = source::rust()
        .filter(|source| !source.text.starts_with("//!") && !source.path.ends_with("/tests.rs"))
        .map(|source| source.path.clone())
        .collect();
    hold(
        "every Rust file but a `tests.rs` begins with a `//!` comment that says what it holds",
        "whoever opens it should know at once whether to read on",
        faults,
    );
}

#[test]
fn forbidden_words_do_not_occur() {
    let faults = source::all()
        .iter()
        .flat_map(|source| find(source, source.text.lines().enumerate(), FORBIDDEN_WORDS))
        .collect();
    hold(
        "forbidden words do not occur",
        "each is in the list of this test for a reason given there",
        faults,
    );
}

#[test]
fn scripts_say_how_they_are_used_and_stop_at_errors() {
    let mut faults = Vec::new();
    for source in source::all() {
        let is_script = source.text.starts_with("#!/usr/bin/env bash")
            || source.text.starts_with("#!/bin/bash")
            || source.text.starts_with("#!/bin/sh");
        if source.path.starts_with("scripts/") && source.path.ends_with(".sh") {
            continue; // Read by others, which set the mode.
        }
        if !is_script {
            continue;
        }
        if !source.text.contains("set -euo pipefail") && !source.text.contains("set -eu\n") {
            faults.push(format!("{}: lacks `set -euo pipefail`", source.path));
        }
        let mut begins = source.text.lines().skip(1).take(2);
        if !begins.any(|line| line.starts_with("# ")) {
            faults.push(format!(
                "{}: line 2 or 3 must say what it does",
                source.path
            ));
        }
        if source.path.starts_with("scripts/") && !source.text.contains("--help") {
            faults.push(format!("{}: has no --help", source.path));
        }
    }
    hold(
        "scripts stop at errors, begin with what they do and answer --help",
        "a script that goes on after an error does damage; one without words gets copied instead of used",
        faults,
    );
}
