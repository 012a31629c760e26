//! Docker, through its Engine API on a local socket.
//!
//! One call to create a container and one to start it; a look afterwards only where ports were
//! mapped, since only Docker knows the host ports. Images are looked for once and remembered until
//! Docker says that one is gone.

mod config;
mod image;
pub mod login;
pub mod look;

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::models::{ContainerSummaryStateEnum, EventMessage, SystemInfo, SystemVersion};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, InspectContainerOptions,
    ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions, StopContainerOptionsBuilder,
};
use futures::stream::{BoxStream, StreamExt};
use longshore_model::assignment::Assignment;
use longshore_model::task_definition::NetworkMode;
use longshore_model::{InstanceId, TaskId};
use longshore_supervisor::Sighting;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{
    Change, Listed, LogPiece, LogStream, Look, Notice, Runtime, RuntimeError, Since, Standing,
    container_name, label,
};
use crate::cgroup::{Cgroups, Layout, ROOT};

pub use image::with_tag;

/// Docker call limits; those of the ECS agent where it has one.
mod limit {
    use std::time::Duration;

    pub(super) const CREATE: Duration = Duration::from_secs(240);
    pub(super) const START: Duration = Duration::from_secs(180);
    /// Added to a container's own stop timeout.
    pub(super) const STOP: Duration = Duration::from_secs(120);
    pub(super) const INSPECT: Duration = Duration::from_secs(30);
    pub(super) const REMOVE: Duration = Duration::from_secs(300);
    pub(super) const LIST: Duration = Duration::from_secs(60);
    pub(super) const INFO: Duration = Duration::from_secs(10);
    /// bollard's own limit, never to be met before ours. A stop timeout is at most a day.
    pub(super) const CLIENT: Duration = Duration::from_secs(2 * 86_400);
}

/// Most containers that are stopped or removed at once. A stop mostly waits, so this only bounds
/// the connections.
const STOPS: usize = 128;

/// A Docker engine, as one agent sees it.
#[derive(Debug)]
pub struct DockerRuntime {
    docker: Docker,
    instance: InstanceId,
    cgroups: Cgroups,
    pids_limit: Option<i64>,
    images: image::Images,
    creates: Semaphore,
    starts: Semaphore,
    stops: Semaphore,
}

/// What is asked of a [`DockerRuntime`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose containers these are.
    pub instance: InstanceId,
    /// Most containers that are created, and most that are started, at once.
    pub concurrency: usize,
    /// Most processes in one container; `None` for no limit.
    pub pids_limit: Option<i64>,
    /// For image registries.
    pub logins: login::Logins,
}

/// A connection to Docker that answers.
#[derive(Debug)]
pub struct Engine {
    docker: Docker,
    /// What `docker version` says.
    pub version: SystemVersion,
    /// What `docker info` says.
    pub info: SystemInfo,
}

impl Engine {
    /// Connects to `host`: `unix://PATH`, or `tcp://HOST:PORT` without TLS. Agrees on the newest
    /// API version that both know.
    ///
    /// # Errors
    /// When Docker does not answer.
    pub async fn connect(host: &str) -> Result<Self, RuntimeError> {
        let seconds = limit::CLIENT.as_secs();
        let docker = if host.starts_with("unix://") || host.starts_with('/') {
            Docker::connect_with_unix(host, seconds, bollard::API_DEFAULT_VERSION)
        } else {
            Docker::connect_with_http(host, seconds, bollard::API_DEFAULT_VERSION)
        };
        let docker = docker.map_err(|error| failed("DockerClientConfigError", error))?;
        let negotiate = docker.negotiate_version();
        let docker = call(limit::INFO, "CannotGetDockerClientVersionError", negotiate).await?;
        let version = docker.version();
        let version = call(limit::INFO, "CannotGetDockerClientVersionError", version).await?;
        let info = call(limit::INFO, "DockerStateError", docker.info()).await?;
        Ok(Self {
            docker,
            version,
            info,
        })
    }

    fn layout(&self) -> Option<Layout> {
        use bollard::models::SystemInfoCgroupDriverEnum as Driver;
        use bollard::models::SystemInfoCgroupVersionEnum as Version;
        match (self.info.cgroup_driver?, self.info.cgroup_version) {
            (Driver::CGROUPFS, Some(Version::_2)) => Some(Layout::V2),
            (Driver::SYSTEMD, Some(Version::_2)) => Some(Layout::V2Systemd),
            (Driver::CGROUPFS, _) => Some(Layout::V1),
            _ => None,
        }
    }
}

