//! The index of each cluster's instances, kept in step with the view by what changed, and beside
//! it who waits for room.
//!
//! Whoever decides holds the view and the index together: the index first catches up with the
//! changes the view has logged since, or is made anew where the log does not reach back. What a
//! decision places counts at once for those after it, until its tasks are in the view or its
//! commit is known to have failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use longshore_model::instance::{Instance, InstanceStatus};
use longshore_model::plan::{Plan, Reason};
use longshore_model::{ClusterName, InstanceId, TaskId};
use longshore_reconcile::{Action, Key};
use longshore_scheduler::{Attempt, BatchId, Delta, Index, InstanceState, Lack, TaskState};
use longshore_store::{Change, Stored, View};

use super::statistics::Statistics;
use super::waiting::Waiting;

/// The indexes of all clusters.
#[derive(Debug, Default)]
pub struct ClusterIndexes {
    /// Up to which change of the view's log.
    seen: Option<u64>,
    clusters: BTreeMap<ClusterName, ClusterIndex>,
    /// Has no instances: for decisions that place nothing.
    nowhere: Index,
}

/// One cluster.
#[derive(Debug, Default)]
struct ClusterIndex {
    index: Index,
    /// The records that the index was last told of.
    instances: BTreeMap<InstanceId, Stored<Instance>>,
    /// What is placed and neither in the view nor refused yet, by one of its tasks: a commit is in
    /// the view whole or not at all.
    pending: BTreeMap<TaskId, BatchId>,
    waiting: Waiting,
}

impl ClusterIndexes {
    /// Takes over what has changed in the view since the last call.
    pub fn catch_up(&mut self, view: &View, statistics: &Statistics) {
        let changes = self.seen.and_then(|seen| view.changes.since(seen));
        match changes {
            Some(changes) => {
                let mut count = 0;
                for change in changes {
                    self.take(view, change);
                    count += 1;
                }
                statistics.index_changes.add(count);
            }
            None => {
                statistics.index_rebuilds.add(1);
                self.rebuild(view);
            }
        }
        self.seen = Some(view.changes.end());
    }

    /// Makes the indexes anew. Who waits goes on waiting, and everything counts as freed.
    fn rebuild(&mut self, view: &View) {
        for kept in self.clusters.values_mut() {
            *kept = ClusterIndex {
                waiting: std::mem::take(&mut kept.waiting),
                ..ClusterIndex::default()
            };
        }
        for (cluster, id) in view.instances.keys() {
            self.take_instance(view, cluster, *id);
        }
    }

    fn take(&mut self, view: &View, change: &Change) {
        match change {
            Change::Instance { cluster, id, .. } => self.take_instance(view, cluster, *id),
            Change::Task {
                cluster,
                id,
                instance,
                ..
            } => {
                self.take_task(view, cluster, *id, *instance);
            }
            Change::Cluster(_) | Change::Service(..) | Change::Replica(_) => {}
        }
    }

    fn take_instance(&mut self, view: &View, cluster: &ClusterName, id: InstanceId) {
        let kept = index_of(&mut self.clusters, cluster);
        // Nothing can be placed on one whose record is damaged: its version is counted up in it.
        let is_damaged = view.is_set_aside::<Instance>(format_args!("{cluster}/{id}"));
        let record = view.instances.get(&(cluster.clone(), id));
        let Some(record) = record.filter(|i| i.status != InstanceStatus::Inactive && !is_damaged)
        else {
            kept.instances.remove(&id);
            kept.index.remove(id);
            return;
        };
        let before = kept.instances.insert(id, record.clone());
        let is_new = before.is_none();
        if before.is_some_and(|before| is_same_to_placement(&before, record)) {
            return;
        }
        let mut delta = kept.index.upsert(InstanceState::from(&**record));
        if is_new {
            // One that was gone for a while has its tasks still.
            let tasks = view.instance_tasks(cluster, id).filter(|t| t.is_live());
            for task in tasks {
                let told = kept.index.put_task(TaskState::from(&**task));
                delta = told.map_or(delta, |told| Delta {
                    gained: true,
                    ..told
                });
            }
        }
        kept.waiting.note(delta);
    }

    fn take_task(&mut self, view: &View, cluster: &ClusterName, id: TaskId, instance: InstanceId) {
        let kept = index_of(&mut self.clusters, cluster);
        let task = view.tasks.get(cluster, id);
        let delta = match task.filter(|task| task.is_live()) {
            Some(task) => kept.index.put_task(TaskState::from(&**task)),
            None => kept.index.remove_task(instance, id),
        };
        // Nothing is freed: the tasks themselves count now.
        if let Some(batch) = kept.pending.remove(&id) {
            for delta in kept.index.forget(batch) {
                let gained = false;
                kept.waiting.note(Delta { gained, ..delta });
            }
        }
        if let Some(delta) = delta {
            kept.waiting.note(delta);
        }
    }

