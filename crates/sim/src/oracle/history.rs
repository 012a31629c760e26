//! What each thing looked like at each revision, for S11: what a read shows was so at one
//! revision, and at none older than what anyone has been told before.

use std::collections::BTreeMap;

use longshore_model::instance::Instance;
use longshore_model::service::Service;
use longshore_model::task::{DesiredStatus, Task, TaskStatus};
use longshore_model::{InstanceId, ServiceName, TaskId};
use longshore_store::Revision;
use longshore_store::table::Record;

use crate::invariant::Invariant;

/// Something that is described.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Resource {
    /// A service.
    Service(ServiceName),
    /// A task.
    Task(TaskId),
    /// A container instance.
    Instance(InstanceId),
}

/// How it is described: its words and its numbers, in an order of their own for each kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) words: [&'static str; 2],
    pub(crate) numbers: [i64; 4],
}

/// One thing over time.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// How it looked since which revision; before the first it did not exist.
    states: Vec<(Revision, Option<Shown>)>,
    /// Nobody may be told anything older than this any more.
    floor: Revision,
}

/// All of them.
pub(crate) type Histories = BTreeMap<Resource, History>;

/// Where a task is, as it is described: one that runs and was told to stop is STOPPING.
fn status(task: &Task) -> TaskStatus {
    match (task.desired_status, task.last_status) {
        (DesiredStatus::Stopped, TaskStatus::Running) => TaskStatus::Stopping,
        (_, status) => status,
    }
}

/// How a task is described.
fn task(task: &Task) -> Shown {
    let version = i64::try_from(task.version).unwrap_or(i64::MAX);
    Shown {
        words: [task.desired_status.as_str(), status(task).as_str()],
        numbers: [version, 0, 0, 0],
    }
}

/// RUNNING and PENDING tasks, as ECS counts them.
fn running_and_pending<'a>(tasks: impl Iterator<Item = &'a Task>) -> (i64, i64) {
    let wanted = tasks.filter(|task| task.desired_status == DesiredStatus::Running);
    wanted.fold((0, 0), |(running, pending), task| match task.last_status {
        TaskStatus::Running => (running + 1, pending),
        TaskStatus::Pending | TaskStatus::Activating => (running, pending + 1),
        TaskStatus::Stopping | TaskStatus::Stopped => (running, pending),
    })
}

impl super::Oracle {
    fn look_at(&self, resource: &Resource) -> Option<Shown> {
        match resource {
            Resource::Task(id) => self.tasks.get(id).map(task),
            Resource::Service(name) => self.services.get(name).map(|read| self.service(read)),
            Resource::Instance(id) => self.instances.get(id).map(|read| self.instance(read)),
        }
    }

    fn service(&self, service: &Service) -> Shown {
        let (running, pending) = running_and_pending(self.live(&service.name));
        let deployments = i64::try_from(service.deployments.len()).unwrap_or(i64::MAX);
        Shown {
            words: [service.status.as_str(), ""],
            numbers: [service.desired_count.into(), running, pending, deployments],
        }
    }

    fn instance(&self, instance: &Instance) -> Shown {
        let (running, pending) = running_and_pending(self.tasks_on(instance.id));
        let version = i64::try_from(instance.version).unwrap_or(i64::MAX);
        Shown {
            words: [instance.status.as_str(), ""],
            numbers: [
                i64::from(instance.connection.is_connected()),
                running,
                pending,
                version,
            ],
        }
    }

    /// Takes note of how everything looks that a record is about.
    pub(super) fn remember_all(&mut self, key: &str, revision: Revision) {
        let mut parts = key.split('/');
        let (table, name) = (parts.next(), parts.next_back().unwrap_or_default());
        match table {
            Some(Service::TABLE) => {
                if let Ok(name) = name.parse() {
                    self.remember(Resource::Service(name), revision);
                }
            }
            Some(Instance::TABLE) => {
                if let Ok(id) = name.parse() {
                    self.remember(Resource::Instance(id), revision);
                }
            }
            Some(Task::TABLE) => {
                let Ok(id) = name.parse() else { return };
                self.remember(Resource::Task(id), revision);
                if let Some(task) = self.tasks.get(&id) {
                    let service = task.service.as_ref().map(|s| s.name.clone());
                    let instance = task.instance;
                    self.remember(Resource::Instance(instance), revision);
                    if let Some(name) = service {
                        self.remember(Resource::Service(name), revision);
                    }
                }
            }
            _ => {}
        }
    }

    fn remember(&mut self, resource: Resource, revision: Revision) {
        let now = self.look_at(&resource);
        let history = self.histories.entry(resource).or_default();
        if history.states.last().is_none_or(|(_, last)| *last != now) {
            history.states.push((revision, now));
        }
    }

    /// Someone was told that a change of this revision is made.
    pub(crate) fn told(&mut self, resource: Resource, revision: Revision) {
        let history = self.histories.entry(resource).or_default();
        history.floor = history.floor.max(revision);
    }

    /// Judges what a read shows.
    pub(crate) fn read(&mut self, now: i64, resource: &Resource, shown: Option<&Shown>) {
        // A damaged record is missing from the counts as well.
        if self.was_damaged {
            return;
        }
        let Some(history) = self.histories.get_mut(resource) else {
            return;
        };
        let newer = history
            .states
            .partition_point(|(at, _)| *at <= history.floor);
        let known = newer
            .checked_sub(1)
            .and_then(|last| history.states.get(last));
        let before = (history.floor, known.and_then(|(_, state)| state.clone()));
        let later = history.states[newer..].iter();
        let mut possible = std::iter::once(&before).chain(later);
        let found = possible.find(|(_, state)| state.as_ref() == shown);
        let floor = found.map(|(at, _)| *at);
        if let Some(floor) = floor {
            history.floor = floor;
        }
        let (since, was) = (before.0, history.states.last().cloned());
        self.check(Invariant::S11, now, floor.is_some(), || {
            format!("{resource:?} is read as {shown:?}, which it was not since revision {since}; it is {was:?}")
        });
    }
}
