//! What must hold, whatever happens: executable oracles over what was committed and over what
//! containers did. They keep their own small model of ECS and use none of the code they judge.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use longshore_model::cluster::Cluster as ClusterRecord;
use longshore_model::instance::{Connection, Incarnation, Instance, InstanceStatus};
use longshore_model::service::{Rollout, Service, ServiceStatus};
use longshore_model::task::{DesiredStatus, StopCode, Task, TaskStatus};
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{ClusterName, Family, InstanceId, ServiceName, TaskId};
use longshore_store::table::{self, Record};
use longshore_store::{Batch, Commit, Event, Guard, Revision};
use longshore_supervisor::Operation;

use crate::fault::Fault;
use crate::scenario::Scenario;

macro_rules! invariants {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// An invariant, by its number in the reliability design.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Invariant {
            $($(#[$doc])* $name,)*
        }

        impl Invariant {
            /// All that have an oracle.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

invariants! {
    /// A task's containers are started on one node, each at most once, and its assignment is
    /// durable there before.
    S1;
    /// Nothing of a task starts after it is STOPPED.
    S2;
    /// A status never goes back; STOPPED is the end; versions grow.
    S3;
    /// What was acknowledged is there; the same client token makes nothing twice.
    S4;
    /// No instance has more on it than it registered.
    S5;
    /// An agent stops only what it was told to stop or what went wrong by itself.
    S6;
    /// A container nobody knows is removed only if that is so, and after a complete set.
    S7;
    /// What an earlier life of an agent said is not applied.
    S8;
    /// Nothing is committed whose inputs have changed.
    S9;
    /// The service scheduler keeps between the two percentages.
    S10;
    /// RUNNING was run, COMPLETED was healthy.
    S12;
    /// Nothing that is in use is removed, and nothing visible is forgotten before its time.
    S13;
    /// A damaged record stops nothing and starts no crash loop.
    S14;
    /// When most agents vanish at once, none is given up.
    S15Mass;
    /// What is wanted comes about after the faults end, and then nothing more is done.
    L1;
    /// No container is left over.
    L2;
    /// No task is stuck.
    L3;
    /// What a watch loses is found.
    L5;
}

/// What was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: Invariant,
    /// When, in virtual ms.
    pub at: i64,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {} ms: {}", self.invariant, self.at, self.what)
    }
}

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
    running_at: BTreeMap<TaskId, i64>,
    stopped_at: BTreeMap<TaskId, i64>,
    /// Given up by the control plane: its agent may not know yet.
    given_up: BTreeSet<TaskId>,
    /// Since which revision each instance has its incarnation.
    registered: BTreeMap<InstanceId, (Incarnation, Revision)>,
    /// Last put of each key.
    keys: BTreeMap<String, Revision>,
    damaged: BTreeSet<String>,
    /// Instances on which a damaged task may hide.
    pub(crate) hidden: BTreeSet<InstanceId>,
    /// Container name to where and how often it was started.
    starts: BTreeMap<String, (usize, u32)>,
    creates: BTreeMap<String, (usize, u32)>,
    started_tasks: BTreeMap<TaskId, usize>,
    pub(crate) last_commit_at: i64,
    /// Tasks of services that stopped serving by themselves, oldest first.
    losses: Vec<(Revision, ServiceName)>,
    /// How many agents were away, of how many, oldest first.
    history: Vec<(Revision, (usize, usize))>,
    /// Whether an agent that has lost its journal may be told by a view that is behind or lacks
    /// something, or its journal is an older one or does not take an ending: then nothing on the node could say that a
    /// task is over.
    forgetful: bool,
    healthy_after: i64,
    retention: i64,
    clocks_jump: bool,
    /// A process may take long from its decision to its commit.
    stands_still: bool,
    /// From a decision to its commit, in ms.
    slack: i64,
    hosts_vanish: bool,
    damages: bool,
    /// A journal that is a copy of an earlier one may not know what has run and is removed.
    old_journal: bool,
    story: Vec<String>,
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
                    || any(&[Fault::JournalFails, Fault::JournalOld])
            },
            healthy_after: millis(scenario.settings.healthy_after),
            retention: millis(scenario.settings.stopped_retention),
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

    fn check(&mut self, invariant: Invariant, at: i64, holds: bool, what: impl FnOnce() -> String) {
        self.exercise(invariant);
        if !holds {
            self.violate(invariant, at, what());
        }
    }

    pub(crate) fn never_rests(&mut self, now: i64) {
        self.violate(Invariant::L1, now, "it never comes to rest");
    }

    pub(crate) fn take_story(&mut self) -> Vec<String> {
        std::mem::take(&mut self.story)
    }

    /// Notes that a record is damaged, or mended.
    pub(crate) fn damaged(&mut self, key: &str, is_damaged: bool) {
        if is_damaged {
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
            self.keys
                .insert(event.key().as_str().to_owned(), batch.revision);
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
        let before: BTreeMap<ServiceName, Count> = self
            .services
            .keys()
            .map(|name| (name.clone(), self.count(name)))
            .collect();
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
                            let old = self.tasks.get(&task.id).cloned();
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

    fn task_changes(
        &mut self,
        now: i64,
        old: Option<Task>,
        task: Task,
        away: (usize, usize),
        given_up: bool,
    ) {
        let id = task.id;
        match &old {
            None => {
                self.check(
                    Invariant::S3,
                    now,
                    task.last_status == TaskStatus::Pending
                        && task.desired_status == DesiredStatus::Running,
                    || format!("task {id} begins as {}", task.last_status),
                );
                let again = self.ever.contains_key(&id);
                self.check(Invariant::S3, now, !again, || {
                    format!("task id {id} is used again")
                });
                self.ever
                    .insert(id, (task.started_by.clone(), task.instance));
                self.count_started(now, task.started_by.as_deref());
            }
            Some(old) => {
                let forward = task.last_status >= old.last_status
                    && task.desired_status >= old.desired_status;
                self.check(Invariant::S3, now, forward, || {
                    format!(
                        "task {id} goes from {}/{} to {}/{}",
                        old.desired_status.as_str(),
                        old.last_status,
                        task.desired_status.as_str(),
                        task.last_status
                    )
                });
                let same = task.instance == old.instance
                    && task.service == old.service
                    && task.demand == old.demand
                    && task.family == old.family;
                self.check(Invariant::S3, now, same, || {
                    format!("task {id} changes what it is")
                });
                if old.last_status == TaskStatus::Stopped {
                    let over = Task {
                        accounted: old.accounted,
                        tags: old.tags.clone(),
                        version: old.version,
                        ..task.clone()
                    };
                    self.check(Invariant::S3, now, over == *old, || {
                        format!("task {id} changes after it is STOPPED")
                    });
                }
                let newer = task.version > old.version
                    || Task {
                        accounted: old.accounted,
                        ..task.clone()
                    } == *old;
                self.check(Invariant::S3, now, newer, || {
                    format!("task {id} changes without a new version")
                });
            }
        }
        let was = old.as_ref().map(|old| old.last_status);
        if task.last_status == TaskStatus::Running && was != Some(TaskStatus::Running) {
            self.running_at.entry(id).or_insert(now);
            let ran = self.started_tasks.contains_key(&id);
            self.check(Invariant::S12, now, ran, || {
                format!("task {id} is RUNNING, and nothing of it was ever started")
            });
        }
        if task.last_status == TaskStatus::Stopped && was != Some(TaskStatus::Stopped) {
            self.stopped_at.entry(id).or_insert(now);
            if given_up {
                self.given_up.insert(id);
                let instance = self.instances.get(&task.instance);
                let still_there = instance.is_some_and(|i| i.status != InstanceStatus::Inactive)
                    && task.service.is_some();
                // A damaged record hides an instance from whoever counts.
                if still_there && !self.damages {
                    let (gone, all) = away;
                    self.check(Invariant::S15Mass, now, gone * 2 <= all, || {
                        format!("task {id} is given up while {gone} of {all} agents are away")
                    });
                }
            }
        }
        self.tasks.insert(id, task);
    }

    fn count_started(&mut self, now: i64, by: Option<&str>) {
        let Some(by) = by.filter(|by| self.asked.contains_key(*by)) else {
            return;
        };
        let asked = self.asked.get(by).copied().unwrap_or(0);
        let started = self.started_by(by);
        let by = by.to_owned();
        self.check(Invariant::S4, now, started <= asked, || {
            format!("call {by} asked for {asked} tasks with one client token and got {started}")
        });
    }

    /// How many tasks a call has started.
    pub(crate) fn started_by(&self, by: &str) -> u32 {
        let mine = self.ever.values().filter(|(b, _)| b.as_deref() == Some(by));
        u32::try_from(mine.count()).unwrap_or(u32::MAX)
    }

    fn task_forgotten(&mut self, now: i64, id: TaskId) {
        let Some(task) = self.tasks.remove(&id) else {
            return;
        };
        let over = task.last_status == TaskStatus::Stopped;
        self.check(Invariant::S13, now, over, || {
            format!("task {id} is removed while {}", task.last_status)
        });
        let shown = now - self.stopped_at.get(&id).copied().unwrap_or(now);
        if !self.clocks_jump && !self.stands_still {
            let (promised, slack) = (self.retention, self.slack);
            self.check(Invariant::S13, now, shown + slack >= promised, || {
                format!("task {id} was visible for {shown} ms after it stopped, not {promised}")
            });
        }
    }

    fn instance_changes(&mut self, now: i64, instance: Instance, revision: Revision) {
        let id = instance.id;
        let known = self.registered.get(&id).map(|(known, _)| known);
        if known != Some(&instance.incarnation) {
            self.registered
                .insert(id, (instance.incarnation.clone(), revision));
        }
        if let Some(old) = self.instances.get(&id) {
            let back = old.status == InstanceStatus::Inactive
                && instance.status != InstanceStatus::Inactive;
            self.check(Invariant::S13, now, !back, || {
                format!("instance {} comes back from INACTIVE", id.value())
            });
        }
        self.instances.insert(id, instance);
        self.history.push((revision, self.away()));
    }

    fn service_changes(&mut self, now: i64, service: &Service) -> bool {
        let Some(old) = self.services.get(&service.name) else {
            return false;
        };
        let primary = service.primary();
        let was = primary.and_then(|p| old.deployments.iter().find(|d| d.id == p.id));
        let completed = primary.is_some_and(|p| p.rollout == Rollout::Completed)
            && was.is_some_and(|was| was.rollout != Rollout::Completed);
        if service.status == ServiceStatus::Inactive && old.status != ServiceStatus::Inactive {
            let live = self.live(&service.name).count();
            let (name, hidden) = (service.name.clone(), !self.hidden.is_empty());
            self.check(Invariant::S13, now, live == 0 || hidden, || {
                format!("service {name} is INACTIVE and has {live} tasks")
            });
        }
        completed
    }

    fn live<'a>(&'a self, name: &'a ServiceName) -> impl Iterator<Item = &'a Task> {
        self.tasks
            .values()
            .filter(|task| task.is_live())
            .filter(move |task| task.service.as_ref().is_some_and(|s| s.name == *name))
    }

    /// Live tasks of a service.
    pub(crate) fn live_tasks<'a>(&'a self, name: &'a ServiceName) -> Vec<&'a Task> {
        self.live(name).collect()
    }

    fn count(&self, name: &ServiceName) -> Count {
        let mut count = Count::default();
        for task in self.live(name) {
            count.live += 1;
            if serves(task) {
                count.serving += 1;
            }
        }
        count
    }

    /// The same at this revision.
    fn away_at(&self, view: Revision) -> (usize, usize) {
        let known = self.history.iter().rev().find(|(at, _)| *at <= view);
        known.map_or((0, 0), |(_, away)| *away)
    }

    /// Agents away, of all that are registered.
    fn away(&self) -> (usize, usize) {
        let registered = self
            .instances
            .values()
            .filter(|i| i.status != InstanceStatus::Inactive);
        let all: Vec<&Instance> = registered.collect();
        let gone = all
            .iter()
            .filter(|i| matches!(i.connection, Connection::Disconnected(_)));
        (gone.count(), all.len())
    }

    fn report_applied(&mut self, now: i64, reporting: &Reporting, view: Revision) {
        let Some((incarnation, since)) = self.registered.get(&reporting.instance).cloned() else {
            return;
        };
        let known = view >= since;
        let older = incarnation != reporting.incarnation;
        self.check(Invariant::S8, now, !(known && older), || {
            format!(
                "a report of {:?} is applied after {incarnation:?} registered",
                reporting.incarnation
            )
        });
    }

    fn capacity(&mut self, now: i64, id: InstanceId) {
        // A task whose record was damaged holds what nobody can see; ARCHITECTURE.md says so.
        if self.hidden.contains(&id) {
            return;
        }
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let (mut cpu, mut memory, mut ports) = (0_u64, 0_u64, BTreeSet::new());
        let mut clash = None;
        for task in self
            .tasks
            .values()
            .filter(|t| t.is_live() && t.instance == id)
        {
            cpu += u64::from(task.demand.cpu.0);
            memory += u64::from(task.demand.memory.0);
            for port in &task.demand.tcp_ports {
                if !ports.insert(*port) {
                    clash = Some(*port);
                }
            }
        }
        let (most_cpu, most_memory) = (
            u64::from(instance.registered.cpu.0),
            u64::from(instance.registered.memory.0),
        );
        let fits = cpu <= most_cpu && memory <= most_memory && clash.is_none();
        self.check(Invariant::S5, now, fits, || {
            format!(
                "instance {} has {cpu} of {most_cpu} CPU, {memory} of {most_memory} MiB, port {clash:?} twice",
                id.value()
            )
        });
    }

    /// A commit that starts or stops tasks of a service.
    fn envelope(
        &mut self,
        now: i64,
        name: &ServiceName,
        before: Count,
        created: bool,
        view: Revision,
    ) {
        let after = self.count(name);
        let Some(service) = self.services.get(name) else {
            return;
        };
        if service.status != ServiceStatus::Active || self.is_damaged_service(name) {
            return;
        }
        let desired = u64::from(service.desired_count);
        let configuration = service.deployment_configuration;
        let upper = desired * u64::from(configuration.maximum_percent) / 100;
        let lower = (desired * u64::from(configuration.minimum_healthy_percent)).div_ceil(100);
        // A record that was damaged hides a task from whoever counts.
        let hidden = !self.hidden.is_empty();
        if created && !hidden {
            self.check(Invariant::S10, now, after.live <= upper, || {
                format!("service {name} has {} tasks, at most {upper}", after.live)
            });
        }
        if after.serving < before.serving {
            let lost = self.lost_since(name, view) as u64;
            self.check(Invariant::S10, now, after.serving + lost >= lower, || {
                format!(
                    "service {name} is taken from {} to {} running tasks, at least {lower}",
                    before.serving, after.serving
                )
            });
        }
    }

    /// Tasks that stopped by themselves after this revision, which who decided from it could not
    /// know.
    fn lost_since(&self, name: &ServiceName, view: Revision) -> usize {
        let losses = self.losses.iter().rev();
        let newer = losses.take_while(|(at, _)| *at > view);
        newer.filter(|(_, of)| of == name).count()
    }

    fn is_damaged_service(&self, name: &ServiceName) -> bool {
        let key = format!("service/{}/{name}", ClusterName::default_cluster());
        self.damaged.contains(&key)
    }

    fn completion(&mut self, now: i64, name: &ServiceName, view: Revision) {
        let Some(service) = self.services.get(name) else {
            return;
        };
        let Some(primary) = service.primary() else {
            return;
        };
        let (id, desired) = (primary.id, service.desired_count as usize);
        let tasks: Vec<&Task> = self.live(name).collect();
        let healthy = |task: &&&Task| {
            let ran = self.running_at.get(&task.id).copied().unwrap_or(now);
            serves(task)
                && task.service.as_ref().is_some_and(|s| s.deployment == id)
                && (self.clocks_jump
                    || self.stands_still
                    || self.slack > 3000
                    || now - ran + 200 >= self.healthy_after)
        };
        let (all, good) = (tasks.len(), tasks.iter().filter(healthy).count());
        let hidden = !self.hidden.is_empty();
        let lost = self.lost_since(name, view);
        self.check(
            Invariant::S12,
            now,
            (all <= desired && good + lost >= desired) || hidden,
            || {
                format!(
                    "deployment {id} of {name} is COMPLETED with {good} healthy of {all} tasks, desired {desired}"
                )
            },
        );
    }

    // --- what agents and containers did

    /// An agent is about to create or start a container.
    pub(crate) fn agent_starts(
        &mut self,
        now: i64,
        host: usize,
        task: TaskId,
        operation: Operation,
        durable: bool,
        told_gone: bool,
    ) {
        self.check(Invariant::S1, now, durable, || {
            format!("host {host} begins {operation:?} of task {task} before its journal holds it")
        });
        let over = self.is_over(task);
        let excused = (self.given_up.contains(&task) && !told_gone) || self.forgetful;
        self.check(Invariant::S2, now, !over || excused, || {
            format!("host {host} begins {operation:?} of task {task}, which is STOPPED")
        });
    }

    /// Whether a task is STOPPED or forgotten.
    fn is_over(&self, task: TaskId) -> bool {
        match self.tasks.get(&task) {
            Some(task) => !task.is_live(),
            None => self.ever.contains_key(&task),
        }
    }

    /// A container was created.
    pub(crate) fn created(&mut self, now: i64, host: usize, task: TaskId, name: &str) {
        let created = self.creates.entry(name.to_owned()).or_insert((host, 0));
        created.1 += 1;
        let (first, times) = *created;
        let excused = self.hosts_vanish || self.old_journal;
        self.check(
            Invariant::S1,
            now,
            first == host && (times == 1 || excused || !self.starts.contains_key(name)),
            || {
                format!(
                    "{name} of task {task} is created {times} times, on hosts {first} and {host}"
                )
            },
        );
    }

    /// A container was started by the agent.
    pub(crate) fn started(&mut self, now: i64, host: usize, task: TaskId, name: &str) {
        let started = self.starts.entry(name.to_owned()).or_insert((host, 0));
        started.1 += 1;
        let (first, times) = *started;
        self.started_tasks.insert(task, host);
        let old = self.old_journal;
        self.check(
            Invariant::S1,
            now,
            first == host && (times == 1 || old),
            || {
                format!(
                    "{name} of task {task} is started {times} times, on hosts {first} and {host}"
                )
            },
        );
    }

    /// An agent is about to stop a container.
    pub(crate) fn agent_stops(
        &mut self,
        now: i64,
        host: usize,
        instance: InstanceId,
        task: TaskId,
        own: bool,
    ) {
        let told = self.is_unwanted(instance, task);
        let invariant = if self.damaged.is_empty() {
            Invariant::S6
        } else {
            Invariant::S14
        };
        self.check(invariant, now, told || own, || {
            format!("host {host} stops task {task}, which is to run and had no trouble")
        });
    }

    /// Whether a task is not to run on this instance.
    fn is_unwanted(&self, instance: InstanceId, task: TaskId) -> bool {
        match self.tasks.get(&task) {
            Some(task) => {
                task.desired_status == DesiredStatus::Stopped
                    || !task.is_live()
                    || task.instance != instance
            }
            None => true,
        }
    }

    /// An agent is about to remove a container that it thinks nobody knows.
    pub(crate) fn agent_removes_orphan(
        &mut self,
        now: i64,
        host: usize,
        instance: InstanceId,
        task: TaskId,
        told_all: bool,
    ) {
        let unwanted = self.is_unwanted(instance, task);
        self.check(Invariant::S7, now, told_all && unwanted, || {
            format!(
                "host {host} removes a container of task {task} (complete set seen: {told_all}, unwanted: {unwanted})"
            )
        });
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
