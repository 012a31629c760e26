//! A service that is updated without a pause, what was asked for and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::eventually::ticks;
use crate::fleet::call_any;
use crate::scenario::server;
use crate::wire::Wire;

/// How long an update may take while leaders come and go.
const DEPLOYED_WITHIN: Duration = Duration::from_secs(300);
/// How often the service is looked at.
const POLL: Duration = Duration::from_millis(100);
pub(super) const SERVICE: &str = "web";

/// An update that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// The revision to run from now on.
    pub(super) revision: u32,
    /// When, before the first try, in milliseconds since the epoch.
    pub(super) at: i64,
}

/// Updates under way.
pub(super) struct Updates {
    stop: Arc<AtomicBool>,
    task: JoinHandle<anyhow::Result<Vec<Asked>>>,
}

impl Updates {
    /// Creates the service with that many tasks, waits until all run, and begins to update it.
    pub(super) async fn start(wires: Vec<Wire>, desired: usize) -> anyhow::Result<Self> {
        let (first, revision) = register(&wires).await?;
        let asked = vec![Asked {
            revision,
            at: now()?,
        }];
        let input = json!({
            "serviceName": SERVICE,
            "taskDefinition": first,
            "desiredCount": desired,
            "deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 200},
        });
        call_any(&wires, "CreateService", &input).await?;
        deployed(&wires, &first).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move { keep_updating(&wires, asked, &stopped).await });
        Ok(Self { stop, task })
    }

    /// Whether one did not complete in time, so that there are no more.
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Lets the update under way complete. Returns all that was asked for.
    pub(super) async fn stop(self) -> anyhow::Result<Vec<Asked>> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

async fn keep_updating(
    wires: &[Wire],
    mut asked: Vec<Asked>,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<Asked>> {
    while !stop.load(Ordering::Relaxed) {
        let (definition, revision) = register(wires).await?;
        asked.push(Asked {
            revision,
            at: now()?,
        });
        let input = json!({"service": SERVICE, "taskDefinition": definition});
        call_any(wires, "UpdateService", &input).await?;
        deployed(wires, &definition).await?;
    }
    Ok(asked)
}

/// Registers the next revision. Returns its ARN and its number.
async fn register(wires: &[Wire]) -> anyhow::Result<(String, u32)> {
    let input = json!({"family": SERVICE, "containerDefinitions": [server()]});
    let output = call_any(wires, "RegisterTaskDefinition", &input).await?;
    let definition = &output["taskDefinition"];
    let arn = definition["taskDefinitionArn"].as_str().context("no ARN")?;
    let revision = definition["revision"].as_u64().context("no revision")?;
    Ok((arn.to_owned(), u32::try_from(revision)?))
}

/// Waits until all tasks are of this definition.
async fn deployed(wires: &[Wire], definition: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut ticks = ticks(POLL);
    loop {
        ticks.tick().await;
        let input = json!({"services": [SERVICE]});
        let output = call_any(wires, "DescribeServices", &input).await?;
        let service = &output["services"][0];
        let deployments = service["deployments"].as_array().map_or(0, Vec::len);
        if deployments == 1
            && service["deployments"][0]["rolloutState"] == "COMPLETED"
            && service["taskDefinition"] == definition
            && service["runningCount"] == service["desiredCount"]
        {
            return Ok(());
        }
        if began.elapsed() > DEPLOYED_WITHIN {
            bail!("not deployed within {DEPLOYED_WITHIN:?}: {service}");
        }
    }
}

/// The time, as Docker's events have it.
pub(super) fn now() -> anyhow::Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_millis())?)
}

/// The number at the end of a task definition's ARN.
pub(super) fn revision_of(task: &Value) -> Option<u32> {
    let arn = task["taskDefinitionArn"].as_str()?;
    arn.rsplit_once(':')?.1.parse().ok()
}
