//! Constraints, strategies and attributes, through the AWS CLI and boto3, on three instances in
//! three zones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use longshore_tests::driver::{AwsCli, Boto3, Driver, Waiter};
use longshore_tests::eventually::eventually;
use longshore_tests::longshore::{Longshore, kill};
use longshore_tests::scenario::server;
use longshore_tests::wire::Fault;
use serde_json::{Value, json};

use crate::on_longshore;

/// How long a restarted process may take to be back, on a slow machine.
const BACK_WITHIN: Duration = Duration::from_secs(60);
const ZONE: &str = "ecs.availability-zone";

#[tokio::test(flavor = "multi_thread")]
async fn tasks_go_where_constraints_and_strategies_say() -> anyhow::Result<()> {
    on_longshore(3, async |longshore| {
        let (cli, boto3) = (AwsCli::new(longshore)?, Boto3::new(longshore)?);
        let rack = Rack::new(longshore)?;
        rack.put_attributes(&cli).await.context("attributes")?;
        rack.filter(&cli).await.context("filters")?;
        register(&cli, "web", json!([])).await?;
        rack.run_tasks(&cli).await.context("run tasks")?;
        rack.bind(&boto3).await.context("task definition")?;
        rack.serve(&boto3).await.context("service")?;
        settings(&boto3).await.context("account settings")?;
        restart(longshore).await.context("restart")?;
        rack.still_there(&boto3).await.context("after the restart")
    })
    .await
}

/// Three instances: the first two have an SSD and are in rack r1, the third is alone in r2.
struct Rack {
    ids: Vec<String>,
}

impl Rack {
    fn new(longshore: &Longshore) -> anyhow::Result<Self> {
        let ids = longshore.instances().to_vec();
        ensure!(ids.len() == 3, "{ids:?}");
        Ok(Self { ids })
    }

    fn with_ssd(&self) -> BTreeSet<&str> {
        self.ids[..2].iter().map(String::as_str).collect()
    }

    fn alone(&self) -> &str {
        &self.ids[2]
    }

    async fn put_attributes(&self, client: &impl Driver) -> anyhow::Result<()> {
        let on = |index: usize, name: &str, value: &str| {
            json!({"name": name, "value": value, "targetType": "container-instance",
                "targetId": self.ids[index]})
        };
        let attributes = [
            on(0, "disk", "ssd"),
            on(1, "disk", "ssd"),
            on(2, "disk", "hdd"),
            on(0, "rack", "r1"),
            on(1, "rack", "r1"),
            on(2, "rack", "r2"),
            on(2, "mistake", "x"),
        ];
        let output = client
            .call("PutAttributes", json!({ "attributes": attributes }))
            .await?;
        ensure!(list(&output, "attributes").len() == 7, "{output}");
        let mistake = json!({"name": "mistake", "targetType": "container-instance",
            "targetId": self.ids[2]});
        client
            .call("DeleteAttributes", json!({"attributes": [mistake]}))
            .await?;
        self.still_there(client).await?;

        let reserved = json!({"attributes": [on(0, ZONE, "elsewhere")]});
        let fault = refused(client, "PutAttributes", reserved).await?;
        ensure!(fault.kind == "InvalidParameterException", "{fault}");
        let nowhere = json!({"attributes": [{"name": "a", "value": "b",
            "targetType": "container-instance", "targetId": "0".repeat(32)}]});
        let fault = refused(client, "PutAttributes", nowhere).await?;
        ensure!(fault.kind == "TargetNotFoundException", "{fault}");
        Ok(())
    }

