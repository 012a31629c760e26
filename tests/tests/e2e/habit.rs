//! What tools in the field send, and what they read and match, through the clients that they use.

use anyhow::{Context as _, bail, ensure};
use longshore_tests::driver::{AwsCli, Boto3, Driver, Waiter};
use longshore_tests::scenario::job;
use longshore_tests::wire::Fault;
use serde_json::{Value, json};

use crate::on_longshore;

const PREFIX: &str = "arn:aws:ecs:us-east-1:000000000000:";

#[tokio::test(flavor = "multi_thread")]
async fn habits_of_tools_through_the_aws_cli_and_boto3() -> anyhow::Result<()> {
    on_longshore(1, async |longshore| {
        let cli = AwsCli::new(longshore)?;
        cli.call(
            "RegisterTaskDefinition",
            json!({"family": "tool", "containerDefinitions": [job("true")]}),
        )
        .await?;
        habits(&cli).await.context("the AWS CLI")?;
        habits(&Boto3::new(longshore)?).await.context("boto3")
    })
    .await
}

async fn habits(client: &impl Driver) -> anyhow::Result<()> {
    run(client).await?;
    absent(client).await?;
    instance(client).await?;
    texts(client).await?;
    // There is no root user to ask for the settings of another.
    let name = "containerInsights";
    let other = format!("{}root", PREFIX.replace(":ecs:us-east-1:", ":iam::"));
    let setting = json!({"name": name, "value": "enabled", "principalArn": other});
    client.call("PutAccountSetting", setting).await?;
    Ok(())
}

/// A deployment tool runs a task of the family that it knows, waits, and looks at it.
async fn run(client: &impl Driver) -> anyhow::Result<()> {
    let output = client
        .call(
            "RunTask",
            json!({"taskDefinition": format!("{PREFIX}task-definition/tool"),
                "startedBy": "ECS Deploy"}),
        )
        .await?;
    let task = &output["tasks"][0];
    let tasks = json!({"tasks": [task["taskArn"]]});
    client.wait(Waiter::TasksStopped, tasks.clone()).await?;
    let output = client.call("DescribeTasks", tasks).await?;
    let task = &output["tasks"][0];
    ensure!(task["startedBy"] == "ECS Deploy", "{output}");
    let bindings = &task["containers"][0]["networkBindings"];
    ensure!(*bindings == json!([]), "{output}");
    Ok(())
}

/// What is not there is said of by the ARN that ECS would give it.
async fn absent(client: &impl Driver) -> anyhow::Result<()> {
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    for (operation, member, given, arn) in [
        (
            "DescribeServices",
            "services",
            "none",
            "service/none".to_owned(),
        ),
        (
            "DescribeTasks",
            "tasks",
            uuid,
            format!("task/default/{uuid}"),
        ),
        (
            "DescribeContainerInstances",
            "containerInstances",
            uuid,
            format!("container-instance/default/{uuid}"),
        ),
    ] {
        let output = client.call(operation, json!({ member: [given] })).await?;
        let wanted = json!([{"arn": format!("{PREFIX}{arn}"), "reason": "MISSING"}]);
        ensure!(output["failures"] == wanted, "{operation}: {output}");
    }
    Ok(())
}

/// Tools join container instances with machines, and look at the version of their agent.
async fn instance(client: &impl Driver) -> anyhow::Result<()> {
    let filter = json!({"filter": "ec2InstanceId =~ mi-[0-9a-f]{17}"});
    let output = client.call("ListContainerInstances", filter).await?;
    let named = json!({"containerInstances": output["containerInstanceArns"]});
    let output = client.call("DescribeContainerInstances", named).await?;
    let shown = &output["containerInstances"][0];
    let length = |value: &Value| value.as_str().map_or(0, str::len);
    ensure!(
        length(&shown["ec2InstanceId"]) == "mi-".len() + 17,
        "{output}"
    );
    for part in ["agentHash", "agentVersion", "dockerVersion"] {
        ensure!(length(&shown["versionInfo"][part]) > 0, "{part}: {output}");
    }
    Ok(())
}

/// Operation, input, and how the message begins.
async fn texts(client: &impl Driver) -> anyhow::Result<()> {
    let strategy = json!({"taskDefinition": "tool", "launchType": "EC2",
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]});
    for (operation, input, text) in [
        (
            "DescribeTasks",
            json!({"tasks": ["None"]}),
            "taskId length should be one of [32,36]",
        ),
        (
            "StopTask",
            json!({"task": "None"}),
            "task length should be one of [32,36]",
        ),
        (
            "UpdateContainerInstancesState",
            json!({"status": "DRAINING", "containerInstances": vec!["0".repeat(32); 11]}),
            "instanceIds can have at most 10 items.",
        ),
        (
            "RunTask",
            json!({"taskDefinition": "tool", "launchType": "MOON"}),
            "launch type should be one of [EC2,FARGATE,EXTERNAL]",
        ),
        (
            "RunTask",
            strategy,
            "Specifying both a launch type and capacity provider strategy is not supported.",
        ),
        (
            "DeregisterTaskDefinition",
            json!({"taskDefinition": "tool"}),
            "Revision is missing.",
        ),
        (
            "DescribeServices",
            json!({"services": ["web"], "cluster": "default "}),
            r"Cluster must match ^[a-zA-Z0-9\-_]{1,255}$, but was default ",
        ),
    ] {
        let error = match client.call(operation, input).await {
            Ok(output) => bail!("{operation} was not refused: {output}"),
            Err(error) => error,
        };
        let fault: &Fault = error
            .downcast_ref()
            .context(format!("{operation}: {error:#}"))?;
        ensure!(fault.message.starts_with(text), "{operation}: {fault}");
    }
    Ok(())
}
