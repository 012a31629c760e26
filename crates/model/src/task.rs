//! Tasks: one placement of a task definition on one container instance.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, InstanceId, TaskId};
use crate::instance::Resources;
use crate::name::{ClusterName, Family, ServiceName};
use crate::report::TaskReport;
use crate::tag::Tags;
use crate::task_definition::{ContainerDefinition, NetworkMode, TaskDefinition};
use crate::time::Timestamp;
use crate::unit::{CpuUnits, Mib, Port, Protocol};

/// Longest container reason and stopped reason that is kept, in characters (ECS API reference).
pub const MAX_REASON_LENGTH: usize = 1024;

/// A task. Created whole by whoever places it, the API or the service controller; after that each
/// field has the one writer it names. What is not there is not written down, since most tasks have
/// little of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Never reused. Writer: the creator.
    pub id: TaskId,
    /// Writer: the creator.
    pub cluster: ClusterName,
    /// Where it was placed; never moves. Writer: the creator.
    pub instance: InstanceId,
    /// What it runs. Writer: the creator.
    pub family: Family,
    /// Writer: the creator.
    pub revision: u32,
    /// Writer: the creator.
    pub network_mode: NetworkMode,
    /// Reserved on the instance until the task is STOPPED. Writer: the creator.
    pub demand: Resources,
    /// Task-level CPU limit. Writer: the creator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuUnits>,
    /// Task-level memory limit. Writer: the creator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Mib>,
    /// `service:NAME`, `family:NAME` or what the caller chose. Writer: the creator.
    pub group: String,
    /// Deployment id of a service task, or what the caller gave. Writer: the creator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    /// The service it belongs to. Writer: the creator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceTask>,
    /// `EC2` or `EXTERNAL`. Writer: the creator.
    pub launch_type: String,
    /// What RunTask changed. Writer: the creator.
    #[serde(default, skip_serializing_if = "Overrides::is_empty")]
    pub overrides: Overrides,
    /// Only ever from RUNNING to STOPPED. Writers: the API (StopTask) and the service controller
    /// tell it to stop; the gateway, when it stopped by itself.
    pub desired_status: DesiredStatus,
    /// Never goes back. Writer: the gateway; the instance controller for a lost instance; STOPPING
    /// is shown by readers while the desired status is STOPPED and this is not.
    pub last_status: TaskStatus,
    /// In the order of the definition. Writer: the gateway.
    pub containers: Vec<Container>,
    /// Writer: the creator.
    pub created_at: Timestamp,
    /// Writer: the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_started_at: Option<Timestamp>,
    /// Writer: the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_stopped_at: Option<Timestamp>,
    /// When it was first reported RUNNING, by the control plane's clock. Writer: the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its desired status became STOPPED. Writer: whoever did that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopping_at: Option<Timestamp>,
    /// When the first essential container stopped. Writer: the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_stopped_at: Option<Timestamp>,
    /// When it was known to be STOPPED, by the control plane's clock. Writer: as `last_status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// Why it stopped. Writer: whoever stopped it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_code: Option<StopCode>,
    /// In words. Writer: as `stop_code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_reason: Option<String>,
    /// Grows with every change. Writers: all of the above.
    pub version: u64,
    /// Writer: the creator, then the API.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// Whether the service controller has counted its stop. Writer: the service controller.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accounted: bool,
}

/// The service a task belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTask {
    /// Of the task's cluster.
    pub name: ServiceName,
    /// The deployment that made it.
    pub deployment: DeploymentId,
}

/// What a task is meant to do. There is no way back from STOPPED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DesiredStatus {
    /// To run.
    Running,
    /// To stop, or stopped.
    Stopped,
}

impl DesiredStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// The states of the ECS task lifecycle that occur here, in their order (ECS developer guide,
/// "task lifecycle"). Of two reports the later state is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskStatus {
    /// Placed; the agent has not taken it up.
    Pending,
    /// The agent pulls images and creates containers.
    Activating,
    /// All containers started.
    Running,
    /// Told to stop, containers still there.
    Stopping,
    /// Over, for good.
    Stopped,
}

impl TaskStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Stopped => "STOPPED",
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for TaskStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [
            Self::Pending,
            Self::Activating,
            Self::Running,
            Self::Stopping,
            Self::Stopped,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or(())
    }
}

/// The states of a container that are reported (ECS developer guide).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContainerStatus {
    /// Not started yet.
    #[default]
    Pending,
    /// Started.
    Running,
    /// Exited, or never to start.
    Stopped,
}

impl ContainerStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

