//! The cases of the benchmark `failover`: what is lost, how often, and what it cost.

use std::time::Duration;

use anyhow::{Context as _, bail};
use longshore_tests::failover::{self, Options};

use crate::{FailoverArguments, progress};

/// Runs the scenario, prints the table, writes the figures. Fails if anything was that must not
/// be.
pub(crate) async fn run(arguments: &FailoverArguments) -> anyhow::Result<()> {
    let seconds = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
    let options = Options {
        kills: arguments.kills,
        every: Duration::from_secs(arguments.every),
        pause: seconds(arguments.pause),
        member_kills: arguments.etcd_kills,
        member_every: Duration::from_secs(arguments.etcd_every),
        quorum: seconds(arguments.quorum),
    };
    let binaries = match &arguments.longshore_dir {
        Some(directory) => directory.clone(),
        None => std::env::current_exe()?
            .parent()
            .context("where is this program?")?
            .to_owned(),
    };
    let report = failover::run(&binaries, &options, progress).await?;
    progress(&report.summary());
    if let Some(path) = &arguments.json {
        let text = serde_json::to_vec_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if !report.faults.is_empty() {
        bail!("{} faults", report.faults.len());
    }
    Ok(())
}
