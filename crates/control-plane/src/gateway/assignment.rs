//! What one agent is told to hold: first everything, then what changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use longshore_model::task::{DesiredStatus, Task};
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{ClusterName, InstanceId, Realm, TaskId};
use longshore_proto::agent;
use longshore_store::{Change, View};

use super::wire;

/// The assignments of one session.
#[derive(Debug)]
pub struct Assignments {
    cluster: ClusterName,
    instance: InstanceId,
    generation: u64,
    sent: BTreeMap<TaskId, Sent>,
    /// Whether the set that the session began with was complete, or one since.
    whole: bool,
    /// Tasks whose definition could not be read when they were to be told.
    untold: BTreeSet<TaskId>,
}

/// What was said of one task. All that is said beside it never changes.
#[derive(Debug)]
struct Sent {
    desired_status: DesiredStatus,
    /// With the overrides applied; most tasks share it.
    definition: Arc<TaskDefinition>,
}

impl Assignments {
    /// Nothing sent yet.
    pub fn new(cluster: ClusterName, instance: InstanceId) -> Self {
        Self {
            cluster,
            instance,
            generation: 0,
            sent: BTreeMap::new(),
            whole: true,
            untold: BTreeSet::new(),
        }
    }

    /// How many tasks it holds, told or to be told.
    pub fn len(&self) -> usize {
        self.sent.len() + self.untold.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every task of the cluster can be read.
    fn is_readable(&self, view: &View) -> bool {
        view.count_set_aside::<Task>(&self.cluster) == 0
    }

    /// Everything the instance should hold. It is marked complete, which lets the agent remove
    /// what is not in it, only if every record it was made from could be read: a damaged record
    /// must never stop a task.
    pub fn complete(&mut self, view: &View, realm: &Realm) -> agent::Assignments {
        self.generation += 1;
        self.sent.clear();
        self.untold.clear();
        let mut tasks = Vec::new();
        for task in view
            .instance_tasks(&self.cluster, self.instance)
            .filter(|t| t.is_live())
        {
            match definition(view, task) {
                Some(definition) => {
                    tasks.push(wire::assignment(realm, task, &definition));
                    let desired_status = task.desired_status;
                    let sent = Sent {
                        desired_status,
                        definition,
                    };
                    self.sent.insert(task.id, sent);
                }
                None => {
                    self.untold.insert(task.id);
                }
            }
        }
        self.whole = self.is_readable(view) && self.untold.is_empty();
        agent::Assignments {
            generation: self.generation,
            complete: self.whole,
            tasks,
            removed: Vec::new(),
            revision: view.revision,
        }
    }

    /// What is new of these tasks since it was last sent, and of those that could not be told
    /// before; `None` if nothing is. Once a set that was not complete can be, it is made again.
    pub fn diff(
        &mut self,
        view: &View,
        realm: &Realm,
        changed: impl IntoIterator<Item = TaskId>,
    ) -> Option<agent::Assignments> {
        let mut changed: BTreeSet<TaskId> = changed.into_iter().collect();
        changed.append(&mut self.untold);
        if !self.whole && self.is_readable(view) {
            let message = self.complete(view, realm);
            if message.complete {
                return Some(message);
            }
        }
        let mut message = agent::Assignments::default();
        for id in changed {
            let task = view.tasks.get(&self.cluster, id);
            match task.filter(|task| task.is_live() && task.instance == self.instance) {
                Some(task) => {
                    let known = self.sent.get(&id);
                    if known.is_some_and(|sent| sent.desired_status == task.desired_status) {
                        continue;
                    }
                    // Stopping what is known takes no record of a definition.
                    let known = known.map(|sent| Arc::clone(&sent.definition));
                    let Some(definition) = known.or_else(|| definition(view, task)) else {
                        self.untold.insert(id);
                        continue;
                    };
                    message
                        .tasks
                        .push(wire::assignment(realm, task, &definition));
                    let desired_status = task.desired_status;
                    let sent = Sent {
                        desired_status,
                        definition,
                    };
                    self.sent.insert(id, sent);
                }
                // A damaged record must never stop a task.
                None if view.is_set_aside::<Task>(format_args!("{}/{id}", self.cluster)) => {
                    self.untold.insert(id);
                }
                None => {
                    if self.sent.remove(&id).is_some() {
                        message.removed.push(id.to_string());
                    }
                }
            }
        }
        if message.tasks.is_empty() && message.removed.is_empty() {
            return None;
        }
        self.generation += 1;
        message.generation = self.generation;
        message.revision = view.revision;
        Some(message)
    }
}

/// What a task runs, overrides applied; `None`, loudly, if its definition cannot be read.
fn definition(view: &View, task: &Task) -> Option<Arc<TaskDefinition>> {
    let name = (task.family.clone(), task.revision);
    let applied = view.task_definitions.get(&name).and_then(|read| {
        if task.overrides.is_empty() {
            return Some(read.shared());
        }
        task.overrides.apply(read).ok().map(Arc::new)
    });
    if applied.is_none() {
        tracing::error!(task = %task.id, family = %task.family, revision = task.revision,
            "the definition of a live task cannot be read; its agent is told nothing of it");
    }
    applied
}

/// The tasks of an instance among what changed.
pub fn own_tasks(
    batch: &[Change],
    cluster: &ClusterName,
    instance: InstanceId,
) -> BTreeSet<TaskId> {
    let own = |change: &Change| match change {
        Change::Task { id, .. } if change.for_agent() == Some((cluster, instance)) => Some(*id),
        _ => None,
    };
    batch.iter().filter_map(own).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use longshore_model::task::TaskStatus;

    use super::*;
    use crate::testing::{damage, put, service_task};

    #[test]
    fn an_agent_is_told_of_what_is_new_to_it_and_not_of_its_own_reports() {
        let (mut view, mut task) = (View::default(), service_task());
        let node = (task.cluster.clone(), task.instance);
        let is_told = |view: &mut View, task: &Task| {
            let batch = [put(view, task).unwrap()];
            own_tasks(&batch, &node.0, node.1) == BTreeSet::from([task.id])
        };
        assert!(is_told(&mut view, &task));
        task.last_status = TaskStatus::Running;
        assert!(!is_told(&mut view, &task));
        task.desired_status = DesiredStatus::Stopped;
        assert!(is_told(&mut view, &task));
        task.accounted = true;
        assert!(!is_told(&mut view, &task));
        task.last_status = TaskStatus::Stopped;
        assert!(is_told(&mut view, &task));
        // What could not be read was not told.
        damage(&mut view, &task);
        assert!(is_told(&mut view, &task));
        assert!(!is_told(&mut view, &task));
    }
}
