//! What the tests on services share.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use longshore_tests::eventually::eventually;
use longshore_tests::longshore::Longshore;
use longshore_tests::scenario::server;
use longshore_tests::wire::Wire;
use serde_json::{Value, json};

/// Longest that a deployment of a few tasks may take, on a slow machine.
pub(crate) const DEPLOYED_WITHIN: Duration = Duration::from_secs(90);

/// A service `web` of cluster `default`, and a client.
pub(crate) struct Service {
    pub wire: Wire,
}

impl Service {
    /// Creates it and waits until all its tasks run.
    pub(crate) async fn create(
        longshore: &Longshore,
        desired: u32,
        minimum: u32,
        maximum: u32,
    ) -> anyhow::Result<Self> {
        let service = Self {
            wire: longshore.wire()?,
        };
        let definition = service.register().await?;
        service
            .wire
            .call(
                "CreateService",
                json!({
                    "serviceName": "web",
                    "taskDefinition": definition,
                    "desiredCount": desired,
                    "deploymentConfiguration": {
                        "minimumHealthyPercent": minimum,
                        "maximumPercent": maximum,
                    },
                }),
            )
            .await?;
        service.deployed().await?;
        Ok(service)
    }

    /// Registers a revision of its task definition. Returns the ARN.
    pub(crate) async fn register(&self) -> anyhow::Result<String> {
        let output = self
            .wire
            .call(
                "RegisterTaskDefinition",
                json!({"family": "web", "containerDefinitions": [server()]}),
            )
            .await?;
        let arn = output["taskDefinition"]["taskDefinitionArn"].as_str();
        Ok(arn.context("no ARN")?.to_owned())
    }

    /// Calls UpdateService with these members beside the name.
    pub(crate) async fn update(&self, mut input: Value) -> anyhow::Result<Value> {
        input["service"] = json!("web");
        self.wire.call("UpdateService", input).await
    }

    pub(crate) async fn describe(&self) -> anyhow::Result<Value> {
        let mut output = self
            .wire
            .call("DescribeServices", json!({"services": ["web"]}))
            .await?;
        let service = output["services"][0].take();
        ensure!(!service.is_null(), "no service web: {output}");
        Ok(service)
    }

    /// Waits until there is one deployment, COMPLETED, with all tasks running.
    pub(crate) async fn deployed(&self) -> anyhow::Result<Value> {
        eventually(DEPLOYED_WITHIN, "the deployment to complete", async || {
            let service = self.describe().await?;
            let deployments = service["deployments"].as_array().map_or(0, Vec::len);
            if deployments == 1
                && service["deployments"][0]["rolloutState"] == "COMPLETED"
                && service["runningCount"] == service["desiredCount"]
                && service["pendingCount"] == 0
            {
                Ok(service)
            } else {
                bail!("{service}")
            }
        })
        .await
    }

    /// The tasks whose desired status is RUNNING.
    pub(crate) async fn tasks(&self) -> anyhow::Result<Vec<Value>> {
        let listed = self
            .wire
            .call("ListTasks", json!({"serviceName": "web"}))
            .await?;
        let arns = listed["taskArns"].as_array().cloned().unwrap_or_default();
        self.describe_tasks(&arns).await
    }

    /// These tasks, all of which must exist.
    pub(crate) async fn describe_tasks(&self, arns: &[Value]) -> anyhow::Result<Vec<Value>> {
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        let output = self
            .wire
            .call("DescribeTasks", json!({"tasks": arns}))
            .await?;
        let tasks = output["tasks"].as_array().cloned().unwrap_or_default();
        ensure!(tasks.len() == arns.len(), "of {arns:?} there is {output}");
        Ok(tasks)
    }
}
