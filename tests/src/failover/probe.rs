//! How long nobody takes writes and nobody decides. The service has no tasks, so a new deployment
//! of it is COMPLETED as soon as a leader looks at it, whatever Docker is doing.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::json;

use crate::eventually::eventually;
use crate::fleet::call_any;
use crate::scenario::job;
use crate::wire::Wire;

/// Longest that either is waited for.
const WITHIN: Duration = Duration::from_secs(60);
const SERVICE: &str = "probe";

/// What a loss cost, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Outage {
    /// To the first write that was acknowledged.
    pub write_ms: f64,
    /// To the first decision of a leader.
    pub decision_ms: f64,
}

/// Makes the service.
pub(super) async fn prepare(wires: &[Wire]) -> anyhow::Result<()> {
    let input = json!({"family": SERVICE, "containerDefinitions": [job("true")]});
    call_any(wires, "RegisterTaskDefinition", &input).await?;
    let input = json!({"serviceName": SERVICE, "taskDefinition": SERVICE, "desiredCount": 0});
    call_any(wires, "CreateService", &input).await?;
    Ok(())
}

/// Writes through any of `wires`, and waits for a leader to decide about it. Times count from
/// `since`, when the loss happened.
pub(super) async fn measure(wires: &[Wire], since: Instant) -> anyhow::Result<Outage> {
    let elapsed = || since.elapsed().as_secs_f64() * 1000.0;
    let input = json!({"service": SERVICE, "forceNewDeployment": true});
    let output = call_any(wires, "UpdateService", &input).await?;
    let write_ms = elapsed();
    let deployments = output["service"]["deployments"].as_array();
    let primary = deployments.and_then(|all| all.iter().find(|d| d["status"] == "PRIMARY"));
    let asked = primary.context("no PRIMARY deployment")?["id"].clone();
    eventually(WITHIN, "a decision", async || {
        let input = json!({"services": [SERVICE]});
        let output = call_any(wires, "DescribeServices", &input).await?;
        let deployments = output["services"][0]["deployments"].as_array();
        match deployments.map(Vec::as_slice) {
            Some([only]) if only["id"] == asked && only["rolloutState"] == "COMPLETED" => Ok(()),
            other => bail!("{other:?}"),
        }
    })
    .await?;
    Ok(Outage {
        write_ms,
        decision_ms: elapsed(),
    })
}
