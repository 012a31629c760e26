//! The AWS SDK for Rust. It has no untyped calls, so each operation that the scenario uses is
//! written out here, with those fields that the scenario looks at.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::client::Waiters as _;
use aws_sdk_ecs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ecs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::types::{
    ContainerDefinition, DeploymentConfiguration, LinuxParameters, PortMapping, Service, Task,
};
use serde_json::{Value, json};

use super::{Driver, Waiter};
use crate::longshore::Longshore;
use crate::wire::Fault;

/// Longest wait of a waiter. The SDK itself polls at the pace of the service model, 6 to 15 s.
const WAIT: Duration = Duration::from_secs(120);

/// An SDK client.
#[derive(Debug)]
pub struct RustSdk {
    client: Client,
}

impl RustSdk {
    /// For an installation, with what `longshore env` says.
    pub async fn new(longshore: &Longshore) -> anyhow::Result<Self> {
        Ok(Self {
            client: Client::new(&configuration(longshore).await?),
        })
    }
}

/// The configuration of any client of the SDK, with what `longshore env` says.
pub async fn configuration(longshore: &Longshore) -> anyhow::Result<aws_config::SdkConfig> {
    let environment = longshore.environment()?;
    let get = |name: &str| environment.get(name).cloned().unwrap_or_default();
    let credentials = Credentials::new(
        get("AWS_ACCESS_KEY_ID"),
        get("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "longshore env",
    );
    let endpoint = [get("AWS_ENDPOINT_URL_ECS"), get("AWS_ENDPOINT_URL")]
        .into_iter()
        .find(|endpoint| !endpoint.is_empty())
        .context("`longshore env` names no endpoint")?;
    let configuration = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(get("AWS_REGION")))
        .credentials_provider(credentials)
        .endpoint_url(endpoint);
    Ok(configuration.load().await)
}

fn text(input: &Value, field: &str) -> Option<String> {
    input[field].as_str().map(str::to_owned)
}

fn texts(input: &Value, field: &str) -> Option<Vec<String>> {
    let items = input[field].as_array()?;
    Some(
        items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
    )
}

fn number(input: &Value, field: &str) -> Option<i32> {
    input[field].as_i64().and_then(|n| i32::try_from(n).ok())
}

fn failure<E, R>(error: SdkError<E, R>) -> anyhow::Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match (error.code(), error.message()) {
        (Some(kind), message) => anyhow!(Fault {
            status: 0,
            kind: kind.to_owned(),
            message: message.unwrap_or_default().to_owned(),
        }),
        _ => anyhow!("{}", DisplayErrorContext(error)),
    }
}

fn container_definition(value: &Value) -> ContainerDefinition {
    let ports = value["portMappings"].as_array().into_iter().flatten();
    let ports = ports
        .map(|port| {
            PortMapping::builder()
                .set_container_port(number(port, "containerPort"))
                .set_host_port(number(port, "hostPort"))
                .build()
        })
        .collect();
    let linux = value["linuxParameters"]["initProcessEnabled"]
        .as_bool()
        .map(|init| {
            LinuxParameters::builder()
                .init_process_enabled(init)
                .build()
        });
    ContainerDefinition::builder()
        .set_name(text(value, "name"))
        .set_image(text(value, "image"))
        .set_memory(number(value, "memory"))
        .set_command(texts(value, "command"))
        .set_essential(value["essential"].as_bool())
        .set_stop_timeout(number(value, "stopTimeout"))
        .set_port_mappings(Some(ports))
        .set_linux_parameters(linux)
        .build()
}

fn deployment_configuration(value: &Value) -> Option<DeploymentConfiguration> {
    let value = value.get("deploymentConfiguration")?;
    Some(
        DeploymentConfiguration::builder()
            .set_minimum_healthy_percent(number(value, "minimumHealthyPercent"))
            .set_maximum_percent(number(value, "maximumPercent"))
            .build(),
    )
}

