//! Losing the control plane or the agent stops no task (invariant 9).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use longshore_tests::docker::seconds_since_epoch;
use longshore_tests::eventually::{eventually, ticks};
use longshore_tests::longshore::{Longshore, kill};
use longshore_tests::scenario::job;
use longshore_tests::watcher::{Watcher, outside};
use longshore_tests::wire::Wire;
use serde_json::{Value, json};

use crate::on_longshore;
use crate::service::{DEPLOYED_WITHIN, Service};

/// How long a restarted process may take to be back, on a slow machine.
const BACK_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn losing_the_control_plane_in_the_middle_of_an_update_loses_nothing() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        let service = Service::create(longshore, 4, 50, 100).await?;
        let old: BTreeSet<String> = arns(&service.tasks().await?);
        let definition = service.register().await?;
        let writer = Writer::start(longshore.wire()?);
        let watcher = Watcher::start(longshore, "web")?;
        let since = seconds_since_epoch()?;
        service
            .update(json!({"taskDefinition": definition}))
            .await?;
        eventually(DEPLOYED_WITHIN, "the middle of the update", async || {
            let described = service.describe().await?;
            let deployments = &described["deployments"];
            let running = |index: usize| deployments[index]["runningCount"].as_i64().unwrap_or(0);
            if running(0) >= 1 && running(1) >= 1 {
                Ok(())
            } else {
                bail!("{deployments}")
            }
        })
        .await?;

        kill(longshore.control_plane_pid()?)?;
        eventually(
            BACK_WITHIN,
            "the control plane to be gone",
            async || match service.describe().await {
                Err(error)
                    if error
                        .downcast_ref::<longshore_tests::wire::Fault>()
                        .is_none() =>
                {
                    Ok(())
                }
                other => bail!("{other:?}"),
            },
        )
        .await?;
        let restarted = Instant::now();
        longshore.start()?;
        eventually(BACK_WITHIN, "the control plane to answer", async || {
            service.describe().await
        })
        .await?;
        println!(
            "measured: control plane answers {:.2} s after `longshore up`",
            restarted.elapsed().as_secs_f64()
        );
        service.deployed().await?;

        let faults = outside(&watcher.stop().await?, 2, 4);
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        only_the_update_happened(longshore, &service, &old, &definition, since).await?;

        let acknowledged = writer.stop().await?;
        let kept = families(&service.wire).await?;
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        println!(
            "measured: {} acknowledged calls around the kill, {} lost",
            acknowledged.len(),
            lost.len()
        );
        ensure!(
            acknowledged.len() > 5,
            "only {acknowledged:?} was acknowledged"
        );
        ensure!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        Ok(())
    })
    .await
}

