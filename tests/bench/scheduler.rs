//! The benchmark `scheduler`: placement by itself, then bursts of tasks through the real control
//! plane. Prints two tables; every figure goes to the JSON file.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use longshore_tests::etcd::Etcd;
use serde_json::json;

use crate::burst::{Burst, Rig};
use crate::placement::{self, Placing};
use crate::{SchedulerArguments, progress};

/// Instances that placement is measured at.
const SIZES: [usize; 4] = [1000, 5000, 10_000, 100_000];
const QUICK_SIZES: [usize; 2] = [200, 1000];
/// Tasks of the bursts.
const BURSTS: [usize; 2] = [3000, 100_000];
const QUICK_BURSTS: [usize; 1] = [500];
const QUICK_INSTANCES: usize = 50;

/// Goals of this project: placements a processor second at 5,000 instances, the rate at 100,000
/// instances in terms of that at 1,000, and tasks a second.
const GOAL_RATE: f64 = 100_000.0;
const GOAL_SCALING: f64 = 0.5;
const GOAL_BURST: f64 = 20_000.0;

/// Runs the benchmark and prints what came of it.
pub(crate) async fn run(arguments: &SchedulerArguments) -> Result<()> {
    let mut whole = json!({ "benchmark": "scheduler", "quick": arguments.quick });
    if !arguments.without_placement {
        // First, while nothing that was freed can be used again.
        let memory = placement::memory(if arguments.quick { 1000 } else { 20_000 })?;
        let sizes: &[usize] = if arguments.quick {
            &QUICK_SIZES
        } else {
            &SIZES
        };
        let mut rows = Vec::new();
        for instances in sizes {
            progress(&format!("placement at {instances} instances"));
            rows.extend(placement::measure(*instances, arguments.quick)?);
        }
        print_placing(&rows)?;
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "\nmemory: {:.0} bytes an instance, {:.0} bytes a task ({} instances, {} tasks)",
            memory.per_instance, memory.per_task, memory.instances, memory.tasks
        )?;
        whole["placement"] = serde_json::to_value(&rows)?;
        whole["memory"] = serde_json::to_value(&memory)?;
    }
    if !arguments.without_bursts {
        let bursts = bursts(arguments).await?;
        print_bursts(&bursts)?;
        whole["bursts"] = serde_json::to_value(&bursts)?;
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&whole)? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

async fn bursts(arguments: &SchedulerArguments) -> Result<Vec<Burst>> {
    let directory = match &arguments.longshore_dir {
        Some(directory) => directory.clone(),
        None => own_directory()?,
    };
    let binary = directory.join("longshore-control-plane");
    let (sizes, instances): (&[usize], _) = if arguments.quick {
        (&QUICK_BURSTS, QUICK_INSTANCES)
    } else {
        (&BURSTS, arguments.instances as usize)
    };
    let sizes = match arguments.bursts.is_empty() {
        true => sizes.to_vec(),
        false => arguments.bursts.clone(),
    };
    let mut bursts = Vec::new();
    let stores: &[&str] = if arguments.etcd {
        &["embedded", "etcd"]
    } else {
        &["embedded"]
    };
    for store in stores {
        for tasks in &sizes {
            // Each on a store and a control plane of its own: nothing is left of the one before.
            let etcd = match *store {
                "etcd" => Some(Etcd::up(1).await?),
                _ => None,
            };
            let mut rig = Rig::start(&binary, etcd, instances, *tasks).await?;
            bursts.push(rig.burst(*tasks).await?);
        }
    }
    Ok(bursts)
}

fn own_directory() -> Result<PathBuf> {
    let own = std::env::current_exe().context("where is this program?")?;
    Ok(own.parent().context("it is in no directory")?.to_owned())
}

fn print_placing(rows: &[Placing]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "placements per processor second, by the index and by a scan of all instances\n"
    )?;
    writeln!(
        out,
        "{:<34} {:>9} {:>12} {:>12} {:>9}  {:>12}",
        "request", "instances", "placed", "with upkeep", "scan", "of the scan"
    )?;
    for row in rows {
        writeln!(
            out,
            "{:<34} {:>9} {:>12.0} {:>12.0} {:>9.0}  {:>11.0}x",
            row.request,
            row.instances,
            row.per_second,
            row.with_upkeep_per_second,
            row.scan_per_second,
            row.per_second / row.scan_per_second,
        )?;
    }
    let rate = |request: &str, instances| {
        let mut of_request = rows.iter().filter(|row| row.request == request);
        of_request
            .find(|row| row.instances == instances)
            .map(|row| row.per_second)
    };
    for request in placement::REQUESTS {
        if let Some(rate) = rate(request, 5000) {
            let met = yes(rate >= GOAL_RATE);
            writeln!(out, "\n{request}\n  goal {GOAL_RATE:.0} at 5,000: {met}")?;
        }
        if let (Some(small), Some(large)) = (rate(request, 1000), rate(request, 100_000)) {
            let ratio = large / small;
            let met = yes(ratio >= GOAL_SCALING);
            writeln!(
                out,
                "  goal {GOAL_SCALING} of the rate at 1,000 at 100,000: {ratio:.2}, {met}"
            )?;
        }
    }
    Ok(())
}

fn print_bursts(bursts: &[Burst]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for burst in bursts {
        writeln!(
            out,
            "\nburst of {} tasks on {} instances, {} store",
            burst.tasks, burst.instances, burst.store
        )?;
        let goal = match burst.store {
            "embedded" => format!(
                " (goal {GOAL_BURST:.0}: {})",
                yes(burst.committed_per_second >= GOAL_BURST)
            ),
            _ => String::new(),
        };
        writeln!(
            out,
            "  decided and durable after {:.2} s: {:.0}/s{goal}",
            burst.committed_seconds, burst.committed_per_second,
        )?;
        writeln!(
            out,
            "  received by their agents after {:.2} s: {:.0}/s; all RUNNING durable after {:.2} s: {:.0}/s",
            burst.dispatched_seconds,
            burst.dispatched_per_second,
            burst.running_seconds,
            burst.tasks as f64 / burst.running_seconds,
        )?;
        let share = |seconds: f64| 100.0 * seconds / burst.control_plane_cpu.max(1e-9);
        writeln!(
            out,
            "  control plane {:.2} processor seconds: decide {:.0} %, records {:.0} %, store thread {:.0} %, view {:.0} %, dispatch {:.0} %, reports {:.0} %, the rest is connections and waking; stubs {:.2} s",
            burst.control_plane_cpu,
            share(burst.decide_seconds),
            share(burst.encode_seconds),
            share(burst.store_writer_cpu),
            share(burst.view_seconds),
            share(burst.dispatch_seconds),
            share(burst.report_seconds),
            burst.stubs_cpu,
        )?;
        writeln!(
            out,
            "  {} commits, {} conflicts, {:.2} s waiting for commits",
            burst.commits, burst.conflicts, burst.commit_seconds
        )?;
    }
    Ok(())
}

fn yes(met: bool) -> &'static str {
    if met { "met" } else { "not met" }
}
