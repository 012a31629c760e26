//! Several control planes on one etcd: each answers for all, and one that goes is not missed.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use longshore_tests::binary;
use longshore_tests::eventually::eventually;
use longshore_tests::fleet::Fleet;
use longshore_tests::scenario::{job, server};
use serde_json::{Value, json};

use crate::ONE_AT_A_TIME;

/// How long small changes may take on a slow machine.
const SOON: Duration = Duration::from_secs(30);
const AGENTS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn each_control_plane_answers_for_all_and_one_that_goes_is_not_missed() -> anyhow::Result<()>
{
    let _turn = ONE_AT_A_TIME.lock().await;
    let mut fleet = Fleet::up(&binary::directory()?, 1, 3, AGENTS).await?;
    let result = scenario(&mut fleet).await;
    if let Err(error) = &result {
        println!("{error:#}");
        fleet.print_logs();
    }
    result
}

async fn scenario(fleet: &mut Fleet) -> anyhow::Result<()> {
    what_one_acknowledged_the_next_shows(fleet).await?;
    logs_are_read_through_any(fleet).await?;
    a_stranger_is_told_what_to_copy(fleet)?;
    agents_move(fleet).await
}

async fn what_one_acknowledged_the_next_shows(fleet: &Fleet) -> anyhow::Result<()> {
    let wires = fleet.wires();
    for round in 0..30 {
        let name = format!("seen-{round}");
        let (writer, reader) = (&wires[round % 3], &wires[(round + 1) % 3]);
        writer
            .call("CreateCluster", json!({"clusterName": name}))
            .await?;
        let output = reader
            .call("DescribeClusters", json!({"clusters": [name]}))
            .await?;
        ensure!(output["clusters"][0]["status"] == "ACTIVE", "{output}");
    }
    Ok(())
}

async fn logs_are_read_through_any(fleet: &Fleet) -> anyhow::Result<()> {
    let definition = json!({
        "family": "talker",
        "containerDefinitions": [job("echo said; exec sleep 3600")],
    });
    fleet
        .call_any("RegisterTaskDefinition", &definition)
        .await?;
    let input = json!({"taskDefinition": "talker", "count": 2});
    let output = fleet.call_any("RunTask", &input).await?;
    let tasks = output["tasks"].as_array().context("no tasks")?;
    ensure!(tasks.len() == 2, "{output}");
    for task in tasks {
        let arn = task["taskArn"].as_str().context("no taskArn")?;
        for plane in fleet.planes() {
            let endpoint = format!("http://{}", plane.listen);
            eventually(SOON, "the task's output", async || {
                let said = logs(fleet, arn, &endpoint)?;
                ensure!(said.contains("said"), "{endpoint}: {said}");
                anyhow::Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

fn logs(fleet: &Fleet, task: &str, endpoint: &str) -> anyhow::Result<String> {
    let (id, secret) = fleet.key();
    let output = Command::new(binary::directory()?.join("longshore"))
        .args(["task", "logs", task, "--endpoint", endpoint])
        .env("AWS_ACCESS_KEY_ID", id)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One with no files of the installation, and one with files of another.
fn a_stranger_is_told_what_to_copy(fleet: &Fleet) -> anyhow::Result<()> {
    let start = |directory: &std::path::Path, store: &str| {
        Command::new(binary::directory()?.join("longshore-control-plane"))
            .args(["--listen=127.0.0.1:0", "--agent-listen=127.0.0.1:0"])
            .arg(format!("--data-dir={}", directory.display()))
            .arg(format!("--store={store}"))
            .output()
            .context("cannot run longshore-control-plane")
    };
    let directory = tempfile::tempdir()?;
    let output = start(directory.path(), &fleet.etcd.address("test"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "{said}");
    ensure!(
        said.contains("copy ca.pem, ca.key and access-keys.json"),
        "{said}"
    );

    let output = start(directory.path(), "etcd://127.0.0.1:1/test")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "{said}");
    ensure!(said.contains("127.0.0.1:1"), "{said}");
    Ok(())
}

/// The control planes end one after the other, as for an upgrade; nothing else does.
async fn agents_move(fleet: &mut Fleet) -> anyhow::Result<()> {
    let definition = json!({"family": "web", "containerDefinitions": [server()]});
    fleet
        .call_any("RegisterTaskDefinition", &definition)
        .await?;
    let service = json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 2});
    fleet.call_any("CreateService", &service).await?;
    running(fleet, 4).await?;
    let before = fleet.docker().running(fleet.instances()).await?;
    for number in 0..fleet.planes().len() {
        fleet.plane(number).process.end()?;
        fleet.connected(AGENTS, SOON).await?;
        fleet.plane(number).process.restart()?;
        let plane = &fleet.planes()[number];
        eventually(SOON, "the control plane to be back", async || {
            plane.health().await
        })
        .await?;
    }
    eventually(SOON, "a leader", async || fleet.leader().await).await?;
    let scaled = json!({"service": "web", "desiredCount": 3});
    fleet.call_any("UpdateService", &scaled).await?;
    running(fleet, 5).await?;
    let after = fleet.docker().running(fleet.instances()).await?;
    for (task, containers) in &before {
        ensure!(after.get(task) == Some(containers), "{task}: {after:?}");
    }
    Ok(())
}

async fn running(fleet: &Fleet, count: usize) -> anyhow::Result<()> {
    eventually(SOON, "the containers to run", async || {
        let running = fleet.docker().running(fleet.instances()).await?;
        let listed: Value = fleet.call_any("ListTasks", &json!({})).await?;
        ensure!(
            running.len() == count,
            "{} of {count} run: {listed}",
            running.len()
        );
        anyhow::Ok(())
    })
    .await
}
