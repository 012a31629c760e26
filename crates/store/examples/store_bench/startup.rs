//! Opening a store with many tasks: how long until its view can be decided from, how long until
//! this process leads, and what a task costs in memory.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use longshore_store::{Db, Embedded, Etcd, EtcdOptions, HistoryLimit, Store};
use serde_json::{Value, json};

use crate::Failure;

/// Opens `place` in a process of its own.
pub(crate) fn measure(place: &str) -> Result<Value, Failure> {
    let own = std::env::current_exe()?;
    let output = Command::new(own).args(["--open", place]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The other side of [`measure`].
pub(crate) async fn open_and_print(place: &str) -> Result<(), Failure> {
    let before = resident_bytes()?;
    let start = Instant::now();
    let store: Arc<dyn Store> = match place.split_once(':') {
        Some(("embedded", directory)) => {
            Arc::new(Embedded::open(directory, HistoryLimit::default())?)
        }
        Some(("etcd", endpoints)) => {
            let endpoints = endpoints.split(',').map(str::to_owned).collect();
            Arc::new(Etcd::open(EtcdOptions::new(endpoints)).await?)
        }
        _ => return Err(format!("{place} is no store").into()),
    };
    let opened = start.elapsed();
    let db = Db::open(Arc::clone(&store)).await?;
    let viewed = start.elapsed();
    let leadership = store.campaign("bench").await?;
    db.barrier().await?;
    let led = start.elapsed();
    leadership.resign().await;
    // A standby has the view already: what is left is to lead, and to see the newest commits.
    let standby = Instant::now();
    let leadership = store.campaign("bench").await?;
    db.barrier().await?;
    let took_over = standby.elapsed();
    let tasks = db.view().tasks.len();
    let bytes = resident_bytes()?.saturating_sub(before);
    leadership.resign().await;
    println!(
        "{}",
        json!({
            "open_seconds": opened.as_secs_f64(),
            "view_seconds": viewed.as_secs_f64(),
            "lead_seconds": led.as_secs_f64(),
            "standby_seconds": took_over.as_secs_f64(),
            "tasks": tasks,
            "bytes_per_task": bytes as f64 / tasks as f64,
        })
    );
    Ok(())
}

/// Memory of this process, by the kernel's word.
fn resident_bytes() -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or("no VmRSS in /proc/self/status")?.parse::<u64>()? * 1024)
}