/// Exactly the old tasks ended, because the service scheduler stopped them, and as many new ones
/// started, once each.
async fn only_the_update_happened(
    longshore: &Longshore,
    service: &Service,
    old: &BTreeSet<String>,
    definition: &str,
    since: u64,
) -> anyhow::Result<()> {
    let events = longshore
        .docker()
        .starts_and_ends(longshore.instances(), since)
        .await?;
    let of = |kind: &str| -> Vec<String> {
        events
            .iter()
            .filter(|(action, task)| action == kind && !(kind == "start" && old.contains(task)))
            .map(|(_, task)| task.clone())
            .collect()
    };
    let (started, ended) = (of("start"), of("die"));
    ensure!(
        ended.iter().cloned().collect::<BTreeSet<_>>() == *old && ended.len() == old.len(),
        "ended: {ended:?}, of the old revision: {old:?}"
    );
    let tasks = service.tasks().await?;
    ensure!(
        started.iter().cloned().collect::<BTreeSet<_>>() == arns(&tasks)
            && started.len() == tasks.len(),
        "started: {started:?}, now running: {:?}",
        arns(&tasks)
    );
    for task in tasks {
        ensure!(task["taskDefinitionArn"] == *definition, "{task}");
    }
    let stopped: Vec<Value> = old.iter().map(|arn| json!(arn)).collect();
    for task in service.describe_tasks(&stopped).await? {
        ensure!(task["lastStatus"] == "STOPPED", "{task}");
        ensure!(task["stopCode"] == "ServiceSchedulerInitiated", "{task}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_the_agent_stops_nothing_and_runs_nothing_twice() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        let service = Service::create(longshore, 3, 50, 200).await?;
        let docker = longshore.docker();
        let instances = longshore.instances();
        let before = docker.running(instances).await?;
        ensure!(before.len() == 3, "{before:?}");
        let since = next_second().await?;

        kill_agent(longshore).await?;
        ensure!(
            docker.running(instances).await? == before,
            "the agent took containers along"
        );
        let restarted = Instant::now();
        longshore.start()?;
        connected(&service.wire, true).await?;
        println!(
            "measured: agent connected {:.2} s after `longshore up`",
            restarted.elapsed().as_secs_f64()
        );
        // It works again, and what it found it kept.
        service.update(json!({"desiredCount": 4})).await?;
        service.deployed().await?;
        let after = docker.running(instances).await?;
        ensure!(after.len() == 4, "{after:?}");
        for (task, containers) in &before {
            ensure!(after.get(task) == Some(containers), "{task}: {after:?}");
        }
        ensure!(
            after.values().all(|containers| containers.len() == 1),
            "{after:?}"
        );
        let events = docker.starts_and_ends(instances, since).await?;
        ensure!(
            events.len() == 1 && events[0].0 == "start",
            "expected one start: {events:?}"
        );

        // What dies while nobody looks is found and replaced.
        kill_agent(longshore).await?;
        let (victim, containers) = after.iter().next().context("nothing runs")?;
        kill(docker.pid(&containers[0]).await?)?;
        longshore.start()?;
        eventually(DEPLOYED_WITHIN, "the victim to be replaced", async || {
            let running = docker.running(instances).await?;
            if running.len() == 4 && !running.contains_key(victim) {
                Ok(())
            } else {
                bail!("{running:?}")
            }
        })
        .await?;
        let tasks = service.describe_tasks(&[json!(victim)]).await?;
        ensure!(tasks[0]["lastStatus"] == "STOPPED", "{}", tasks[0]);
        ensure!(tasks[0]["containers"][0]["exitCode"] == 137, "{}", tasks[0]);
        let events = docker.starts_and_ends(instances, since).await?;
        ensure!(events.len() == 3, "expected start, die, start: {events:?}");
        Ok(())
    })
    .await
}

/// Kills the agent and waits until the control plane knows.
async fn kill_agent(longshore: &Longshore) -> anyhow::Result<()> {
    for pid in longshore.agent_pids()? {
        kill(pid)?;
    }
    connected(&longshore.wire()?, false).await
}

async fn connected(wire: &Wire, expected: bool) -> anyhow::Result<()> {
    eventually(BACK_WITHIN, "agentConnected to follow", async || {
        let listed = wire.call("ListContainerInstances", json!({})).await?;
        let input = json!({"containerInstances": listed["containerInstanceArns"]});
        let output = wire.call("DescribeContainerInstances", input).await?;
        if output["containerInstances"][0]["agentConnected"] == expected {
            Ok(())
        } else {
            bail!("{output}")
        }
    })
    .await
}

/// Docker's events are asked for by the second: one that has not begun has none of before.
async fn next_second() -> anyhow::Result<u64> {
    let now = seconds_since_epoch()?;
    eventually(BACK_WITHIN, "the next second", async || {
        let later = seconds_since_epoch()?;
        if later > now {
            Ok(later)
        } else {
            bail!("{later}")
        }
    })
    .await
}

fn arns(tasks: &[Value]) -> BTreeSet<String> {
    let arns = tasks.iter().filter_map(|task| task["taskArn"].as_str());
    arns.map(str::to_owned).collect()
}

/// Makes calls all the time and remembers which were acknowledged.
struct Writer {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<BTreeSet<String>>,
}

impl Writer {
    fn start(wire: Wire) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut acknowledged = BTreeSet::new();
            let mut ticks = ticks(Duration::from_millis(50));
            for number in 0.. {
                ticks.tick().await;
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let family = format!("ledger-{number}");
                let definition = json!({"family": family, "containerDefinitions": [job("true")]});
                if wire
                    .call("RegisterTaskDefinition", definition)
                    .await
                    .is_ok()
                {
                    acknowledged.insert(family);
                }
            }
            acknowledged
        });
        Self { stop, task }
    }

    async fn stop(self) -> anyhow::Result<BTreeSet<String>> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.task.await?)
    }
}

/// All families of task definitions.
async fn families(wire: &Wire) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut input = json!({"familyPrefix": "ledger-"});
    loop {
        let output = wire
            .call("ListTaskDefinitionFamilies", input.clone())
            .await?;
        let page = output["families"].as_array().into_iter().flatten();
        found.extend(page.filter_map(|family| family.as_str().map(str::to_owned)));
        match output.get("nextToken") {
            Some(token) if !token.is_null() => input["nextToken"] = token.clone(),
            _ => return Ok(found),
        }
    }
}
