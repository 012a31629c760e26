//! The judge of what was committed and of what containers did: it keeps its own small model of ECS
//! and uses none of the code that it judges.

pub(crate) mod history;
mod instance;
mod node;
mod service;
mod task;

use std::collections::{BTreeMap, BTreeSet};

use longshore_model::cluster::Cluster as ClusterRecord;
use longshore_model::instance::{Incarnation, Instance};
use longshore_model::service::Service;
use longshore_model::task::{DesiredStatus, StopCode, Task, TaskStatus};
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{ClusterName, Family, InstanceId, ServiceName, TaskId};
use longshore_store::table::{self, Record};
use longshore_store::{Batch, Commit, Event, Guard, Revision};

use crate::fault::Fault;
use crate::invariant::{Invariant, Violation};
use crate::scenario::Scenario;

/// On whose word a commit of reports was decided.
#[derive(Debug, Clone)]
pub(crate) struct Reporting {
    pub(crate) instance: InstanceId,
    pub(crate) incarnation: Incarnation,
}

/// What a commit was decided from.
#[derive(Debug)]
pub(crate) struct Input {
    /// Whether its guards held when it was carried out, by our own count.
    pub(crate) guards_held: bool,
    /// The revision of the view.
    pub(crate) view: Revision,
    /// Where it takes over reports.
    pub(crate) reporting: Option<Reporting>,
}

/// The judge.
pub(crate) struct Oracle {
    pub(crate) violation: Option<Violation>,
    pub(crate) exercised: BTreeMap<Invariant, u64>,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    pub(crate) instances: BTreeMap<InstanceId, Instance>,
    pub(crate) services: BTreeMap<ServiceName, Service>,
    pub(crate) definitions: BTreeMap<(Family, u32), TaskDefinition>,
    pub(crate) clusters: BTreeMap<ClusterName, ClusterRecord>,
    /// Every task there ever was: who started it, and where it was placed.
    pub(crate) ever: BTreeMap<TaskId, (Option<String>, InstanceId)>,
    /// When each was committed RUNNING and STOPPED first, in virtual time.
    pub(crate) running_at: BTreeMap<TaskId, i64>,
    pub(crate) stopped_at: BTreeMap<TaskId, i64>,
    /// Given up by the control plane: its agent may not know yet.
    pub(crate) given_up: BTreeSet<TaskId>,
    /// Since which revision each instance has its incarnation.
    pub(crate) registered: BTreeMap<InstanceId, (Incarnation, Revision)>,
    /// Last put of each key.
    pub(crate) keys: BTreeMap<String, Revision>,
    pub(crate) damaged: BTreeSet<String>,
    /// Whether any record was damaged so far.
    pub(crate) was_damaged: bool,
    pub(crate) histories: history::Histories,
    /// The live tasks of each service, counted.
    tally: BTreeMap<ServiceName, Count>,
    /// The share of what is allowed that the busiest process needed, in per mille: decisions and
    /// commits.
    pub(crate) busiest: [u64; 2],
    /// Instances on which a damaged task may hide.
    pub(crate) hidden: BTreeSet<InstanceId>,
    /// Container name to where and how often it was started.
    pub(crate) starts: BTreeMap<String, (usize, u32)>,
    pub(crate) creates: BTreeMap<String, (usize, u32)>,
    pub(crate) started_tasks: BTreeMap<TaskId, usize>,
    pub(crate) last_commit_at: i64,
    /// Tasks of services that stopped serving by themselves, oldest first.
    pub(crate) losses: Vec<(Revision, ServiceName)>,
    /// How many agents were away, of how many, oldest first.
    pub(crate) history: Vec<(Revision, (usize, usize))>,
    /// Whether an agent that has lost its journal may be told by a view that is behind or lacks
    /// something, or its journal is an older one or does not take an ending: then nothing on the node could say that a
    /// task is over.
    pub(crate) forgetful: bool,
    pub(crate) healthy_after: i64,
    pub(crate) retention: i64,
    pub(crate) clocks_jump: bool,
    /// A process may take long from its decision to its commit.
    pub(crate) stands_still: bool,
    /// From a decision to its commit, in ms.
    pub(crate) slack: i64,
    pub(crate) hosts_vanish: bool,
    pub(crate) damages: bool,
    /// A journal that is a copy of an earlier one may not know what has run and is removed.
    pub(crate) old_journal: bool,
    pub(crate) story: Vec<String>,
    /// How many tasks each call may start.
    pub(crate) asked: BTreeMap<String, u32>,
}

