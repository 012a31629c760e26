//! A runtime in memory. [`Engine`] is the plain state, for simulations that run in one thread;
//! [`FakeRuntime`] puts it behind the trait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use longshore_model::assignment::Assignment;
use longshore_model::task::NetworkBinding;
use longshore_model::task_definition::NetworkMode;
use longshore_model::{InstanceId, TaskId};
use longshore_supervisor::{Exit, Operation, Sighting};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use super::{
    Change, Listed, LogPiece, LogStream, Look, Notice, Runtime, RuntimeError, Since, Standing,
    container_name,
};
use crate::node::Outcome;

/// Where dynamic host ports begin, as in Docker.
const FIRST_DYNAMIC_PORT: u16 = 49_153;
/// Notices that a slow listener may fall behind.
const NOTICES: usize = 1024;
/// What SIGKILL leaves.
const KILLED: i32 = 137;

/// A container of the fake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeContainer {
    /// Whose it is.
    pub instance: InstanceId,
    /// On its label.
    pub task: TaskId,
    /// On its label.
    pub container: String,
    /// Its id.
    pub runtime_id: String,
    /// Where it is; never `Missing`.
    pub sighting: Sighting,
    /// How often it was started; more than once breaks the agent's first rule.
    pub starts: u32,
    bindings: Vec<NetworkBinding>,
}

/// Containers and images of one node.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Images that are present or can be pulled.
    pub images: BTreeSet<String>,
    /// By name.
    pub containers: BTreeMap<String, FakeContainer>,
    /// Names of all containers ever created, each as often as it was.
    pub created: Vec<String>,
    /// Tasks whose cgroup was given back.
    pub released: Vec<TaskId>,
    /// Whether it answers at all.
    pub is_down: bool,
    next_id: u64,
    next_port: u16,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            images: BTreeSet::new(),
            containers: BTreeMap::new(),
            created: Vec::new(),
            released: Vec::new(),
            is_down: false,
            next_id: 0,
            next_port: FIRST_DYNAMIC_PORT,
        }
    }
}

impl Engine {
    /// Carries out an operation for the agent of `instance`.
    ///
    /// # Errors
    /// As Docker would, or unavailable while the engine is down.
    pub fn operate(
        &mut self,
        instance: InstanceId,
        task: &Assignment,
        container: usize,
        operation: Operation,
    ) -> Result<Outcome, RuntimeError> {
        let name = container_name(task, container);
        match operation {
            Operation::Pull => {
                let image = task.containers.get(container).map(|c| c.image.as_str());
                self.pull(image.unwrap_or_default()).map(Outcome::Pulled)
            }
            Operation::Create => self.create(instance, task, container).map(Outcome::Looked),
            Operation::Start => self.start(task, container).map(Outcome::Looked),
            Operation::Stop { .. } => self.stop(instance, &name).map(Outcome::Looked),
            Operation::Inspect => self.inspect(instance, &name).map(Outcome::Looked),
            Operation::Remove => self.remove(&name).map(|()| Outcome::Removed),
        }
    }

    fn answer(&self) -> Result<(), RuntimeError> {
        if self.is_down {
            return Err(RuntimeError::Unavailable("the fake is down".to_owned()));
        }
        Ok(())
    }

    fn pull(&self, image: &str) -> Result<Option<String>, RuntimeError> {
        self.answer()?;
        if self.images.contains(image) {
            return Ok(None);
        }
        let name = "CannotPullContainerError";
        Err(RuntimeError::refused(
            name,
            format_args!("{image} not found"),
        ))
    }

