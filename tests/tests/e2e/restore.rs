//! A store that is restored to an earlier state stops no task (invariant 9).

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use longshore_tests::binary;
use longshore_tests::docker::seconds_since_epoch;
use longshore_tests::eventually::eventually;
use longshore_tests::longshore::{Longshore, kill};
use serde_json::json;

use crate::on_longshore;
use crate::service::Service;

/// How long a control plane may take to be gone, or an agent to be back, on a slow machine.
const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_store_does_not_know_runs_on() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        let service = Service::create(longshore, 2, 50, 200).await?;
        let (docker, instances) = (longshore.docker(), longshore.instances());
        let data = longshore.directory().join("control-plane");
        let backup = longshore.directory().join("backup");
        without_control_plane(longshore, || {
            control_plane("backup", Some(&backup), &data).map(drop)
        })
        .await?;
        service.update(json!({"desiredCount": 4})).await?;
        service.deployed().await?;
        let before = docker.running(instances).await?;
        ensure!(before.len() == 4, "{before:?}");
        let since = seconds_since_epoch()? + 1;

        without_control_plane(longshore, || {
            std::fs::remove_dir_all(data.join("store"))?;
            let said = control_plane("restore", Some(&backup), &data)?;
            ensure!(said.contains("--stop-stranded"), "{said}");
            let said = control_plane("check", None, &data)?;
            ensure!(said.contains("all is well"), "{said}");
            Ok(())
        })
        .await?;
        // The service is as it was when it was backed up, and its tasks are the ones that ran then.
        let described = service.deployed().await?;
        ensure!(described["desiredCount"] == 2, "{described}");
        // That the agent was told the complete set shows when it takes another task.
        service.update(json!({"desiredCount": 3})).await?;
        service.deployed().await?;
        let after = docker.running(instances).await?;
        ensure!(after.len() == 5, "{after:?}");
        for (task, containers) in &before {
            ensure!(after.get(task) == Some(containers), "{task}: {after:?}");
        }
        let events = docker.starts_and_ends(instances, since).await?;
        ensure!(events.iter().all(|(kind, _)| kind == "start"), "{events:?}");

        // What the restored store knows, it has its way with.
        service.update(json!({"desiredCount": 0})).await?;
        eventually(WITHIN, "two tasks to be left over", async || {
            match docker.running(instances).await?.len() {
                2 => Ok(()),
                running => bail!("{running} run"),
            }
        })
        .await
    })
    .await
}

/// Does something while the control plane is away.
async fn without_control_plane(
    longshore: &Longshore,
    what: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let pid = longshore.control_plane_pid()?;
    kill(pid)?;
    let process = format!("/proc/{pid}/exe");
    eventually(
        WITHIN,
        "the control plane to be gone",
        async || match std::fs::read_link(&process) {
            Ok(_) => bail!("{process} is there"),
            Err(_) => Ok(()),
        },
    )
    .await?;
    what()?;
    longshore.start()?;
    let wire = longshore.wire()?;
    eventually(WITHIN, "the agent to be connected", async || {
        let listed = wire.call("ListContainerInstances", json!({})).await?;
        let input = json!({"containerInstances": listed["containerInstanceArns"]});
        let output = wire.call("DescribeContainerInstances", input).await?;
        match output["containerInstances"][0]["agentConnected"] == true {
            true => Ok(()),
            false => bail!("{output}"),
        }
    })
    .await
}

/// Runs a command on the store in `data`. Returns what it said.
fn control_plane(command: &str, file: Option<&Path>, data: &Path) -> anyhow::Result<String> {
    let output = Command::new(binary::directory()?.join("longshore-control-plane"))
        .arg(command)
        .args(file)
        .arg("--data-dir")
        .arg(data)
        .output()
        .context("cannot run longshore-control-plane")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(output.status.success(), "{command}: {said}");
    Ok(said)
}
