//! From plans to one guarded transaction: every record a plan changes is guarded at the revision
//! the view had it, so a plan made from an old view is refused whole.

use std::collections::BTreeMap;

use longshore_model::instance::Instance;
use longshore_model::task::Task;
use longshore_model::{ClusterName, InstanceId, TaskId, Timestamp};
use longshore_reconcile::{Action, Key};
use longshore_store::table::Record as _;
use longshore_store::{Stored, Txn, View};

use crate::settings::CommitRoom;

/// What a record and its keys take, by eye, as long as it is not written down yet. Most take less.
const RECORD_BYTES: usize = 1024;

/// Plans of one turn on their way to one transaction, all decided from this very view. Each
/// plan knows what those before it place, so an instance that several place on is written once.
#[derive(Debug)]
pub struct Writing<'v> {
    view: &'v View,
    /// Whose tasks they change.
    cluster: Option<ClusterName>,
    txn: Txn,
    tasks: BTreeMap<TaskId, (&'v Stored<Task>, Task)>,
    placed_on: BTreeMap<InstanceId, u64>,
    placed: Vec<TaskId>,
}

impl<'v> Writing<'v> {
    /// Nothing yet. `cluster` is the one whose tasks the plans may change.
    pub fn new(view: &'v View, cluster: Option<&ClusterName>) -> Self {
        Self {
            view,
            cluster: cluster.cloned(),
            txn: Txn::new(),
            tasks: BTreeMap::new(),
            placed_on: BTreeMap::new(),
            placed: Vec::new(),
        }
    }

    /// Whether there is room for these actions beside what is there. One plan by itself always
    /// has room: it has no more changes than [`CommitRoom::changes`], and how long they are shows
    /// once they are written down.
    pub fn has_room(&self, actions: &[Action], room: CommitRoom) -> bool {
        let changed = |action: &Action| match action {
            Action::StopTask { task, .. }
            | Action::GiveUpTask { task, .. }
            | Action::AccountTask(task) => !self.tasks.contains_key(task),
            _ => true,
        };
        let placed = |action: &Action| match action {
            Action::CreateTask(task) => !self.placed_on.contains_key(&task.instance),
            _ => false,
        };
        let count = |of: &dyn Fn(&Action) -> bool| actions.iter().filter(|a| of(a)).count();
        // Counted one by one: several changes of one task or placements on one instance may make
        // fewer writes than this.
        let more = count(&changed) + count(&placed);
        let there = self.txn.len() + self.tasks.len() + self.placed_on.len();
        let unwritten = more + self.tasks.len() + self.placed_on.len();
        let bytes = self.txn.bytes() + unwritten * RECORD_BYTES;
        there == 0 || (there + more <= room.writes && bytes <= room.bytes)
    }

    /// Whether the view has everything that a plan names, which a decision from this view cannot
    /// get wrong.
    pub fn knows_all(&self, actions: &[Action]) -> bool {
        actions.iter().all(|action| match action {
            Action::CreateTask(task) => self.instance(task.instance).is_some(),
            Action::StopTask { task, .. }
            | Action::GiveUpTask { task, .. }
            | Action::AccountTask(task)
            | Action::ReapTask(task) => self.task(*task).is_some(),
            Action::Put(_) => true,
            Action::Delete(key) => self.view.stored_at(key).is_some(),
        })
    }

    /// The first record that these actions would change and that is damaged.
    pub fn damaged(&self, actions: &[Action]) -> Option<longshore_store::Key> {
        if self.view.quarantined.is_empty() {
            return None;
        }
        let mut changed = actions.iter().filter_map(|action| self.changed(action));
        changed.find(|record| self.view.quarantined.contains_key(record))
    }

    /// Adds the actions of a plan. `None` if one names a record that the view does not have, see
    /// [`Writing::knows_all`].
    pub fn add(&mut self, actions: Vec<Action>, now: Timestamp) -> Option<()> {
        for action in actions {
            match action {
                Action::CreateTask(task) => {
                    self.placed.push(task.id);
                    *self.placed_on.entry(task.instance).or_default() += 1;
                    self.txn.create_owned(*task);
                }
                Action::StopTask { task, code, reason } => {
                    self.change(task)?.stop(code, &reason, now);
                }
                Action::GiveUpTask { task, code, reason } => {
                    self.change(task)?.lose(code, &reason, now);
                }
                Action::AccountTask(task) => self.change(task)?.accounted = true,
                Action::ReapTask(task) => self.txn.delete(self.task(task)?),
                Action::Put(record) => {
                    let read_at = self.view.stored_at(&record.key());
                    record.write(&mut self.txn, read_at);
                }
                Action::Delete(key) => {
                    let read_at = self.view.stored_at(&key)?;
                    self.txn.delete_at(key, read_at);
                }
            }
        }
        Some(())
    }

    /// The record that the action changes; for a placement the instance, which counts it.
    fn changed(&self, action: &Action) -> Option<longshore_store::Key> {
        match action {
            Action::CreateTask(task) => self.instance(task.instance).map(|read| read.key()),
            Action::StopTask { task, .. }
            | Action::GiveUpTask { task, .. }
            | Action::AccountTask(task)
            | Action::ReapTask(task) => self.task(*task).map(|read| read.key()),
            Action::Put(record) => Some(record.key()),
            Action::Delete(key) => Some(key.clone()),
        }
    }

    fn task(&self, id: TaskId) -> Option<&'v Stored<Task>> {
        self.view.tasks.get(self.cluster.as_ref()?, id)
    }

    fn instance(&self, id: InstanceId) -> Option<&'v Stored<Instance>> {
        let cluster = self.cluster.clone()?;
        self.view.instances.get(&(cluster, id))
    }

    /// The copy of a task that this transaction changes, made on first use.
    fn change(&mut self, id: TaskId) -> Option<&mut Task> {
        let read = self.task(id)?;
        let (_, task) = self
            .tasks
            .entry(id)
            .or_insert_with(|| (read, Task::clone(read)));
        Some(task)
    }

    /// The transaction, and the tasks that it places.
    pub fn finish(mut self) -> (Txn, Vec<TaskId>) {
        for (read, task) in std::mem::take(&mut self.tasks).into_values() {
            self.txn.replace_owned(read, task);
        }
        for (id, count) in std::mem::take(&mut self.placed_on) {
            if let Some(read) = self.instance(id) {
                let mut instance = Instance::clone(read);
                instance.version += count;
                self.txn.replace_owned(read, instance);
            }
        }
        (self.txn, self.placed)
    }
}

/// The transaction that carries out `actions`, decided for `key` from this very view. `None` if
/// an action names a record that the view does not have, which a decision cannot do.
pub fn translate(view: &View, key: &Key, actions: &[Action], now: Timestamp) -> Option<Txn> {
    let mut writing = Writing::new(view, key.cluster());
    if !writing.knows_all(actions) {
        return None;
    }
    writing.add(actions.to_vec(), now)?;
    Some(writing.finish().0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{damage, put, service_task};

    #[test]
    fn a_damaged_record_that_would_be_changed_is_named() {
        let mut view = View::default();
        let task = service_task();
        put(&mut view, &task);
        let reaps = [Action::ReapTask(task.id)];
        let damaged = |view: &View| Writing::new(view, Some(&task.cluster)).damaged(&reaps);
        assert_eq!(damaged(&view), None);
        damage(&mut view, &task);
        assert_eq!(damaged(&view), Some(task.key()));
    }
}
