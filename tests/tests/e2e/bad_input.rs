//! What is wrong is refused by name, with words that help, and leaves nothing half-made.

use std::time::Duration;

use anyhow::{bail, ensure};
use longshore_tests::docker::IMAGE;
use longshore_tests::eventually::eventually;
use longshore_tests::longshore::Longshore;
use longshore_tests::scenario::{job, server};
use longshore_tests::wire::Wire;
use serde_json::{Value, json};

use crate::on_longshore;
use crate::service::Service;

/// How long small changes may take on a slow machine.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_by_name() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        let wire = longshore.wire()?;
        let register = json!({"family": "web", "containerDefinitions": [server()]});
        wire.call("RegisterTaskDefinition", register).await?;
        let before = everything(&wire).await?;
        refusals(&wire).await?;
        credentials(longshore).await?;
        let after = everything(&wire).await?;
        ensure!(before == after, "left behind:\n{before}\n{after}");
        second_service(longshore).await?;
        full_cluster(&wire).await?;
        unknown_image(&wire).await
    })
    .await
}

/// All that a refused call could have made.
async fn everything(wire: &Wire) -> anyhow::Result<Value> {
    Ok(json!([
        wire.call("ListClusters", json!({})).await?,
        wire.call("ListTaskDefinitionFamilies", json!({})).await?,
        wire.call("ListTaskDefinitions", json!({})).await?,
        wire.call("ListServices", json!({})).await?,
        wire.call("ListTasks", json!({})).await?,
    ]))
}

