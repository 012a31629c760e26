//! A node: its agent's core with journal and clock, and its container daemon.

use std::collections::{BTreeMap, BTreeSet};

use longshore_agent::clock;
use longshore_agent::node::{Effect, Input, Node, Record, Settings, Write};
use longshore_agent::runtime::fake::Engine;
use longshore_agent::wire::{self, Assignments};
use longshore_model::instance::ZONE_ATTRIBUTE;
use longshore_model::task::TaskStatus;
use longshore_model::{InstanceId, TaskId, Timestamp};
use longshore_proto::agent as proto;
use longshore_supervisor::{Exit, Sighting};

use crate::cluster::{Cluster, EPOCH, Event, ToControl};
use crate::fault::Fault;
use crate::mutant::Mutant;

/// How often all containers are listed, in ms.
pub(crate) const LIST_EVERY: i64 = 30_000;
/// The zone of the first node; there may be no other.
pub(crate) const FIRST_ZONE: &str = "zone-0";
/// An image that is always there.
pub(crate) const GOOD: &str = "app:good";
/// Another.
pub(crate) const BETTER: &str = "app:better";
/// Its program exits soon, until all faults end.
pub(crate) const CRASHING: &str = "app:crashing";
/// It cannot be pulled, until all faults end.
pub(crate) const MISSING: &str = "app:missing";
/// Its program does something and ends.
pub(crate) const BATCH: &str = "job:batch";

/// A node.
pub(crate) struct Host {
    pub(crate) instance: InstanceId,
    pub(crate) zone: String,
    pub(crate) capacity: u32,
    /// Whether the machine exists.
    pub(crate) exists: bool,
    /// Deregistered by the workload.
    pub(crate) deregistered: bool,
    /// Grows with every start of the agent and every end of it.
    pub(crate) life: u64,
    pub(crate) boot: u64,
    pub(crate) node: Option<Node>,
    pub(crate) agent_started_at: i64,
    /// Durable: task to record.
    pub(crate) journal: BTreeMap<TaskId, Box<Record>>,
    /// A copy made at some time.
    pub(crate) old_journal: BTreeMap<TaskId, Box<Record>>,
    pub(crate) writing: Vec<(u64, Vec<Write>)>,
    pub(crate) written_at: i64,
    /// Whether the journal's disk takes nothing.
    pub(crate) journal_full: bool,
    pub(crate) engine: Engine,
    pub(crate) skew: i64,
    /// Parts per million.
    pub(crate) drift: i64,
    /// By how much the clock was set since the agent started, in ms.
    pub(crate) jumped: i64,
    pub(crate) conn: Option<u64>,
    pub(crate) wait: i64,
    pub(crate) token: u64,
    pub(crate) paused: bool,
    pub(crate) held: Vec<Event>,
    pub(crate) cut_to_agent: bool,
    pub(crate) cut_to_control: bool,
    pub(crate) held_to_agent: Vec<Event>,
    pub(crate) held_to_control: Vec<Event>,
    /// Tasks of which something went wrong here by itself, which entitles the agent to stop them.
    pub(crate) trouble: BTreeSet<TaskId>,
    /// Tasks the agent was told are no longer its own, in whatever life.
    pub(crate) told_gone: BTreeSet<TaskId>,
    /// Whether a complete set came in this life.
    pub(crate) told_all: bool,
}

impl Host {
    /// Whether its agent runs.
    pub(crate) fn is_up(&self) -> bool {
        self.exists && self.node.is_some()
    }

    /// What the node's clock says.
    fn wall(&self, now: i64) -> Timestamp {
        Timestamp::from_millis(EPOCH + now + self.skew + now * self.drift / 1_000_000)
    }

    /// The time its agent goes by, as `longshore_agent::clock` keeps it.
    fn steady(&self, now: i64) -> Timestamp {
        Timestamp::from_millis(self.wall(now).millis() - self.jumped)
    }

