//! What came of a run: the figures, and each check with what was seen.

use serde::Serialize;

use super::Outage;

/// Something that must hold, and whether it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What must hold.
    pub name: &'static str,
    /// What was looked at.
    pub seen: String,
    /// What did not hold; empty if all did.
    pub faults: Vec<String>,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Of each kill of the leading control plane.
    pub kills: Vec<Outage>,
    /// Of the leading control plane that stood still.
    pub pause: Option<Outage>,
    /// Of each kill of the leading member of etcd.
    pub member_kills: Vec<Outage>,
    /// From the moment the two members of etcd went on.
    pub quorum: Option<Outage>,
    /// Longest that a call took to be refused while they stood still, in milliseconds.
    pub slowest_refusal_ms: f64,
    /// Containers that started and ended.
    pub containers: (usize, usize),
    /// Updates of the service.
    pub updates: usize,
    /// Calls whose acknowledgement was held against what is kept.
    pub acknowledged: usize,
    /// Calls in histories, and those of them without an answer.
    pub history: (usize, usize),
    /// Calls of the AWS SDK while etcd lost its leaders.
    pub sdk_calls: usize,
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

impl Report {
    pub(super) fn check(&mut self, name: &'static str, seen: String, faults: Vec<String>) {
        self.checks.push(Check { name, seen, faults });
    }

    /// Everything that must not be, with the check that found it.
    pub fn faults(&self) -> Vec<String> {
        let of = |check: &Check| {
            let name = check.name;
            let faults = check.faults.iter();
            faults
                .map(|fault| format!("{name}: {fault}"))
                .collect::<Vec<_>>()
        };
        self.checks.iter().flat_map(of).collect()
    }

    /// A table for people.
    pub fn summary(&self) -> String {
        let mut lines = Vec::new();
        for (name, outages) in [
            ("leader killed", self.kills.as_slice()),
            ("leader stood still", self.pause.as_slice()),
            ("etcd leader killed", self.member_kills.as_slice()),
            ("etcd quorum back", self.quorum.as_slice()),
        ] {
            if outages.is_empty() {
                continue;
            }
            lines.push(format!("{name} ({} times)", outages.len()));
            for (what, value) in [
                ("next write", write_ms as fn(&Outage) -> f64),
                ("next decision", decision_ms),
            ] {
                lines.push(format!("  {what:13} {}", spread(outages, value)));
            }
        }
        if self.slowest_refusal_ms > 0.0 {
            lines.push(format!(
                "slowest refusal without quorum: {:.0} ms",
                self.slowest_refusal_ms
            ));
        }
        lines.push(format!(
            "{} updates; {} containers started, {} ended",
            self.updates, self.containers.0, self.containers.1
        ));
        for check in &self.checks {
            let verdict = match check.faults.len() {
                0 => "holds".to_owned(),
                count => format!("FAILS ({count})"),
            };
            lines.push(format!("{verdict:10} {}: {}", check.name, check.seen));
            lines.extend(
                check
                    .faults
                    .iter()
                    .map(|fault| format!("           {fault}")),
            );
        }
        lines.join("\n")
    }
}

fn write_ms(outage: &Outage) -> f64 {
    outage.write_ms
}

pub(super) fn decision_ms(outage: &Outage) -> f64 {
    outage.decision_ms
}

/// The value that this share of all is no larger than; 0 of none.
pub(super) fn quantile(outages: &[Outage], value: fn(&Outage) -> f64, share: f64) -> f64 {
    let mut all: Vec<f64> = outages.iter().map(value).collect();
    all.sort_by(f64::total_cmp);
    let place = (all.len() as f64 * share).ceil() as usize;
    let place = place.clamp(1, all.len().max(1)) - 1;
    all.get(place).copied().unwrap_or_default()
}

fn spread(outages: &[Outage], value: fn(&Outage) -> f64) -> String {
    let of = |share: f64| quantile(outages, value, share);
    format!(
        "least {:.0}, p50 {:.0}, p90 {:.0}, p99 {:.0}, most {:.0} ms",
        of(0.0),
        of(0.5),
        of(0.9),
        of(0.99),
        of(1.0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let outage = |n: u32| Outage {
            write_ms: 1.0,
            decision_ms: f64::from(n),
        };
        let all: Vec<Outage> = (1..=100).rev().map(outage).collect();
        for (share, expected) in [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            assert_eq!(quantile(&all, decision_ms, share), expected);
        }
        assert_eq!(quantile(&[], decision_ms, 0.5), 0.0);
    }

    #[test]
    fn a_check_that_fails_is_named_with_what_it_found() {
        let mut report = Report::default();
        report.check("a", "2 calls".to_owned(), Vec::new());
        report.check("b", "3 calls".to_owned(), vec!["one is lost".to_owned()]);
        assert_eq!(report.faults(), ["b: one is lost"]);
        let summary = report.summary();
        assert!(summary.contains("holds      a: 2 calls"), "{summary}");
        assert!(summary.contains("FAILS (1)  b: 3 calls"), "{summary}");
    }
}
