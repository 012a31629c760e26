//! Medians, ratios and goals; the table and the JSON file.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::Failure;
use crate::WRITERS;
use crate::load::Measured;

/// A ratio that is to be reached.
struct Goal {
    about: &'static str,
    /// Whose figure, by that of whom.
    of: &'static str,
    by: &'static str,
    /// How many wrote to each.
    writers: (usize, usize),
    figure: fn(&Measured) -> f64,
    /// At least this, or at most if it is below 1.
    limit: f64,
}

const GOALS: [Goal; 4] = [
    Goal {
        about: "embedded store, puts/s of 64 writers, by etcd's plain puts/s of 64 writers",
        of: "embedded",
        by: "etcd",
        writers: (64, 64),
        figure: |measured| measured.puts_per_second,
        limit: 5.0,
    },
    Goal {
        about: "embedded store, p50 of 1 writer, by etcd's plain puts of 1 writer",
        of: "embedded",
        by: "etcd",
        writers: (1, 1),
        figure: |measured| measured.p50,
        limit: 0.35,
    },
    Goal {
        about: "Longshore on etcd, commits/s of 256 writers, packed into shared transactions, by etcd's plain puts/s of 256 writers, each a request of its own",
        of: "on etcd",
        by: "etcd",
        writers: (256, 256),
        figure: |measured| measured.puts_per_second,
        limit: 4.0,
    },
    Goal {
        about: "Longshore on etcd, commits/s of 256 writers, packed into shared transactions, by the rate of single puts to etcd, one after the other (1 writer)",
        of: "on etcd",
        by: "etcd",
        writers: (256, 1),
        figure: |measured| measured.puts_per_second,
        limit: 4.0,
    },
];

/// Everything that was measured, in the order of the rounds.
#[derive(Default)]
pub(crate) struct Report {
    loads: BTreeMap<(&'static str, usize), Vec<Measured>>,
    startups: BTreeMap<&'static str, Vec<Value>>,
    tasks: usize,
}

impl Report {
    pub(crate) fn add(&mut self, name: &'static str, writers: usize, measured: Measured) {
        self.loads
            .entry((name, writers))
            .or_default()
            .push(measured);
    }

    pub(crate) fn add_startup(&mut self, name: &'static str, tasks: usize, measured: Value) {
        self.tasks = tasks;
        self.startups.entry(name).or_default().push(measured);
    }

    fn figures(&self, name: &'static str, writers: usize, of: fn(&Measured) -> f64) -> Vec<f64> {
        let rounds = self.loads.get(&(name, writers));
        rounds.into_iter().flatten().map(of).collect()
    }

    /// The ratio of medians, and the smallest and the largest within a round.
    fn ratio(&self, goal: &Goal) -> (f64, f64, f64) {
        let ours = self.figures(goal.of, goal.writers.0, goal.figure);
        let theirs = self.figures(goal.by, goal.writers.1, goal.figure);
        let each: Vec<f64> = ours
            .iter()
            .zip(&theirs)
            .map(|(our, their)| our / their)
            .collect();
        let smallest = each.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = each.iter().copied().fold(0.0, f64::max);
        (median(ours) / median(theirs), smallest, largest)
    }

    /// Prints the tables.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        println!("\n512-byte puts, median of rounds: puts/s (p50 ms, p99 ms)\n");
        println!(
            "{:>8}  {:>28}  {:>28}  {:>28}",
            "writers", "embedded", "on etcd", "etcd"
        );
        for writers in WRITERS {
            let cell = |name| {
                format!(
                    "{:.0} ({:.2}, {:.2})",
                    median(self.figures(name, writers, |m| m.puts_per_second)),
                    median(self.figures(name, writers, |m| m.p50 * 1e3)),
                    median(self.figures(name, writers, |m| m.p99 * 1e3))
                )
            };
            println!(
                "{writers:>8}  {:>28}  {:>28}  {:>28}",
                cell("embedded"),
                cell("on etcd"),
                cell("etcd")
            );
        }
        println!("\nratios of medians (smallest-largest of a round), goals\n");
        for goal in &GOALS {
            let (ratio, smallest, largest) = self.ratio(goal);
            println!(
                "{}: {ratio:.2} ({smallest:.2}-{largest:.2}), goal {} {}: {}",
                goal.about,
                if goal.limit < 1.0 {
                    "at most"
                } else {
                    "at least"
                },
                goal.limit,
                if is_met(goal, ratio) { "met" } else { "missed" }
            );
        }
        println!("\n{} tasks in the store, median of rounds\n", self.tasks);
        for (name, rounds) in &self.startups {
            let of = |what: &str| {
                median(
                    rounds
                        .iter()
                        .filter_map(|round| round[what].as_f64())
                        .collect(),
                )
            };
            println!(
                "{name}: open {:.2} s, view {:.2} s, leads and decides {:.2} s; take-over with a warm view {:.3} s; {:.0} bytes of memory a task",
                of("open_seconds"),
                of("view_seconds"),
                of("lead_seconds"),
                of("standby_seconds"),
                of("bytes_per_task")
            );
        }
        Ok(())
    }

    /// Writes every measurement, in seconds.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let loads: Vec<Value> = self
            .loads
            .iter()
            .map(|((name, writers), rounds)| {
                let round = |measured: &Measured| {
                    json!({
                        "puts_per_second": measured.puts_per_second,
                        "p50_seconds": measured.p50,
                        "p99_seconds": measured.p99,
                    })
                };
                json!({
                    "of": name,
                    "writers": writers,
                    "rounds": rounds.iter().map(round).collect::<Vec<_>>(),
                })
            })
            .collect();
        let goals: Vec<Value> = GOALS
            .iter()
            .map(|goal| {
                let (ratio, smallest, largest) = self.ratio(goal);
                json!({
                    "about": goal.about, "goal": goal.limit, "ratio": ratio,
                    "smallest": smallest, "largest": largest, "met": is_met(goal, ratio),
                })
            })
            .collect();
        let whole = json!({
            "benchmark": "store", "loads": loads, "goals": goals,
            "tasks": self.tasks, "startups": self.startups,
        });
        std::fs::write(path, serde_json::to_string_pretty(&whole)? + "\n")?;
        Ok(())
    }
}

fn is_met(goal: &Goal, ratio: f64) -> bool {
    if goal.limit < 1.0 {
        ratio <= goal.limit
    } else {
        ratio >= goal.limit
    }
}

/// The middle value, or the mean of the two in the middle; NaN without values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |position: usize| values.get(position).copied().unwrap_or(f64::NAN);
    (at(values.len() / 2) + at(values.len().saturating_sub(1) / 2)) / 2.0
}