impl std::str::FromStr for ContainerStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Pending, Self::Running, Self::Stopped]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(())
    }
}

/// Why a task stopped (ECS API reference, `TaskStopCode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCode {
    /// A container could not be pulled, created or started.
    TaskFailedToStart,
    /// An essential container exited by itself.
    EssentialContainerExited,
    /// StopTask.
    UserInitiated,
    /// Scaling, a deployment or a deleted service.
    ServiceSchedulerInitiated,
    /// The instance is gone.
    TerminationNotice,
}

impl StopCode {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TaskFailedToStart => "TaskFailedToStart",
            Self::EssentialContainerExited => "EssentialContainerExited",
            Self::UserInitiated => "UserInitiated",
            Self::ServiceSchedulerInitiated => "ServiceSchedulerInitiated",
            Self::TerminationNotice => "TerminationNotice",
        }
    }
}

impl std::str::FromStr for StopCode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [
            Self::TaskFailedToStart,
            Self::EssentialContainerExited,
            Self::UserInitiated,
            Self::ServiceSchedulerInitiated,
            Self::TerminationNotice,
        ]
        .into_iter()
        .find(|code| code.as_str() == text)
        .ok_or(())
    }
}

/// A container as far as it has been reported. Writer: the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Container {
    /// From the definition.
    pub name: String,
    /// From the definition.
    pub image: String,
    /// Digest of the image it runs, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// Never goes back.
    pub last_status: ContainerStatus,
    /// Docker's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_id: Option<String>,
    /// Set once it exited; never for one that did not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why it stopped or did not start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where its ports are reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_bindings: Vec<NetworkBinding>,
    /// From the definition, for Describe.
    pub cpu: CpuUnits,
    /// From the definition, for Describe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Mib>,
    /// From the definition, for Describe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<Mib>,
}

/// A container port bound on the node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetworkBinding {
    /// Address on the node, for example `0.0.0.0`.
    pub bind_ip: String,
    /// Port inside.
    pub container_port: Port,
    /// Port on the node.
    pub host_port: Port,
    /// tcp or udp.
    pub protocol: Protocol,
}

/// What RunTask and StartTask change of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Overrides {
    /// Task-level CPU instead of the definition's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuUnits>,
    /// Task-level memory instead of the definition's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Mib>,
    /// By container, in the order given.
    pub containers: Vec<ContainerOverride>,
}

/// What is changed of one container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContainerOverride {
    /// Must occur in the definition.
    pub name: String,
    /// Replaces the definition's command when not `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Added to the definition's, name by name.
    pub environment: BTreeMap<String, String>,
    /// Instead of the definition's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuUnits>,
    /// Instead of the definition's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Mib>,
    /// Instead of the definition's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<Mib>,
}

impl Overrides {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The definition as its task will run it.
    /// Errors with the name of a container that the definition does not have.
    pub fn apply(&self, definition: &TaskDefinition) -> Result<TaskDefinition, String> {
        let mut result = definition.clone();
        result.cpu = self.cpu.or(result.cpu);
        result.memory = self.memory.or(result.memory);
        for change in &self.containers {
            let container = result
                .containers
                .iter_mut()
                .find(|c| c.name == change.name)
                .ok_or_else(|| change.name.clone())?;
            change.apply(container);
        }
        Ok(result)
    }
}

impl ContainerOverride {
    fn apply(&self, container: &mut ContainerDefinition) {
        if let Some(command) = &self.command {
            container.command.clone_from(command);
        }
        let added = self
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        container.environment.extend(added);
        container.cpu = self.cpu.unwrap_or(container.cpu);
        container.memory = self.memory.or(container.memory);
        container.memory_reservation = self.memory_reservation.or(container.memory_reservation);
    }
}

/// What the creator of a task decides; the rest follows from the definition.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// From the context.
    pub id: TaskId,
    /// Where it runs.
    pub instance: InstanceId,
    /// The cluster of that instance.
    pub cluster: ClusterName,
    /// `service:NAME`, `family:NAME` or what the caller chose.
    pub group: String,
    /// Deployment id of a service task, or what the caller gave.
    pub started_by: Option<String>,
    /// The service it belongs to.
    pub service: Option<ServiceTask>,
    /// `EC2` or `EXTERNAL`, as its creator was told.
    pub launch_type: String,
    /// What RunTask changed; `definition` must have it applied already.
    pub overrides: Overrides,
    /// Given and propagated tags.
    pub tags: Tags,
}

