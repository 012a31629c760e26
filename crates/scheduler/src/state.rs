//! What the index is told: instances and the tasks on them.

use std::collections::BTreeMap;

use longshore_model::instance::{Instance, InstanceStatus, Resources};
use longshore_model::task::{DesiredStatus, Task, TaskStatus};
use longshore_model::{InstanceId, TaskId, Timestamp};

/// A container instance as placement sees it, without its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceState {
    /// Which.
    pub id: InstanceId,
    /// Whether its status is ACTIVE.
    pub active: bool,
    /// Whether its agent is connected.
    pub connected: bool,
    /// What it offers; ports here are those it keeps for itself.
    pub registered: Resources,
    /// All attributes that count, by name.
    pub attributes: BTreeMap<String, Option<String>>,
    /// The version of its agent.
    pub agent_version: String,
    /// When it registered.
    pub registered_at: Timestamp,
}

impl From<&Instance> for InstanceState {
    fn from(instance: &Instance) -> Self {
        Self {
            id: instance.id,
            active: instance.status == InstanceStatus::Active,
            connected: instance.connection.is_connected(),
            registered: instance.registered.clone(),
            attributes: instance.all_attributes(),
            agent_version: instance.agent_version.clone(),
            registered_at: instance.registered_at,
        }
    }
}

/// A task that is not STOPPED, as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// Which.
    pub id: TaskId,
    /// Where it is.
    pub instance: InstanceId,
    /// The group it counts for.
    pub group: String,
    /// Whether it is meant to run; spreading counts only those.
    pub wanted: bool,
    /// Whether it is RUNNING; `runningTasksCount` counts those.
    pub running: bool,
    /// What it takes until it is STOPPED, with the ids of its GPU devices.
    pub demand: Resources,
}

impl From<&Task> for TaskState {
    fn from(task: &Task) -> Self {
        Self {
            id: task.id,
            instance: task.instance,
            group: task.group.clone(),
            wanted: task.desired_status == DesiredStatus::Running,
            running: task.last_status == TaskStatus::Running,
            demand: task.demand.clone(),
        }
    }
}