    /// The node's clock is set.
    pub(crate) fn set_clock(&mut self, by: i64) {
        self.skew += by;
        self.jumped += by;
    }

    /// The first message of a session.
    pub(crate) fn hello(&self) -> proto::Hello {
        proto::Hello {
            incarnation: Some(proto::Incarnation {
                boot_id: format!("boot-{}", self.boot),
                agent_started_at: self.agent_started_at,
            }),
            agent_version: "0".to_owned(),
            agent_hash: String::new(),
            docker_version: "0".to_owned(),
            hostname: format!("host-{}", self.instance.value()),
            capacity: Some(proto::Capacity {
                cpu: self.capacity,
                memory: self.capacity,
                reserved_tcp_ports: vec![22],
                reserved_udp_ports: Vec::new(),
            }),
            attributes: [
                (ZONE_ATTRIBUTE, self.zone.as_str()),
                ("ecs.os-type", "linux"),
                ("ecs.capability.task-cpu-mem-limit", ""),
                ("ecs.capability.external", ""),
                ("com.amazonaws.ecs.capability.docker-remote-api.1.17", ""),
                ("com.amazonaws.ecs.capability.docker-remote-api.1.18", ""),
                ("com.amazonaws.ecs.capability.docker-remote-api.1.19", ""),
                ("com.amazonaws.ecs.capability.docker-remote-api.1.21", ""),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect(),
        }
    }

    pub(crate) fn next_wait(&mut self) -> i64 {
        let wait = self.wait;
        self.wait = (self.wait * 2).min(5000);
        wait
    }

    pub(crate) fn reset_wait(&mut self) {
        self.wait = 100;
    }

    /// Whether the agent holds this task.
    pub(crate) fn holds(&self, task: &str) -> bool {
        let task = task.parse().ok();
        task.is_some_and(|task| self.node.as_ref().is_some_and(|n| n.report(task).is_some()))
    }

    /// How many tasks the agent holds.
    pub(crate) fn held_tasks(&self) -> usize {
        self.node.as_ref().map_or(0, Node::len)
    }

    /// What a set tells the agent.
    pub(crate) fn is_told(&mut self, set: &Assignments) {
        if set.complete {
            self.told_all = true;
        }
        self.told_gone.extend(set.removed.iter().copied());
        if set.complete {
            let told: BTreeSet<TaskId> = set.tasks.iter().map(|task| task.task).collect();
            let held = self.journal.keys().filter(|task| !told.contains(task));
            self.told_gone.extend(held.copied());
        }
        for task in &set.tasks {
            self.told_gone.remove(&task.task);
        }
    }

    /// Whether the agent works and its journal says that the task has run.
    pub(crate) fn knows_it_ran(&self, task: TaskId) -> bool {
        let record = self.journal.get(&task);
        let ran = record.is_some_and(|r| r.observed.last_status >= TaskStatus::Running);
        self.is_up() && !self.paused && ran
    }

    /// Copies the journal, for it to come back later.
    pub(crate) fn keep_journal(&mut self) {
        self.old_journal = self.journal.clone();
    }
}

impl Cluster {
    /// A new node joins.
    pub(crate) fn add_host(&mut self) {
        let index = self.hosts.len();
        let zone = index % (self.scenario.zones as usize);
        let mut engine = Engine::default();
        engine
            .images
            .extend([GOOD, BETTER, CRASHING, BATCH].map(str::to_owned));
        if self.healed {
            engine.images.insert(MISSING.to_owned());
        }
        let (mut skew, mut drift) = (0, 0);
        if self.strikes(Fault::HostClock, 1000) {
            let year = 365 * 86_400_000;
            skew = self.weather.between(-year, year);
            drift = self.weather.between(-20_000, 20_000);
        }
        self.hosts.push(Host {
            instance: InstanceId::new(index as u128 + 1),
            zone: format!("zone-{zone}"),
            capacity: self.scenario.capacity,
            exists: true,
            deregistered: false,
            life: 0,
            boot: 0,
            node: None,
            agent_started_at: 0,
            journal: BTreeMap::new(),
            old_journal: BTreeMap::new(),
            writing: Vec::new(),
            written_at: 0,
            engine,
            skew,
            drift,
            jumped: 0,
            conn: None,
            wait: 100,
            token: 0,
            paused: false,
            held: Vec::new(),
            cut_to_agent: false,
            cut_to_control: false,
            journal_full: false,
            held_to_agent: Vec::new(),
            held_to_control: Vec::new(),
            trouble: BTreeSet::new(),
            told_gone: BTreeSet::new(),
            told_all: false,
        });
        let delay = self.rng.between(0, 300);
        self.after(
            delay,
            Event::StartAgent {
                host: index,
                life: 0,
            },
        );
    }