    /// Decides about a key with an attempt at placing in its cluster. What the plan places is kept
    /// in the index until the tasks are in the view, or [`ClusterIndexes::forget`] or
    /// [`ClusterIndexes::settle`] says that they will not be; and the key waits for room if some of
    /// its tasks found none.
    pub fn decide(
        &mut self,
        view: &View,
        key: &Key,
        decide: impl FnOnce(&mut Attempt<'_>) -> Option<Plan<Action>>,
    ) -> Option<Plan<Action>> {
        let Some(cluster) = key.turn() else {
            return decide(&mut self.nowhere.attempt());
        };
        let kept = index_of(&mut self.clusters, cluster);
        let mut attempt = kept.index.attempt();
        let plan = decide(&mut attempt)?;
        match created(&plan.actions).next() {
            Some(task) => {
                let batch = attempt.keep();
                kept.pending.insert(task, batch);
            }
            None => drop(attempt),
        }
        let waits = plan.reasons.iter().find_map(|reason| match reason {
            Reason::Unplaced { count, .. } => {
                let request = key.request(view)?;
                Some((Lack::new(Arc::new(request)), *count))
            }
            _ => None,
        });
        kept.waiting.settle(key, waits);
        Some(plan)
    }

    /// Takes back what a plan has placed that will not be committed.
    pub fn forget(&mut self, key: &Key, actions: &[Action]) {
        let placed: Vec<TaskId> = created(actions).collect();
        self.settle(key, &placed);
    }

    /// Takes over that a commit of a turn has ended, of which this key was one: of these tasks,
    /// those that the view does not have will not be. The caller has caught up.
    pub fn settle(&mut self, key: &Key, placed: &[TaskId]) {
        let Some(cluster) = key.turn() else {
            return;
        };
        let kept = index_of(&mut self.clusters, cluster);
        for batch in placed.iter().filter_map(|id| kept.pending.remove(id)) {
            for delta in kept.index.forget(batch) {
                kept.waiting.note(delta);
            }
        }
    }

    /// One that is no more waits for nothing.
    pub fn leave(&mut self, key: &Key) {
        let kept = key
            .turn()
            .and_then(|cluster| self.clusters.get_mut(cluster));
        if let Some(kept) = kept {
            kept.waiting.settle(key, None);
        }
    }

    /// Those that may now find room, in the order in which they began to wait.
    pub fn woken(&mut self) -> Vec<Key> {
        let mut woken = Vec::new();
        for kept in self.clusters.values_mut() {
            let fits = |id, lack: &Lack| kept.index.can_take(id, &lack.request);
            woken.extend(kept.waiting.wake(&fits));
        }
        woken
    }

    /// How many services wait for room.
    pub fn waiting(&self) -> usize {
        self.clusters.values().map(|kept| kept.waiting.len()).sum()
    }

    /// The index of a cluster.
    pub fn index(&mut self, cluster: &ClusterName) -> &mut Index {
        &mut index_of(&mut self.clusters, cluster).index
    }
}

fn index_of<'a>(
    clusters: &'a mut BTreeMap<ClusterName, ClusterIndex>,
    cluster: &ClusterName,
) -> &'a mut ClusterIndex {
    if !clusters.contains_key(cluster) {
        clusters.insert(cluster.clone(), ClusterIndex::default());
    }
    clusters.entry(cluster.clone()).or_default()
}

/// Whether nothing has changed that placement looks at. A placement counts the version up, so
/// most writes of an instance are of this kind.
fn is_same_to_placement(before: &Instance, after: &Instance) -> bool {
    before.status == after.status
        && before.connection.is_connected() == after.connection.is_connected()
        && before.registered == after.registered
        && before.attributes == after.attributes
        && before.custom_attributes == after.custom_attributes
        && before.agent_version == after.agent_version
        && before.registered_at == after.registered_at
}

/// The tasks that a plan creates.
fn created(actions: &[Action]) -> impl Iterator<Item = TaskId> {
    actions.iter().filter_map(|action| match action {
        Action::CreateTask(task) => Some(task.id),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use longshore_model::Timestamp;
    use longshore_model::instance::Connection;

    use super::*;
    use crate::testing::{damage, instance, put};

    #[test]
    fn an_instance_whose_record_is_damaged_takes_nothing_until_it_is_mended() {
        let (mut view, mut indexes) = (View::default(), ClusterIndexes::default());
        let record = instance(
            InstanceId::new(1),
            Connection::Connected(Timestamp::default()),
        );
        let mut known = |view: &View| {
            indexes.catch_up(view, &Statistics::default());
            indexes.clusters[&record.cluster].instances.len()
        };
        put(&mut view, &record);
        assert_eq!(known(&view), 1);
        damage(&mut view, &record);
        assert_eq!(known(&view), 0);
        put(&mut view, &record);
        assert_eq!(known(&view), 1);
    }
}
