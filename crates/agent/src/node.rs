//! The agent's core: what was observed goes in, what is to be done comes out. No clock, no I/O, no
//! async; the same inputs give the same effects, so a simulation can run it from a seed.
//!
//! ```text
//!  session ─ assignments ─┐                              ┌─► journal writes
//!  journal ─ durable ─────┼─► step: settle, supervise ───┼─► operations on containers
//!  runtime ─ looks ───────┘        for each touched task └─► reports, acknowledgements
//! ```
//!
//! Its rules, besides those of the supervisor:
//!
//! - a task is acted on only after its assignment, or the change to it, is in the journal, and
//!   is reported STOPPED only after the journal says that it ends;
//! - nothing is created before the runtime's containers were listed once, so that those of an
//!   earlier life are adopted;
//! - a container whose task is not held is removed only after a complete set was received in this
//!   life;
//! - a complete set says nothing of a task that was told in another history of the store, or before
//!   the store was put back: such a task is stranded, and runs on unless an operator says otherwise;
//! - a task is forgotten only when the control plane no longer lists it, its last report was
//!   acknowledged and its containers are removed.

mod held;
pub mod outbox;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use longshore_model::assignment::Assignment;
use longshore_model::report::TaskReport;
use longshore_model::task::DesiredStatus;
use longshore_model::{TaskId, Timestamp};
use longshore_supervisor::{Observed, Operation, settle, supervise};
use serde::{Deserialize, Serialize};

use crate::runtime::{Listed, Look, Notice, RuntimeError};
use crate::wire::Assignments;

use held::{Held, Release};
use outbox::Outbox;

/// How long a note on progress may wait for others to share its disk write. Losing one costs a
/// look at the container after a crash.
const NOTE_LINGER: Duration = Duration::from_millis(500);
/// How long after a failed journal write the next is tried.
const JOURNAL_RETRY: Duration = Duration::from_secs(1);
/// How long after a call that Docker did not answer or refused the next is tried.
const OPERATION_RETRY: Duration = Duration::from_secs(1);

/// What an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long the containers of a stopped task are kept for their logs.
    pub keep_stopped: Duration,
    /// Most stopped tasks whose containers are kept; the oldest go first.
    pub keep_stopped_tasks: usize,
    /// Whether stranded tasks are stopped.
    pub stop_stranded: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep_stopped: Duration::from_secs(3600),
            keep_stopped_tasks: 100,
            stop_stranded: false,
        }
    }
}

/// What the journal holds of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// As it was told, with its desired status.
    pub assignment: Assignment,
    /// What came of it; of a stopped task this is its last report.
    pub observed: Observed,
    /// The history of the store in which it was told last; empty where nobody said.
    #[serde(default)]
    pub history: String,
    /// Whether the control plane lost it with a state of the store that is gone.
    #[serde(default)]
    pub is_stranded: bool,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// All containers of this agent. A list may be older than what is known; it only says where
    /// to look.
    Listed(Vec<Listed>),
    /// Something happened to a container.
    Noticed(Notice),
    /// An operation ended.
    Done {
        /// On which task.
        task: TaskId,
        /// On which of its containers.
        container: usize,
        /// Which.
        operation: Operation,
        /// How.
        outcome: Result<Outcome, RuntimeError>,
    },
    /// What a task had besides containers was given back, or not.
    Released {
        /// Which task.
        task: TaskId,
        /// How that ended.
        outcome: Result<(), RuntimeError>,
    },
    /// A container without a task was removed, or not; the next listing tells.
    OrphanRemoved {
        /// Which.
        runtime_id: String,
    },
    /// Every journal write up to this one is durable.
    Journaled {
        /// Of the write.
        sequence: u64,
    },
    /// A journal write failed.
    JournalFailed {
        /// Of the write.
        sequence: u64,
    },
    /// A session began.
    SessionOpened,
    /// It ended.
    SessionClosed,
    /// What this node is to hold.
    Assigned(Assignments),
    /// Reports are committed.
    ReportsAcknowledged {
        /// All up to this one.
        sequence: u64,
        /// But for what they say of these tasks, whose records cannot be read at the moment.
        unread: BTreeSet<TaskId>,
    },
    /// Time went by.
    Tick,
}