/// Operation, input, exception, and words that its message must hold.
async fn refusals(wire: &Wire) -> anyhow::Result<()> {
    let with = |change: Value| {
        let mut container = job("true");
        for (field, value) in change.as_object().into_iter().flatten() {
            container[field] = value.clone();
        }
        container.as_object_mut().into_iter().for_each(|members| {
            members.retain(|_, value| !value.is_null());
        });
        container
    };
    let define = |containers: Value| json!({"family": "bad", "containerDefinitions": containers});
    let cases: Vec<(&str, Value, &str, &[&str])> = vec![
        // What does not exist.
        (
            "ListServices",
            json!({"cluster": "nosuch"}),
            "ClusterNotFoundException",
            &["Cluster not found."],
        ),
        (
            "CreateService",
            json!({"cluster": "nosuch", "serviceName": "a", "taskDefinition": "web", "desiredCount": 1}),
            "ClusterNotFoundException",
            &["Cluster not found."],
        ),
        (
            "RunTask",
            json!({"cluster": "nosuch", "taskDefinition": "web"}),
            "ClusterNotFoundException",
            &["Cluster not found."],
        ),
        (
            "DeleteCluster",
            json!({"cluster": "nosuch"}),
            "ClusterNotFoundException",
            &["Cluster not found."],
        ),
        (
            "RunTask",
            json!({"taskDefinition": "nosuch"}),
            "ClientException",
            &["TaskDefinition not found."],
        ),
        (
            "RunTask",
            json!({"taskDefinition": "web:99"}),
            "ClientException",
            &["TaskDefinition not found."],
        ),
        (
            "DescribeTaskDefinition",
            json!({"taskDefinition": "nosuch"}),
            "ClientException",
            &["Unable to describe task definition."],
        ),
        (
            "CreateService",
            json!({"serviceName": "a", "taskDefinition": "nosuch", "desiredCount": 1}),
            "ClientException",
            &["TaskDefinition not found."],
        ),
        (
            "UpdateService",
            json!({"service": "nosuch", "desiredCount": 1}),
            "ServiceNotFoundException",
            &["Service not found."],
        ),
        (
            "DeleteService",
            json!({"service": "nosuch"}),
            "ServiceNotFoundException",
            &["Service not found."],
        ),
        (
            "StopTask",
            json!({"task": "0123456789abcdef0123456789abcdef"}),
            "InvalidParameterException",
            &["task"],
        ),
        // Task definitions.
        (
            "RegisterTaskDefinition",
            define(json!([])),
            "ClientException",
            &["ontainer"],
        ),
        (
            "RegisterTaskDefinition",
            define(json!([job("true"), job("true")])),
            "ClientException",
            &["unique", "'job'"],
        ),
        (
            "RegisterTaskDefinition",
            define(json!([with(json!({"memory": null}))])),
            "ClientException",
            &["'job'", "'memory' or 'memoryReservation'"],
        ),
        (
            "RegisterTaskDefinition",
            define(json!([with(
                json!({"portMappings": [{"containerPort": 65536}]})
            )])),
            "ClientException",
            &["65536", "65535"],
        ),
        (
            "RegisterTaskDefinition",
            define(json!([with(
                json!({"portMappings": [{"containerPort": 80, "hostPort": -1}]})
            )])),
            "ClientException",
            &["-1"],
        ),
        (
            "RegisterTaskDefinition",
            define(json!([with(json!({"image": null}))])),
            "ClientException",
            &["image"],
        ),
        (
            "RegisterTaskDefinition",
            define(json!([with(json!({"name": "no spaces"}))])),
            "ClientException",
            &["no spaces"],
        ),
        (
            "RegisterTaskDefinition",
            json!({"containerDefinitions": [job("true")]}),
            "ClientException",
            &["amily"],
        ),
        // JSON of another type than the field's.
        (
            "RegisterTaskDefinition",
            define(json!([with(json!({"cpu": "99"}))])),
            "SerializationException",
            &["containerDefinitions[0].cpu"],
        ),
        (
            "CreateService",
            json!({"serviceName": "a", "taskDefinition": "web", "desiredCount": "1"}),
            "SerializationException",
            &["desiredCount"],
        ),
        (
            "DescribeServices",
            json!({"services": "web"}),
            "SerializationException",
            &["services"],
        ),
        // Values that cannot be.
        (
            "CreateService",
            json!({"serviceName": "a", "taskDefinition": "web", "desiredCount": -1}),
            "InvalidParameterException",
            &["-1"],
        ),
        (
            "CreateService",
            json!({"serviceName": "no spaces", "taskDefinition": "web", "desiredCount": 1}),
            "InvalidParameterException",
            &["no spaces"],
        ),
        (
            "CreateCluster",
            json!({"clusterName": "no spaces"}),
            "InvalidParameterException",
            &["no spaces"],
        ),
        (
            "RunTask",
            json!({"taskDefinition": "web", "count": 11}),
            "InvalidParameterException",
            &["11", "10"],
        ),
        (
            "NoSuchOperation",
            json!({}),
            "UnknownOperationException",
            &["NoSuchOperation", "X-Amz-Target"],
        ),
    ];
    let mut faults = Vec::new();
    for (operation, input, kind, words) in cases {
        let shown = format!("{operation} {input}");
        match wire.fault(operation, input).await {
            Err(error) => faults.push(format!("{shown}: {error:#}")),
            Ok(fault) => {
                let missing: Vec<_> = words
                    .iter()
                    .filter(|word| !fault.message.contains(**word))
                    .collect();
                if fault.kind != kind || fault.status != 400 || !missing.is_empty() {
                    faults.push(format!(
                        "{shown}: expected {kind} with {words:?}, got status {} {fault}",
                        fault.status
                    ));
                }
            }
        }
    }
    for body in ["{", "[]", "\"text\"", "{\"services\": [1"] {
        match wire.send("DescribeServices", body.into()).await {
            Err(error) if format!("{error}").starts_with("SerializationException") => {}
            other => faults.push(format!("body {body}: {other:?}")),
        }
    }
    ensure!(faults.is_empty(), "\n{}", faults.join("\n"));
    // What is not found by a Describe is no error but a failure in the answer.
    let output = wire
        .call("DescribeServices", json!({"services": ["nosuch"]}))
        .await?;
    ensure!(output["failures"][0]["reason"] == "MISSING", "{output}");
    ensure!(output["services"] == json!([]), "{output}");
    Ok(())
}

async fn credentials(longshore: &Longshore) -> anyhow::Result<()> {
    let good = longshore.wire()?;
    let refused = async |wire: Wire, kind: &str, word: &str| {
        let input = json!({"clusterName": "unsigned"});
        let fault = wire.fault("CreateCluster", input).await?;
        ensure!(
            fault.kind == kind && fault.status == 400 && fault.message.contains(word),
            "expected {kind} with {word:?}, got {} {fault}",
            fault.status
        );
        anyhow::Ok(())
    };
    let mut wire = good.clone();
    wire.secret_access_key.push('x');
    refused(wire, "InvalidSignatureException", "Secret Access Key").await?;
    let mut wire = good.clone();
    wire.access_key_id = "AKIAIOSFODNN7EXAMPLE".to_owned();
    refused(wire, "UnrecognizedClientException", "security token").await?;
    for (skew, word) in [(-600, "expired"), (600, "not yet current")] {
        let mut wire = good.clone();
        wire.skew = skew;
        refused(wire, "InvalidSignatureException", word).await?;
    }
    let mut wire = good.clone();
    wire.skew = -60;
    wire.call("ListClusters", json!({})).await.map(drop)
}