impl Oracle {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let millis = |d: std::time::Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        Self {
            violation: None,
            exercised: BTreeMap::new(),
            tasks: BTreeMap::new(),
            instances: BTreeMap::new(),
            services: BTreeMap::new(),
            definitions: BTreeMap::new(),
            clusters: BTreeMap::new(),
            ever: BTreeMap::new(),
            running_at: BTreeMap::new(),
            stopped_at: BTreeMap::new(),
            given_up: BTreeSet::new(),
            registered: BTreeMap::new(),
            keys: BTreeMap::new(),
            damaged: BTreeSet::new(),
            was_damaged: false,
            histories: history::Histories::new(),
            tally: BTreeMap::new(),
            busiest: [0; 2],
            hidden: BTreeSet::new(),
            starts: BTreeMap::new(),
            creates: BTreeMap::new(),
            started_tasks: BTreeMap::new(),
            last_commit_at: 0,
            losses: Vec::new(),
            history: Vec::new(),
            forgetful: {
                let any = |faults: &[Fault]| faults.iter().any(|fault| scenario.has(*fault));
                any(&[Fault::JournalLost, Fault::JournalOld])
                    && any(&[
                        Fault::WatchDelay,
                        Fault::WatchGap,
                        Fault::WatchLastLost,
                        Fault::ControlPause,
                        Fault::ControlZombie,
                        Fault::RecordDamaged,
                    ])
                    || any(&[Fault::JournalFails, Fault::JournalFull, Fault::JournalOld])
            },
            healthy_after: millis(scenario.settings.times.healthy_after),
            retention: millis(scenario.settings.times.stopped_retention),
            clocks_jump: scenario.has(Fault::ControlClock),
            stands_still: [
                Fault::ControlPause,
                Fault::ControlZombie,
                Fault::RecordDamaged,
                Fault::WatchDelay,
                Fault::WatchGap,
                Fault::WatchLastLost,
            ]
            .iter()
            .any(|fault| scenario.has(*fault)),
            slack: if scenario.has(Fault::StoreSlow) {
                8000
            } else {
                3000
            },
            old_journal: scenario.has(Fault::JournalOld),
            damages: scenario.has(Fault::RecordDamaged),
            hosts_vanish: scenario.has(Fault::ContainerVanishes),
            story: Vec::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Notes that an invariant was looked at where it could have been broken.
    pub(crate) fn exercise(&mut self, invariant: Invariant) {
        *self.exercised.entry(invariant).or_default() += 1;
    }

    /// Notes that it was broken. The first stands.
    pub(crate) fn violate(&mut self, invariant: Invariant, at: i64, what: impl Into<String>) {
        self.violation.get_or_insert(Violation {
            invariant,
            at,
            what: what.into(),
        });
    }

    /// Notes that an invariant was looked at, and whether it holds.
    pub(crate) fn check(
        &mut self,
        invariant: Invariant,
        at: i64,
        holds: bool,
        what: impl FnOnce() -> String,
    ) {
        self.exercise(invariant);
        if !holds {
            self.violate(invariant, at, what());
        }
    }

    pub(crate) fn never_rests(&mut self, now: i64) {
        self.violate(Invariant::L7, now, "it never comes to rest");
    }

    pub(crate) fn take_story(&mut self) -> Vec<String> {
        std::mem::take(&mut self.story)
    }

    /// Notes that a record is damaged, or mended.
    pub(crate) fn damaged(&mut self, key: &str, is_damaged: bool) {
        if is_damaged {
            self.was_damaged = true;
            self.damaged.insert(key.to_owned());
            if let Some(id) = key.rsplit('/').next().and_then(|id| id.parse().ok())
                && let Some(task) = self.tasks.get(&id)
            {
                self.hidden.insert(task.instance);
            }
        } else {
            self.damaged.remove(key);
        }
    }

    /// Whether this record is damaged at the moment.
    pub(crate) fn is_damaged(&self, key: &str) -> bool {
        self.damaged.contains(key)
    }

    /// Takes note of what a disk did.
    pub(crate) fn written(&mut self, batch: &Batch) {
        for event in &batch.events {
            match event {
                Event::Put(entry) => {
                    let key = entry.key.as_str().to_owned();
                    self.keys.insert(key, batch.revision);
                }
                Event::Deleted { key } => {
                    self.keys.remove(key.as_str());
                }
            }
        }
    }