/// How an operation ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The image is present; its registry digest.
    Pulled(Option<String>),
    /// The container is like this now.
    Looked(Look),
    /// The container is gone.
    Removed,
}

/// Something to be done. Operations are carried out side by side, the rest in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Writes to the journal, answered with `Journaled` or `JournalFailed`.
    Journal {
        /// Grows with every write.
        sequence: u64,
        /// At most one per task.
        writes: Vec<Write>,
    },
    /// An operation on a container, answered with `Done`.
    Operate {
        /// Of which task.
        task: Arc<Assignment>,
        /// Which container.
        container: usize,
        /// What to do.
        operation: Operation,
    },
    /// Gives back what a task had besides containers, answered with `Released`.
    Release {
        /// Which task.
        task: TaskId,
    },
    /// Stops and removes a container whose task nobody knows, answered with `OrphanRemoved`.
    RemoveOrphan {
        /// Which.
        runtime_id: String,
    },
    /// Sends reports.
    Report {
        /// Grows with every message of this life.
        sequence: u64,
        /// Bounded by [`outbox::MESSAGE_TASKS`].
        tasks: Vec<TaskReport>,
    },
    /// Tells the control plane that a set is in the journal.
    AcknowledgeAssignments {
        /// Of the set.
        generation: u64,
    },
}

/// A change to the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Writes the record of a task.
    Put(Box<Record>),
    /// Forgets a task.
    Forget(TaskId),
}

/// The core of one agent, in one life of it.
#[derive(Debug)]
pub struct Node {
    settings: Settings,
    tasks: BTreeMap<TaskId, Held>,
    /// Containers whose task is not held.
    strays: BTreeMap<TaskId, Vec<Listed>>,
    orphans: BTreeSet<String>,
    listed: bool,
    /// Whether a complete set was received in this life.
    complete: bool,
    generation: Option<u64>,
    outbox: Outbox,
    /// Tasks of which reports were received in this session and are not committed.
    unread: BTreeSet<TaskId>,
    journal: JournalState,
    touched: BTreeSet<TaskId>,
    effects: Vec<Effect>,
}

/// What is to be written, and what is being written.
#[derive(Debug, Default)]
struct JournalState {
    sequence: u64,
    urgent: BTreeSet<TaskId>,
    notes: BTreeSet<TaskId>,
    forgotten: BTreeSet<TaskId>,
    due: Option<Timestamp>,
    in_flight: BTreeMap<u64, Vec<TaskId>>,
    /// Sets to acknowledge once this write is durable.
    acknowledge: Vec<(u64, u64)>,
    /// The set of this step.
    acknowledge_next: Option<u64>,
}

impl Node {
    /// A new life, with what the journal holds.
    pub fn new(settings: Settings, records: Vec<Record>) -> Self {
        let held = records
            .into_iter()
            .map(|record| (record.assignment.task, Held::restored(record)));
        let tasks: BTreeMap<_, _> = held.collect();
        Self {
            settings,
            touched: tasks.keys().copied().collect(),
            tasks,
            strays: BTreeMap::new(),
            orphans: BTreeSet::new(),
            listed: false,
            complete: false,
            generation: None,
            outbox: Outbox::default(),
            unread: BTreeSet::new(),
            journal: JournalState::default(),
            effects: Vec::new(),
        }
    }