/// Awaits a call to Docker, not for ever.
async fn call<T>(
    limit: Duration,
    name: &str,
    call: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, RuntimeError> {
    match timeout(limit, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failed(name, error)),
        Err(_) => Err(RuntimeError::Uncertain(format!(
            "no answer within {} s",
            limit.as_secs()
        ))),
    }
}

/// What an error of the client says of the call's outcome.
fn failed(name: &str, error: bollard::errors::Error) -> RuntimeError {
    use bollard::errors::Error;
    match error {
        Error::DockerResponseServerError { message, .. } => {
            RuntimeError::refused(name, format_args!("Error response from daemon: {message}"))
        }
        Error::DockerStreamError { error } => RuntimeError::refused(name, error),
        Error::SocketNotFoundError(path) => {
            RuntimeError::Unavailable(format!("there is no Docker socket at {path}"))
        }
        Error::HyperLegacyError { err } if err.is_connect() => {
            RuntimeError::Unavailable(chain(&err))
        }
        other => RuntimeError::Uncertain(chain(&other)),
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn has_status(error: &bollard::errors::Error, wanted: u16) -> bool {
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError { status_code, .. }
            if *status_code == wanted
    )
}

impl DockerRuntime {
    /// The engine as the agent of `settings.instance` sees it.
    pub fn new(engine: &Engine, settings: &Settings) -> Self {
        Self {
            docker: engine.docker.clone(),
            instance: settings.instance,
            cgroups: Cgroups::new(ROOT, engine.layout()),
            pids_limit: settings.pids_limit,
            images: image::Images::new(settings.logins.clone()),
            creates: Semaphore::new(settings.concurrency.max(1)),
            starts: Semaphore::new(settings.concurrency.max(1)),
            stops: Semaphore::new(STOPS),
        }
    }

    /// Whether CPU and memory of a whole task can be limited on this node.
    pub fn limits_tasks(&self) -> bool {
        self.cgroups.is_supported()
    }

    async fn cgroup<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cgroups) -> Result<T, crate::cgroup::CgroupError> + Send + 'static,
    ) -> Result<T, RuntimeError> {
        let cgroups = self.cgroups.clone();
        let done = tokio::task::spawn_blocking(move || work(&cgroups)).await;
        done.map_err(|error| RuntimeError::refused("CgroupError", error))?
            .map_err(|error| RuntimeError::refused("CgroupError", error))
    }

    /// Looks at a container that must be ours.
    async fn look(&self, name: &str) -> Result<Look, RuntimeError> {
        let inspect = self
            .docker
            .inspect_container(name, None::<InspectContainerOptions>);
        let Ok(answer) = timeout(limit::INSPECT, inspect).await else {
            return Err(RuntimeError::Uncertain("no answer within 30 s".to_owned()));
        };
        match answer {
            Ok(found) if look::is_labelled(&found, self.instance) => Ok(look::at(&found)),
            Ok(_) => Err(RuntimeError::refused(
                "CannotInspectContainerError",
                format_args!("container \"{name}\" belongs to someone else; remove or rename it"),
            )),
            Err(error) if has_status(&error, 404) => Ok(Look::bare(Sighting::Missing)),
            Err(error) => Err(failed("CannotInspectContainerError", error)),
        }
    }

    async fn create_once(
        &self,
        task: &Assignment,
        container: usize,
        cgroup_parent: Option<&str>,
    ) -> Result<String, bollard::errors::Error> {
        let body = config::body(
            task,
            container,
            self.instance,
            cgroup_parent,
            self.pids_limit,
        );
        let name = container_name(task, container);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let _permit = self.creates.acquire().await;
        let created = self.docker.create_container(Some(options), body);
        match timeout(limit::CREATE, created).await {
            Ok(created) => created.map(|created| created.id),
            Err(_) => Err(bollard::errors::Error::RequestTimeoutError),
        }
    }
}

impl Runtime for DockerRuntime {
    async fn pull(&self, image: &str) -> Result<Option<String>, RuntimeError> {
        self.images.ensure(&self.docker, image).await
    }

