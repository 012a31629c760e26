//! Measures commits on a real disk: `commit_latency [DIRECTORY]`.
//!
//! Prints the latency of commits made one after another, and the throughput and latency of many
//! writers at once. Run it on the disk that will hold the data directory; a directory in memory
//! shows the cost without fsync.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_store::{Commit, Embedded, HistoryLimit, Key, Store, Write};
use tokio::task::JoinSet;

const SEQUENTIAL: usize = 500;
const WRITERS: usize = 64;
const EACH: usize = 50;
/// About the size of a stored task.
const VALUE_BYTES: usize = 1500;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let directory = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(directory)?;
    let store = Arc::new(Embedded::open(directory.path(), HistoryLimit::default())?);

    let mut latencies = Vec::with_capacity(SEQUENTIAL);
    for n in 0..SEQUENTIAL {
        latencies.push(commit(&store, n).await?);
    }
    report("1 writer", latencies);

    let start = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let mut latencies = Vec::with_capacity(EACH);
            for n in 0..EACH {
                latencies.push(commit(&store, writer * EACH + n).await?);
            }
            Ok::<_, Failure>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(writer) = writers.join_next().await {
        latencies.extend(writer??);
    }
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    report(
        &format!("{WRITERS} writers, {rate:.0} commits/s"),
        latencies,
    );
    Ok(())
}

async fn commit(store: &Embedded, n: usize) -> Result<Duration, Failure> {
    let write = Write::Put {
        key: Key::new(format!("task/prod/{n}"))?,
        value: vec![b'v'; VALUE_BYTES].into(),
    };
    let start = Instant::now();
    store
        .commit(Commit {
            guards: Vec::new(),
            writes: vec![write],
        })
        .await?;
    Ok(start.elapsed())
}

fn report(what: &str, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    println!(
        "{what}: p50 {:?}, p99 {:?}, max {:?}",
        at(50),
        at(99),
        at(100)
    );
}
