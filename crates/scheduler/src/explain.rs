//! Why a task would go where it would, or nowhere: every verdict of every instance, how many
//! instances gave each, and what little change would let the task be placed.

use std::collections::BTreeMap;
use std::fmt;

use longshore_model::InstanceId;
use longshore_model::placement::{PlacementConstraint, Rejection};

use crate::filter::{self, Check};
use crate::fix::{self, Fix};
use crate::index::Index;
use crate::request::Request;

/// What one instance says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which instance.
    pub instance: InstanceId,
    /// Everything that keeps the task off it, in the order of checking; empty: it fits. The first
    /// is the reason ECS clients see.
    pub failures: Vec<Failure>,
}

/// One check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub check: Check,
    /// In words and numbers.
    pub rejection: Rejection,
}

/// How many instances fail one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Which.
    pub check: Check,
    /// The word of ECS for it.
    pub reason: &'static str,
    /// Instances of which it is the first that fails.
    pub first: u32,
    /// Instances that fail it at all.
    pub all: u32,
    /// The failure of the instance that comes closest to passing: with most left, or the least id.
    pub closest: (InstanceId, Rejection),
}

/// Why one more task would go where it would, or nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The group of the task.
    pub group: String,
    /// Every instance of the cluster, by id.
    pub verdicts: Vec<Verdict>,
    /// In the order of checking.
    pub tallies: Vec<Tally>,
    /// The nearest first; empty where it fits somewhere.
    pub fixes: Vec<Fix>,
}

impl Explanation {
    /// Instances that can take the task now.
    pub fn fitting(&self) -> impl Iterator<Item = InstanceId> {
        let verdicts = self.verdicts.iter();
        verdicts
            .filter(|verdict| verdict.failures.is_empty())
            .map(|verdict| verdict.instance)
    }
}

impl Index {
    /// Explains one more task of this request, without placing it. Looks at every instance.
    pub fn explain(&self, request: &Request) -> Explanation {
        let mut verdicts = Vec::with_capacity(self.len());
        for slot in self.by_id() {
            let failures = filter::failures(slot, request).into_iter();
            let failures = failures.map(|check| Failure {
                check,
                rejection: filter::rejection(slot, request, check),
            });
            verdicts.push(Verdict {
                instance: slot.id(),
                failures: failures.collect(),
            });
        }
        let fits = verdicts.iter().any(|verdict| verdict.failures.is_empty());
        let fixes = if fits {
            Vec::new()
        } else {
            fix::fixes(self, request, &verdicts)
        };
        Explanation {
            group: request.group.clone(),
            tallies: tallies(&verdicts),
            verdicts,
            fixes,
        }
    }
}

fn tallies(verdicts: &[Verdict]) -> Vec<Tally> {
    let mut tallies: BTreeMap<Check, Tally> = BTreeMap::new();
    for verdict in verdicts {
        for (place, failure) in verdict.failures.iter().enumerate() {
            let tally = tallies.entry(failure.check).or_insert_with(|| Tally {
                check: failure.check,
                reason: failure.rejection.ecs_reason(),
                first: 0,
                all: 0,
                closest: (verdict.instance, failure.rejection.clone()),
            });
            tally.all += 1;
            tally.first += u32::from(place == 0);
            if left(&failure.rejection) > left(&tally.closest.1) {
                tally.closest = (verdict.instance, failure.rejection.clone());
            }
        }
    }
    tallies.into_values().collect()
}

/// How much an instance has of what it has too little of.
fn left(rejection: &Rejection) -> u32 {
    match rejection {
        Rejection::Cpu { left, .. } => left.0,
        Rejection::Memory { left, .. } => left.0,
        Rejection::NetworkInterfaces { left, .. }
        | Rejection::Gpus { left, .. }
        | Rejection::PortCount { left, .. } => *left,
        _ => 0,
    }
}

/// `1 instance`, `2 instances`.
pub(crate) fn instances(count: u32) -> String {
    match count {
        1 => "1 instance".to_owned(),
        several => format!("{several} instances"),
    }
}

/// `constraint 2, memberOf(…)`, counted from 1.
pub(crate) fn constraint(index: u8, constraint: &PlacementConstraint) -> String {
    format!("constraint {}, {constraint},", u32::from(index) + 1)
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = u32::try_from(self.verdicts.len()).unwrap_or(u32::MAX);
        match (self.fitting().count(), all) {
            (_, 0) => writeln!(f, "The cluster has no container instances.")?,
            (0, _) => writeln!(
                f,
                "A task of {} fits on none of {} now.",
                self.group,
                instances(all)
            )?,
            (some, _) => writeln!(
                f,
                "A task of {} fits on {some} of {} now.",
                self.group,
                instances(all)
            )?,
        }
        for tally in &self.tallies {
            let (instance, rejection) = &tally.closest;
            write!(f, "  {}", instances(tally.all))?;
            if tally.first < tally.all {
                write!(f, " ({} first)", tally.first)?;
            }
            writeln!(
                f,
                ": {}: {rejection} (closest: {instance})",
                tally.reason.trim_end_matches('.')
            )?;
        }
        if !self.fixes.is_empty() {
            writeln!(f, "It would fit")?;
        }
        for fix in &self.fixes {
            writeln!(f, "  {fix}")?;
        }
        Ok(())
    }
}
