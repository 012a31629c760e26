//! Whether everything comes back: backup, wipe, restore, and from the embedded store to etcd and
//! back, through the real program, with as much as an installation is built for. Also how long each
//! command takes and how much memory it needs at most.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use longshore_store::conformance::population::{fill, population};
use longshore_store::table::{Installation, Record as _};
use longshore_store::{Embedded, HistoryLimit, Key, Store as _};
use longshore_tests::etcd::Etcd;
use longshore_tests::eventually::ticks;
use serde::Serialize;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::{ArchiveArguments, beside, progress};

/// How often the memory of a command is looked at. The kernel keeps the highest, so that only what
/// is taken between the last look and the end is missed.
const LOOK: Duration = Duration::from_millis(10);
/// The embedded store's directory in a data directory.
const STORE: &str = "store";

/// What a command took.
#[derive(Debug, Serialize)]
struct Cost {
    command: String,
    seconds: f64,
    peak_mib: f64,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Report {
    services: usize,
    tasks: usize,
    records: usize,
    /// Keys and values.
    bytes: usize,
    digest: String,
    costs: Vec<Cost>,
}

/// Runs every command in turn and compares what comes back with what was there.
pub(crate) async fn run(arguments: &ArchiveArguments) -> Result<()> {
    let wanted = population(arguments.services, arguments.tasks);
    let program = beside(arguments.longshore_dir.as_deref())?.join("longshore-control-plane");
    let root = tempfile::Builder::new()
        .prefix("longshore-archive-")
        .tempdir()?;
    progress(&format!(
        "filling a store with {} records in {}",
        wanted.len(),
        root.path().display()
    ));
    let data = root.path().join("data");
    fill(&open(&data)?, &wanted).await?;
    let etcd = Etcd::up(arguments.members).await?;
    let mut trip = Trip {
        program,
        data: format!("--data-dir={}", data.display()),
        embedded: format!("embedded:{}", data.display()),
        etcd: etcd.address("archive"),
        file: root.path().join("backup").display().to_string(),
        report: Report {
            services: arguments.services,
            tasks: arguments.tasks,
            records: wanted.len(),
            bytes: wanted.iter().map(|(k, v)| k.as_str().len() + v.len()).sum(),
            ..Report::default()
        },
    };
    if let Err(error) = trip.there_and_back(&data, &wanted).await {
        etcd.print_logs();
        return Err(error);
    }
    say(&trip.report)?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_vec_pretty(&trip.report)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

struct Trip {
    program: PathBuf,
    /// `--data-dir` of the embedded store, and the same store as a location.
    data: String,
    embedded: String,
    etcd: String,
    file: String,
    report: Report,
}

impl Trip {
    async fn there_and_back(&mut self, data: &Path, wanted: &[(Key, Bytes)]) -> Result<()> {
        let (place, file) = (self.data.clone(), self.file.clone());
        let (embedded, etcd) = (self.embedded.clone(), self.etcd.clone());
        let etcd_place = format!("--store={etcd}");
        self.same(&["check", &place]).await?;
        self.same(&["backup", &file, &place]).await?;
        self.same(&["check", "--backup", &file]).await?;

        wipe(data)?;
        self.same(&["restore", &file, &place]).await?;
        self.same(&["check", &place]).await?;
        compare(data, wanted).await?;

        self.same(&["migrate", "--from", &embedded, "--to", &etcd])
            .await?;
        self.same(&["check", &etcd_place]).await?;
        let again = format!("{file}-of-etcd");
        self.same(&["backup", &again, &etcd_place]).await?;
        wipe(data)?;
        self.same(&["migrate", "--from", &etcd, "--to", &embedded])
            .await?;
        self.same(&["check", &place]).await?;
        compare(data, wanted).await
    }

    /// Runs a command, which must find, or leave, the same records as the ones before.
    async fn same(&mut self, arguments: &[&str]) -> Result<()> {
        let (said, cost) = measure(&self.program, arguments).await?;
        progress(&format!(
            "{:6.2} s {:6.0} MiB  {}",
            cost.seconds, cost.peak_mib, cost.command
        ));
        self.report.costs.push(cost);
        if arguments.first() == Some(&"check") {
            ensure!(
                said.contains("all is well"),
                "{}: {said}",
                arguments.join(" ")
            );
        }
        let count = format!("{} records", self.report.records);
        ensure!(said.contains(&count), "not {count}: {said}");
        let digest = said
            .split_once("digest ")
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .context("it names no digest")?;
        if self.report.digest.is_empty() {
            digest.clone_into(&mut self.report.digest);
        }
        ensure!(
            digest == self.report.digest,
            "{} leaves another content: {said}",
            arguments.join(" ")
        );
        Ok(())
    }
}

/// Every record must be there as it was, byte by byte, and nothing else; the installation's alone
/// has a history of its own in each store.
async fn compare(data: &Path, wanted: &[(Key, Bytes)]) -> Result<()> {
    let installation = format!("{}/{}", Installation::TABLE, Installation::NAME);
    let found = open(data)?.list("").await?.entries;
    ensure!(
        found.len() == wanted.len(),
        "{} records, of {}",
        found.len(),
        wanted.len()
    );
    for (entry, (key, value)) in found.iter().zip(wanted) {
        ensure!(entry.key == *key, "{} instead of {key}", entry.key);
        let is_same = entry.value == *value;
        ensure!(
            is_same != (key.as_str() == installation),
            "{key}: the same is {is_same}"
        );
    }
    Ok(())
}

fn open(data: &Path) -> Result<Embedded> {
    Ok(Embedded::open(data.join(STORE), HistoryLimit::default())?)
}

fn wipe(data: &Path) -> Result<()> {
    std::fs::remove_dir_all(data).with_context(|| format!("cannot remove {}", data.display()))
}

/// Runs a command to its end. Returns what it said.
async fn measure(program: &Path, arguments: &[&str]) -> Result<(String, Cost)> {
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let mut output = child.stdout.take().context("it has no output")?;
    let mut said = String::new();
    let (read, ended) = tokio::join!(output.read_to_string(&mut said), watch(&mut child));
    read?;
    let (is_success, peak_mib) = ended?;
    let command = arguments.join(" ");
    if !is_success {
        bail!("{command} failed: {said}");
    }
    let cost = Cost {
        command,
        seconds: began.elapsed().as_secs_f64(),
        peak_mib,
    };
    Ok((said, cost))
}

/// Waits for the end. Returns whether it was a good one, and the most memory it had, in MiB.
async fn watch(child: &mut Child) -> Result<(bool, f64)> {
    let path = format!("/proc/{}/status", child.id().context("it has ended")?);
    let mut ticks = ticks(LOOK);
    let mut peak: f64 = 0.0;
    loop {
        tokio::select! {
            status = child.wait() => return Ok((status?.success(), peak)),
            _ = ticks.tick() => {
                let status = std::fs::read_to_string(&path).unwrap_or_default();
                let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                let kib = line.and_then(|line| line.split_whitespace().next());
                let kib: f64 = kib.and_then(|kib| kib.parse().ok()).unwrap_or_default();
                peak = peak.max(kib / 1024.0);
            }
        }
    }
}

/// The table, on standard output.
fn say(report: &Report) -> Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} services, {} tasks: {} records, {:.0} MiB; all came back, digest {}",
        report.services,
        report.tasks,
        report.records,
        report.bytes as f64 / f64::from(1 << 20),
        report.digest
    )?;
    for cost in &report.costs {
        writeln!(
            out,
            "{:7.2} s {:6.0} MiB  {}",
            cost.seconds, cost.peak_mib, cost.command
        )?;
    }
    Ok(())
}