impl Task {
    /// A task that is placed and PENDING. `definition` has the overrides applied.
    pub fn new(new: NewTask, definition: &TaskDefinition, now: Timestamp) -> Self {
        let containers = definition.containers.iter().map(Container::new).collect();
        Self {
            id: new.id,
            cluster: new.cluster,
            instance: new.instance,
            family: definition.family.clone(),
            revision: definition.revision,
            network_mode: definition.effective_network_mode(),
            demand: definition.demand(),
            cpu: definition.cpu,
            memory: definition.memory,
            group: new.group,
            started_by: new.started_by,
            service: new.service,
            launch_type: new.launch_type,
            overrides: new.overrides,
            desired_status: DesiredStatus::Running,
            last_status: TaskStatus::Pending,
            containers,
            created_at: now,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            stop_code: None,
            stopped_reason: None,
            version: 1,
            tags: new.tags,
            accounted: false,
        }
    }

    /// The status readers see: a task that is told to stop and was RUNNING is STOPPING.
    pub fn shown_status(&self) -> TaskStatus {
        match (self.desired_status, self.last_status) {
            (DesiredStatus::Stopped, TaskStatus::Running) => TaskStatus::Stopping,
            (_, status) => status,
        }
    }

    /// Whether it still holds resources on its instance.
    pub fn is_live(&self) -> bool {
        self.last_status != TaskStatus::Stopped
    }

    /// Tells it to stop. Does nothing to a task that is told already: the first reason stands.
    /// Returns whether anything changed.
    pub fn stop(&mut self, code: StopCode, reason: &str, now: Timestamp) -> bool {
        if self.desired_status == DesiredStatus::Stopped {
            return false;
        }
        self.desired_status = DesiredStatus::Stopped;
        self.stopping_at = Some(now);
        self.stop_code = Some(code);
        self.stopped_reason = Some(clip(reason));
        self.version += 1;
        true
    }

    /// Gives it up: it is STOPPED without a word from its agent.
    pub fn lose(&mut self, code: StopCode, reason: &str, now: Timestamp) {
        self.stop(code, reason, now);
        self.last_status = TaskStatus::Stopped;
        self.stopped_at = Some(now);
        self.version += 1;
        for container in &mut self.containers {
            container.last_status = ContainerStatus::Stopped;
        }
    }

    /// Takes over what its agent reports. A report that is not newer changes nothing, and nothing
    /// moves back. Returns whether anything changed.
    pub fn apply_report(&mut self, report: &TaskReport, now: Timestamp) -> bool {
        if !self.is_live() || report.last_status < self.last_status {
            return false;
        }
        let mut changed = set(&mut self.last_status, report.last_status);
        for container in &mut self.containers {
            if let Some(reported) = report.containers.iter().find(|c| c.name == container.name) {
                changed |= container.apply_report(reported);
            }
        }
        changed |= keep_first(&mut self.pull_started_at, report.pull_started_at);
        changed |= keep_first(&mut self.pull_stopped_at, report.pull_stopped_at);
        // Health is counted from here, so it is the control plane's clock and not the node's.
        changed |= keep_first(&mut self.started_at, report.started_at.map(|_| now));
        changed |= keep_first(&mut self.execution_stopped_at, report.execution_stopped_at);
        if report.last_status >= TaskStatus::Stopping {
            if self.desired_status == DesiredStatus::Running {
                self.desired_status = DesiredStatus::Stopped;
                self.stopping_at = Some(report.execution_stopped_at.unwrap_or(now));
                changed = true;
            }
            if self.stop_code.is_none() {
                changed |= set(&mut self.stop_code, report.stop_code);
                let reason = report.stopped_reason.as_deref().map(clip);
                changed |= set(&mut self.stopped_reason, reason);
            }
        }
        if report.last_status == TaskStatus::Stopped {
            // How long it stays visible and whether it lasted are counted with this, so it is the
            // control plane's clock and not the node's.
            changed |= set(&mut self.stopped_at, Some(now));
        }
        if changed {
            self.version += 1;
        }
        changed
    }
}

/// Sets a field; whether it is another now.
fn set<T: PartialEq>(field: &mut T, value: T) -> bool {
    let changed = *field != value;
    *field = value;
    changed
}

/// Sets a field that is not set; whether it is another now.
fn keep_first<T: PartialEq>(field: &mut Option<T>, value: Option<T>) -> bool {
    field.is_none() && set(field, value)
}

impl Container {
    fn new(definition: &ContainerDefinition) -> Self {
        Self {
            name: definition.name.clone(),
            image: definition.image.clone(),
            cpu: definition.cpu,
            memory: definition.memory,
            memory_reservation: definition.memory_reservation,
            ..Self::default()
        }
    }

