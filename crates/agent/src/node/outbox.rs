//! Which reports are to be sent, and which are sent and not acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use longshore_model::{TaskId, Timestamp};

/// Most tasks in one message; with ten containers each well below what gRPC takes (4 MiB).
pub const MESSAGE_TASKS: usize = 200;
/// Most messages that are not acknowledged. At the bound reports wait; each task waits only once.
const WINDOW: usize = 64;
/// How long a report on mere progress may wait for one that matters.
const LINGER: Duration = Duration::from_millis(500);

/// The outbox of one life; its size is bounded by the tasks held.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    open: bool,
    sequence: u64,
    /// When each task's report is due.
    queued: BTreeMap<TaskId, Timestamp>,
    sent: BTreeMap<u64, Vec<TaskId>>,
}

impl Outbox {
    /// A session can take reports.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    /// It no longer can. What was not acknowledged is sent again in the next.
    pub(super) fn close(&mut self) {
        self.open = false;
        for task in std::mem::take(&mut self.sent).into_values().flatten() {
            self.queued.entry(task).or_default();
        }
    }

    pub(super) fn queue_all(&mut self, tasks: impl Iterator<Item = TaskId>, now: Timestamp) {
        self.queued.extend(tasks.map(|task| (task, now)));
    }

    pub(super) fn queue(&mut self, task: TaskId, urgent: bool, now: Timestamp) {
        let due = if urgent { now } else { now.after(LINGER) };
        let at = self.queued.entry(task).or_insert(due);
        *at = due.min(*at);
    }

    pub(super) fn forget(&mut self, task: TaskId) {
        self.queued.remove(&task);
    }

    /// Notes an acknowledgement; returns the tasks it is about.
    pub(super) fn acknowledge(&mut self, sequence: u64) -> Vec<TaskId> {
        let later = self.sent.split_off(&(sequence.saturating_add(1)));
        let done = std::mem::replace(&mut self.sent, later);
        done.into_values().flatten().collect()
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        if !self.open || self.sent.len() >= WINDOW {
            return None;
        }
        self.queued.values().min().copied()
    }

    /// The next message, when one is due. What waits goes along with what is due.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<(u64, Vec<TaskId>)> {
        if self.due().is_none_or(|at| at > now) {
            return None;
        }
        let mut tasks: Vec<TaskId> = self.queued.keys().copied().collect();
        if tasks.len() > MESSAGE_TASKS {
            tasks.sort_by_key(|task| self.queued.get(task).copied());
            tasks.truncate(MESSAGE_TASKS);
        }
        for task in &tasks {
            self.queued.remove(task);
        }
        self.sequence += 1;
        self.sent.insert(self.sequence, tasks.clone());
        Some((self.sequence, tasks))
    }
}
