//! `task/CLUSTER/ID`

use longshore_model::task::Task;

use super::{Noun, Record, Shelf, parse_pair};
use crate::change::Change;
use crate::tasks::Tasks;
use crate::view::{Stored, View};
use longshore_model::{ClusterName, TaskId};

impl Record for Task {
    const TABLE: &'static str = "task";

    fn name(&self) -> String {
        format!("{}/{}", self.cluster, self.id)
    }
}

impl Noun for Task {
    type Name = (ClusterName, TaskId);

    fn name_in(&self, view: &View) -> Self::Name {
        (view.cluster_name(&self.cluster), self.id)
    }

    fn parse_name(text: &str) -> Option<Self::Name> {
        parse_pair(text)
    }

    fn change(
        (cluster, _): &Self::Name,
        before: Option<&Stored<Self>>,
        after: &Stored<Self>,
        is_intact: bool,
    ) -> Option<Change> {
        // Of one whose record was damaged its agent may not have been told.
        let is_told = is_intact && before.is_some_and(|before| is_same_to_agent(before, after));
        Some(task_change(cluster, after, !is_told))
    }

    fn removed(_: &Self::Name, before: &Stored<Self>) -> Option<Change> {
        Some(task_change(&before.cluster, before, true))
    }
}

impl Shelf<Task> for Tasks {
    fn get(&self, (cluster, id): &(ClusterName, TaskId)) -> Option<&Stored<Task>> {
        self.get(cluster, *id)
    }

    fn put(
        &mut self,
        (cluster, _): &(ClusterName, TaskId),
        task: Stored<Task>,
    ) -> Option<Stored<Task>> {
        self.put(cluster, task)
    }

    fn remove(&mut self, (cluster, id): &(ClusterName, TaskId)) -> Option<Stored<Task>> {
        self.remove(cluster, *id)
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn announce(&self, changes: &mut Vec<Change>) {
        let tasks = self.iter();
        changes.extend(tasks.map(|(cluster, task)| task_change(cluster, task, true)));
    }
}

/// The change that a write of this task announces, in its cluster.
pub fn task_change(cluster: &ClusterName, task: &Task, for_agent: bool) -> Change {
    Change::Task {
        cluster: cluster.clone(),
        id: task.id,
        instance: task.instance,
        service: task.service.as_ref().map(|service| service.name.clone()),
        for_agent,
    }
}

/// Whether an agent that was told of a task as it was need not be told of it as it is.
fn is_same_to_agent(before: &Task, after: &Task) -> bool {
    before.desired_status == after.desired_status && before.is_live() == after.is_live()
}
