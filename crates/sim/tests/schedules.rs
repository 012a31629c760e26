//! What must hold of many schedules, of saved ones, and of the simulation itself.
#![allow(clippy::unwrap_used)]

use longshore_sim::runner::{Batch, run_many, run_one};
use longshore_sim::{Limits, Mutant, regression};

#[test]
fn a_thousand_schedules_are_clean_and_every_fault_fires() {
    let batch = Batch {
        seeds: 1000,
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
    assert_eq!(summary.silent(), [], "classes of faults that never fired");
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
fn saved_cases_stay_clean() {
    let cases = regression::all().unwrap();
    assert!(!cases.is_empty());
    for (name, case) in cases {
        let limits = case.limits().unwrap();
        let report = run_one(case.seed, &limits, None, false).unwrap();
        assert_eq!(report.violation, None, "{name}: {}", case.note);
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
