//! Medians, ratios and goals; the table and the JSON file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use crate::cpu::Usage;
use crate::launch::{BARE, Goal, LONGSHORE, SWARM};

/// One measurement.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    /// Seconds from the same beginning to what happened on the way.
    pub(crate) steps: BTreeMap<String, f64>,
    pub(crate) cpu: Usage,
}

impl Sample {
    pub(crate) fn of(took: Duration) -> Self {
        Self {
            seconds: took.as_secs_f64(),
            steps: BTreeMap::new(),
            cpu: Usage::default(),
        }
    }

    /// Notes a step.
    pub(crate) fn add(&mut self, step: &str, after: Duration) {
        self.steps.insert(step.to_owned(), after.as_secs_f64());
    }

    /// Notes a step by the clock, both in nanoseconds since the epoch. The first of a name counts.
    pub(crate) fn add_at(&mut self, step: &str, begin: i128, at: i128) {
        let seconds = (at - begin) as f64 / 1e9;
        self.steps.entry(step.to_owned()).or_insert(seconds);
    }
}

/// What a case brought.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) case: String,
    pub(crate) about: String,
    pub(crate) goal: Goal,
    /// Per system, one per round, in the order of the rounds.
    pub(crate) samples: BTreeMap<&'static str, Vec<Sample>>,
}

