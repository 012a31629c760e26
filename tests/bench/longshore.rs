//! Longshore on the shared engine: the release binaries under `longshore up`, driven over the
//! public gRPC API.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use longshore_proto::ecs::ecs_client::EcsClient;
use longshore_proto::ecs::{
    ContainerDefinition, CreateServiceRequest, DeleteServiceRequest, DeploymentConfiguration,
    DescribeServicesRequest, DescribeTasksRequest, KeyValuePair, ListTasksRequest,
    RegisterTaskDefinitionRequest, Task, UpdateServiceRequest,
};
use longshore_store::conformance::port::free_port;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::Command;
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;

use crate::system::{
    MEMORY_MIB, RELEASE_VARIABLE, Release, SeenTask, Surge, System, TaskPhase, command,
};

/// How long a task must be RUNNING before an update counts it as healthy. Swarm is told to watch
/// new tasks as briefly as it can, so Longshore does not wait either.
pub(crate) const HEALTHY_AFTER: &str = "0";
/// What one DescribeTasks call takes.
const MAX_DESCRIBED: usize = 100;

/// A control plane and an agent of our own.
pub(crate) struct Longshore {
    binary: PathBuf,
    /// Where the data directory is; `longshore down` removes the directory itself.
    home: TempDir,
    client: EcsClient<Channel>,
    bearer: AsciiMetadataValue,
    cluster: String,
    /// Task definition ARN of each release.
    definitions: Vec<(Release, String)>,
    /// Service watched now and the tasks it was seen to have. A stopped task is soon left out of
    /// lists, but can be described.
    known: (String, Vec<String>),
}

/// The part of client.json that clients need.
#[derive(Deserialize)]
struct ClientFile {
    endpoint: String,
}

impl Longshore {
    /// Starts Longshore in a new data directory on free ports.
    pub(crate) async fn start(directory: &Path, image: &str) -> Result<Self> {
        let binary = directory.join("longshore");
        let home = tempfile::tempdir().context("cannot make a data directory")?;
        let (listen, agent_listen) = (free_address(), free_address());
        let up = [
            "up",
            "--detach",
            "--healthy-after",
            HEALTHY_AFTER,
            "--listen",
            &listen,
            "--agent-listen",
            &agent_listen,
        ];
        longshore(&binary, &data_directory(&home), up).await?;
        let mut started = Self::connect(binary, home).await?;
        match started.register(image).await {
            Ok(()) => Ok(started),
            Err(error) => {
                started.stop().await?;
                Err(error)
            }
        }
    }

    async fn connect(binary: PathBuf, home: TempDir) -> Result<Self> {
        let data = data_directory(&home);
        let client =
            std::fs::read(data.join("client.json")).context("longshore up left no client.json")?;
        let ClientFile { endpoint } =
            serde_json::from_slice(&client).context("client.json is damaged")?;
        let channel = Channel::from_shared(endpoint.clone())?
            .tcp_nodelay(true)
            .connect()
            .await
            .with_context(|| format!("cannot reach {endpoint}"))?;
        let bearer = bearer(&binary, &data).await?;
        Ok(Self {
            binary,
            home,
            client: EcsClient::new(channel),
            bearer,
            cluster: "default".to_owned(),
            definitions: Vec::new(),
            known: (String::new(), Vec::new()),
        })
    }

    /// Stops Longshore and removes its data.
    pub(crate) async fn stop(self) -> Result<()> {
        longshore(&self.binary, &data_directory(&self.home), ["down"]).await?;
        self.home
            .close()
            .context("cannot remove the data directory")
    }

    /// Takes a fresh token; one lives for less time than a long benchmark.
    pub(crate) async fn renew_token(&mut self) -> Result<()> {
        self.bearer = bearer(&self.binary, &data_directory(&self.home)).await?;
        Ok(())
    }

    async fn register(&mut self, image: &str) -> Result<()> {
        for release in Release::ALL {
            let definition = RegisterTaskDefinitionRequest {
                family: Some("longshore-bench".to_owned()),
                network_mode: Some("bridge".to_owned()),
                container_definitions: vec![ContainerDefinition {
                    name: Some("main".to_owned()),
                    image: Some(image.to_owned()),
                    memory: Some(MEMORY_MIB),
                    essential: Some(true),
                    command: command(),
                    environment: vec![KeyValuePair {
                        name: Some(RELEASE_VARIABLE.to_owned()),
                        value: Some(release.number().to_string()),
                    }],
                    ..ContainerDefinition::default()
                }],
                ..RegisterTaskDefinitionRequest::default()
            };
            let request = self.request(definition);
            let response = self.client.register_task_definition(request).await?;
            let arn = response
                .into_inner()
                .task_definition
                .and_then(|definition| definition.task_definition_arn)
                .context("the registered task definition has no ARN")?;
            self.definitions.push((release, arn));
        }
        Ok(())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", self.bearer.clone());
        request
    }

    fn definition(&self, wanted: Release) -> Result<String> {
        self.definitions
            .iter()
            .find(|(release, _)| *release == wanted)
            .map(|(_, arn)| arn.clone())
            .context("a release has no task definition")
    }

