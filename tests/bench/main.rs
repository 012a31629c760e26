//! `longshore-bench`: how long Longshore takes.
//!
//! `launch` measures it beside Docker Swarm mode and the bare Docker API. All three run the same image with the same command, limits, network and log driver on the same
//! Docker engine. The systems take turns within every round and the turn order rotates, because
//! machines are noisy: what counts are ratios of medians, and the spread of the ratios per round.
//!
//! - `launch.rs`: the cases of the benchmark `launch` and the order they run in;
//! - `failover.rs`: what losing leaders costs, which concerns Longshore alone;
//! - `measure.rs`: one measurement each, the same code for every orchestrator;
//! - `system.rs`: what a measurement needs from an orchestrator; `swarm.rs`, `longshore.rs`;
//! - `engine.rs`: the bare Docker API; `timeline.rs`: what its event stream says;
//! - `cpu.rs`: processor time per process; `report.rs`: medians, ratios, goals, the table.
//!
//! `archive.rs` takes a full installation through every command that copies a store.
//!
//! `scheduler` needs no Docker: `placement.rs` measures the index of instances by itself, beside a
//! scan of all of them; `burst.rs` sends bursts of tasks through the real control plane to stub
//! agents; `scheduler.rs` runs both and prints what came of it.

mod archive;
mod burst;
mod cpu;
mod engine;
mod failover;
mod launch;
mod longshore;
mod measure;
mod placement;
mod report;
mod scheduler;
mod swarm;
mod system;
mod timeline;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// As in the control plane: what a benchmark itself costs is taken from what it measures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Longshore beside Docker Swarm mode and the bare Docker API.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Time to RUNNING for 1, 20, 60 and 100 tasks, to heal one task, and to update 10.
    Launch(LaunchArguments),
    /// Time without writes and decisions when leaders are lost, and that nothing else is.
    Failover(FailoverArguments),
    /// Backup, restore and migration of a full installation, and that everything comes back.
    Archive(ArchiveArguments),
    /// Placements a second, memory, and bursts of tasks through the control plane.
    Scheduler(SchedulerArguments),
}

/// How to run `failover`. Without options it takes about half an hour.
#[derive(clap::Args)]
pub(crate) struct FailoverArguments {
    /// Also write every measurement to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How many times the leading control plane is killed.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Seconds from one kill to the next, at least.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    every: u64,
    /// Seconds for which the leading control plane stands still; 0 for not at all.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pause: u64,
    /// How many times the leading member of etcd is killed.
    #[arg(long, default_value_t = 12)]
    etcd_kills: u32,
    /// Seconds from one of those to the next, at least.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    etcd_every: u64,
    /// Seconds for which two of three members of etcd stand still; 0 for not at all.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    quorum: u64,
    /// Where the logs go if a check fails; a directory of its own in the temporary one if nothing
    /// is said.
    #[arg(long, value_name = "DIRECTORY")]
    evidence: Option<PathBuf>,
    /// Where longshore, longshore-control-plane and longshore-agent are; beside this program if
    /// nothing is said.
    #[arg(long, value_name = "DIRECTORY")]
    longshore_dir: Option<PathBuf>,
}

/// How to run `archive`.
#[derive(clap::Args)]
pub(crate) struct ArchiveArguments {
    /// Also write every measurement to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Services in the store.
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one)]
    services: usize,
    /// Tasks in the store.
    #[arg(long, default_value_t = 100_000, value_parser = at_least_one)]
    tasks: usize,
    /// Members of the etcd.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    members: usize,
    /// Where longshore-control-plane is; beside this program if nothing is said.
    #[arg(long, value_name = "DIR")]
    longshore_dir: Option<PathBuf>,
}

/// How to run `scheduler`.
#[derive(clap::Args)]
pub(crate) struct SchedulerArguments {
    /// Also write every measurement to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Small clusters and bursts: shows that it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// Leave the bursts out, which need longshore-control-plane.
    #[arg(long)]
    without_bursts: bool,
    /// Leave placement by itself out.
    #[arg(long)]
    without_placement: bool,
    /// Tasks of each burst, instead of 3,000 and 100,000.
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    bursts: Vec<usize>,
    /// Also the same bursts on an etcd of one member, whose data lies in memory; needs etcd.
    #[arg(long)]
    etcd: bool,
    /// Instances of the bursts.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=5000))]
    instances: u32,
    /// Where longshore-control-plane is.
    #[arg(long, value_name = "DIR")]
    longshore_dir: Option<PathBuf>,
}

/// How to run `launch`.
#[derive(clap::Args)]
pub(crate) struct LaunchArguments {
    /// Also write every measurement to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Rounds of the middling cases; the smallest run twice as many, the largest half.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// One round of every case but the largest: shows that it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// Only these cases (launch-1, launch-20, launch-60, launch-100, heal, update-200, update-100).
    #[arg(long, value_name = "CASE", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave these systems out (bare, swarm, longshore).
    #[arg(long, value_name = "SYSTEM", value_delimiter = ',')]
    without: Vec<String>,
    /// Where longshore, longshore-control-plane and longshore-agent are.
    #[arg(long, value_name = "DIR")]
    longshore_dir: Option<PathBuf>,
    /// The image to run; it must be on the engine and have /bin/busybox.
    #[arg(long, default_value = "longshore-bench:1")]
    image: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = tokio::runtime::Runtime::new()
        .context("cannot start the async runtime")
        .and_then(|runtime| {
            runtime.block_on(async {
                match arguments.benchmark {
                    Benchmark::Launch(arguments) => launch::run(&arguments).await,
                    Benchmark::Archive(arguments) => archive::run(&arguments).await,
                    Benchmark::Failover(arguments) => failover::run(&arguments).await,
                    Benchmark::Scheduler(arguments) => scheduler::run(&arguments).await,
                }
            })
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Where the programs are: where that is said, else beside this one.
pub(crate) fn beside(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(directory) = named {
        return Ok(directory.to_owned());
    }
    let program = std::env::current_exe()?;
    let directory = program.parent().context("where is this program?")?;
    Ok(directory.to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("give a whole number above 0".to_owned()),
    }
}

/// Tells whoever waits what happens; the figures themselves go to standard output.
pub(crate) fn progress(line: &str) {
    // Nobody to tell is no reason to stop measuring.
    let _ = writeln!(std::io::stderr(), "{line}");
}