    fn create(
        &mut self,
        instance: InstanceId,
        task: &Assignment,
        container: usize,
    ) -> Result<Look, RuntimeError> {
        self.answer()?;
        let name = container_name(task, container);
        if self.containers.contains_key(&name) {
            return self.inspect(instance, &name);
        }
        let Some(definition) = task.containers.get(container) else {
            let name = "CannotCreateContainerError";
            return Err(RuntimeError::refused(
                name,
                "the task has no such container",
            ));
        };
        let mut bindings = Vec::new();
        for mapping in &definition.port_mappings {
            let host_port = match (task.network_mode, mapping.host_port) {
                (NetworkMode::Host, _) => mapping.container_port,
                (_, 0) => {
                    self.next_port += 1;
                    self.next_port
                }
                (_, port) => port,
            };
            bindings.push(NetworkBinding {
                bind_ip: "0.0.0.0".to_owned(),
                container_port: mapping.container_port,
                host_port,
                protocol: mapping.protocol,
            });
        }
        self.next_id += 1;
        let created = FakeContainer {
            instance,
            task: task.task,
            container: definition.name.clone(),
            runtime_id: format!("{:064x}", self.next_id),
            sighting: Sighting::Created,
            starts: 0,
            bindings,
        };
        let look = look(&created);
        self.created.push(name.clone());
        self.containers.insert(name, created);
        Ok(look)
    }

    fn start(&mut self, task: &Assignment, container: usize) -> Result<Look, RuntimeError> {
        self.answer()?;
        let found = self.containers.get_mut(&container_name(task, container));
        let Some(found) = found else {
            let name = "CannotStartContainerError";
            return Err(RuntimeError::refused(name, "no such container"));
        };
        if found.sighting != Sighting::Running {
            found.starts += 1;
            found.sighting = Sighting::Running;
        }
        Ok(look(found))
    }

    fn stop(&mut self, instance: InstanceId, name: &str) -> Result<Look, RuntimeError> {
        self.answer()?;
        if let Some(name) = self.name_of(name) {
            self.exit(&name, KILLED);
        }
        self.inspect(instance, name)
    }

    fn inspect(&self, instance: InstanceId, name: &str) -> Result<Look, RuntimeError> {
        self.answer()?;
        let found = self
            .name_of(name)
            .and_then(|name| self.containers.get(&name));
        match found {
            Some(found) if found.instance == instance => Ok(look(found)),
            Some(_) => Err(RuntimeError::refused(
                "CannotInspectContainerError",
                "belongs to someone else",
            )),
            None => Ok(Look::bare(Sighting::Missing)),
        }
    }

    fn remove(&mut self, name: &str) -> Result<(), RuntimeError> {
        self.answer()?;
        let Some(name) = self.name_of(name) else {
            return Ok(());
        };
        let up = self.containers.get(&name);
        if up.is_some_and(|c| c.sighting == Sighting::Running) {
            let error = "CannotRemoveContainerError";
            return Err(RuntimeError::refused(error, "it runs; stop it first"));
        }
        self.containers.remove(&name);
        Ok(())
    }

    /// Containers of an instance's agent.
    ///
    /// # Errors
    /// While the engine is down.
    pub fn list(&self, instance: InstanceId) -> Result<Vec<Listed>, RuntimeError> {
        self.answer()?;
        let ours = self.containers.values().filter(|c| c.instance == instance);
        Ok(ours
            .map(|c| Listed {
                task: c.task,
                container: c.container.clone(),
                runtime_id: c.runtime_id.clone(),
                standing: match c.sighting {
                    Sighting::Running => Standing::Running,
                    Sighting::Exited(_) => Standing::Exited,
                    Sighting::Created | Sighting::Missing => Standing::Created,
                },
            })
            .collect())
    }

    /// Stops and removes a container by its id.
    pub fn remove_by_id(&mut self, runtime_id: &str) {
        self.containers.retain(|_, c| c.runtime_id != runtime_id);
    }

    fn name_of(&self, name_or_id: &str) -> Option<String> {
        let mut all = self.containers.iter();
        all.find(|(name, c)| *name == name_or_id || c.runtime_id == name_or_id)
            .map(|(name, _)| name.clone())
    }

    /// Lets a running container exit. Returns what its agent is told.
    pub fn exit(&mut self, name: &str, code: i32) -> Option<Notice> {
        let found = self.containers.get_mut(name)?;
        if found.sighting != Sighting::Running {
            return None;
        }
        found.sighting = Sighting::Exited(Exit {
            code,
            ..Exit::default()
        });
        Some(notice(found, Change::Died))
    }

