//! Calls that were acknowledged, and whether all of them are still there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::eventually::ticks;
use crate::fleet::call_any;
use crate::scenario::job;
use crate::wire::Wire;

/// How often a call is made.
const PACE: Duration = Duration::from_millis(100);
const PREFIX: &str = "ledger-";

/// Makes calls all the time and remembers which were acknowledged.
pub(super) struct Ledger {
    stop: Arc<AtomicBool>,
    writer: JoinHandle<BTreeSet<String>>,
}

impl Ledger {
    /// Starts to register task definitions, each through the next control plane.
    pub(super) fn start(wires: Vec<Wire>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let writer = tokio::spawn(async move {
            let mut acknowledged = BTreeSet::new();
            let mut ticks = ticks(PACE);
            for (number, wire) in (0..).zip(wires.iter().cycle()) {
                ticks.tick().await;
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let family = format!("{PREFIX}{number}");
                let input = json!({"family": family, "containerDefinitions": [job("true")]});
                if wire.call("RegisterTaskDefinition", input).await.is_ok() {
                    acknowledged.insert(family);
                }
            }
            acknowledged
        });
        Self { stop, writer }
    }

    /// Stops. Returns how many calls were acknowledged, and what is lost of them.
    pub(super) async fn check(self, wires: &[Wire]) -> anyhow::Result<(usize, Vec<String>)> {
        self.stop.store(true, Ordering::Relaxed);
        let acknowledged = self.writer.await?;
        let kept = families(wires).await?;
        let lost = acknowledged.difference(&kept).cloned().collect();
        Ok((acknowledged.len(), lost))
    }
}

/// All families of task definitions of a ledger.
async fn families(wires: &[Wire]) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut input = json!({"familyPrefix": PREFIX});
    loop {
        let output = call_any(wires, "ListTaskDefinitionFamilies", &input).await?;
        let page = output["families"].as_array().into_iter().flatten();
        found.extend(page.filter_map(|family| family.as_str().map(str::to_owned)));
        match output.get("nextToken") {
            Some(Value::String(token)) => input["nextToken"] = json!(token),
            _ => return Ok(found),
        }
    }
}
