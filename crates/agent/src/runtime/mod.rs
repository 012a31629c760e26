//! What the agent needs of a container runtime.
//!
//! [`docker`] is the real one, [`fake`] one in memory; both pass the same suite
//! (`tests/runtime_suite`). Every call is bounded in time, may be made concurrently with any other
//! and, but for `start`, may be repeated.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use futures::stream::BoxStream;
use longshore_model::assignment::Assignment;
use longshore_model::task::NetworkBinding;
use longshore_model::{InstanceId, TaskId};
use longshore_supervisor::{Failure, Sighting};

pub mod docker;
pub mod fake;

/// One look at a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Where it is.
    pub sighting: Sighting,
    /// The runtime's id; `None` when it is missing.
    pub runtime_id: Option<String>,
    /// Digest of its image, where the image came from a registry.
    pub image_digest: Option<String>,
    /// Where its ports are reached; `None` when that was not looked at.
    pub network_bindings: Option<Vec<NetworkBinding>>,
}

impl Look {
    /// A look that showed this and nothing more.
    pub fn bare(sighting: Sighting) -> Self {
        Self {
            sighting,
            runtime_id: None,
            image_digest: None,
            network_bindings: None,
        }
    }
}

/// A container of this agent in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The task on its label.
    pub task: TaskId,
    /// The container name on its label.
    pub container: String,
    /// The runtime's id.
    pub runtime_id: String,
    /// Roughly where it is.
    pub standing: Standing,
}

/// Where a container in a listing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Never ran.
    Created,
    /// Runs.
    Running,
    /// Ran and stopped.
    Exited,
}

/// Something happened to a container of this agent; look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The task on its label.
    pub task: TaskId,
    /// The container name on its label.
    pub container: String,
    /// What happened.
    pub change: Change,
}

/// What happened to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It began to run.
    Started,
    /// It stopped.
    Died,
    /// It was removed.
    Removed,
}

/// Why a call did not do what it should, by what that says of its outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// The runtime said no. Trying again will not help.
    #[error("{}: {}", .0.name, .0.detail)]
    Refused(Failure),
    /// The runtime was not reached, so nothing happened. Try again.
    #[error("Docker does not answer: {0}")]
    Unavailable(String),
    /// The call was cut short; it may have happened or not. Look before trying again.
    #[error("the outcome of a call to Docker is unknown: {0}")]
    Uncertain(String),
}

impl RuntimeError {
    /// A refusal under an ECS error name.
    pub fn refused(name: &str, detail: impl fmt::Display) -> Self {
        Self::Refused(Failure {
            name: name.to_owned(),
            detail: detail.to_string(),
        })
    }
}

/// Where a container's output goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Also all output of a container with a terminal.
    Stdout,
    /// Errors.
    Stderr,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPiece {
    /// Which of the two it was written to.
    pub stream: LogStream,
    /// As written.
    pub data: Vec<u8>,
}

/// A container runtime, seen by one agent: it only ever touches containers that carry that agent's
/// instance label.
pub trait Runtime: Send + Sync + 'static {
    /// Makes the image present. A local one is used as it is. Returns its registry digest.
    fn pull(
        &self,
        image: &str,
    ) -> impl Future<Output = Result<Option<String>, RuntimeError>> + Send;

    /// Creates the container at this place of the task, or adopts it where it exists.
    fn create(
        &self,
        task: &Assignment,
        container: usize,
    ) -> impl Future<Output = Result<Look, RuntimeError>> + Send;

    /// Starts it. Not to be repeated: starting what has exited runs it anew.
    fn start(
        &self,
        task: &Assignment,
        container: usize,
    ) -> impl Future<Output = Result<Look, RuntimeError>> + Send;

    /// Stops it: the image's stop signal, then SIGKILL after `timeout`. Returns once it stopped.
    fn stop(
        &self,
        name: &str,
        timeout: Duration,
    ) -> impl Future<Output = Result<Look, RuntimeError>> + Send;

    /// Looks at it, by name or id.
    fn inspect(&self, name: &str) -> impl Future<Output = Result<Look, RuntimeError>> + Send;

    /// Removes it with its anonymous volumes, by name or id. A missing one counts as removed.
    fn remove(&self, name: &str) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// Gives back what the task had on the node besides containers. All of them are removed.
    fn release(&self, task: TaskId) -> impl Future<Output = Result<(), RuntimeError>> + Send;

    /// All containers of this agent.
    fn list(&self) -> impl Future<Output = Result<Vec<Listed>, RuntimeError>> + Send;

    /// What happens to containers of this agent from `since` on, until the connection ends.
    fn watch(&self, since: Since) -> BoxStream<'static, Result<(Notice, Since), RuntimeError>>;

    /// The output of a container: of what is kept the newest `tail` lines or all, then with
    /// `follow` what comes until it stops.
    fn logs(
        &self,
        task: TaskId,
        container: &str,
        tail: Option<u32>,
        follow: bool,
    ) -> BoxStream<'static, Result<LogPiece, RuntimeError>>;
}

/// A point in the runtime's history, in nanoseconds since the Unix epoch by its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Since(pub i64);

/// The name of the container at this place of the task. The same task gives the same name on any
/// day, which is how a container made before a crash is found again:
/// `ecs-FAMILY-REVISION-CONTAINER-` and 20 hex digits, 18 of the task id and 2 of the place.
pub fn container_name(task: &Assignment, container: usize) -> String {
    let name: String = task
        .containers
        .get(container)
        .map(|c| c.name.as_str())
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let id = task.task.to_string();
    let id = id.get(..18).unwrap_or_default();
    let (family, revision) = (&task.family, task.revision);
    format!("ecs-{family}-{revision}-{name}-{id}{container:02x}")
}

/// Labels that every container carries.
pub mod label {
    /// The task's ARN.
    pub const TASK_ARN: &str = "com.amazonaws.ecs.task-arn";
    /// The container's name in the task definition.
    pub const CONTAINER_NAME: &str = "com.amazonaws.ecs.container-name";
    /// The task definition's family.
    pub const FAMILY: &str = "com.amazonaws.ecs.task-definition-family";
    /// The task definition's revision.
    pub const REVISION: &str = "com.amazonaws.ecs.task-definition-version";
    /// The cluster's name.
    pub const CLUSTER: &str = "com.amazonaws.ecs.cluster";
    /// The container instance whose agent made it. No other agent touches it.
    pub const INSTANCE: &str = "dev.longshore.instance";
    /// The task's id.
    pub const TASK: &str = "dev.longshore.task";
}

/// The labels of a container. The definition's own come first and lose against ours.
pub fn labels(
    task: &Assignment,
    container: usize,
    instance: InstanceId,
) -> std::collections::BTreeMap<String, String> {
    let definition = task.containers.get(container);
    let mut labels = definition
        .map(|c| c.docker_labels.clone())
        .unwrap_or_default();
    let ours = [
        (label::TASK_ARN, task.task_arn.clone()),
        (
            label::CONTAINER_NAME,
            definition.map(|c| c.name.clone()).unwrap_or_default(),
        ),
        (label::FAMILY, task.family.to_string()),
        (label::REVISION, task.revision.to_string()),
        (label::CLUSTER, task.cluster.to_string()),
        (label::INSTANCE, instance.to_string()),
        (label::TASK, task.task.to_string()),
    ];
    labels.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    labels
}