    fn seen(&self, task: Task) -> Result<SeenTask> {
        let id = task.task_arn.context("a task has no ARN")?;
        let definition = task.task_definition_arn.unwrap_or_default();
        let release = self
            .definitions
            .iter()
            .find(|(_, arn)| *arn == definition)
            .map(|(release, _)| *release)
            .with_context(|| format!("task {id} has the foreign definition {definition}"))?;
        let phase = match task.last_status.as_deref() {
            Some("STOPPED") => TaskPhase::Stopped,
            Some("RUNNING") if task.desired_status.as_deref() == Some("RUNNING") => {
                TaskPhase::Running
            }
            Some("RUNNING" | "DEACTIVATING" | "STOPPING" | "DEPROVISIONING") => TaskPhase::Stopping,
            _ => TaskPhase::Starting,
        };
        let created_at = task
            .created_at
            .map(|at| i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos));
        Ok(SeenTask {
            id,
            container: task
                .containers
                .into_iter()
                .find_map(|container| container.runtime_id),
            release,
            phase,
            created_at,
            trouble: task.stopped_reason,
        })
    }
}

impl System for Longshore {
    fn name(&self) -> &'static str {
        "longshore"
    }

    async fn create(&mut self, service: &str, count: u32, surge: Surge) -> Result<()> {
        self.known = (service.to_owned(), Vec::new());
        let request = self.request(CreateServiceRequest {
            cluster: Some(self.cluster.clone()),
            service_name: Some(service.to_owned()),
            task_definition: Some(self.definition(Release::One)?),
            desired_count: Some(i32::try_from(count)?),
            deployment_configuration: Some(limits(surge)),
            ..CreateServiceRequest::default()
        });
        self.client.create_service(request).await?;
        Ok(())
    }

    async fn tasks(&mut self, service: &str) -> Result<Vec<SeenTask>> {
        if self.known.0 != service {
            self.known = (service.to_owned(), Vec::new());
        }
        let request = self.request(ListTasksRequest {
            cluster: Some(self.cluster.clone()),
            service_name: Some(service.to_owned()),
            ..ListTasksRequest::default()
        });
        let listed = self.client.list_tasks(request).await?.into_inner();
        for arn in listed.task_arns {
            if !self.known.1.contains(&arn) {
                self.known.1.push(arn);
            }
        }
        // The newest, should there ever be more than one call takes.
        let from = self.known.1.len().saturating_sub(MAX_DESCRIBED);
        let tasks = self.known.1.split_off(from);
        self.known.1.clone_from(&tasks);
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let request = self.request(DescribeTasksRequest {
            cluster: Some(self.cluster.clone()),
            tasks,
            ..DescribeTasksRequest::default()
        });
        let described = self.client.describe_tasks(request).await?.into_inner();
        let tasks: Vec<SeenTask> = described
            .tasks
            .into_iter()
            .map(|task| self.seen(task))
            .collect::<Result<_>>()?;
        Ok(tasks)
    }

    async fn update(&mut self, service: &str, count: u32, surge: Surge, to: Release) -> Result<()> {
        let request = self.request(UpdateServiceRequest {
            cluster: Some(self.cluster.clone()),
            service: Some(service.to_owned()),
            desired_count: Some(i32::try_from(count)?),
            task_definition: Some(self.definition(to)?),
            deployment_configuration: Some(limits(surge)),
            ..UpdateServiceRequest::default()
        });
        self.client.update_service(request).await?;
        Ok(())
    }

    async fn update_complete(&mut self, service: &str) -> Result<bool> {
        let request = self.request(DescribeServicesRequest {
            cluster: Some(self.cluster.clone()),
            services: vec![service.to_owned()],
            ..DescribeServicesRequest::default()
        });
        let described = self.client.describe_services(request).await?.into_inner();
        Ok(described
            .services
            .iter()
            .flat_map(|service| &service.deployments)
            .filter(|deployment| deployment.status.as_deref() == Some("PRIMARY"))
            .any(|deployment| deployment.rollout_state.as_deref() == Some("COMPLETED")))
    }

    async fn delete(&mut self, service: &str) -> Result<()> {
        let request = self.request(DeleteServiceRequest {
            cluster: Some(self.cluster.clone()),
            service: Some(service.to_owned()),
            force: Some(true),
        });
        self.client.delete_service(request).await?;
        Ok(())
    }
}

fn limits(surge: Surge) -> DeploymentConfiguration {
    let (minimum_healthy_percent, maximum_percent) = match surge {
        Surge::Double => (100, 200),
        Surge::Half => (50, 100),
    };
    DeploymentConfiguration {
        minimum_healthy_percent: Some(minimum_healthy_percent),
        maximum_percent: Some(maximum_percent),
        ..DeploymentConfiguration::default()
    }
}

fn data_directory(home: &TempDir) -> PathBuf {
    home.path().join("data")
}

/// Runs the command line against the data directory and returns what it printed.
async fn longshore(
    binary: &Path,
    data: &Path,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<String> {
    let mut command = Command::new(binary);
    command
        .args(arguments)
        .arg("--data-dir")
        .arg(data)
        .stdin(Stdio::null());
    let output = command
        .output()
        .await
        .with_context(|| format!("cannot run {}", binary.display()))?;
    if !output.status.success() {
        bail!(
            "{:?} failed ({}): {}",
            command.as_std(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim(),
        );
    }
    String::from_utf8(output.stdout).context("longshore printed no text")
}

async fn bearer(binary: &Path, data: &Path) -> Result<AsciiMetadataValue> {
    let token = longshore(binary, data, ["token"]).await?;
    format!("Bearer {}", token.trim())
        .parse()
        .context("longshore printed no token")
}

/// A loopback address that nothing listens on now.
fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}
