//! Room that is freed goes to who waits for it, at once. The control plane is the real one, its
//! agents are stubs that report at once, so that what is measured is the control plane.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use longshore_tests::binary;
use longshore_tests::control_plane::ControlPlane;
use longshore_tests::eventually::eventually;
use longshore_tests::stub::{Fleet, Offer};
use longshore_tests::wire::Wire;
use serde_json::{Value, json};

use crate::ONE_AT_A_TIME;

/// Instances, each with room for one task.
const INSTANCES: usize = 20;
/// Slots that are freed, one after the other.
const ROUNDS: usize = 5;
/// CPU units and MiB of a task, and of an instance.
const SIZE: (u32, u32) = (1024, 512);
/// How long anything may take on a slow machine. What nobody is woken for takes ten seconds.
const WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_freed_slot_is_taken_at_once() -> anyhow::Result<()> {
    let _turn = ONE_AT_A_TIME.lock().await;
    let program = binary::directory()?.join("longshore-control-plane");
    let control = ControlPlane::start(&program, &["--healthy-after", "1"]).await?;
    let offers = vec![Offer::new(SIZE.0, SIZE.1, "a"); INSTANCES];
    let fleet = Fleet::join(&control, "default", offers).await?;
    let definition = control.register("slot", SIZE.0, SIZE.1).await?;
    let wire = control.wire();
    let filling = fill(&wire, &definition).await?;
    wait_for_room(&wire, &definition).await?;

    let mut took = Vec::new();
    for task in filling.iter().take(ROUNDS) {
        let before = fleet.tally()?.assigned;
        wire.call("StopTask", json!({"task": task})).await?;
        fleet
            .until(WITHIN, "the waiting task to be assigned", |tally| {
                tally.assigned > before
            })
            .await?;
        let id = task.rsplit('/').next().context("an ARN")?;
        let freed = fleet.stopped_at(id).context("it was not stopped")?;
        let newest = fleet.assigned().into_iter().map(|(_, at, _)| at).max();
        took.push(
            newest
                .context("nothing was assigned")?
                .duration_since(freed),
        );
    }
    took.sort_unstable();
    let (median, worst) = (took[ROUNDS / 2], took[ROUNDS - 1]);
    println!(
        "measured: a freed slot reaches the agent of the waiting task in {median:.1?} (median of {ROUNDS}), at most {worst:.1?}"
    );
    ensure!(worst < WITHIN, "{took:?}");
    Ok(())
}

/// Standalone tasks on every instance; their ARNs.
async fn fill(wire: &Wire, definition: &str) -> anyhow::Result<Vec<String>> {
    let mut arns = Vec::new();
    while arns.len() < INSTANCES {
        let input = json!({"taskDefinition": definition, "count": 10});
        let output = wire.call("RunTask", input).await?;
        let tasks = output["tasks"].as_array().context("no tasks")?;
        ensure!(tasks.len() == 10, "{output}");
        let arn = |task: &Value| task["taskArn"].as_str().map(str::to_owned);
        arns.extend(tasks.iter().filter_map(arn));
    }
    Ok(arns)
}

/// A service whose tasks find no room, and has said so.
async fn wait_for_room(wire: &Wire, definition: &str) -> anyhow::Result<()> {
    let input = json!({
        "serviceName": "waiting",
        "taskDefinition": definition,
        "desiredCount": ROUNDS,
    });
    wire.call("CreateService", input).await?;
    eventually(WITHIN, "the service to wait for room", async || {
        let input = json!({"services": ["waiting"]});
        let output = wire.call("DescribeServices", input).await?;
        let events = output["services"][0]["events"].to_string();
        let said = format!("Of {INSTANCES} instances: {INSTANCES} RESOURCE:CPU");
        if events.contains("was unable to place a task") && events.contains(&said) {
            Ok(())
        } else {
            bail!("{events}")
        }
    })
    .await
}
