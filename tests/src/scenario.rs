//! The one scenario that must pass through every client: from the first cluster to the last.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::docker::IMAGE;
use crate::driver::{Driver, Waiter};
use crate::eventually::eventually;
use crate::wire::Fault;

/// How long small changes may take on a slow machine.
const SOON: Duration = Duration::from_secs(30);

/// The definition of a container that serves HTTP until it is told to stop.
pub fn server() -> Value {
    json!({
        "name": "web",
        "image": IMAGE,
        "memory": 32,
        "essential": true,
        "stopTimeout": 5,
        "portMappings": [{"containerPort": 80, "hostPort": 0}],
    })
}

/// The definition of a container that runs a shell command and ends.
pub fn job(command: &str) -> Value {
    json!({
        "name": "job",
        "image": IMAGE,
        "memory": 32,
        "essential": true,
        "command": ["sh", "-c", command],
    })
}

/// Runs the scenario on an installation that has one container instance, in cluster `default`, and
/// nothing else. Leaves nothing.
pub async fn run(client: &impl Driver) -> anyhow::Result<()> {
    clusters(client).await.context("clusters")?;
    let first = register(client, "web", server()).await?;
    create(client, &first).await.context("create a service")?;
    tasks(client).await.context("its tasks")?;
    run_task(client).await.context("run a task")?;
    update(client, &first).await.context("update the service")?;
    delete(client).await.context("delete the service")?;
    leave(client).await.context("delete the cluster")
}

/// A second, empty cluster comes and goes.
async fn clusters(client: &impl Driver) -> anyhow::Result<()> {
    let output = client
        .call("CreateCluster", json!({"clusterName": "empty"}))
        .await?;
    ensure!(output["cluster"]["status"] == "ACTIVE", "{output}");
    let output = client
        .call(
            "DescribeClusters",
            json!({"clusters": ["empty", "default"]}),
        )
        .await?;
    let statuses = strings(&output["clusters"], "status");
    ensure!(statuses == ["ACTIVE", "ACTIVE"], "{output}");
    let output = client
        .call("DeleteCluster", json!({"cluster": "empty"}))
        .await?;
    ensure!(output["cluster"]["status"] == "INACTIVE", "{output}");
    Ok(())
}

/// Registers the next revision of a family. Returns its ARN.
async fn register(client: &impl Driver, family: &str, container: Value) -> anyhow::Result<String> {
    let output = client
        .call(
            "RegisterTaskDefinition",
            json!({"family": family, "containerDefinitions": [container]}),
        )
        .await?;
    let definition = &output["taskDefinition"];
    ensure!(definition["status"] == "ACTIVE", "{output}");
    let arn = definition["taskDefinitionArn"].as_str().context("no ARN")?;
    let suffix = format!("task-definition/{family}:{}", definition["revision"]);
    ensure!(arn.ends_with(&suffix), "{arn} does not end with {suffix}");
    Ok(arn.to_owned())
}

async fn create(client: &impl Driver, definition: &str) -> anyhow::Result<()> {
    let input = json!({
        "cluster": "default",
        "serviceName": "web",
        "taskDefinition": definition,
        "desiredCount": 2,
    });
    let output = client.call("CreateService", input.clone()).await?;
    ensure!(output["service"]["status"] == "ACTIVE", "{output}");
    ensure!(output["service"]["desiredCount"] == 2, "{output}");

    let mut other = input;
    other["desiredCount"] = json!(3);
    let fault = fault(client, "CreateService", other).await?;
    ensure!(fault.kind == "InvalidParameterException", "{fault}");

    wait_stable(client, "web").await?;
    let service = steady(client).await?;
    ensure!(service["runningCount"] == 2, "{service}");
    ensure!(service["taskDefinition"] == definition, "{service}");
    Ok(())
}

