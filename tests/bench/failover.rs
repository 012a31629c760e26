//! The cases of the benchmark `failover`: what is lost, how often, and what it cost.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use longshore_tests::failover::{self, Options};

use crate::{FailoverArguments, beside, progress};

/// How soon 99 of 100 new leaders must decide.
const GOAL: Duration = Duration::from_secs(5);

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
        goal: Some(GOAL),
        evidence: match &arguments.evidence {
            Some(directory) => directory.clone(),
            None => std::env::temp_dir().join(format!("longshore-failover-{}", std::process::id())),
        },
    };
    let binaries = beside(arguments.longshore_dir.as_deref())?;
    let report = failover::run(&binaries, &options, progress).await?;
    writeln!(std::io::stdout(), "{}", report.summary())?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_vec_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    match report.faults().len() {
        0 => Ok(()),
        count => bail!("{count} faults"),
    }
}