    /// The attributes are those that were put, in ListAttributes and in Describe.
    async fn still_there(&self, client: &impl Driver) -> anyhow::Result<()> {
        let input = json!({"targetType": "container-instance", "attributeName": "disk"});
        let output = client.call("ListAttributes", input).await?;
        let mut disks = BTreeMap::new();
        for attribute in list(&output, "attributes") {
            let id = last(&attribute["targetId"])?;
            disks.insert(
                id,
                attribute["value"].as_str().unwrap_or_default().to_owned(),
            );
        }
        let described = client
            .call(
                "DescribeContainerInstances",
                json!({"containerInstances": self.ids}),
            )
            .await?;
        for instance in list(&described, "containerInstances") {
            let id = last(&instance["containerInstanceArn"])?;
            let has = |name: &str| {
                let attributes = list(&instance, "attributes");
                attributes.into_iter().find(|one| one["name"] == name)
            };
            let disk = has("disk").context("no disk")?;
            let wanted = if id == self.alone() { "hdd" } else { "ssd" };
            ensure!(disk["value"] == wanted, "{instance}");
            ensure!(
                disks.get(&id).is_some_and(|disk| disk == wanted),
                "{output}"
            );
            ensure!(has(ZONE).is_some(), "{instance}");
            ensure!(has("mistake").is_none(), "{instance}");
        }
        ensure!(disks.len() == 3, "{output}");
        Ok(())
    }

    async fn filter(&self, client: &impl Driver) -> anyhow::Result<()> {
        let find = async |filter: &str| -> anyhow::Result<BTreeSet<String>> {
            let input = json!({ "filter": filter });
            let output = client.call("ListContainerInstances", input).await?;
            let arns = list(&output, "containerInstanceArns");
            arns.iter().map(last).collect()
        };
        let with_ssd = find("attribute:disk == ssd and agentConnected == true").await?;
        ensure!(with_ssd.iter().eq(self.with_ssd()), "{with_ssd:?}");
        let alone = find("not(attribute:rack in [r1, r3]) && runningTasksCount < 1").await?;
        ensure!(alone.iter().eq([self.alone()]), "{alone:?}");
        let input = json!({"filter": "attribute:disk == "});
        let fault = refused(client, "ListContainerInstances", input).await?;
        ensure!(fault.kind == "InvalidParameterException", "{fault}");
        ensure!(fault.message.contains("column 19"), "{fault}");
        Ok(())
    }

    async fn run_tasks(&self, client: &impl Driver) -> anyhow::Result<()> {
        let ssd = json!({"type": "memberOf", "expression": "attribute:disk == ssd"});
        let output = run(client, json!({"count": 3, "placementConstraints": [ssd]})).await?;
        let placed = placed(&output)?;
        ensure!(placed.values().sum::<usize>() == 3, "{output}");
        ensure!(
            placed
                .keys()
                .all(|id| self.with_ssd().contains(id.as_str())),
            "{output}"
        );

        let distinct = json!([{"type": "distinctInstance"}]);
        let apart = json!({"count": 4, "group": "apart", "placementConstraints": distinct});
        let output = run(client, apart).await?;
        ensure!(counts(&output)? == [1, 1, 1], "{output}");
        let failures = list(&output, "failures");
        ensure!(failures.len() == 3, "{output}");
        for failure in failures {
            let reason = "DistinctInstance placement constraint unsatisfied.";
            ensure!(failure["reason"] == reason, "{failure}");
            let detail = failure["detail"].as_str().unwrap_or_default();
            ensure!(
                detail.contains("of 3 instances: 3 DistinctInstance"),
                "{failure}"
            );
        }

        let by_rack = json!([{"type": "spread", "field": "attribute:rack"},
            {"type": "binpack", "field": "memory"}]);
        let spread = json!({"count": 4, "group": "spread", "placementStrategy": by_rack});
        let output = run(client, spread).await?;
        ensure!(placed_on(&output, self.alone())? == 2, "{output}");

        let by_zone = json!([{"type": "spread", "field": format!("attribute:{ZONE}")}]);
        let zones = json!({"count": 3, "group": "zones", "placementStrategy": by_zone});
        let output = run(client, zones).await?;
        ensure!(counts(&output)? == [1, 1, 1], "{output}");
        let zones: BTreeSet<String> = list(&output, "tasks")
            .iter()
            .map(|task| task["availabilityZone"].to_string())
            .collect();
        ensure!(zones.len() == 3, "{output}");

        let full = json!([{"type": "binpack", "field": "MEMORY"}]);
        let packed = json!({"count": 3, "group": "packed", "placementStrategy": full});
        let fullest = self.fullest(client).await?;
        let output = run(client, packed).await?;
        ensure!(counts(&output)? == [3], "{output}");
        let on = placed_on_one(&output)?;
        ensure!(
            fullest.contains(&on),
            "{on} is none of {fullest:?}: {output}"
        );

        let unknown = json!({"taskDefinition": "web", "placementConstraints": [
            {"type": "memberOf", "expression": "attribute:disk = ssd"}]});
        let fault = refused(client, "RunTask", unknown).await?;
        ensure!(fault.kind == "InvalidParameterException", "{fault}");
        let place = "placementConstraints[0].expression is not valid: column 16";
        ensure!(fault.message.contains(place), "{fault}");
        Ok(())
    }