    pub(crate) fn agent_lives(&self, host: usize, life: u64) -> bool {
        let host = &self.hosts[host];
        host.is_up() && host.life == life
    }

    /// The agent process starts.
    pub(crate) fn start_agent(&mut self, index: usize, life: u64) {
        let now = self.now;
        let keep_stopped = self.scenario.keep_stopped;
        let mut lost = false;
        let mut old = false;
        if life > 0 {
            lost = self.strikes(Fault::JournalLost, 500);
            old = !lost && self.strikes(Fault::JournalOld, 500);
        }
        let by_clock = self.is_mutant(Mutant::LifeByClock);
        let forgets = self.is_mutant(Mutant::FinishedForgotten);
        let host = &mut self.hosts[index];
        if !host.exists || host.life != life || host.node.is_some() {
            return;
        }
        host.life += 1;
        if lost {
            host.journal.clear();
        }
        if old {
            host.journal = host.old_journal.clone();
        }
        let records = host.journal.values();
        let mut records: Vec<Record> = records.filter_map(|record| reread(record)).collect();
        if forgets {
            records.retain(|record| !record.observed.is_stopped());
        }
        let settings = Settings {
            keep_stopped,
            keep_stopped_tasks: 100,
            stop_stranded: false,
        };
        host.jumped = 0;
        let before = if by_clock {
            i64::MIN
        } else {
            host.agent_started_at
        };
        host.agent_started_at = host.wall(now).millis().max(before.saturating_add(1));
        host.node = Some(Node::new(settings, records));
        host.told_all = false;
        host.reset_wait();
        let life = host.life;
        self.trace.say(now, || {
            format!("agent of host {index} starts (life {life})")
        });
        self.after(0, Event::List { host: index, life });
        self.after(1, Event::Dial { host: index, life });
    }

    /// The agent process ends without a word.
    pub(crate) fn kill_agent(&mut self, index: usize) {
        let now = self.now;
        let host = &mut self.hosts[index];
        if host.node.take().is_none() {
            return;
        }
        host.life += 1;
        host.held.clear();
        host.paused = false;
        let unfinished = std::mem::take(&mut host.writing);
        let conn = host.conn.take();
        self.trace
            .say(now, || format!("agent of host {index} is killed"));
        // A write that was under way may be on the disk all the same.
        if let Some((_, writes)) = unfinished.into_iter().next()
            && self.rng.chance(500)
            && !self.is_mutant(Mutant::IntentNotDurable)
        {
            self.trace.say(now, || {
                let writes: Vec<String> = writes.iter().map(short).collect();
                format!("the journal of host {index} has taken: {writes:?}")
            });
            self.hosts[index].write(writes);
        }
        if let Some(conn) = conn {
            self.agent_end_closes(conn);
        }
        // So may calls to the daemon.
        let calls: Vec<u64> = self
            .operating
            .iter()
            .filter(|(_, operating)| operating.host == index)
            .map(|(id, _)| *id)
            .collect();
        for call in calls {
            if self.rng.chance(500) {
                self.run_operation(index, call);
            } else {
                self.operating.remove(&call);
            }
        }
    }

