//! A container that dies is replaced, and what happened can be read afterwards.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use longshore_tests::eventually::eventually;
use longshore_tests::longshore::kill;
use serde_json::json;

use crate::on_longshore;
use crate::service::Service;

/// Five seconds on an idle machine; the tests may run on one that is busy.
const REPLACED_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_container_is_replaced_and_its_task_says_why() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        let service = Service::create(longshore, 1, 100, 200).await?;
        let docker = longshore.docker();
        let running = docker.running(longshore.instances()).await?;
        let (victim, containers) = running.iter().next().context("nothing runs")?;
        let pid = docker.pid(&containers[0]).await?;

        let killed = Instant::now();
        kill(pid)?;
        let replacement = eventually(REPLACED_WITHIN, "a replacement", async || {
            let tasks = service.tasks().await?;
            let found = tasks
                .into_iter()
                .find(|task| task["taskArn"] != *victim && task["lastStatus"] == "RUNNING");
            found.context("no other task is RUNNING")
        })
        .await?;
        println!(
            "measured: replacement RUNNING {:.2} s after its predecessor was killed",
            killed.elapsed().as_secs_f64()
        );
        ensure!(replacement["group"] == "service:web", "{replacement}");

        let stopped = eventually(REPLACED_WITHIN, "the task to be STOPPED", async || {
            let tasks = service.describe_tasks(&[json!(victim)]).await?;
            if tasks[0]["lastStatus"] == "STOPPED" {
                Ok(tasks[0].clone())
            } else {
                bail!("{}", tasks[0])
            }
        })
        .await?;
        let container = &stopped["containers"][0];
        ensure!(container["exitCode"] == 137, "{stopped}");
        ensure!(container["lastStatus"] == "STOPPED", "{stopped}");
        ensure!(stopped["desiredStatus"] == "STOPPED", "{stopped}");
        ensure!(
            stopped["stopCode"] == "EssentialContainerExited",
            "{stopped}"
        );
        ensure!(
            stopped["stoppedReason"] == "Essential container in task exited",
            "{stopped}"
        );
        let times = ["createdAt", "startedAt", "stoppingAt", "stoppedAt"];
        let times: Vec<f64> = times.iter().filter_map(|t| stopped[*t].as_f64()).collect();
        ensure!(times.len() == 4 && times.is_sorted(), "{stopped}");

        let listed = service
            .wire
            .call(
                "ListTasks",
                json!({"serviceName": "web", "desiredStatus": "STOPPED"}),
            )
            .await?;
        ensure!(listed["taskArns"] == json!([victim]), "{listed}");
        Ok(())
    })
    .await
}