    /// The instances with the least memory left.
    async fn fullest(&self, client: &impl Driver) -> anyhow::Result<BTreeSet<String>> {
        let output = client
            .call(
                "DescribeContainerInstances",
                json!({"containerInstances": self.ids}),
            )
            .await?;
        let mut left = BTreeMap::<i64, BTreeSet<String>>::new();
        for instance in list(&output, "containerInstances") {
            let resources = list(&instance, "remainingResources");
            let memory = resources.iter().find(|one| one["name"] == "MEMORY");
            let memory = memory.and_then(|one| one["integerValue"].as_i64());
            let id = last(&instance["containerInstanceArn"])?;
            left.entry(memory.context("no MEMORY")?)
                .or_default()
                .insert(id);
        }
        let (_, fullest) = left.into_iter().next().context("no instances")?;
        Ok(fullest)
    }

    /// Constraints of a task definition bind RunTask and not StartTask.
    async fn bind(&self, client: &impl Driver) -> anyhow::Result<()> {
        let member = json!([{"type": "memberOf", "expression": "attribute:rack == r2"}]);
        register(client, "bound", member.clone()).await?;
        let output = client
            .call("DescribeTaskDefinition", json!({"taskDefinition": "bound"}))
            .await?;
        ensure!(
            output["taskDefinition"]["placementConstraints"] == member,
            "{output}"
        );
        let output = client
            .call("RunTask", json!({"taskDefinition": "bound", "count": 2}))
            .await?;
        ensure!(placed_on(&output, self.alone())? == 2, "{output}");
        let there = json!({"taskDefinition": "bound", "containerInstances": [self.ids[0]]});
        let output = client.call("StartTask", there).await?;
        ensure!(placed_on(&output, &self.ids[0])? == 1, "{output}");
        Ok(())
    }

    async fn serve(&self, client: &impl Driver) -> anyhow::Result<()> {
        let constraints = json!([{"type": "memberOf", "expression": "attribute:disk == ssd"}]);
        let strategy = json!([{"type": "spread", "field": "instanceId"}]);
        let input = json!({
            "serviceName": "web",
            "taskDefinition": "web",
            "desiredCount": 4,
            "placementConstraints": constraints,
            "placementStrategy": strategy,
        });
        client.call("CreateService", input).await?;
        let named = json!({"services": ["web"]});
        client.wait(Waiter::ServicesStable, named.clone()).await?;
        let listed = client
            .call("ListTasks", json!({"serviceName": "web"}))
            .await?;
        let output = client
            .call("DescribeTasks", json!({"tasks": listed["taskArns"]}))
            .await?;
        ensure!(counts(&output)? == [2, 2], "{output}");
        ensure!(placed_on(&output, self.alone())? == 0, "{output}");

        let shown = async |placed: [&Value; 2]| -> anyhow::Result<()> {
            let output = client.call("DescribeServices", named.clone()).await?;
            let service = &output["services"][0];
            ensure!(service["placementConstraints"] == *placed[0], "{service}");
            ensure!(service["placementStrategy"] == *placed[1], "{service}");
            Ok(())
        };
        shown([&constraints, &strategy]).await?;
        let update = json!({"service": "web", "placementStrategy": []});
        client.call("UpdateService", update).await?;
        shown([&constraints, &json!([])]).await?;
        let update = json!({"service": "web", "placementConstraints": []});
        client.call("UpdateService", update).await?;
        shown([&json!([]), &json!([])]).await?;
        let six =
            json!({"service": "web", "placementStrategy": vec![json!({"type": "random"}); 6]});
        let fault = refused(client, "UpdateService", six).await?;
        ensure!(
            fault.message.contains("placementStrategy has 6 entries"),
            "{fault}"
        );
        Ok(())
    }
}