    async fn create(&self, task: &Assignment, container: usize) -> Result<Look, RuntimeError> {
        const NAME: &str = "CannotCreateContainerError";
        let Some(definition) = task.containers.get(container) else {
            return Err(RuntimeError::refused(
                NAME,
                "the task has no such container",
            ));
        };
        let limited = task.cpu.is_some() || task.memory.is_some();
        let parent = if limited {
            let task = task.clone();
            self.cgroup(move |cgroups| cgroups.prepare(&task)).await?
        } else {
            None
        };
        let mut created = self.create_once(task, container, parent.as_deref()).await;
        if created.as_ref().is_err_and(|error| has_status(error, 404)) {
            self.images.forget(&definition.image);
            self.images.ensure(&self.docker, &definition.image).await?;
            created = self.create_once(task, container, parent.as_deref()).await;
        }
        match created {
            Ok(id) => Ok(Look {
                runtime_id: Some(id),
                image_digest: self.images.digest(&definition.image),
                ..Look::bare(Sighting::Created)
            }),
            // Made by an earlier life of this agent, or by a call whose answer was lost.
            Err(error) if has_status(&error, 409) => {
                let mut look = self.look(&container_name(task, container)).await?;
                if look.sighting == Sighting::Missing {
                    return Err(failed(NAME, error));
                }
                look.image_digest = self.images.digest(&definition.image);
                Ok(look)
            }
            Err(error) => Err(failed(NAME, error)),
        }
    }

    async fn start(&self, task: &Assignment, container: usize) -> Result<Look, RuntimeError> {
        let name = container_name(task, container);
        let permit = self.starts.acquire().await;
        let start = self
            .docker
            .start_container(&name, None::<StartContainerOptions>);
        call(limit::START, "CannotStartContainerError", start).await?;
        drop(permit);
        if task.cpu.is_some() || task.memory.is_some() {
            let task = task.clone();
            let limited = self.cgroup(move |cgroups| cgroups.started(&task)).await;
            if let Err(error) = limited {
                tracing::error!(%error, container = name, "cannot limit the task");
            }
        }
        let mappings = task.containers.get(container).map(|c| &c.port_mappings);
        let mappings = mappings.map(Vec::as_slice).unwrap_or_default();
        match task.network_mode {
            NetworkMode::Bridge if !mappings.is_empty() => match self.look(&name).await {
                Ok(look) => Ok(look),
                // It did start; what is not known yet comes with the next listing.
                Err(error) => {
                    tracing::warn!(%error, container = name, "cannot look up host ports");
                    Ok(Look::bare(Sighting::Running))
                }
            },
            NetworkMode::Host => Ok(Look {
                network_bindings: Some(mappings.iter().map(look::host_binding).collect()),
                ..Look::bare(Sighting::Running)
            }),
            NetworkMode::Bridge | NetworkMode::None => Ok(Look::bare(Sighting::Running)),
        }
    }

    async fn stop(&self, name: &str, grace: Duration) -> Result<Look, RuntimeError> {
        let _permit = self.stops.acquire().await;
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        let stop = self.docker.stop_container(name, Some(options));
        match timeout(grace.saturating_add(limit::STOP), stop).await {
            Ok(Ok(())) => {}
            // Stopped already, or not there at all: the look tells which.
            Ok(Err(error)) if has_status(&error, 304) || has_status(&error, 404) => {}
            Ok(Err(error)) => return Err(failed("CannotStopContainerError", error)),
            Err(_) => return Err(RuntimeError::Uncertain("the stop did not end".to_owned())),
        }
        self.look(name).await
    }

    async fn inspect(&self, name: &str) -> Result<Look, RuntimeError> {
        self.look(name).await
    }

