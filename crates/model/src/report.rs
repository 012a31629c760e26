//! What an agent says about its tasks.

use serde::{Deserialize, Serialize};

use crate::id::TaskId;
use crate::task::{ContainerStatus, NetworkBinding, StopCode, TaskStatus};
use crate::time::Timestamp;

/// The whole state of one task as its agent sees it. Of two reports for one task the one with the
/// later status is the later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskReport {
    /// Which task.
    pub task: TaskId,
    /// Where it is in its lifecycle.
    pub last_status: TaskStatus,
    /// In the order of the assignment.
    pub containers: Vec<ContainerReport>,
    /// When the first pull began.
    pub pull_started_at: Option<Timestamp>,
    /// When the last pull ended.
    pub pull_stopped_at: Option<Timestamp>,
    /// When every container had started.
    pub started_at: Option<Timestamp>,
    /// When the first essential container stopped.
    pub execution_stopped_at: Option<Timestamp>,
    /// When the last container stopped.
    pub stopped_at: Option<Timestamp>,
    /// Why it stopped by itself; `None` where it was told to.
    pub stop_code: Option<StopCode>,
    /// In words, likewise.
    pub stopped_reason: Option<String>,
}

impl TaskReport {
    /// Where a task is, and nothing more.
    pub fn new(task: TaskId, last_status: TaskStatus) -> Self {
        Self {
            task,
            last_status,
            containers: Vec::new(),
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            stop_code: None,
            stopped_reason: None,
        }
    }
}

/// The state of one container as its agent sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContainerReport {
    /// Which container.
    pub name: String,
    /// Where it is.
    pub last_status: ContainerStatus,
    /// Docker's id, once created.
    pub runtime_id: Option<String>,
    /// Set once it exited.
    pub exit_code: Option<i32>,
    /// Why it stopped or did not start, as `ErrorName: detail`.
    pub reason: Option<String>,
    /// Where its ports are reached.
    pub network_bindings: Vec<NetworkBinding>,
    /// Digest of the image it runs.
    pub image_digest: Option<String>,
}
