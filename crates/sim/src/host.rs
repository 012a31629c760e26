//! A node: its agent's core with journal and clock, and its container daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use longshore_agent::node::{Effect, Input, Node, Outcome, Record, Settings, Write};
use longshore_agent::runtime::fake::Engine;
use longshore_agent::runtime::{Change, Notice, RuntimeError, container_name};
use longshore_agent::wire::{self, Assignments};
use longshore_model::assignment::Assignment;
use longshore_model::instance::ZONE_ATTRIBUTE;
use longshore_model::{InstanceId, TaskId, Timestamp};
use longshore_proto::agent as proto;
use longshore_supervisor::{Exit, Operation, Sighting};

use crate::cluster::{Cluster, EPOCH, End, Event, ToControl};
use crate::fault::Fault;
use crate::mutant::Mutant;

/// How often all containers are listed, in ms.
const LIST_EVERY: i64 = 30_000;
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
    zone: String,
    capacity: u32,
    /// Whether the machine exists.
    pub(crate) exists: bool,
    /// Deregistered by the workload.
    pub(crate) deregistered: bool,
    /// Grows with every start of the agent and every end of it.
    pub(crate) life: u64,
    boot: u64,
    node: Option<Node>,
    agent_started_at: i64,
    /// Durable, as written: task to record.
    journal: BTreeMap<TaskId, String>,
    /// A copy made at some time.
    old_journal: BTreeMap<TaskId, String>,
    writing: Vec<(u64, Vec<Write>)>,
    written_at: i64,
    pub(crate) engine: Engine,
    skew: i64,
    /// Parts per million.
    drift: i64,
    pub(crate) conn: Option<u64>,
    wait: i64,
    token: u64,
    pub(crate) paused: bool,
    pub(crate) held: Vec<Event>,
    pub(crate) cut_to_agent: bool,
    pub(crate) cut_to_control: bool,
    pub(crate) held_to_agent: Vec<Event>,
    pub(crate) held_to_control: Vec<Event>,
    /// Tasks of which something went wrong here by itself, which entitles the agent to stop them.
    pub(crate) trouble: BTreeSet<TaskId>,
    /// Tasks the agent was told are no longer its own, in whatever life.
    told_gone: BTreeSet<TaskId>,
    /// Whether a complete set came in this life.
    told_all: bool,
}

/// An operation that is being carried out.
#[derive(Debug)]
pub(crate) struct Operating {
    pub(crate) host: usize,
    life: u64,
    task: Arc<Assignment>,
    container: usize,
    operation: Operation,
    /// Whether the answer gets lost, and whether it then happens.
    uncertain: Option<bool>,
    refused: bool,
    answer_after: i64,
}

impl Host {
    /// Whether its agent runs.
    pub(crate) fn is_up(&self) -> bool {
        self.exists && self.node.is_some()
    }

    fn wall(&self, now: i64) -> Timestamp {
        Timestamp::from_millis(EPOCH + now + self.skew + now * self.drift / 1_000_000)
    }