fn service(service: &Service) -> Value {
    let deployments: Vec<Value> = service
        .deployments()
        .iter()
        .map(|deployment| {
            json!({
                "id": deployment.id(),
                "status": deployment.status(),
                "taskDefinition": deployment.task_definition(),
                "desiredCount": deployment.desired_count(),
                "runningCount": deployment.running_count(),
                "rolloutState": deployment.rollout_state().map(|state| state.as_str()),
            })
        })
        .collect();
    let events: Vec<Value> = service
        .events()
        .iter()
        .map(|event| json!({"id": event.id(), "message": event.message()}))
        .collect();
    json!({
        "serviceArn": service.service_arn(),
        "serviceName": service.service_name(),
        "status": service.status(),
        "desiredCount": service.desired_count(),
        "runningCount": service.running_count(),
        "pendingCount": service.pending_count(),
        "taskDefinition": service.task_definition(),
        "deployments": deployments,
        "events": events,
    })
}

fn task(task: &Task) -> Value {
    let containers: Vec<Value> = task
        .containers()
        .iter()
        .map(|container| {
            let bindings: Vec<Value> = container
                .network_bindings()
                .iter()
                .map(|binding| {
                    json!({
                        "containerPort": binding.container_port(),
                        "hostPort": binding.host_port(),
                    })
                })
                .collect();
            json!({
                "name": container.name(),
                "lastStatus": container.last_status(),
                "exitCode": container.exit_code(),
                "reason": container.reason(),
                "networkBindings": bindings,
            })
        })
        .collect();
    json!({
        "taskArn": task.task_arn(),
        "taskDefinitionArn": task.task_definition_arn(),
        "lastStatus": task.last_status(),
        "desiredStatus": task.desired_status(),
        "stopCode": task.stop_code().map(|code| code.as_str()),
        "stoppedReason": task.stopped_reason(),
        "group": task.group(),
        "startedBy": task.started_by(),
        "containers": containers,
    })
}

