//! Every write a controller may ask for.

use longshore_model::TaskId;
use longshore_model::service::Service;
use longshore_model::task::{StopCode, Task};

/// One write. The actions of a plan are committed together or not at all.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Creates a task that is placed already; its instance's version grows in the same commit.
    CreateTask(Box<Task>),
    /// Tells a task to stop.
    StopTask {
        /// Which.
        task: TaskId,
        /// Shown to users.
        code: StopCode,
        /// Shown to users.
        reason: String,
    },
    /// Makes a task STOPPED without a word from its agent, which is gone.
    GiveUpTask {
        /// Which.
        task: TaskId,
        /// Shown to users.
        code: StopCode,
        /// Shown to users.
        reason: String,
    },
    /// Notes that the service controller has counted a task's stop.
    AccountTask(TaskId),
    /// Forgets a STOPPED task.
    ReapTask(TaskId),
    /// Replaces the service's record: deployments, events, status.
    UpdateService(Box<Service>),
    /// Notes that the instance of the view counts as lost.
    LoseInstance,
}
