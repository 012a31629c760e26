//! Runs seeds, tells the story of one, or shows that the invariants bite.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use longshore_sim::regression::{Regression, directory};
use longshore_sim::runner::{Batch, Summary, run_many, run_one, shrink};
use longshore_sim::{Fault, Invariant, Limits, Mutant, Report};

/// Schedules make and drop many small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A whole Longshore in one thread from one seed, with everything going wrong.
#[derive(Debug, Parser)]
#[command(name = "longshore-sim", version)]
struct Args {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// Runs this one seed.
    #[arg(long, conflicts_with_all = ["first_seed", "seeds"])]
    seed: Option<u64>,
    /// Tells what happened, with --seed.
    #[arg(long, requires = "seed")]
    story: bool,
    /// With one of our own faults; see --mutants for their names.
    #[arg(long, value_parser = parse_mutant)]
    mutant: Option<Mutant>,
    /// Runs every mutant until it is found, for at most --seeds schedules each, and prints a table.
    #[arg(long, conflicts_with_all = ["seed", "mutant"])]
    mutants: bool,
    /// Makes a failing seed small and saves it as a regression case with this note.
    #[arg(long, value_name = "NOTE")]
    save: Option<String>,
    /// Without any fault.
    #[arg(long)]
    calm: bool,
    /// Prints the number of the trace of each seed, to compare two builds.
    #[arg(long)]
    hashes: bool,
    /// Goes on until this many seeds failed.
    #[arg(long, default_value_t = 1)]
    stop_after: usize,
    /// Threads; 0 means one per core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

fn parse_mutant(name: &str) -> Result<Mutant, String> {
    Mutant::find(name).ok_or_else(|| {
        let names: Vec<_> = Mutant::ALL.iter().map(|mutant| mutant.name()).collect();
        format!(
            "there is no mutant {name}; choose one of {}",
            names.join(", ")
        )
    })
}

fn main() -> ExitCode {
    match main_inner(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

#[allow(clippy::print_stderr)]
fn say(line: &str) {
    eprintln!("{line}");
}

fn main_inner(args: &Args) -> anyhow::Result<bool> {
    if args.mutants {
        return mutants(args);
    }
    if let Some(seed) = args.seed {
        let report = run_one(seed, &limits(args), args.mutant, args.story)?;
        report.story.iter().for_each(|line| println!("{line}"));
        return conclude(args, &report);
    }
    let summary = run_with_bar(args)?;
    print_summary(&summary);
    for (seed, hash) in &summary.hashes {
        println!("hash {seed} {hash:016x}");
    }
    let mut clean = true;
    for report in &summary.failed {
        clean &= conclude(args, report)?;
    }
    let silent = summary.silent();
    if args.mutant.is_none() && !args.calm && summary.seeds >= 1000 && !silent.is_empty() {
        let names: Vec<_> = silent.iter().map(|fault| fault.name()).collect();
        println!("never fired: {}", names.join(", "));
        clean = false;
    }
    Ok(clean)
}

fn limits(args: &Args) -> Limits {
    let mut limits = Limits::default();
    if args.calm {
        limits.without = Fault::ALL.iter().copied().collect();
    }
    limits
}

fn batch(args: &Args) -> Batch {
    Batch {
        first: args.first_seed,
        seeds: args.seeds,
        limits: limits(args),
        hashes: args.hashes,
        mutant: args.mutant,
        stop_after: args.stop_after,
        threads: args.threads,
    }
}

fn run_with_bar(args: &Args) -> anyhow::Result<Summary> {
    let bar = ProgressBar::new(args.seeds);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = "{bar:40} {pos}/{len} schedules, {per_sec}, {eta} left, {msg}";
    bar.set_style(ProgressStyle::with_template(style)?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let summary = run_many(&batch(args), |done, failed| {
        bar.set_position(done);
        bar.set_message(format!("{failed} violations"));
    });
    bar.finish_and_clear();
    summary.context("cannot run")
}

fn print_summary(summary: &Summary) {
    let seconds = summary.took.as_secs_f64();
    println!(
        "{} schedules in {seconds:.1} s ({:.0}/s), {:.1} h of virtual time, {} events, {} commits, {} violations",
        summary.seeds,
        summary.seeds as f64 / seconds.max(0.001),
        summary.virtual_ms as f64 / 3_600_000.0,
        summary.events,
        summary.commits,
        summary.failed.len()
    );
    let [decisions, commits] = summary.busiest.map(|share| share / 10);
    println!(
        "the busiest period took {decisions} % of the decisions and {commits} % of the commits that L7 allows"
    );
    let looked: Vec<String> = Invariant::ALL
        .iter()
        .map(|i| format!("{i:?} {}", summary.exercised.get(i).copied().unwrap_or(0)))
        .collect();
    println!("invariants looked at: {}", looked.join(", "));
    let fired: Vec<String> = Fault::ALL
        .iter()
        .map(|fault| format!("{} {}", fault.name(), summary.fired.of(*fault)))
        .collect();
    println!("faults fired: {}", fired.join(", "));
}

/// Says what came of a seed. Returns whether it was clean.
fn conclude(args: &Args, report: &Report) -> anyhow::Result<bool> {
    let Some(violation) = &report.violation else {
        println!(
            "seed {}: clean, {} events, {} commits, trace {:016x}",
            report.seed, report.events, report.commits, report.hash
        );
        return Ok(true);
    };
    println!("seed {}: {violation}", report.seed);
    if let Some(note) = &args.save {
        let _runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let _inside = _runtime.enter();
        let limits = shrink(report.seed, args.mutant, violation.invariant);
        let name = format!("{:?}", violation.invariant);
        let case = Regression::new(
            report.seed,
            name.clone(),
            &limits,
            args.mutant,
            note.clone(),
        );
        let bug = args
            .mutant
            .map_or_else(|| report.seed.to_string(), |m| m.name().to_owned());
        let path = directory().join(format!("{}-{bug}.toml", name.to_lowercase()));
        std::fs::write(&path, toml::to_string(&case)?)?;
        println!("saved as {}", path.display());
    }
    Ok(false)
}

/// Runs every mutant. Returns whether each was found.
fn mutants(args: &Args) -> anyhow::Result<bool> {
    println!("| mutant | found by | after schedules | how |");
    println!("|---|---|---|---|");
    let mut all = true;
    for mutant in Mutant::ALL {
        let batch = Batch {
            mutant: Some(*mutant),
            stop_after: 1,
            ..batch(args)
        };
        let summary = run_many(&batch, |_, _| {})?;
        match summary.failed.first() {
            Some(report) => {
                let violation = report.violation.as_ref();
                let invariant = violation.map(|v| format!("{:?}", v.invariant));
                println!(
                    "| {} | {} | {} | {} |",
                    mutant.name(),
                    invariant.unwrap_or_default(),
                    report.seed - args.first_seed + 1,
                    violation.map(|v| v.what.as_str()).unwrap_or_default()
                );
            }
            None => {
                all = false;
                println!("| {} | not found | {} | |", mutant.name(), summary.seeds);
            }
        }
    }
    Ok(all)
}