async fn second_service(longshore: &Longshore) -> anyhow::Result<()> {
    let service = Service::create(longshore, 1, 100, 200).await?;
    let input = json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 2});
    let fault = service.wire.fault("CreateService", input).await?;
    ensure!(
        fault.kind == "InvalidParameterException" && fault.message.contains("not idempotent"),
        "{fault}"
    );
    let described = service.describe().await?;
    ensure!(described["desiredCount"] == 1, "{described}");
    Ok(())
}

/// The service of the test before still runs.
async fn full_cluster(wire: &Wire) -> anyhow::Result<()> {
    let named = json!({"cluster": "default"});
    let fault = wire.fault("DeleteCluster", named.clone()).await?;
    ensure!(fault.kind.starts_with("ClusterContains"), "{fault}");
    wire.call("DeleteService", json!({"service": "web", "force": true}))
        .await?;
    let mut input = json!({"family": "sleeper", "containerDefinitions": [server()]});
    wire.call("RegisterTaskDefinition", input.take()).await?;
    let output = wire
        .call("RunTask", json!({"taskDefinition": "sleeper"}))
        .await?;
    let fault = wire.fault("DeleteCluster", named.clone()).await?;
    ensure!(fault.kind.starts_with("ClusterContains"), "{fault}");
    let output2 = wire
        .call("DescribeClusters", json!({"clusters": ["default"]}))
        .await?;
    ensure!(output2["clusters"][0]["status"] == "ACTIVE", "{output2}");
    let task = &output["tasks"][0]["taskArn"];
    wire.call("StopTask", json!({"task": task, "reason": "enough"}))
        .await?;
    let stopped = stopped(wire, task).await?;
    ensure!(stopped["stopCode"] == "UserInitiated", "{stopped}");
    ensure!(stopped["stoppedReason"] == "enough", "{stopped}");
    Ok(())
}

async fn unknown_image(wire: &Wire) -> anyhow::Result<()> {
    let mut container = job("true");
    // Nothing listens there, so that the test needs no network.
    container["image"] = json!("127.0.0.1:1/nosuch:1");
    wire.call(
        "RegisterTaskDefinition",
        json!({"family": "nosuch-image", "containerDefinitions": [container]}),
    )
    .await?;
    let output = wire
        .call("RunTask", json!({"taskDefinition": "nosuch-image"}))
        .await?;
    let task = stopped(wire, &output["tasks"][0]["taskArn"]).await?;
    ensure!(task["stopCode"] == "TaskFailedToStart", "{task}");
    let reason = task["stoppedReason"].as_str().unwrap_or_default();
    ensure!(reason.contains("CannotPullContainerError"), "{task}");
    let container = &task["containers"][0];
    let reason = container["reason"].as_str().unwrap_or_default();
    ensure!(reason.starts_with("CannotPullContainerError: "), "{task}");
    ensure!(container.get("exitCode").is_none(), "{task}");

    // A command that is not in the image is another thing that cannot start.
    let mut container = job("true");
    container["image"] = json!(IMAGE);
    container["command"] = json!(["/nosuch"]);
    wire.call(
        "RegisterTaskDefinition",
        json!({"family": "nosuch-command", "containerDefinitions": [container]}),
    )
    .await?;
    let output = wire
        .call("RunTask", json!({"taskDefinition": "nosuch-command"}))
        .await?;
    let task = stopped(wire, &output["tasks"][0]["taskArn"]).await?;
    ensure!(task["stopCode"] == "TaskFailedToStart", "{task}");
    let reason = task["containers"][0]["reason"].as_str().unwrap_or_default();
    ensure!(reason.starts_with("CannotStartContainerError: "), "{task}");
    Ok(())
}

/// The task, once it is STOPPED.
async fn stopped(wire: &Wire, task: &Value) -> anyhow::Result<Value> {
    eventually(SOON, "the task to be STOPPED", async || {
        let output = wire.call("DescribeTasks", json!({"tasks": [task]})).await?;
        if output["tasks"][0]["lastStatus"] == "STOPPED" {
            Ok(output["tasks"][0].clone())
        } else {
            bail!("{output}")
        }
    })
    .await
}
