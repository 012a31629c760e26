//! Watches a service the whole time a deployment takes: through DescribeServices and, without any
//! word of ours, through Docker.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::docker::Docker;
use crate::eventually::ticks;
use crate::longshore::Longshore;
use crate::wire::Wire;

/// How often the service is looked at.
const PERIOD: Duration = Duration::from_millis(100);
/// Most samples that are kept: ten minutes of them.
const MAX_SAMPLES: usize = 6000;

/// A service as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Since the watch began.
    pub at: Duration,
    /// `runningCount` and `pendingCount`; `None` while the control plane does not answer.
    pub counts: Option<(i64, i64)>,
    /// Containers that Docker says run.
    pub containers: usize,
}

/// A watch under way.
#[derive(Debug)]
pub struct Watcher {
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<Vec<Sample>>>,
}

impl Watcher {
    /// Begins to watch a service of cluster `default`. The installation must run nothing else,
    /// since every container of its agents is counted.
    pub fn start(longshore: &Longshore, service: &str) -> anyhow::Result<Self> {
        let wire = longshore.wire()?;
        let docker = longshore.docker().clone();
        let instances = longshore.instances().to_vec();
        let service = service.to_owned();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let started = Instant::now();
            let mut samples = Vec::new();
            let mut ticks = ticks(PERIOD);
            loop {
                tokio::select! {
                    _ = &mut stopped => return Ok(samples),
                    _ = ticks.tick() => {}
                }
                let at = started.elapsed();
                let sample = look(&wire, &docker, &instances, &service, at).await?;
                if samples.len() == MAX_SAMPLES {
                    bail!("watched for too long; the last sample is {sample:?}");
                }
                samples.push(sample);
            }
        });
        Ok(Self { stop, task })
    }

    /// Ends the watch. Returns what was seen, in order.
    pub async fn stop(self) -> anyhow::Result<Vec<Sample>> {
        // It may have ended with an error already, which the next line tells.
        let _ = self.stop.send(());
        self.task.await.context("the watch panicked")?
    }
}

async fn look(
    wire: &Wire,
    docker: &Docker,
    instances: &[String],
    service: &str,
    at: Duration,
) -> anyhow::Result<Sample> {
    let (described, running) = tokio::join!(
        wire.call("DescribeServices", json!({"services": [service]})),
        docker.running(instances),
    );
    Ok(Sample {
        at,
        counts: described.ok().and_then(|output| counts(&output)),
        containers: running?.values().map(Vec::len).sum(),
    })
}

fn counts(output: &Value) -> Option<(i64, i64)> {
    let service = &output["services"][0];
    Some((
        service["runningCount"].as_i64()?,
        service["pendingCount"].as_i64()?,
    ))
}

/// What was outside of `floor..=ceiling`, sample by sample; empty when all is well.
pub fn outside(samples: &[Sample], floor: usize, ceiling: usize) -> Vec<String> {
    let mut faults = Vec::new();
    for sample in samples {
        if let Some((running, pending)) = sample.counts {
            if running < floor as i64 {
                faults.push(format!("DescribeServices below {floor}: {sample:?}"));
            }
            if running + pending > ceiling as i64 {
                faults.push(format!("DescribeServices above {ceiling}: {sample:?}"));
            }
        }
        if sample.containers < floor {
            faults.push(format!("Docker below {floor}: {sample:?}"));
        }
        if sample.containers > ceiling {
            faults.push(format!("Docker above {ceiling}: {sample:?}"));
        }
    }
    faults
}