    async fn remove(&self, name: &str) -> Result<(), RuntimeError> {
        let _permit = self.stops.acquire().await;
        let options = RemoveContainerOptionsBuilder::new().v(true).build();
        let remove = self.docker.remove_container(name, Some(options));
        match timeout(limit::REMOVE, remove).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if has_status(&error, 404) => Ok(()),
            Ok(Err(error)) => Err(failed("CannotRemoveContainerError", error)),
            Err(_) => Err(RuntimeError::Uncertain(
                "the removal did not end".to_owned(),
            )),
        }
    }

    async fn release(&self, task: TaskId) -> Result<(), RuntimeError> {
        self.cgroup(move |cgroups| cgroups.release(task)).await
    }

    async fn list(&self) -> Result<Vec<Listed>, RuntimeError> {
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&self.filter())
            .build();
        let list = self.docker.list_containers(Some(options));
        let found = call(limit::LIST, "CannotListContainersError", list).await?;
        Ok(found.into_iter().filter_map(listed).collect())
    }

    fn watch(&self, since: Since) -> BoxStream<'static, Result<(Notice, Since), RuntimeError>> {
        let mut filters = self.filter();
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        let events = ["start", "die", "destroy"].map(str::to_owned).to_vec();
        filters.insert("event".to_owned(), events);
        let second = 1_000_000_000;
        let since = format!("{}.{:09}", since.0 / second, since.0 % second);
        let options = EventsOptionsBuilder::new()
            .since(&since)
            .filters(&filters)
            .build();
        let docker = self.docker.clone();
        let events = async_stream(docker, options);
        events
            .filter_map(|event| {
                std::future::ready(match event {
                    Ok(event) => notice(event).map(Ok),
                    Err(error) => Some(Err(failed("DockerStateError", error))),
                })
            })
            .boxed()
    }

    fn logs(
        &self,
        task: TaskId,
        container: &str,
        tail: Option<u32>,
        follow: bool,
    ) -> BoxStream<'static, Result<LogPiece, RuntimeError>> {
        const NAME: &str = "CannotReadLogsError";
        let docker = self.docker.clone();
        let mut filters = self.filter();
        if let Some(labels) = filters.get_mut("label") {
            labels.push(format!("{}={task}", label::TASK));
            labels.push(format!("{}={container}", label::CONTAINER_NAME));
        }
        let missing = format!("task {task} has no container \"{container}\" on this node");
        let find = async move {
            let options = ListContainersOptionsBuilder::new()
                .all(true)
                .filters(&filters)
                .build();
            let list = docker.list_containers(Some(options));
            let found = call(limit::LIST, NAME, list).await?;
            let id = found.into_iter().find_map(|container| container.id);
            let id = id.ok_or_else(|| RuntimeError::refused(NAME, missing))?;
            let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
            let options = LogsOptionsBuilder::new()
                .stdout(true)
                .stderr(true)
                .follow(follow)
                .tail(&tail)
                .build();
            let pieces = docker.logs(&id, Some(options));
            Ok(pieces.map(|piece| piece.map(log_piece).map_err(|e| failed(NAME, e))))
        };
        futures::stream::once(find)
            .flat_map(|found| match found {
                Ok(pieces) => pieces.boxed(),
                Err(error) => futures::stream::once(std::future::ready(Err(error))).boxed(),
            })
            .boxed()
    }
}

/// Docker's events as a stream that owns its client.
fn async_stream(
    docker: Docker,
    options: bollard::query_parameters::EventsOptions,
) -> BoxStream<'static, Result<EventMessage, bollard::errors::Error>> {
    futures::stream::once(async move { docker.events(Some(options)).boxed() })
        .flatten()
        .boxed()
}

impl DockerRuntime {
    fn filter(&self) -> HashMap<String, Vec<String>> {
        let ours = format!("{}={}", label::INSTANCE, self.instance);
        HashMap::from([("label".to_owned(), vec![ours])])
    }
}

/// What a line of a listing says. `None` for a container that is not an agent's.
pub fn listed(container: bollard::models::ContainerSummary) -> Option<Listed> {
    use ContainerSummaryStateEnum as State;
    let labels = container.labels?;
    Some(Listed {
        task: labels.get(label::TASK)?.parse().ok()?,
        container: labels.get(label::CONTAINER_NAME)?.clone(),
        runtime_id: container.id?,
        standing: match container.state? {
            State::CREATED => Standing::Created,
            State::RUNNING | State::PAUSED | State::RESTARTING => Standing::Running,
            _ => Standing::Exited,
        },
    })
}

/// What an event says, and when it was. `None` for one that is of no interest.
pub fn notice(event: EventMessage) -> Option<(Notice, Since)> {
    let attributes = event.actor?.attributes?;
    let change = match event.action?.as_str() {
        "start" => Change::Started,
        "die" => Change::Died,
        "destroy" => Change::Removed,
        _ => return None,
    };
    let notice = Notice {
        task: attributes.get(label::TASK)?.parse().ok()?,
        container: attributes.get(label::CONTAINER_NAME)?.clone(),
        change,
    };
    Some((notice, Since(event.time_nano?)))
}

fn log_piece(output: LogOutput) -> LogPiece {
    let stream = match output {
        LogOutput::StdErr { .. } => LogStream::Stderr,
        LogOutput::StdOut { .. } | LogOutput::StdIn { .. } | LogOutput::Console { .. } => {
            LogStream::Stdout
        }
    };
    LogPiece {
        stream,
        data: output.into_bytes().to_vec(),
    }
}
