//! Many seeds on all cores, and a failing seed made small.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::cluster::{Report, run};
use crate::fault::{Fault, Fired};
use crate::invariant::Invariant;
use crate::mutant::Mutant;
use crate::scenario::Limits;

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many were run.
    pub seeds: u64,
    /// The failing ones, lowest seed first; their number is bounded by `stop_after`.
    pub failed: Vec<Report>,
    /// How often each class of faults fired.
    pub fired: Fired,
    /// How often each invariant was looked at.
    pub exercised: BTreeMap<Invariant, u64>,
    /// The share of what L7 allows that the busiest process needed, in per mille: decisions and
    /// commits.
    pub busiest: [u64; 2],
    /// The number of the trace of each seed, where they are asked for.
    pub hashes: BTreeMap<u64, u64>,
    /// Virtual time, in ms.
    pub virtual_ms: i64,
    /// Events.
    pub events: u64,
    /// Commits.
    pub commits: u64,
    /// Real time.
    pub took: Duration,
}

/// Which seeds to run, and how.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// What does not occur.
    pub limits: Limits,
    /// Whether to keep the numbers of the traces.
    pub hashes: bool,
    /// With one of our own faults.
    pub mutant: Option<Mutant>,
    /// Stops after this many violations; 0 means 1.
    pub stop_after: usize,
    /// Threads; 0 means one per core.
    pub threads: usize,
}

/// Makes the surroundings that some real bodies expect: timers, which nobody
/// drives, so that none ever fires.
fn surroundings() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
}

/// Runs one seed.
///
/// # Errors
/// When no timer can be made.
pub fn run_one(
    seed: u64,
    limits: &Limits,
    mutant: Option<Mutant>,
    story: bool,
) -> std::io::Result<Report> {
    let runtime = surroundings()?;
    let _inside = runtime.enter();
    Ok(run(seed, limits, mutant, story))
}

/// Runs many seeds. `tell` hears of progress: seeds done, violations so far.
///
/// # Errors
/// When no timer can be made.
pub fn run_many(batch: &Batch, tell: impl Fn(u64, usize) + Sync) -> std::io::Result<Summary> {
    let begun = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if batch.threads == 0 {
        cores
    } else {
        batch.threads
    };
    let (next, done, stop) = (
        AtomicU64::new(batch.first),
        AtomicU64::new(0),
        AtomicBool::new(false),
    );
    let end = batch.first.saturating_add(batch.seeds);
    let summary = Mutex::new(Summary::default());
    let lock = || summary.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        let work = || -> std::io::Result<()> {
            let runtime = surroundings()?;
            let _inside = runtime.enter();
            while !stop.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    break;
                }
                let report = run(seed, &batch.limits, batch.mutant, false);
                let mut summary = lock();
                if batch.hashes {
                    summary.hashes.insert(seed, report.hash);
                }
                summary.take(report);
                let failed = summary.failed.len();
                if failed >= batch.stop_after.max(1) {
                    stop.store(true, Ordering::Relaxed);
                }
                drop(summary);
                tell(done.fetch_add(1, Ordering::Relaxed) + 1, failed);
            }
            Ok(())
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(std::io::Error::other("a simulation panicked")))
        })
    })?;
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.failed.sort_by_key(|report| report.seed);
    summary.took = begun.elapsed();
    Ok(summary)
}

impl Summary {
    fn take(&mut self, report: Report) {
        self.seeds += 1;
        self.fired.add(&report.fired);
        for (invariant, times) in &report.exercised {
            *self.exercised.entry(*invariant).or_default() += times;
        }
        for (most, share) in self.busiest.iter_mut().zip(report.busiest) {
            *most = (*most).max(share);
        }
        self.virtual_ms += report.virtual_ms;
        self.events += report.events;
        self.commits += report.commits;
        if report.violation.is_some() {
            self.failed.push(report);
        }
    }

    /// Classes that never fired.
    pub fn silent(&self) -> Vec<Fault> {
        let all = Fault::ALL.iter().copied();
        all.filter(|fault| self.fired.of(*fault) == 0).collect()
    }
}

/// Makes a failing seed small: takes away classes of faults, calls and nodes as long as the same
/// invariant breaks.
pub fn shrink(seed: u64, mutant: Option<Mutant>, invariant: Invariant) -> Limits {
    let fails = |limits: &Limits| {
        let report = run(seed, limits, mutant, false);
        report.violation.is_some_and(|v| v.invariant == invariant)
    };
    let mut limits = Limits::default();
    loop {
        let before = limits.clone();
        for fault in Fault::ALL {
            if limits.without.insert(*fault) && !fails(&limits) {
                limits.without.remove(fault);
            }
        }
        for calls in 0..12 {
            if limits.calls.is_some_and(|most| most <= calls) {
                break;
            }
            let fewer = Limits {
                calls: Some(calls),
                ..limits.clone()
            };
            if fails(&fewer) {
                limits = fewer;
                break;
            }
        }
        for nodes in 1..5 {
            if limits.nodes.is_some_and(|most| most <= nodes) {
                break;
            }
            let fewer = Limits {
                nodes: Some(nodes),
                ..limits.clone()
            };
            if fails(&fewer) {
                limits = fewer;
                break;
            }
        }
        if limits == before {
            return limits;
        }
    }
}
