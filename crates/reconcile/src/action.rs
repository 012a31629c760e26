//! Every write a controller may ask for. What happens to a task has a name, since others read its
//! record and count on what each step means; any other record is put or deleted.

use longshore_model::TaskId;
use longshore_model::task::{StopCode, Task};
use longshore_state::Key;
use longshore_state::table::list::AnyRecord;

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
    /// Writes a record, no task, in place of what the view has under its key.
    Put(AnyRecord),
    /// Removes a record, no task, that the view has.
    Delete(Key),
}

impl Action {
    /// Writes a record, no task, in place of what the view has under its key.
    pub fn put(record: impl Into<AnyRecord>) -> Self {
        Self::Put(record.into())
    }
}