    /// Removes a container behind its agent's back. Returns what the agent is told.
    pub fn vanish(&mut self, name: &str) -> Option<Notice> {
        let found = self.containers.remove(name)?;
        Some(notice(&found, Change::Removed))
    }
}

fn notice(container: &FakeContainer, change: Change) -> Notice {
    Notice {
        task: container.task,
        container: container.container.clone(),
        change,
    }
}

fn look(container: &FakeContainer) -> Look {
    Look {
        sighting: container.sighting.clone(),
        runtime_id: Some(container.runtime_id.clone()),
        image_digest: None,
        network_bindings: (container.sighting == Sighting::Running)
            .then(|| container.bindings.clone()),
    }
}

/// The fake behind the trait.
#[derive(Debug, Clone)]
pub struct FakeRuntime {
    instance: InstanceId,
    engine: Arc<Mutex<Engine>>,
    notices: broadcast::Sender<Notice>,
}

impl FakeRuntime {
    /// An empty node, as the agent of `instance` sees it.
    pub fn new(instance: InstanceId) -> Self {
        Self {
            instance,
            engine: Arc::default(),
            notices: broadcast::Sender::new(NOTICES),
        }
    }

    /// The same node, as the agent of another instance sees it.
    #[must_use]
    pub fn seen_by(&self, instance: InstanceId) -> Self {
        Self {
            instance,
            ..self.clone()
        }
    }

    /// The state behind it.
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a running container exit.
    pub fn exit(&self, name: &str, code: i32) {
        let notice = self.engine().exit(name, code);
        self.tell(notice);
    }

    fn tell(&self, notice: Option<Notice>) {
        if let Some(notice) = notice {
            // Without a listener there is nobody to tell.
            self.notices.send(notice).ok();
        }
    }
}

impl Runtime for FakeRuntime {
    async fn pull(&self, image: &str) -> Result<Option<String>, RuntimeError> {
        self.engine().pull(image)
    }

    async fn create(&self, task: &Assignment, container: usize) -> Result<Look, RuntimeError> {
        self.engine().create(self.instance, task, container)
    }

    async fn start(&self, task: &Assignment, container: usize) -> Result<Look, RuntimeError> {
        self.engine().start(task, container)
    }

    async fn stop(&self, name: &str, _timeout: Duration) -> Result<Look, RuntimeError> {
        self.engine().stop(self.instance, name)
    }

    async fn inspect(&self, name: &str) -> Result<Look, RuntimeError> {
        self.engine().inspect(self.instance, name)
    }

    async fn remove(&self, name: &str) -> Result<(), RuntimeError> {
        self.engine().remove(name)
    }

    async fn release(&self, task: TaskId) -> Result<(), RuntimeError> {
        let mut engine = self.engine();
        engine.answer()?;
        engine.released.push(task);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Listed>, RuntimeError> {
        self.engine().list(self.instance)
    }

    fn watch(&self, since: Since) -> BoxStream<'static, Result<(Notice, Since), RuntimeError>> {
        let lost = |_| RuntimeError::Unavailable("fell behind".to_owned());
        BroadcastStream::new(self.notices.subscribe())
            .map(move |notice| notice.map(|notice| (notice, since)).map_err(lost))
            .boxed()
    }

    fn logs(
        &self,
        task: TaskId,
        container: &str,
        _tail: Option<u32>,
        _follow: bool,
    ) -> BoxStream<'static, Result<LogPiece, RuntimeError>> {
        let known = self
            .engine()
            .containers
            .values()
            .any(|c| c.task == task && c.container == container);
        let piece = if known {
            Ok(LogPiece {
                stream: LogStream::Stdout,
                data: format!("{container} of {task}\n").into_bytes(),
            })
        } else {
            let detail = format!("task {task} has no container \"{container}\" on this node");
            Err(RuntimeError::refused("CannotReadLogsError", detail))
        };
        futures::stream::iter([piece]).boxed()
    }
}
