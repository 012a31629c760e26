//! Measures the store: `scripts/bench store`.
//!
//! Longshore's backends and plain puts to etcd take turns within every round, on one disk, so that
//! what counts, the ratios, is of things measured at the same time. The servers are real ones, with
//! default settings.
//!
//! - `load.rs`: writers that put as fast as they are answered, and what they saw;
//! - `startup.rs`: opening a store with many tasks: time and memory;
//! - `report.rs`: medians, ratios, goals, the table and the JSON file.

#![allow(clippy::print_stderr)]

mod load;
mod report;
mod startup;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use longshore_store::conformance::population::{fill, population};
use longshore_store::etcd::cluster::{Cluster, ClusterOptions};
use longshore_store::{Embedded, Etcd, HistoryLimit, Store};

use load::{Load, Target};
use report::Report;

type Failure = Box<dyn Error + Send + Sync>;

/// How many write at once.
const WRITERS: [usize; 3] = [1, 64, 256];

const USAGE: &str = "usage: scripts/bench store [--json FILE] [--directory DIR] [--rounds N] [--tasks N] [--quick]

  --json FILE      also writes every measurement
  --directory DIR  the disk to measure, of all that is compared; the temporary directory if not given
  --rounds N       how often each case is measured (5)
  --tasks N        tasks in the store that is opened (100000)
  --quick          one short round: shows that it works, not how fast";

/// What the command line says.
struct Arguments {
    json: Option<PathBuf>,
    directory: PathBuf,
    rounds: usize,
    tasks: usize,
    quick: bool,
    /// Only open the store here and say what that took: the tool calls itself so, for a process
    /// that holds nothing else.
    open: Option<String>,
}

impl Arguments {
    fn parse() -> Result<Arguments, Failure> {
        let mut arguments = Arguments {
            json: None,
            directory: std::env::temp_dir(),
            rounds: 5,
            tasks: 100_000,
            quick: false,
            open: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .ok_or(format!("{word} needs a value\n\n{USAGE}"))
            };
            match word.as_str() {
                "--json" => arguments.json = Some(value()?.into()),
                "--directory" => arguments.directory = value()?.into(),
                "--rounds" => arguments.rounds = value()?.parse()?,
                "--tasks" => arguments.tasks = value()?.parse()?,
                "--open" => arguments.open = Some(value()?),
                "--quick" => arguments.quick = true,
                "--help" | "-h" => {
                    println!("{USAGE}");
                    std::process::exit(0);
                }
                _ => return Err(format!("unknown argument {word}\n\n{USAGE}").into()),
            }
        }
        if arguments.quick {
            arguments.rounds = 1;
            arguments.tasks = arguments.tasks.min(2_000);
        }
        Ok(arguments)
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse()?;
    if let Some(place) = &arguments.open {
        return startup::open_and_print(place).await;
    }
    let mut report = Report::default();
    measure_load(&arguments, &mut report).await?;
    measure_startup(&arguments, &mut report).await?;
    report.print()?;
    if let Some(path) = &arguments.json {
        report.write(path)?;
    }
    Ok(())
}

async fn etcd(arguments: &Arguments) -> Cluster {
    Cluster::start_with(ClusterOptions {
        nodes: 1,
        below: Some(arguments.directory.clone()),
        ..ClusterOptions::default()
    })
    .await
}

async fn measure_load(arguments: &Arguments, report: &mut Report) -> Result<(), Failure> {
    for round in 0..arguments.rounds {
        let directory = tempfile::tempdir_in(&arguments.directory)?;
        let embedded: Arc<dyn Store> =
            Arc::new(Embedded::open(directory.path(), HistoryLimit::default())?);
        let cluster = etcd(arguments).await;
        let shared: Arc<dyn Store> = Arc::new(Etcd::open(cluster.options("longshore")).await?);
        let client = cluster.client(0).await;
        let mut targets = [
            ("embedded", Target::Store(embedded)),
            ("on etcd", Target::Store(shared)),
            ("etcd", Target::Etcd(Box::new(client))),
        ];
        targets.rotate_left(round % 3);
        for writers in WRITERS {
            for (name, target) in &targets {
                let load = Load::of(writers, arguments.quick);
                // The first puts make files grow and connections open.
                load.warm_up().run(target).await?;
                let measured = load.run(target).await?;
                eprintln!("round {}: {name}, {writers} writers: {measured}", round + 1);
                report.add(name, writers, measured);
            }
        }
    }
    Ok(())
}

async fn measure_startup(arguments: &Arguments, report: &mut Report) -> Result<(), Failure> {
    let services = arguments.tasks / 10;
    eprintln!(
        "filling stores with {services} services and {} tasks",
        arguments.tasks
    );
    let records = population(services, arguments.tasks);
    let directory = tempfile::tempdir_in(&arguments.directory)?;
    {
        let store = Embedded::open(directory.path(), HistoryLimit::default())?;
        fill(&store, &records).await?;
    }
    let cluster = etcd(arguments).await;
    {
        let store = Etcd::open(cluster.options("longshore")).await?;
        fill(&store, &records).await?;
    }
    for _ in 0..arguments.rounds {
        let embedded = format!("embedded:{}", directory.path().display());
        report.add_startup("embedded", arguments.tasks, startup::measure(&embedded)?);
        let shared = format!("etcd:{}", cluster.endpoints().join(","));
        report.add_startup("on etcd", arguments.tasks, startup::measure(&shared)?);
    }
    Ok(())
}