    /// The machine starts anew; its containers do not.
    pub(crate) fn reboot(&mut self, index: usize) {
        self.kill_agent(index);
        self.operating
            .retain(|_, operating| operating.host != index);
        let host = &mut self.hosts[index];
        host.boot += 1;
        host.stop_all();
    }

    /// Gives the agent's core something to take in.
    pub(crate) fn agent_input(&mut self, index: usize, life: u64, input: Input) {
        if !self.agent_lives(index, life) {
            return;
        }
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let follows = self.is_mutant(Mutant::ClockFollowed);
            let host = &self.hosts[index];
            let now = if follows {
                host.wall(self.now)
            } else {
                host.steady(self.now)
            };
            let Some(node) = &mut self.hosts[index].node else {
                return;
            };
            let effects = node.step_all(now, std::mem::take(&mut inputs));
            for effect in effects {
                inputs.extend(self.carry_out(index, life, effect));
            }
        }
        let follows = self.is_mutant(Mutant::ClockFollowed);
        let host = &mut self.hosts[index];
        let wall = if follows {
            host.wall(self.now)
        } else {
            host.steady(self.now)
        };
        if let Some(at) = host.node.as_ref().and_then(Node::wake_at) {
            host.token += 1;
            let token = host.token;
            let wait = i64::try_from(at.since(wall).as_millis()).unwrap_or(i64::MAX / 2);
            // A slow clock reaches the time later.
            let wait = wait.min(86_400_000) + wait.min(86_400_000) / 40 + 1;
            self.after(
                wait,
                Event::AgentWake {
                    host: index,
                    life,
                    token,
                },
            );
        }
    }

    pub(crate) fn wake_agent(&mut self, index: usize, life: u64, token: u64) {
        if self.hosts[index].token == token {
            self.agent_input(index, life, Input::Tick);
        }
    }

    fn carry_out(&mut self, index: usize, life: u64, effect: Effect) -> Vec<Input> {
        match effect {
            Effect::Journal { sequence, writes } => {
                if self.is_mutant(Mutant::IntentNotDurable) {
                    let delay = self.rng.between(500, 5000);
                    let host = &mut self.hosts[index];
                    host.writing.push((sequence, writes));
                    host.written_at = host.written_at.max(self.now + delay);
                    let wait = host.written_at - self.now;
                    self.after(wait, Event::Journal { host: index, life });
                    return vec![Input::Journaled { sequence }];
                }
                let delay = self.rng.between(1, 30);
                let host = &mut self.hosts[index];
                host.writing.push((sequence, writes));
                host.written_at = host.written_at.max(self.now + delay);
                let wait = host.written_at - self.now;
                self.after(wait, Event::Journal { host: index, life });
            }
            Effect::Operate {
                task,
                container,
                operation,
            } => self.begin_operation(index, life, task, container, operation),
            Effect::Release { task } => {
                let delay = self.rng.between(1, 10);
                let input = Box::new(Input::Released {
                    task,
                    outcome: Ok(()),
                });
                self.after(
                    delay,
                    Event::Input {
                        host: index,
                        life,
                        input,
                    },
                );
            }
            Effect::RemoveOrphan { runtime_id } => self.remove_orphan(index, life, runtime_id),
            Effect::Report {
                sequence,
                mut tasks,
            } => {
                if self.is_mutant(Mutant::RunningTooEarly) {
                    for task in &mut tasks {
                        if task.last_status == TaskStatus::Activating {
                            task.last_status = TaskStatus::Running;
                        }
                    }
                }
                if self.is_mutant(Mutant::StoppedTooEarly) {
                    for task in &mut tasks {
                        if task.last_status == TaskStatus::Stopping {
                            task.last_status = TaskStatus::Stopped;
                        }
                    }
                }
                let now = self.now;
                let host = &self.hosts[index];
                for task in tasks
                    .iter()
                    .filter(|t| t.last_status == TaskStatus::Stopped)
                {
                    let runs = host.runs(task.task) && !host.trouble.contains(&task.task);
                    self.oracle.agent_reports_stop(now, index, task.task, runs);
                }
                self.trace.say(now, || {
                    let tasks: Vec<_> = tasks
                        .iter()
                        .map(|t| format!("{}:{}", t.task, t.last_status))
                        .collect();
                    format!("host {index} reports {sequence}: {tasks:?}")
                });
                clock::correct(&mut tasks, self.hosts[index].jumped);
                if let Some(conn) = self.hosts[index].conn {
                    if let Some(link) = self.conns.get_mut(&conn) {
                        let statuses = tasks.iter().map(|task| (task.task, task.last_status));
                        link.reported.push((sequence, statuses.collect()));
                    }
                    let reports = wire::reports(sequence, &tasks);
                    self.say_to_control(conn, ToControl::Reports(reports));
                }
            }
            Effect::AcknowledgeAssignments { .. } => {}
        }
        Vec::new()
    }