/// Ratio of Longshore's times to another system's.
#[derive(Debug, Clone, Copy)]
struct Ratio {
    /// Of the medians.
    medians: f64,
    /// Smallest and largest within one round.
    spread: (f64, f64),
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What to know about the run.
    pub(crate) setup: BTreeMap<String, String>,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Report {
    /// Prints the table, then where the time went.
    pub(crate) fn print(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        for (what, text) in &self.setup {
            writeln!(out, "{what}: {text}")?;
        }
        let mut rows = vec![
            [
                "case",
                "bare",
                "swarm",
                "longshore",
                "of bare",
                "of swarm",
                "goal",
                "met",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        rows.extend(self.outcomes.iter().map(Outcome::row));
        writeln!(
            out,
            "\nMedian times, and Longshore's time in terms of the others' (per round: smallest-largest)\n"
        )?;
        print_rows(&mut out, &rows)?;
        for outcome in &self.outcomes {
            outcome.print_steps(&mut out)?;
        }
        Ok(())
    }

    /// Writes every measurement, in seconds.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let cases: Vec<Value> = self.outcomes.iter().map(Outcome::json).collect();
        let whole = json!({ "benchmark": "launch", "setup": self.setup, "cases": cases });
        let text = serde_json::to_string_pretty(&whole)?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Outcome {
    fn median(&self, system: &str) -> Option<f64> {
        let samples = self.samples.get(system)?;
        median(samples.iter().map(|sample| sample.seconds).collect())
    }

    fn ratio(&self, other: &str) -> Option<Ratio> {
        let medians = self.median(LONGSHORE)? / self.median(other)?;
        let pairs = self
            .samples
            .get(LONGSHORE)?
            .iter()
            .zip(self.samples.get(other)?)
            .map(|(longshore, other)| longshore.seconds / other.seconds);
        let spread = pairs.fold((f64::INFINITY, 0.0_f64), |(low, high), ratio| {
            (low.min(ratio), high.max(ratio))
        });
        Some(Ratio { medians, spread })
    }

    /// Each target with what it compares to and whether it was reached, if it could be judged.
    fn goals(&self) -> Vec<(&'static str, f64, Option<bool>)> {
        [(BARE, self.goal.of_bare), (SWARM, self.goal.of_swarm)]
            .into_iter()
            .filter_map(|(other, limit)| {
                let limit = limit?;
                let met = self.ratio(other).map(|ratio| ratio.medians <= limit);
                Some((other, limit, met))
            })
            .collect()
    }

    fn row(&self) -> Vec<String> {
        let time = |system| self.median(system).map_or("-".to_owned(), show_time);
        let ratio = |other| {
            self.ratio(other).map_or("-".to_owned(), |ratio| {
                let (low, high) = ratio.spread;
                format!("{:.2} ({low:.2}-{high:.2})", ratio.medians)
            })
        };
        let goals = self.goals();
        let wanted: Vec<_> = goals
            .iter()
            .map(|(other, limit, _)| format!("{limit:.2} {other}"))
            .collect();
        let met: Vec<_> = goals
            .iter()
            .map(|(_, _, met)| match met {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            })
            .collect();
        vec![
            self.case.clone(),
            time(BARE),
            time(SWARM),
            time(LONGSHORE),
            ratio(BARE),
            ratio(SWARM),
            wanted.join(", "),
            met.join(", "),
        ]
    }

    /// Medians of the steps and of the processor time, per system.
    fn print_steps(&self, out: &mut impl std::io::Write) -> Result<()> {
        writeln!(out, "\n{}: {}", self.case, self.about)?;
        for (system, samples) in &self.samples {
            let mut steps: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            let mut programs: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            for sample in samples {
                for (step, seconds) in &sample.steps {
                    steps.entry(step).or_default().push(*seconds);
                }
                for (program, seconds) in &sample.cpu.programs {
                    programs.entry(program).or_default().push(*seconds);
                }
            }
            // A step that only some rounds had is no part of the work.
            let mut steps: Vec<_> = steps
                .into_iter()
                .filter(|(_, seconds)| seconds.len() * 2 > samples.len())
                .filter_map(|(step, seconds)| Some((median(seconds)?, step)))
                .collect();
            if let Some(done) = self.median(system) {
                steps.push((done, "done"));
            }
            steps.sort_by(|a, b| a.0.total_cmp(&b.0));
            let steps: Vec<_> = steps
                .iter()
                .map(|(seconds, step)| format!("{step} {}", show_time(*seconds)))
                .collect();
            writeln!(out, "  {system}: {}", steps.join(", "))?;
            let busy = median(samples.iter().map(|sample| sample.cpu.busy).collect());
            let programs: Vec<_> = programs
                .into_iter()
                .filter_map(|(program, seconds)| Some((program, median(seconds)?)))
                .filter(|(_, seconds)| *seconds >= 0.01)
                .map(|(program, seconds)| format!("{program} {seconds:.2} s"))
                .collect();
            writeln!(
                out,
                "  {:width$}  processors busy {:.2} s: {}",
                "",
                busy.unwrap_or_default(),
                programs.join(", "),
                width = system.len(),
            )?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let mut systems = Map::new();
        for (system, samples) in &self.samples {
            let rounds: Vec<Value> = samples
                .iter()
                .map(|sample| {
                    json!({
                        "seconds": sample.seconds,
                        "steps": sample.steps,
                        "busy_seconds": sample.cpu.busy,
                        "program_seconds": sample.cpu.programs,
                    })
                })
                .collect();
            systems.insert(
                (*system).to_owned(),
                json!({ "median_seconds": self.median(system), "rounds": rounds }),
            );
        }
        let ratio = |other| {
            self.ratio(other).map(|ratio| {
                json!({
                    "medians": ratio.medians,
                    "smallest": ratio.spread.0,
                    "largest": ratio.spread.1,
                })
            })
        };
        let goals: Vec<Value> = self
            .goals()
            .into_iter()
            .map(|(other, limit, met)| json!({ "of": other, "at_most": limit, "met": met }))
            .collect();
        json!({
            "case": self.case,
            "about": self.about,
            "systems": systems,
            "longshore_of_bare": ratio(BARE),
            "longshore_of_swarm": ratio(SWARM),
            "goals": goals,
        })
    }
}

/// The middle value, or the mean of the two in the middle; None without values.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some((upper + *values.get(middle.checked_sub(1)?)?) / 2.0)
}

fn show_time(seconds: f64) -> String {
    if seconds.abs() < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

fn print_rows(out: &mut impl std::io::Write, rows: &[Vec<String>]) -> Result<()> {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
            .unwrap_or_default()
    };
    for row in rows {
        let cells: Vec<_> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)))
            .collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, expected) in [
            (vec![], None),
            (vec![3.0], Some(3.0)),
            (vec![3.0, 1.0], Some(2.0)),
            (vec![9.0, 1.0, 2.0], Some(2.0)),
        ] {
            assert_eq!(median(values), expected);
        }
    }

    #[test]
    fn goals_compare_medians() {
        let samples = |seconds: &[f64]| {
            seconds
                .iter()
                .map(|seconds| Sample::of(Duration::from_secs_f64(*seconds)))
                .collect::<Vec<_>>()
        };
        let outcome = Outcome {
            case: "c".to_owned(),
            about: String::new(),
            goal: Goal {
                of_bare: Some(1.15),
                of_swarm: Some(0.6),
            },
            samples: BTreeMap::from([
                (BARE, samples(&[1.0, 1.0, 9.0])),
                (LONGSHORE, samples(&[1.1, 1.1, 1.1])),
            ]),
        };
        assert_eq!(
            outcome.goals(),
            [(BARE, 1.15, Some(true)), (SWARM, 0.6, None)]
        );
        let ratio = outcome.ratio(BARE).unwrap();
        assert!((ratio.medians - 1.1).abs() < 1e-9);
        assert!((ratio.spread.0 - 1.1 / 9.0).abs() < 1e-9);
    }
}