    /// Takes in one input and says what to do.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        self.step_all(now, [input])
    }

    /// Takes in several inputs that came at once, so that what they cause shares journal writes
    /// and messages.
    pub fn step_all(
        &mut self,
        now: Timestamp,
        inputs: impl IntoIterator<Item = Input>,
    ) -> Vec<Effect> {
        for input in inputs {
            self.take(now, input);
        }
        self.advance(now);
        self.write(now);
        self.send(now);
        std::mem::take(&mut self.effects)
    }

    /// When `Tick` is due even if nothing else happens.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let tasks = self.tasks.values().filter_map(|held| held.wake);
        let others = [self.journal.due, self.outbox.due()];
        tasks.chain(others.into_iter().flatten()).min()
    }

    /// How many tasks are held, stopped ones included.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no task is held.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The state of a task as it is reported.
    pub fn report(&self, task: TaskId) -> Option<TaskReport> {
        self.tasks.get(&task).map(Held::report)
    }

    fn take(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Listed(containers) => self.take_list(now, containers),
            Input::Noticed(notice) => {
                if let Some(held) = self.tasks.get_mut(&notice.task) {
                    held.notice(&notice, now, &mut self.effects);
                    self.touched.insert(notice.task);
                }
            }
            Input::Done {
                task,
                container,
                operation,
                outcome,
            } => {
                if let Some(held) = self.tasks.get_mut(&task) {
                    let retry_at = now.after(OPERATION_RETRY);
                    held.done(
                        container,
                        operation,
                        outcome,
                        now,
                        retry_at,
                        &mut self.effects,
                    );
                    self.touched.insert(task);
                }
            }
            Input::Released { task, outcome } => {
                if let Some(held) = self.tasks.get_mut(&task) {
                    held.released(outcome, now.after(OPERATION_RETRY));
                    self.touched.insert(task);
                }
            }
            Input::OrphanRemoved { runtime_id } => {
                self.orphans.remove(&runtime_id);
            }
            Input::Journaled { sequence } => self.take_journaled(sequence),
            Input::JournalFailed { sequence } => self.take_journal_failure(now, sequence),
            Input::SessionOpened => {
                self.generation = None;
                self.journal.acknowledge.clear();
                self.journal.acknowledge_next = None;
                self.close();
            }
            Input::SessionClosed => self.close(),
            Input::Assigned(set) => self.assign(now, set),
            Input::ReportsAcknowledged { sequence, unread } => {
                let mut tasks = self.outbox.acknowledge(sequence);
                tasks.extend(std::mem::replace(&mut self.unread, unread));
                for task in tasks {
                    if self.unread.contains(&task) {
                        continue;
                    }
                    if let Some(held) = self.tasks.get_mut(&task) {
                        held.acknowledge(sequence);
                        self.touched.insert(task);
                    }
                }
            }
            Input::Tick => {
                let due = self.tasks.iter();
                let due = due.filter(|(_, held)| held.wake.is_some_and(|at| at <= now));
                self.touched.extend(due.map(|(task, _)| *task));
            }
        }
    }

    /// What was not acknowledged is said again in the next session.
    fn close(&mut self) {
        self.outbox.close();
        self.unread.clear();
    }

    fn assign(&mut self, now: Timestamp, set: Assignments) {
        if self.generation.is_some_and(|seen| set.generation <= seen) {
            tracing::debug!(generation = set.generation, "an older set is ignored");
            return;
        }
        let first = self.generation.is_none();
        if first && !set.complete {
            tracing::warn!("the control plane cannot list everything; nothing is removed");
        }
        self.generation = Some(set.generation);
        let told: BTreeSet<TaskId> = set.tasks.iter().map(|task| task.task).collect();
        for assignment in set.tasks {
            self.hold(now, assignment, &set.history);
        }
        let gone: Vec<TaskId> = if set.complete {
            let held = self.tasks.keys();
            held.filter(|task| !told.contains(task)).copied().collect()
        } else {
            set.removed
        };
        for task in gone {
            if let Some(held) = self.tasks.get_mut(&task) {
                held.removed = true;
                let is_lost = set.is_put_back || held.is_of_another(&set.history);
                if !self.settings.stop_stranded && held.strand(is_lost) {
                    self.touched.insert(task);
                    self.journal.notes.insert(task);
                } else {
                    self.tell(task, DesiredStatus::Stopped);
                }
            }
        }
        if set.complete {
            self.complete = true;
            self.remove_orphans();
        }
        if first {
            self.outbox.open();
            let open = self.tasks.iter().filter(|(_, held)| !held.is_settled());
            self.outbox.queue_all(open.map(|(task, _)| *task), now);
        }
        self.journal.acknowledge_next = Some(set.generation);
    }

    fn hold(&mut self, now: Timestamp, assignment: Assignment, history: &str) {
        let task = assignment.task;
        if let Some(held) = self.tasks.get_mut(&task) {
            held.removed = false;
            if held.join_history(history) {
                self.journal.notes.insert(task);
            }
            if held.is_settled() {
                // Whoever still lists it does not know that it stopped, whatever was acknowledged.
                held.report_again();
                self.outbox.queue(task, true, now);
            }
            self.tell(task, assignment.desired_status);
            return;
        }
        let mut held = Held::new(assignment, history.to_owned());
        if !self.listed {
            held.mark_unseen();
        }
        for stray in self.strays.remove(&task).unwrap_or_default() {
            held.compare(&stray, now, &mut self.effects);
        }
        self.tasks.insert(task, held);
        self.journal.urgent.insert(task);
        self.touched.insert(task);
    }

    /// Changes the desired status of a held task. There is no way back from STOPPED.
    fn tell(&mut self, task: TaskId, desired: DesiredStatus) {
        self.touched.insert(task);
        let Some(held) = self.tasks.get_mut(&task) else {
            return;
        };
        if desired > held.assignment.desired_status {
            Arc::make_mut(&mut held.assignment).desired_status = desired;
            if !held.observed.is_stopped() {
                self.journal.urgent.insert(task);
            } else {
                self.journal.notes.insert(task);
            }
        }
    }

    fn take_list(&mut self, now: Timestamp, containers: Vec<Listed>) {
        let is_first = !std::mem::replace(&mut self.listed, true);
        self.strays.clear();
        let mut seen: BTreeSet<(TaskId, String)> = BTreeSet::new();
        for listed in containers {
            match self.tasks.get_mut(&listed.task) {
                Some(held) => {
                    held.compare(&listed, now, &mut self.effects);
                    seen.insert((listed.task, listed.container));
                }
                None => self.strays.entry(listed.task).or_default().push(listed),
            }
        }
        for (task, held) in &mut self.tasks {
            let is_listed = |name: &str| seen.contains(&(*task, name.to_owned()));
            held.miss(is_listed, now, &mut self.effects);
            if is_first {
                held.mark_seen();
            }
        }
        self.touched.extend(self.tasks.keys());
        self.remove_orphans();
    }

    fn remove_orphans(&mut self) {
        if !(self.listed && self.complete) {
            return;
        }
        for (task, containers) in std::mem::take(&mut self.strays) {
            for container in containers {
                if self.orphans.insert(container.runtime_id.clone()) {
                    tracing::warn!(
                        %task,
                        container = container.container,
                        "removing a container whose task the control plane does not list"
                    );
                    self.effects.push(Effect::RemoveOrphan {
                        runtime_id: container.runtime_id,
                    });
                }
            }
        }
    }

    fn take_journaled(&mut self, sequence: u64) {
        let later = self.journal.in_flight.split_off(&(sequence + 1));
        let written = std::mem::replace(&mut self.journal.in_flight, later);
        for task in written.into_values().flatten() {
            let Some(held) = self.tasks.get_mut(&task) else {
                continue;
            };
            if held.gate.is_some_and(|gate| gate <= sequence) {
                held.gate = None;
                self.touched.insert(task);
            }
            if held.ending_write.is_some_and(|write| write <= sequence) {
                held.ending_write = None;
                held.ending_durable = true;
                self.touched.insert(task);
            }
        }
        self.journal.acknowledge.retain(|(write, generation)| {
            let durable = *write <= sequence;
            if durable {
                self.effects.push(Effect::AcknowledgeAssignments {
                    generation: *generation,
                });
            }
            !durable
        });
    }

    /// Nothing new starts while the disk does not take it. What is to stop, stops: the control
    /// plane says so again after a crash.
    fn take_journal_failure(&mut self, now: Timestamp, sequence: u64) {
        // What waits for this write waits for the next, which says the same and more.
        let next = self.journal.sequence + 1;
        for (write, _) in &mut self.journal.acknowledge {
            if *write == sequence {
                *write = next;
            }
        }
        let tasks = self.journal.in_flight.remove(&sequence).unwrap_or_default();
        for task in tasks {
            match self.tasks.get_mut(&task) {
                Some(held) => {
                    held.ending_refused |= held.ending_write.take().is_some();
                    if held.assignment.desired_status == DesiredStatus::Stopped {
                        held.gate = None;
                    } else if held.gate.is_some() {
                        held.gate = Some(next);
                    }
                    self.touched.insert(task);
                    self.journal.notes.insert(task);
                }
                None => {
                    self.journal.forgotten.insert(task);
                }
            }
        }
        self.journal.due = Some(now.after(JOURNAL_RETRY));
    }

    /// Brings every touched task as far as it goes now.
    fn advance(&mut self, now: Timestamp) {
        self.discard_oldest();
        for task in std::mem::take(&mut self.touched) {
            let Some(held) = self.tasks.get_mut(&task) else {
                continue;
            };
            settle(&held.assignment, &mut held.observed, now);
            held.wake = None;
            if held.observed.is_stopped() {
                held.keep_or_discard(self.settings.keep_stopped, now);
            }
            let gated = held.gate.is_some() || self.journal.urgent.contains(&task);
            if self.listed && !gated {
                let plan = supervise(&held.assignment, &held.observed, now);
                held.wake_by(plan.wake_at);
                for action in plan.actions {
                    held.begin(action.container, action.operation, now, &mut self.effects);
                }
                settle(&held.assignment, &mut held.observed, now);
                held.release_if_removed(now, &mut self.effects);
            }
            if held.release == Release::Done && held.removed && held.is_settled() {
                self.tasks.remove(&task);
                self.outbox.forget(task);
                self.journal.urgent.remove(&task);
                self.journal.notes.remove(&task);
                self.journal.forgotten.insert(task);
                continue;
            }
            if held.changed_since_saved() {
                self.journal.notes.insert(task);
                if held.ends_unwritten() {
                    self.journal.due = Some(now);
                }
            }
            if held.must_not_be_told() {
                continue;
            }
            if let Some(urgent) = held.changed_since_reported() {
                self.outbox.queue(task, urgent, now);
            }
        }
    }

    /// Keeps the number of stopped tasks with containers at its bound.
    fn discard_oldest(&mut self) {
        let kept = self.tasks.iter().filter(|(_, held)| held.is_kept());
        let mut kept: Vec<_> = kept
            .map(|(task, held)| (held.observed.stopped_at, *task))
            .collect();
        let Some(surplus) = kept.len().checked_sub(self.settings.keep_stopped_tasks) else {
            return;
        };
        kept.sort_unstable();
        for (_, task) in kept.into_iter().take(surplus) {
            if let Some(held) = self.tasks.get_mut(&task) {
                held.observed.discard = true;
                self.touched.insert(task);
            }
        }
    }

    /// Journals what must be, and with it whatever else is waiting.
    fn write(&mut self, now: Timestamp) {
        let journal = &mut self.journal;
        let lingering = !journal.notes.is_empty() || !journal.forgotten.is_empty();
        if lingering && journal.due.is_none() {
            journal.due = Some(now.after(NOTE_LINGER));
        }
        let due = journal.due.is_some_and(|at| at <= now);
        if journal.urgent.is_empty() && !(due && lingering) {
            if due {
                journal.due = None;
            }
            if let Some(generation) = journal.acknowledge_next.take() {
                match journal.in_flight.last_key_value() {
                    // An earlier write may be about the same tasks.
                    Some((last, _)) => journal.acknowledge.push((*last, generation)),
                    None => self
                        .effects
                        .push(Effect::AcknowledgeAssignments { generation }),
                }
            }
            return;
        }
        journal.due = None;
        journal.sequence += 1;
        let sequence = journal.sequence;
        let urgent = std::mem::take(&mut journal.urgent);
        let mut tasks = std::mem::take(&mut journal.notes);
        tasks.extend(&urgent);
        let mut writes = Vec::with_capacity(tasks.len());
        for task in &tasks {
            if let Some(held) = self.tasks.get_mut(task) {
                if urgent.contains(task) {
                    held.gate = Some(sequence);
                }
                if held.ends_unwritten() {
                    held.ending_write = Some(sequence);
                }
                writes.push(Write::Put(Box::new(held.save())));
            }
        }
        let forgotten = std::mem::take(&mut journal.forgotten);
        writes.extend(forgotten.iter().map(|task| Write::Forget(*task)));
        tasks.extend(forgotten);
        journal
            .in_flight
            .insert(sequence, tasks.into_iter().collect());
        if let Some(generation) = journal.acknowledge_next.take() {
            journal.acknowledge.push((sequence, generation));
        }
        self.effects.push(Effect::Journal { sequence, writes });
    }

    fn send(&mut self, now: Timestamp) {
        while let Some((sequence, tasks)) = self.outbox.take(now) {
            let held = tasks.iter().filter_map(|task| {
                let held = self.tasks.get_mut(task)?;
                (!held.must_not_be_told()).then(|| held.send(sequence))
            });
            let tasks = held.collect();
            self.effects.push(Effect::Report { sequence, tasks });
        }
    }
}