    pub(crate) fn journal_through(&mut self, index: usize, life: u64) {
        let keeps = self.is_mutant(Mutant::JournalKept);
        let ignores = self.is_mutant(Mutant::EndTakenAsWritten);
        let never_failed = !self.is_mutant(Mutant::IntentNotDurable);
        let fails = never_failed
            && (self.hosts[index].journal_full || self.strikes(Fault::JournalFails, 200));
        let host = &mut self.hosts[index];
        if host.life != life || host.writing.is_empty() {
            return;
        }
        let (sequence, mut writes) = host.writing.remove(0);
        let now = self.now;
        self.trace.say(now, || {
            let verb = if fails { "refuses" } else { "takes" };
            let writes: Vec<String> = writes.iter().map(short).collect();
            format!("the journal of host {index} {verb} {sequence}: {writes:?}")
        });
        let host = &mut self.hosts[index];
        if fails {
            let ends =
                |write: &Write| matches!(write, Write::Put(r) if r.observed.ending.is_some());
            let is_taken = ignores && writes.iter().all(ends);
            let input = if is_taken {
                Input::Journaled { sequence }
            } else {
                Input::JournalFailed { sequence }
            };
            return self.agent_input(index, life, input);
        }
        if keeps {
            writes.retain(|write| !matches!(write, Write::Forget(_)));
        }
        host.write(writes);
        if never_failed {
            self.agent_input(index, life, Input::Journaled { sequence });
        }
    }
}

/// A write to a journal, for the story.
fn short(write: &Write) -> String {
    match write {
        Write::Put(record) => {
            let task = record.assignment.task;
            match &record.observed.ending {
                Some(_) => format!("{task} with its end"),
                None => task.to_string(),
            }
        }
        Write::Forget(task) => format!("{task} forgotten"),
    }
}

/// A record as it comes back from a disk.
fn reread(record: &Record) -> Option<Record> {
    let text = serde_json::to_vec(record).ok()?;
    serde_json::from_slice(&text).ok()
}

impl Host {
    fn write(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Put(record) => {
                    self.journal.insert(record.assignment.task, record);
                }
                Write::Forget(task) => {
                    self.journal.remove(&task);
                }
            }
        }
    }

    /// Whether a container of this task runs.
    fn runs(&self, task: TaskId) -> bool {
        let mut all = self.engine.containers.values();
        all.any(|c| c.task == task && c.sighting == Sighting::Running)
    }

    /// Every container that runs is killed.
    pub(crate) fn stop_all(&mut self) {
        for container in self.engine.containers.values_mut() {
            if container.sighting == Sighting::Running {
                container.sighting = Sighting::Exited(Exit {
                    code: 137,
                    ..Exit::default()
                });
                self.trouble.insert(container.task);
            }
        }
    }
}