    /// The first message of a session.
    pub(crate) fn hello(&self) -> proto::Hello {
        proto::Hello {
            incarnation: Some(proto::Incarnation {
                boot_id: format!("boot-{}", self.boot),
                agent_started_at: self.agent_started_at,
            }),
            agent_version: "0".to_owned(),
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
        let ran = |text: &String| {
            ["RUNNING", "STOPPING", "STOPPED"]
                .iter()
                .any(|status| text.contains(&format!("\"last_status\":\"{status}\"")))
        };
        self.is_up() && !self.paused && self.journal.get(&task).is_some_and(ran)
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
            conn: None,
            wait: 100,
            token: 0,
            paused: false,
            held: Vec::new(),
            cut_to_agent: false,
            cut_to_control: false,
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
        let mut records: Vec<Record> = records
            .filter_map(|text| serde_json::from_str(text).ok())
            .collect();
        if forgets {
            records.retain(|record| !record.observed.is_stopped());
        }
        let settings = Settings {
            keep_stopped,
            keep_stopped_tasks: 100,
        };
        host.agent_started_at = host.wall(now).millis();
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
            let now = self.hosts[index].wall(self.now);
            let Some(node) = &mut self.hosts[index].node else {
                return;
            };
            let effects = node.step_all(now, std::mem::take(&mut inputs));
            for effect in effects {
                inputs.extend(self.carry_out(index, life, effect));
            }
        }
        let host = &mut self.hosts[index];
        let wall = host.wall(self.now);
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
                        if task.last_status == longshore_model::task::TaskStatus::Activating {
                            task.last_status = longshore_model::task::TaskStatus::Running;
                        }
                    }
                }
                let now = self.now;
                self.trace.say(now, || {
                    let tasks: Vec<_> = tasks
                        .iter()
                        .map(|t| format!("{}:{}", t.task, t.last_status))
                        .collect();
                    format!("host {index} reports {sequence}: {tasks:?}")
                });
                if let Some(conn) = self.hosts[index].conn {
                    let reports = wire::reports(sequence, &tasks);
                    self.say_to_control(conn, ToControl::Reports(reports));
                }
            }
            Effect::AcknowledgeAssignments { .. } => {}
        }
        Vec::new()
    }

    pub(crate) fn journal_through(&mut self, index: usize, life: u64) {
        let never_failed = !self.is_mutant(Mutant::IntentNotDurable);
        let fails = never_failed && self.strikes(Fault::JournalFails, 200);
        let host = &mut self.hosts[index];
        if host.life != life || host.writing.is_empty() {
            return;
        }
        let (sequence, writes) = host.writing.remove(0);
        if fails {
            return self.agent_input(index, life, Input::JournalFailed { sequence });
        }
        host.write(writes);
        if never_failed {
            self.agent_input(index, life, Input::Journaled { sequence });
        }
    }

    fn begin_operation(
        &mut self,
        index: usize,
        life: u64,
        task: Arc<Assignment>,
        container: usize,
        operation: Operation,
    ) {
        let id = task.task;
        let now = self.now;
        self.trace.say(now, || {
            format!("host {index} {operation:?} container {container} of {id}")
        });
        let host = &self.hosts[index];
        match operation {
            Operation::Create | Operation::Start => {
                let durable = host.journal.contains_key(&id);
                let told_gone = host.told_gone.contains(&id);
                self.oracle
                    .agent_starts(now, index, id, operation, durable, told_gone);
            }
            Operation::Stop { .. } => {
                let own = host.trouble.contains(&id);
                self.oracle.agent_stops(now, index, host.instance, id, own);
            }
            Operation::Pull | Operation::Remove | Operation::Inspect => {}
        }
        let (mut run, mut answer) = match operation {
            Operation::Pull => (self.rng.between(0, self.scenario.pull), 1),
            Operation::Create | Operation::Start => {
                (self.rng.between(1, 200), self.rng.between(1, 100))
            }
            Operation::Stop { .. } => (self.rng.between(10, 1500), 2),
            Operation::Remove | Operation::Inspect => (self.rng.between(1, 20), 1),
        };
        let mut refused = false;
        match operation {
            Operation::Pull => {
                if self.strikes(Fault::PullSlow, 300) {
                    run += self.rng.between(5000, 120_000);
                }
                refused = self.strikes(Fault::PullFails, 300);
            }
            Operation::Create => refused = self.strikes(Fault::CreateFails, 200),
            Operation::Start => refused = self.strikes(Fault::StartFails, 200),
            Operation::Stop { .. } => {
                if self.strikes(Fault::StopHangs, 200) {
                    run += self.rng.between(30_000, 120_000);
                }
            }
            Operation::Remove | Operation::Inspect => {}
        }
        let mut uncertain = None;
        if !refused && self.strikes(Fault::CallUncertain, 100) {
            uncertain = Some(self.rng.chance(500));
            answer += self.rng.between(0, 5000);
        }
        let operating = self.id();
        self.operating.insert(
            operating,
            Operating {
                host: index,
                life,
                task,
                container,
                operation,
                uncertain,
                refused,
                answer_after: answer,
            },
        );
        self.after(
            run,
            Event::Run {
                host: index,
                operating,
            },
        );
    }

    /// An operation takes effect, and its answer goes on its way.
    pub(crate) fn run_operation(&mut self, index: usize, operating: u64) {
        let Some(call) = self.operating.remove(&operating) else {
            return;
        };
        let name = container_name(&call.task, call.container);
        let task = call.task.task;
        let now = self.now;
        let host = &mut self.hosts[index];
        if !host.exists {
            return;
        }
        let before = host.engine.containers.get(&name).map(|c| c.starts);
        let happens = call.uncertain.unwrap_or(true) && !call.refused;
        let mut outcome = if happens {
            host.engine
                .operate(host.instance, &call.task, call.container, call.operation)
        } else {
            Err(RuntimeError::refused(
                "CannotDoThatError",
                "the daemon says no",
            ))
        };
        let after = host.engine.containers.get(&name).map(|c| c.starts);
        if happens && outcome.is_ok() {
            match call.operation {
                Operation::Start if after > before => {
                    self.oracle.started(now, index, task, &name);
                    self.container_runs(index, &call.task, call.container, &name);
                }
                Operation::Create if before.is_none() => {
                    self.oracle.created(now, index, task, &name)
                }
                _ => {}
            }
        }
        if call.uncertain.is_some() && !self.hosts[index].engine.is_down {
            outcome = Err(RuntimeError::Uncertain("the answer is lost".to_owned()));
            if call.operation == Operation::Start && self.is_mutant(Mutant::StartRepeated) {
                outcome = Err(RuntimeError::Unavailable("the answer is lost".to_owned()));
            }
        }
        let begins = matches!(
            call.operation,
            Operation::Pull | Operation::Create | Operation::Start
        );
        if begins && outcome.is_err() {
            self.hosts[index].trouble.insert(task);
        }
        if let Ok(Outcome::Looked(look)) = &outcome
            && matches!(look.sighting, Sighting::Exited(_) | Sighting::Missing)
        {
            self.hosts[index].trouble.insert(task);
        }
        let input = Box::new(Input::Done {
            task,
            container: call.container,
            operation: call.operation,
            outcome,
        });
        self.after(
            call.answer_after,
            Event::Input {
                host: index,
                life: call.life,
                input,
            },
        );
    }

    /// A container began to run: it may end by itself.
    fn container_runs(&mut self, index: usize, task: &Assignment, place: usize, name: &str) {
        let image = task.containers.get(place).map(|c| c.image.as_str());
        let end = match image {
            Some(BATCH) => Some((self.rng.between(1000, 20_000), End::Own(0))),
            Some(CRASHING) if !self.healed => Some((self.rng.between(0, 4000), End::Own(1))),
            _ if self.strikes(Fault::ContainerOom, 100) => {
                Some((self.rng.between(0, 30_000), End::OutOfMemory))
            }
            _ if self.strikes(Fault::ContainerExits, 200) => {
                Some((self.rng.between(0, 60_000), End::Crash))
            }
            _ => None,
        };
        let container = self.hosts[index].engine.containers.get(name);
        let Some(runtime_id) = container.map(|c| c.runtime_id.clone()) else {
            return;
        };
        self.tell(index, task.task, name, Change::Started);
        if let Some((after, end)) = end {
            let name = name.to_owned();
            self.after(
                after,
                Event::Exit {
                    host: index,
                    name,
                    runtime_id,
                    end,
                },
            );
        }
    }

    /// A container exits by itself.
    pub(crate) fn container_exits(&mut self, index: usize, name: &str, id: &str, end: End) {
        if self.healed && end != End::Own(0) {
            return;
        }
        let host = &mut self.hosts[index];
        let Some(found) = host.engine.containers.get_mut(name) else {
            return;
        };
        if found.runtime_id != id || found.sighting != Sighting::Running {
            return;
        }
        let code = match end {
            End::Own(code) => code,
            End::Crash => 139,
            End::OutOfMemory => 137,
        };
        found.sighting = Sighting::Exited(Exit {
            code,
            oom_killed: end == End::OutOfMemory,
            error: String::new(),
        });
        let task = found.task;
        host.trouble.insert(task);
        let now = self.now;
        self.trace
            .say(now, || format!("on host {index} {name} exits with {code}"));
        self.tell(index, task, name, Change::Died);
    }

    /// The daemon tells the agent, unless that gets lost.
    pub(crate) fn tell(&mut self, index: usize, task: TaskId, name: &str, change: Change) {
        if self.hosts[index].engine.is_down || self.strikes(Fault::NoticeLost, 300) {
            return;
        }
        let container = self.hosts[index].engine.containers.get(name);
        let Some(container) = container.map(|c| c.container.clone()) else {
            return;
        };
        let notice = Notice {
            task,
            container,
            change,
        };
        let (delay, life) = (self.rng.between(1, 50), self.hosts[index].life);
        let input = Box::new(Input::Noticed(notice));
        self.after(
            delay,
            Event::Input {
                host: index,
                life,
                input,
            },
        );
    }

    pub(crate) fn list_containers(&mut self, index: usize, life: u64) {
        if !self.agent_lives(index, life) {
            return;
        }
        let host = &self.hosts[index];
        match host.engine.list(host.instance) {
            Ok(containers) => {
                let delay = self.rng.between(1, 300);
                self.after(
                    delay,
                    Event::Listed {
                        host: index,
                        life,
                        containers,
                    },
                );
                self.after(LIST_EVERY, Event::List { host: index, life });
            }
            Err(_) => self.after(2000, Event::List { host: index, life }),
        }
    }

    fn remove_orphan(&mut self, index: usize, life: u64, runtime_id: String) {
        let now = self.now;
        let host = &self.hosts[index];
        let mut all = host.engine.containers.iter();
        let found = all.find(|(_, c)| c.runtime_id == runtime_id);
        let found = found.map(|(name, c)| (name.clone(), c.task));
        if let Some((name, task)) = &found {
            self.trace.say(now, || {
                format!("host {index} removes {name} of {task}, which nobody knows")
            });
            self.oracle
                .agent_removes_orphan(now, index, host.instance, *task, host.told_all);
        }
        if self.is_mutant(Mutant::OrphansKept) {
            return;
        }
        let host = &mut self.hosts[index];
        if !host.engine.is_down {
            host.engine.remove_by_id(&runtime_id);
        }
        let delay = self.rng.between(10, 1000);
        let input = Box::new(Input::OrphanRemoved { runtime_id });
        self.after(
            delay,
            Event::Input {
                host: index,
                life,
                input,
            },
        );
    }
}

impl Host {
    fn write(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Put(record) => {
                    if let Ok(text) = serde_json::to_string(&record) {
                        self.journal.insert(record.assignment.task, text);
                    }
                }
                Write::Forget(task) => {
                    self.journal.remove(&task);
                }
            }
        }
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