/// A default for everyone, and what comes of it.
async fn settings(client: &impl Driver) -> anyhow::Result<()> {
    let input = json!({"name": "containerInsights", "value": "enabled"});
    client.call("PutAccountSettingDefault", input).await?;
    let input = json!({"name": "containerInsights", "effectiveSettings": true});
    let output = client.call("ListAccountSettings", input).await?;
    let setting = &output["settings"][0];
    ensure!(setting["value"] == "enabled", "{output}");
    let principal = setting["principalArn"].as_str().unwrap_or_default();
    ensure!(principal.ends_with(":root"), "{output}");
    let input = json!({"name": "containerInsights", "value": "maybe"});
    let fault = refused(client, "PutAccountSetting", input).await?;
    ensure!(fault.kind == "InvalidParameterException", "{fault}");
    Ok(())
}

/// Kills the control plane and every agent, and starts them again.
async fn restart(longshore: &Longshore) -> anyhow::Result<()> {
    for pid in longshore.agent_pids()? {
        kill(pid)?;
    }
    kill(longshore.control_plane_pid()?)?;
    let wire = longshore.wire()?;
    eventually(
        BACK_WITHIN,
        "the control plane to be gone",
        async || match wire.call("ListClusters", json!({})).await {
            Err(error) if error.downcast_ref::<Fault>().is_none() => Ok(()),
            other => bail!("{other:?}"),
        },
    )
    .await?;
    longshore.start()?;
    eventually(BACK_WITHIN, "all agents to be back", async || {
        let filter = json!({"filter": "agentConnected == true"});
        let output = wire.call("ListContainerInstances", filter).await?;
        if list(&output, "containerInstanceArns").len() == 3 {
            Ok(())
        } else {
            bail!("{output}")
        }
    })
    .await
}

async fn register(client: &impl Driver, family: &str, constraints: Value) -> anyhow::Result<()> {
    let input = json!({"family": family, "containerDefinitions": [server()],
        "placementConstraints": constraints});
    client.call("RegisterTaskDefinition", input).await.map(drop)
}

/// Runs tasks of family `web`.
async fn run(client: &impl Driver, mut input: Value) -> anyhow::Result<Value> {
    input["taskDefinition"] = json!("web");
    client.call("RunTask", input).await
}

/// The answer to a call that must fail.
async fn refused(client: &impl Driver, operation: &str, input: Value) -> anyhow::Result<Fault> {
    match client.call(operation, input).await {
        Ok(output) => bail!("{operation} succeeded with {output}"),
        Err(error) => error.downcast::<Fault>(),
    }
}

/// How many of the tasks are on which instance.
fn placed(output: &Value) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut placed = BTreeMap::new();
    for task in list(output, "tasks") {
        *placed
            .entry(last(&task["containerInstanceArn"])?)
            .or_default() += 1;
    }
    Ok(placed)
}

fn placed_on(output: &Value, id: &str) -> anyhow::Result<usize> {
    Ok(placed(output)?.get(id).copied().unwrap_or_default())
}

fn placed_on_one(output: &Value) -> anyhow::Result<String> {
    let mut placed = placed(output)?.into_keys();
    match (placed.next(), placed.next()) {
        (Some(only), None) => Ok(only),
        _ => bail!("not on one instance: {output}"),
    }
}

/// Tasks per instance, fewest first.
fn counts(output: &Value) -> anyhow::Result<Vec<usize>> {
    let mut counts: Vec<usize> = placed(output)?.into_values().collect();
    counts.sort_unstable();
    Ok(counts)
}

fn list(value: &Value, member: &str) -> Vec<Value> {
    value[member].as_array().cloned().unwrap_or_default()
}

/// What follows the last slash of an ARN.
fn last(arn: &Value) -> anyhow::Result<String> {
    let arn = arn.as_str().context("no ARN")?;
    Ok(arn.rsplit('/').next().unwrap_or(arn).to_owned())
}
