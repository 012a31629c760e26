//! Processor time per program, from /proc. Tells whether a case waited or worked, and who worked.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

/// Clock ticks of /proc per second; the kernel shows user space 100 on every common architecture.
const TICKS_PER_SECOND: f64 = 100.0;
/// What the kernel cuts program names to.
const NAME_LENGTH: usize = 15;

/// Programs of interest; the time of children that ended counts for the parent that waited.
const PROGRAMS: [&str; 6] = [
    "dockerd",
    "containerd",
    "containerd-shim",
    "longshore-control-plane",
    "longshore-agent",
    "longshore-bench",
];

/// Processor time since boot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    /// Busy seconds over all processors.
    pub(crate) busy: f64,
    /// Seconds per program.
    pub(crate) programs: BTreeMap<&'static str, f64>,
}

impl Usage {
    /// As of now.
    pub(crate) fn read() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        let fields: Vec<u64> = stat
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .filter_map(|field| field.parse().ok())
            .collect();
        let ticks = |index: usize| fields.get(index).copied().unwrap_or_default();
        // user, nice, system, irq, softirq; not idle, iowait, steal.
        let busy = [0, 1, 2, 5, 6].into_iter().map(ticks).sum::<u64>();
        let mut programs = BTreeMap::new();
        for entry in fs::read_dir("/proc").context("cannot list /proc")? {
            let entry = entry?;
            let is_process = entry
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|byte| byte.is_ascii_digit());
            if !is_process {
                continue;
            }
            // A process may end between listing and reading.
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
                continue;
            };
            if let Some((program, seconds)) = parse(&stat) {
                *programs.entry(program).or_default() += seconds;
            }
        }
        Ok(Self {
            busy: busy as f64 / TICKS_PER_SECOND,
            programs,
        })
    }

    /// What was used since. Shims that ended in between are left out.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            busy: self.busy - earlier.busy,
            programs: self
                .programs
                .iter()
                .map(|(name, seconds)| {
                    let before = earlier.programs.get(name).copied().unwrap_or_default();
                    (*name, (seconds - before).max(0.0))
                })
                .collect(),
        }
    }
}

/// Program and seconds from a line of /proc/PID/stat.
fn parse(stat: &str) -> Option<(&'static str, f64)> {
    let (head, tail) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let program = PROGRAMS
        .into_iter()
        .find(|program| program.get(..NAME_LENGTH).unwrap_or(program) == name)?;
    // After the name: state is field 3; utime, stime, cutime, cstime are 14 to 17.
    let ticks: u64 = tail
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Some((program, ticks as f64 / TICKS_PER_SECOND))
}

/// Processor time of one process since it began, by the names of its threads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Threads(BTreeMap<String, f64>);

impl Threads {
    /// As of now.
    pub(crate) fn read(pid: u32) -> Result<Self> {
        let directory = format!("/proc/{pid}/task");
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(&directory).with_context(|| format!("cannot list {directory}"))? {
            // A thread may end between listing and reading.
            let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else {
                continue;
            };
            let Some((head, tail)) = stat.rsplit_once(')') else {
                continue;
            };
            let Some((_, name)) = head.split_once('(') else {
                continue;
            };
            let fields = tail.split_whitespace().skip(11).take(2);
            let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
            *threads.entry(name.to_owned()).or_default() += ticks as f64 / TICKS_PER_SECOND;
        }
        Ok(Self(threads))
    }

    /// What was used since.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let used = self.0.iter().map(|(name, seconds)| {
            let before = earlier.0.get(name).copied().unwrap_or_default();
            (name.clone(), (seconds - before).max(0.0))
        });
        Self(used.collect())
    }

    /// Of the threads with this name.
    pub(crate) fn of(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Of all of them.
    pub(crate) fn total(&self) -> f64 {
        self.0.values().sum()
    }
}
