//! What must hold of many schedules, of saved ones, and of the simulation itself.
#![allow(clippy::unwrap_used)]

use longshore_sim::runner::{Batch, run_many, run_one};
use longshore_sim::{Limits, Mutant, regression};

#[test]
fn some_schedules_are_clean() {
    let batch = Batch {
        seeds: 300,
        stop_after: 5,
        ..Batch::default()
    };
    let summary = run_many(&batch, |_, _| {}).unwrap();
    let failed: Vec<String> = summary
        .failed
        .iter()
        .map(|report| format!("seed {}: {:?}", report.seed, report.violation))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 17, 271, 1979] {
        let hash = || run_one(seed, &Limits::default(), None, false).unwrap().hash;
        assert_eq!(hash(), hash(), "seed {seed}");
    }
    // The story does not change what happens.
    let hash = |story| run_one(5, &Limits::default(), None, story).unwrap().hash;
    assert_eq!(hash(true), hash(false));
}

#[test]
fn another_seed_and_a_mutant_give_another_trace() {
    let hash = |seed, mutant| {
        let report = run_one(seed, &Limits::default(), mutant, false).unwrap();
        report.hash
    };
    assert_ne!(hash(1, None), hash(2, None));
    assert_ne!(hash(1, None), hash(1, Some(Mutant::NoGuards)));
}

#[test]
fn threads_do_not_change_what_happens() {
    let hashes = |threads| {
        let batch = Batch {
            seeds: 12,
            hashes: true,
            threads,
            ..Batch::default()
        };
        run_many(&batch, |_, _| {}).unwrap().hashes
    };
    assert_eq!(hashes(1), hashes(3));
}

/// Seeds after that of a saved case under which its bug must be found.
const NEIGHBOURS: u64 = 300;

#[test]
fn saved_cases_stay_clean_and_fail_with_their_bug_put_back() {
    let cases = regression::all().unwrap();
    assert!(!cases.is_empty());
    for (name, case) in cases {
        let limits = case.limits().unwrap();
        let report = run_one(case.seed, &limits, None, false).unwrap();
        assert_eq!(report.violation, None, "{name}: {}", case.note);
        let Some(mutant) = &case.mutant else {
            continue;
        };
        // Each change of the code moves what a seed means: one of its neighbours will do.
        let mutant = Mutant::find(mutant).unwrap();
        let broken = (case.seed..case.seed + NEIGHBOURS).find(|seed| {
            let report = run_one(*seed, &limits, Some(mutant), false).unwrap();
            let broken = report.violation.map(|v| format!("{:?}", v.invariant));
            broken.as_ref() == Some(&case.invariant)
        });
        assert!(broken.is_some(), "{name}: its bug is not found");
    }
}

#[test]
fn the_canary_is_found() {
    let batch = Batch {
        seeds: 200,
        mutant: Some(Mutant::NoGuards),
        ..Batch::default()
    };
    let summary = run_many(&batch, |_, _| {}).unwrap();
    assert!(!summary.failed.is_empty());
}