/// The service, once it says that it reached a steady state.
async fn steady(client: &impl Driver) -> anyhow::Result<Value> {
    eventually(SOON, "a steady state", async || {
        let service = describe(client).await?;
        let deployments = service["deployments"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let messages = strings(&service["events"], "message");
        let latest = messages.first().map(String::as_str).unwrap_or_default();
        if deployments.len() == 1
            && deployments[0]["status"] == "PRIMARY"
            && deployments[0]["rolloutState"] == "COMPLETED"
            && latest == "(service web) has reached a steady state."
        {
            Ok(service)
        } else {
            bail!("{service}")
        }
    })
    .await
}

async fn tasks(client: &impl Driver) -> anyhow::Result<()> {
    for task in described_tasks(client).await? {
        ensure!(task["lastStatus"] == "RUNNING", "{task}");
        ensure!(task["desiredStatus"] == "RUNNING", "{task}");
        ensure!(task["group"] == "service:web", "{task}");
        let container = &task["containers"][0];
        ensure!(container["name"] == "web", "{task}");
        ensure!(container["lastStatus"] == "RUNNING", "{task}");
        let binding = &container["networkBindings"][0];
        ensure!(binding["containerPort"] == 80, "{task}");
        let port = binding["hostPort"].as_u64().context("no host port")?;
        let page = get(u16::try_from(port)?).await?;
        ensure!(page.ends_with("hello\n"), "port {port} says {page}");
    }
    Ok(())
}

/// The service's running tasks.
async fn described_tasks(client: &impl Driver) -> anyhow::Result<Vec<Value>> {
    let listed = client
        .call(
            "ListTasks",
            json!({"cluster": "default", "serviceName": "web"}),
        )
        .await?;
    let output = client
        .call(
            "DescribeTasks",
            json!({"cluster": "default", "tasks": listed["taskArns"]}),
        )
        .await?;
    output["tasks"]
        .as_array()
        .cloned()
        .context("DescribeTasks without tasks")
}

async fn run_task(client: &impl Driver) -> anyhow::Result<()> {
    let definition = register(client, "job", job("echo done; exit 3")).await?;
    let output = client
        .call(
            "RunTask",
            json!({
                "cluster": "default",
                "taskDefinition": definition,
                "count": 1,
                "startedBy": "scenario",
            }),
        )
        .await?;
    let started = &output["tasks"][0];
    ensure!(started["startedBy"] == "scenario", "{output}");
    let named = json!({"cluster": "default", "tasks": [started["taskArn"]]});
    client.wait(Waiter::TasksStopped, named.clone()).await?;
    let output = client.call("DescribeTasks", named).await?;
    let task = &output["tasks"][0];
    ensure!(task["lastStatus"] == "STOPPED", "{task}");
    ensure!(task["stopCode"] == "EssentialContainerExited", "{task}");
    ensure!(
        task["stoppedReason"] == "Essential container in task exited",
        "{task}"
    );
    ensure!(task["containers"][0]["exitCode"] == 3, "{task}");
    Ok(())
}

async fn update(client: &impl Driver, first: &str) -> anyhow::Result<()> {
    let update = |change: Value| {
        let mut input = json!({"cluster": "default", "service": "web"});
        for (field, value) in change.as_object().into_iter().flatten() {
            input[field] = value.clone();
        }
        client.call("UpdateService", input)
    };
    let output = update(json!({"desiredCount": 3})).await?;
    ensure!(output["service"]["desiredCount"] == 3, "{output}");
    wait_stable(client, "web").await?;
    ensure!(described_tasks(client).await?.len() == 3, "not three tasks");

    let second = register(client, "web", server()).await?;
    ensure!(second != first, "{second} twice");
    let output = update(json!({"taskDefinition": "web"})).await?;
    ensure!(output["service"]["taskDefinition"] == *second, "{output}");
    let deployments = output["service"]["deployments"].as_array();
    ensure!(deployments.is_some_and(|d| d.len() == 2), "{output}");
    wait_stable(client, "web").await?;
    steady(client).await?;
    let tasks = described_tasks(client).await?;
    ensure!(tasks.len() == 3, "{tasks:?}");
    for task in tasks {
        ensure!(task["taskDefinitionArn"] == *second, "{task}");
    }

    let fault = fault(
        client,
        "UpdateService",
        json!({"cluster": "default", "service": "nosuch", "desiredCount": 1}),
    )
    .await?;
    ensure!(fault.kind == "ServiceNotFoundException", "{fault}");
    Ok(())
}

async fn delete(client: &impl Driver) -> anyhow::Result<()> {
    let named = json!({"cluster": "default", "service": "web"});
    let fault = fault(client, "DeleteService", named.clone()).await?;
    ensure!(fault.kind == "InvalidParameterException", "{fault}");
    let mut forced = named;
    forced["force"] = json!(true);
    client.call("DeleteService", forced).await?;
    eventually(SOON, "the service to be INACTIVE", async || {
        let service = describe(client).await?;
        match service["status"].as_str() {
            Some("INACTIVE") => Ok(()),
            _ => bail!("{service}"),
        }
    })
    .await?;
    client
        .wait(
            Waiter::ServicesInactive,
            json!({"cluster": "default", "services": ["web"]}),
        )
        .await
}

/// A cluster is deleted only when nothing is in it.
async fn leave(client: &impl Driver) -> anyhow::Result<()> {
    let refused = fault(client, "DeleteCluster", json!({"cluster": "default"})).await?;
    ensure!(
        refused.kind == "ClusterContainsContainerInstancesException",
        "{refused}"
    );
    let listed = client
        .call("ListContainerInstances", json!({"cluster": "default"}))
        .await?;
    for instance in listed["containerInstanceArns"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let output = client
            .call(
                "DeregisterContainerInstance",
                json!({"cluster": "default", "containerInstance": instance, "force": true}),
            )
            .await?;
        ensure!(
            output["containerInstance"]["status"] == "INACTIVE",
            "{output}"
        );
    }
    let output = client
        .call("DeleteCluster", json!({"cluster": "default"}))
        .await?;
    ensure!(output["cluster"]["status"] == "INACTIVE", "{output}");
    Ok(())
}

async fn wait_stable(client: &impl Driver, service: &str) -> anyhow::Result<()> {
    client
        .wait(
            Waiter::ServicesStable,
            json!({"cluster": "default", "services": [service]}),
        )
        .await
}

async fn describe(client: &impl Driver) -> anyhow::Result<Value> {
    let mut output = client
        .call(
            "DescribeServices",
            json!({"cluster": "default", "services": ["web"]}),
        )
        .await?;
    Ok(output["services"][0].take())
}

/// The answer to a call that must fail.
async fn fault(client: &impl Driver, operation: &str, input: Value) -> anyhow::Result<Fault> {
    match client.call(operation, input).await {
        Ok(output) => bail!("{operation} succeeded with {output}"),
        Err(error) => error.downcast::<Fault>(),
    }
}

/// One field of every item of a list.
fn strings(list: &Value, field: &str) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item[field].as_str().map(str::to_owned))
        .collect()
}

/// What an HTTP server on this machine answers.
async fn get(port: u16) -> anyhow::Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    eventually(SOON, "an answer of the container", async || {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        stream
            .write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    })
    .await
}