    /// Whether the guards of a commit hold, by our own count.
    pub(crate) fn guards_hold(&self, commit: &Commit) -> bool {
        commit.guards.iter().all(|guard| match guard {
            Guard::Unchanged { key, revision } => {
                self.keys.get(key.as_str()).copied().unwrap_or(0) == *revision
            }
            Guard::Absent { key } => !self.keys.contains_key(key.as_str()),
            Guard::NoneNewer { prefix, revision } => self
                .keys
                .iter()
                .all(|(key, at)| !key.starts_with(prefix.as_str()) || at <= revision),
        })
    }

    // --- what was committed

    /// Judges a commit.
    pub(crate) fn committed(&mut self, now: i64, batch: &Batch, input: &Input) {
        self.last_commit_at = now;
        self.check(Invariant::S9, now, input.guards_held, || {
            format!("commit {} although its inputs had changed", batch.revision)
        });
        let before = self.tally.clone();
        let mut touched: BTreeSet<InstanceId> = BTreeSet::new();
        let mut changed: BTreeSet<ServiceName> = BTreeSet::new();
        let mut created: BTreeSet<ServiceName> = BTreeSet::new();
        let mut stopped: BTreeSet<ServiceName> = BTreeSet::new();
        let mut completed: Vec<ServiceName> = Vec::new();
        let mut reported = false;
        let away = self.away_at(input.view);
        for event in &batch.events {
            let key = event.key().as_str();
            let name = key.split('/').next().unwrap_or_default();
            match event {
                Event::Put(entry) => {
                    self.keys.insert(key.to_owned(), batch.revision);
                    match name {
                        Task::TABLE => {
                            let Ok(task) = table::decode::<Task>(&entry.value) else {
                                continue;
                            };
                            touched.insert(task.instance);
                            let service = task.service.as_ref().map(|s| s.name.clone());
                            let old = self.take_task(task.id);
                            reported |= old.is_some();
                            if let Some(service) = service {
                                if old.is_none() {
                                    created.insert(service.clone());
                                }
                                let told = task.stop_code
                                    == Some(StopCode::ServiceSchedulerInitiated)
                                    && old.as_ref().is_some_and(|o| {
                                        o.desired_status == DesiredStatus::Running
                                    });
                                if told {
                                    stopped.insert(service);
                                }
                            }
                            let by_itself = old.as_ref().is_some_and(serves)
                                && !serves(&task)
                                && task.stop_code != Some(StopCode::ServiceSchedulerInitiated);
                            if let Some(service) = task.service.as_ref().filter(|_| by_itself) {
                                self.losses.push((batch.revision, service.name.clone()));
                            }
                            let given_up = input.reporting.is_none();
                            self.task_changes(now, old, task, away, given_up);
                        }
                        Instance::TABLE => {
                            if let Ok(instance) = table::decode::<Instance>(&entry.value) {
                                touched.insert(instance.id);
                                self.instance_changes(now, instance, batch.revision);
                            }
                        }
                        Service::TABLE => {
                            if let Ok(service) = table::decode::<Service>(&entry.value) {
                                changed.insert(service.name.clone());
                                if self.service_changes(now, &service) {
                                    completed.push(service.name.clone());
                                }
                                self.services.insert(service.name.clone(), service);
                            }
                        }
                        TaskDefinition::TABLE => {
                            if let Ok(read) = table::decode::<TaskDefinition>(&entry.value) {
                                self.definitions
                                    .insert((read.family.clone(), read.revision), read);
                            }
                        }
                        ClusterRecord::TABLE => {
                            if let Ok(read) = table::decode::<ClusterRecord>(&entry.value) {
                                self.clusters.insert(read.name.clone(), read);
                            }
                        }
                        _ => {}
                    }
                }
                Event::Deleted { .. } => {
                    self.keys.remove(key);
                    if name == Task::TABLE
                        && let Some(id) = key.rsplit('/').next().and_then(|id| id.parse().ok())
                    {
                        self.task_forgotten(now, id);
                    }
                }
            }
        }
        for event in &batch.events {
            self.remember_all(event.key().as_str(), batch.revision);
        }
        if let Some(reporting) = input.reporting.as_ref().filter(|_| reported) {
            self.report_applied(now, reporting, input.view);
        }
        for instance in touched {
            self.capacity(now, instance);
        }
        for name in created.union(&stopped) {
            let old = before.get(name).copied().unwrap_or_default();
            self.envelope(now, name, old, created.contains(name), input.view);
        }
        for name in completed {
            self.completion(now, &name, input.view);
        }
    }
}

/// Tasks of a service.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    live: u64,
    serving: u64,
}

fn serves(task: &Task) -> bool {
    task.last_status == TaskStatus::Running && task.desired_status == DesiredStatus::Running
}