    fn apply_report(&mut self, report: &crate::report::ContainerReport) -> bool {
        if report.last_status < self.last_status {
            return false;
        }
        let mut changed = set(&mut self.last_status, report.last_status);
        let mut newer = |new: Option<&String>, old: &mut Option<String>| {
            if new.is_some() && new != old.as_ref() {
                *old = new.cloned();
                changed = true;
            }
        };
        newer(report.runtime_id.as_ref(), &mut self.runtime_id);
        newer(report.image_digest.as_ref(), &mut self.image_digest);
        let reason = report.reason.as_deref().map(clip);
        newer(reason.as_ref(), &mut self.reason);
        changed |= report.exit_code.is_some() && set(&mut self.exit_code, report.exit_code);
        if !report.network_bindings.is_empty() && report.network_bindings != self.network_bindings {
            self.network_bindings.clone_from(&report.network_bindings);
            changed = true;
        }
        changed
    }
}

/// Cuts a reason to what is kept.
fn clip(reason: &str) -> String {
    reason.chars().take(MAX_REASON_LENGTH).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::ContainerReport;

    fn task() -> Task {
        Task {
            id: TaskId::new(1),
            cluster: ClusterName::default_cluster(),
            instance: InstanceId::new(1),
            family: "web".parse().unwrap(),
            revision: 1,
            network_mode: NetworkMode::Bridge,
            demand: Resources::default(),
            cpu: None,
            memory: None,
            group: "family:web".into(),
            started_by: None,
            service: None,
            launch_type: "EC2".into(),
            overrides: Overrides::default(),
            desired_status: DesiredStatus::Running,
            last_status: TaskStatus::Pending,
            containers: vec![Container {
                name: "a".into(),
                ..Container::default()
            }],
            created_at: Timestamp::default(),
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            stop_code: None,
            stopped_reason: None,
            version: 1,
            tags: Tags::new(),
            accounted: false,
        }
    }

    fn report(last_status: TaskStatus, container: ContainerStatus) -> TaskReport {
        TaskReport {
            containers: vec![ContainerReport {
                name: "a".into(),
                last_status: container,
                ..ContainerReport::default()
            }],
            ..TaskReport::new(TaskId::new(1), last_status)
        }
    }

    #[test]
    fn a_status_never_goes_back() {
        let mut task = task();
        let now = Timestamp::from_millis(5);
        assert!(task.apply_report(&report(TaskStatus::Running, ContainerStatus::Running), now));
        assert!(!task.apply_report(
            &report(TaskStatus::Activating, ContainerStatus::Pending),
            now
        ));
        assert!(task.apply_report(&report(TaskStatus::Stopped, ContainerStatus::Stopped), now));
        assert!(!task.apply_report(&report(TaskStatus::Running, ContainerStatus::Running), now));
        assert_eq!(task.last_status, TaskStatus::Stopped);
        assert_eq!(task.desired_status, DesiredStatus::Stopped);
        assert_eq!(task.stopped_at, Some(now));
    }

    #[test]
    fn the_node_s_clock_does_not_say_when_it_stopped() {
        let mut task = task();
        let now = Timestamp::from_millis(5_000_000);
        let mut late = report(TaskStatus::Stopped, ContainerStatus::Stopped);
        late.stopped_at = Some(Timestamp::from_millis(1));
        assert!(task.apply_report(&late, now));
        assert_eq!(task.stopped_at, Some(now));
    }

    #[test]
    fn the_first_reason_to_stop_stands() {
        let mut task = task();
        let now = Timestamp::default();
        assert!(task.stop(StopCode::UserInitiated, "because", now));
        assert!(!task.stop(StopCode::ServiceSchedulerInitiated, "later", now));
        let mut late = report(TaskStatus::Stopped, ContainerStatus::Stopped);
        late.stop_code = Some(StopCode::EssentialContainerExited);
        late.stopped_reason = Some("Essential container in task exited".into());
        assert!(task.apply_report(&late, now));
        assert_eq!(task.stop_code, Some(StopCode::UserInitiated));
        assert_eq!(task.stopped_reason.as_deref(), Some("because"));
    }

    #[test]
    fn a_repeated_report_changes_nothing() {
        let mut task = task();
        let now = Timestamp::default();
        let running = report(TaskStatus::Running, ContainerStatus::Running);
        assert!(task.apply_report(&running, now));
        let version = task.version;
        assert!(!task.apply_report(&running, now));
        assert_eq!(task.version, version);
    }
}