impl Driver for RustSdk {
    async fn call(&self, operation: &str, input: Value) -> anyhow::Result<Value> {
        let client = &self.client;
        let input = &input;
        let cluster = text(input, "cluster");
        Ok(match operation {
            "CreateCluster" => {
                let output = client
                    .create_cluster()
                    .set_cluster_name(text(input, "clusterName"))
                    .send()
                    .await
                    .map_err(failure)?;
                json!({"cluster": output.cluster().map(|c| json!({"status": c.status()}))})
            }
            "DescribeClusters" => {
                let output = client
                    .describe_clusters()
                    .set_clusters(texts(input, "clusters"))
                    .send()
                    .await
                    .map_err(failure)?;
                let clusters = output.clusters().iter();
                let clusters: Vec<Value> = clusters
                    .map(|c| json!({"clusterName": c.cluster_name(), "status": c.status()}))
                    .collect();
                json!({"clusters": clusters})
            }
            "DeleteCluster" => {
                let output = client
                    .delete_cluster()
                    .set_cluster(cluster)
                    .send()
                    .await
                    .map_err(failure)?;
                json!({"cluster": output.cluster().map(|c| json!({"status": c.status()}))})
            }
            "RegisterTaskDefinition" => {
                let containers = input["containerDefinitions"].as_array();
                let containers = containers.into_iter().flatten();
                let output = client
                    .register_task_definition()
                    .set_family(text(input, "family"))
                    .set_container_definitions(Some(containers.map(container_definition).collect()))
                    .send()
                    .await
                    .map_err(failure)?;
                json!({"taskDefinition": output.task_definition().map(|d| json!({
                    "taskDefinitionArn": d.task_definition_arn(),
                    "revision": d.revision(),
                    "status": d.status().map(|s| s.as_str()),
                }))})
            }
            "CreateService" => {
                let output = client
                    .create_service()
                    .set_cluster(cluster)
                    .set_service_name(text(input, "serviceName"))
                    .set_task_definition(text(input, "taskDefinition"))
                    .set_desired_count(number(input, "desiredCount"))
                    .set_deployment_configuration(deployment_configuration(input))
                    .send()
                    .await
                    .map_err(failure)?;
                json!({"service": output.service().map(service)})
            }
            "UpdateService" => {
                let output = client
                    .update_service()
                    .set_cluster(cluster)
                    .set_service(text(input, "service"))
                    .set_task_definition(text(input, "taskDefinition"))
                    .set_desired_count(number(input, "desiredCount"))
                    .send()
                    .await
                    .map_err(failure)?;
                json!({"service": output.service().map(service)})
            }
            "DeleteService" => {
                let output = client
                    .delete_service()
                    .set_cluster(cluster)
                    .set_service(text(input, "service"))
                    .set_force(input["force"].as_bool())
                    .send()
                    .await
                    .map_err(failure)?;
                json!({"service": output.service().map(service)})
            }
            "DescribeServices" => {
                let output = client
                    .describe_services()
                    .set_cluster(cluster)
                    .set_services(texts(input, "services"))
                    .send()
                    .await
                    .map_err(failure)?;
                let services: Vec<Value> = output.services().iter().map(service).collect();
                json!({"services": services})
            }
            "ListTasks" => {
                let output = client
                    .list_tasks()
                    .set_cluster(cluster)
                    .set_service_name(text(input, "serviceName"))
                    .send()
                    .await
                    .map_err(failure)?;
                json!({"taskArns": output.task_arns()})
            }
            "DescribeTasks" => {
                let output = client
                    .describe_tasks()
                    .set_cluster(cluster)
                    .set_tasks(texts(input, "tasks"))
                    .send()
                    .await
                    .map_err(failure)?;
                let tasks: Vec<Value> = output.tasks().iter().map(task).collect();
                json!({"tasks": tasks})
            }
            "RunTask" => {
                let output = client
                    .run_task()
                    .set_cluster(cluster)
                    .set_task_definition(text(input, "taskDefinition"))
                    .set_count(number(input, "count"))
                    .set_started_by(text(input, "startedBy"))
                    .send()
                    .await
                    .map_err(failure)?;
                let tasks: Vec<Value> = output.tasks().iter().map(task).collect();
                json!({"tasks": tasks})
            }
            "ListContainerInstances" => {
                let output = client
                    .list_container_instances()
                    .set_cluster(cluster)
                    .send()
                    .await
                    .map_err(failure)?;
                json!({"containerInstanceArns": output.container_instance_arns()})
            }
            "DeregisterContainerInstance" => {
                let output = client
                    .deregister_container_instance()
                    .set_cluster(cluster)
                    .set_container_instance(text(input, "containerInstance"))
                    .set_force(input["force"].as_bool())
                    .send()
                    .await
                    .map_err(failure)?;
                let instance = output.container_instance();
                json!({"containerInstance": instance.map(|i| json!({"status": i.status()}))})
            }
            other => bail!("the scenario does not use {other} through this SDK yet"),
        })
    }

    async fn wait(&self, waiter: Waiter, input: Value) -> anyhow::Result<()> {
        let cluster = text(&input, "cluster");
        match waiter {
            Waiter::ServicesStable => self
                .client
                .wait_until_services_stable()
                .set_cluster(cluster)
                .set_services(texts(&input, "services"))
                .wait(WAIT)
                .await
                .map(drop)
                .map_err(|error| anyhow!("{}", DisplayErrorContext(error))),
            Waiter::ServicesInactive => self
                .client
                .wait_until_services_inactive()
                .set_cluster(cluster)
                .set_services(texts(&input, "services"))
                .wait(WAIT)
                .await
                .map(drop)
                .map_err(|error| anyhow!("{}", DisplayErrorContext(error))),
            Waiter::TasksStopped => self
                .client
                .wait_until_tasks_stopped()
                .set_cluster(cluster)
                .set_tasks(texts(&input, "tasks"))
                .wait(WAIT)
                .await
                .map(drop)
                .map_err(|error| anyhow!("{}", DisplayErrorContext(error))),
        }
    }
}
