//! The cluster: every process, what is on its way between them, and the one queue of events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use longshore_agent::node::Input;
use longshore_agent::runtime::Listed;
use longshore_model::{ClusterName, Realm, TaskId};
use longshore_proto::agent as proto;
use longshore_reconcile::Key;
use longshore_store::{CommitError, Memory, Revision};

use crate::conn::Conn;
use crate::control::{Control, Sent};
use crate::fault::{Fault, Fired};
use crate::host::Host;
use crate::invariant::Violation;
use crate::mutant::Mutant;
use crate::operation::Operating;
use crate::oracle::Oracle;
use crate::oracle::history::{Resource, Shown};
use crate::rng::Rng;
use crate::scenario::{Limits, Scenario};
use crate::store::{Desk, Log};
use crate::trace::Trace;
use crate::weather::Mend;
use crate::workload::Workload;

/// What the clocks of all processes say at the start, but for their errors.
pub(crate) const EPOCH: i64 = 1_700_000_000_000;
/// Events one run may have; beyond it something never comes to rest.
const MAX_EVENTS: u64 = 400_000;

/// Something that happens at a time.
#[derive(Debug)]
pub(crate) enum Event {
    /// A commit reaches the store.
    Commit { ticket: u64, control: usize },
    /// The answer reaches the process.
    Answer {
        control: usize,
        ticket: u64,
        answer: Result<Revision, CommitError>,
    },
    /// The watch shows the process everything before this place of the log.
    Watch { control: usize, upto: usize },
    /// The process lists everything and names everything.
    Relist { control: usize },
    /// A timer of the controllers is due.
    Wake { control: usize, token: u64 },
    /// Someone starts the control plane.
    StartControl,
    /// A control plane ends since its store has failed.
    ControlFails { control: usize },
    /// An agent dials.
    Dial { host: usize, life: u64 },
    /// A message reaches an agent.
    ToAgent { conn: u64, message: ToAgent },
    /// A message reaches a control plane.
    ToControl { conn: u64, message: ToControl },
    /// Both ends of a connection see how long the other has been silent.
    Beat { conn: u64 },
    /// An agent process starts.
    StartAgent { host: usize, life: u64 },
    /// A timer of the agent is due.
    AgentWake { host: usize, life: u64, token: u64 },
    /// A journal write is through.
    Journal { host: usize, life: u64 },
    /// An operation takes effect.
    Run { host: usize, operating: u64 },
    /// Something for an agent's core.
    Input {
        host: usize,
        life: u64,
        input: Box<Input>,
    },
    /// All containers are listed, for `Listed` to arrive later.
    List { host: usize, life: u64 },
    /// The list arrives.
    Listed {
        host: usize,
        life: u64,
        containers: Vec<Listed>,
    },
    /// A container exits by itself.
    Exit {
        host: usize,
        name: String,
        runtime_id: String,
        end: End,
    },
    /// The next call of the workload.
    Call,
    /// Someone looks at this, or at something by chance.
    Read(Option<Resource>),
    /// A call is made again.
    Retry { call: usize },
    /// A fault begins.
    Fault(Fault),
    /// A fault ends.
    Mend(Mend),
    /// All faults end.
    Heal,
    /// Is everything as it should be?
    Judge,
}

/// Which of two events comes first that are due at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Arrival {
    /// It was due before, and held.
    Held,
    /// It is due now.
    New,
}

/// How a container ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its program does that.
    Own(i32),
    /// A fault.
    Crash,
    /// A fault.
    OutOfMemory,
}

/// From a control plane.
#[derive(Debug, Clone)]
pub(crate) enum ToAgent {
    Welcome,
    Assignments(proto::Assignments),
    ReportsAck {
        sequence: u64,
        unread: BTreeSet<TaskId>,
    },
    Close,
}

/// From an agent.
#[derive(Debug, Clone)]
pub(crate) enum ToControl {
    Hello(Box<proto::Hello>),
    Reports(proto::Reports),
    Close,
}

/// A whole Longshore.
pub(crate) struct Cluster {
    pub(crate) now: i64,
    next: u64,
    /// By time; what was held comes before what arrives just then.
    queue: BTreeMap<(i64, Arrival, u64), Event>,
    pub(crate) scenario: Scenario,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) rng: Rng,
    pub(crate) weather: Rng,
    pub(crate) name: ClusterName,
    pub(crate) realm: Realm,
    pub(crate) memory: Arc<Memory>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) log: Log,
    pub(crate) submitted: BTreeMap<u64, Sent>,
    pub(crate) controls: Vec<Option<Box<Control>>>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) conns: BTreeMap<u64, Conn>,
    pub(crate) operating: BTreeMap<u64, Operating>,
    pub(crate) next_id: u64,
    pub(crate) oracle: Oracle,
    pub(crate) workload: Workload,
    pub(crate) fired: Fired,
    pub(crate) active: BTreeSet<Fault>,
    pub(crate) healed: bool,
    pub(crate) healed_at: i64,
    pub(crate) done: bool,
    pub(crate) trace: Trace,
    /// Records that are damaged at the moment, as they were before.
    pub(crate) damaged: BTreeMap<String, bytes::Bytes>,
    /// What the store takes no plan for.
    pub(crate) poison: Option<Key>,
    /// Since when, or since a process that stood still goes on.
    pub(crate) poison_since: i64,
    /// What was read last, for those who read no more often than that.
    pub(crate) cache: BTreeMap<Resource, Option<Shown>>,
}

/// What came of one seed.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was broken, if anything.
    pub violation: Option<Violation>,
    /// The number of the trace.
    pub hash: u64,
    /// How often each class of faults fired.
    pub fired: Fired,
    /// How often each invariant was looked at.
    pub exercised: BTreeMap<crate::invariant::Invariant, u64>,
    /// Virtual time, in ms.
    pub virtual_ms: i64,
    /// Events.
    pub events: u64,
    /// Commits.
    pub commits: u64,
    /// The share of what L7 allows that the busiest process needed, in per mille: decisions and
    /// commits.
    pub busiest: [u64; 2],
    /// The story, where one was asked for.
    pub story: Vec<String>,
}

/// Runs one seed.
pub fn run(seed: u64, limits: &Limits, mutant: Option<Mutant>, story: bool) -> Report {
    let scenario = Scenario::new(seed, limits);
    let Some(mut cluster) = Cluster::new(scenario, mutant, story) else {
        unreachable!("an empty store can be watched")
    };
    cluster.begin();
    let mut events = 0;
    while !cluster.done && cluster.oracle.violation.is_none() {
        let Some(((at, ..), event)) = cluster.queue.pop_first() else {
            break;
        };
        events += 1;
        if events > MAX_EVENTS {
            cluster.oracle.never_rests(cluster.now);
            break;
        }
        cluster.now = cluster.now.max(at);
        cluster.handle(event);
    }
    if let Some(violation) = cluster.oracle.violation.clone() {
        let now = cluster.now;
        cluster.trace.say(now, || format!("VIOLATION {violation}"));
    }
    Report {
        seed,
        violation: cluster.oracle.violation.take(),
        hash: cluster.trace.hash(),
        fired: cluster.fired,
        exercised: cluster.oracle.exercised,
        virtual_ms: cluster.now,
        events,
        commits: cluster.log.batches.len() as u64,
        busiest: cluster.oracle.busiest,
        story: cluster.trace.into_story(),
    }
}

impl Cluster {
    fn new(scenario: Scenario, mutant: Option<Mutant>, story: bool) -> Option<Self> {
        let memory = Arc::new(Memory::default());
        let seed = scenario.seed;
        Some(Self {
            now: 0,
            next: 0,
            queue: BTreeMap::new(),
            mutant,
            rng: Rng::new(seed, 2),
            weather: Rng::new(seed, 3),
            name: ClusterName::default_cluster(),
            realm: Realm {
                partition: "aws".to_owned(),
                region: "us-east-1".to_owned(),
                account: "000000000000".to_owned(),
            },
            desk: Arc::default(),
            log: Log::new(&memory)?,
            memory,
            submitted: BTreeMap::new(),
            controls: Vec::new(),
            hosts: Vec::new(),
            conns: BTreeMap::new(),
            operating: BTreeMap::new(),
            next_id: 0,
            oracle: Oracle::new(&scenario),
            workload: Workload::new(seed),
            fired: Fired::default(),
            active: BTreeSet::new(),
            healed: false,
            healed_at: 0,
            done: false,
            trace: Trace::new(story),
            damaged: BTreeMap::new(),
            poison: None,
            poison_since: 0,
            cache: BTreeMap::new(),
            scenario,
        })
    }

    fn begin(&mut self) {
        let scenario = self.scenario.clone();
        self.trace.say(0, || format!("{scenario:?}"));
        self.start_control();
        for _ in 0..self.scenario.nodes {
            self.add_host();
        }
        self.plan_workload();
        self.plan_weather();
    }

    /// Lets something happen after this many ms.
    pub(crate) fn after(&mut self, ms: i64, event: Event) {
        self.next += 1;
        let at = self.now + ms.max(0);
        self.queue.insert((at, Arrival::New, self.next), event);
    }

    /// What was held goes on, before what was sent after it.
    pub(crate) fn release(&mut self, events: Vec<Event>) {
        for event in events {
            self.next += 1;
            self.queue
                .insert((self.now, Arrival::Held, self.next), event);
        }
    }

    /// Has someone start a control plane after this many ms, unless someone is about to: of two at
    /// once only one would get the data directory.
    pub(crate) fn start_control_after(&mut self, ms: i64) {
        let mut coming = self.queue.values();
        if !coming.any(|event| matches!(event, Event::StartControl)) {
            self.after(ms, Event::StartControl);
        }
    }

    /// A new number for whatever needs one.
    pub(crate) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether this class may strike now; counts it if it does, this many times in a thousand.
    pub(crate) fn strikes(&mut self, fault: Fault, per_mille: u64) -> bool {
        let strikes = !self.healed && self.scenario.has(fault) && self.weather.chance(per_mille);
        if strikes {
            self.fired.count(fault);
        }
        strikes
    }

    /// The time one message takes.
    pub(crate) fn net_delay(&mut self) -> i64 {
        let usual = self.scenario.net;
        let slow = if self.active.contains(&Fault::NetSlow) {
            self.rng.between(100, 6000)
        } else {
            0
        };
        self.rng.between(1, usual.max(1)) + slow
    }

    fn handle(&mut self, event: Event) {
        if self.is_held(&event) {
            return self.hold(event);
        }
        self.note(&event);
        match event {
            Event::Commit { ticket, control } => self.commit_arrives(ticket, control),
            Event::Answer {
                control,
                ticket,
                answer,
            } => {
                if let Some(process) = &mut self.controls[control] {
                    process.work.hears(ticket, self.now);
                }
                self.desk.answer(ticket, answer);
                self.pump(control);
            }
            Event::Watch { control, upto } => self.watch_shows(control, upto),
            Event::Relist { control } => self.relist(control),
            Event::Wake { control, token } => self.wake_control(control, token),
            Event::StartControl => {
                let superfluous = self.healed && self.controls.iter().any(Option::is_some);
                if self.active.contains(&Fault::StoreDown) {
                    // It cannot read anything, ends and is started again.
                    self.start_control_after(1000);
                } else if !superfluous {
                    self.start_control();
                }
            }
            Event::ControlFails { control } => self.control_fails(control),
            Event::Dial { host, life } => self.dial(host, life),
            Event::ToAgent { conn, message } => self.agent_hears(conn, message),
            Event::ToControl { conn, message } => self.control_hears(conn, message),
            Event::Beat { conn } => self.beat(conn),
            Event::StartAgent { host, life } => self.start_agent(host, life),
            Event::AgentWake { host, life, token } => self.wake_agent(host, life, token),
            Event::Journal { host, life } => self.journal_through(host, life),
            Event::Run { host, operating } => self.run_operation(host, operating),
            Event::Input { host, life, input } => self.agent_input(host, life, *input),
            Event::List { host, life } => self.list_containers(host, life),
            Event::Listed {
                host,
                life,
                containers,
            } => self.agent_input(host, life, Input::Listed(containers)),
            Event::Exit {
                host,
                name,
                runtime_id,
                end,
            } => self.container_exits(host, &name, &runtime_id, end),
            Event::Call => self.next_call(),
            Event::Read(None) => self.next_read(),
            Event::Read(Some(resource)) => self.look_at(&resource),
            Event::Retry { call } => self.make_call(call),
            Event::Fault(fault) => self.strike(fault),
            Event::Mend(mend) => self.mend(mend),
            Event::Heal => self.heal(),
            Event::Judge => self.judge(),
        }
    }

    /// Adds an event to the trace.
    fn note(&mut self, event: &Event) {
        let numbers: [i64; 3] = match event {
            Event::Commit { ticket, .. } => [1, *ticket as i64, 0],
            Event::Answer { ticket, answer, .. } => [2, *ticket as i64, i64::from(answer.is_ok())],
            Event::Watch { control, upto } => [3, *control as i64, *upto as i64],
            Event::Relist { control } => [4, *control as i64, 0],
            Event::Wake { control, .. } => [5, *control as i64, 0],
            Event::StartControl => [6, 0, 0],
            Event::Dial { host, .. } => [7, *host as i64, 0],
            Event::ToAgent { conn, .. } => [8, *conn as i64, 0],
            Event::ToControl { conn, .. } => [9, *conn as i64, 0],
            Event::Beat { conn } => [10, *conn as i64, 0],
            Event::StartAgent { host, .. } => [11, *host as i64, 0],
            Event::AgentWake { host, .. } => [12, *host as i64, 0],
            Event::Journal { host, .. } => [13, *host as i64, 0],
            Event::Run { host, operating } => [14, *host as i64, *operating as i64],
            Event::Input { host, .. } => [15, *host as i64, 0],
            Event::List { host, .. } => [16, *host as i64, 0],
            Event::Listed {
                host, containers, ..
            } => [17, *host as i64, containers.len() as i64],
            Event::Exit { host, .. } => [18, *host as i64, 0],
            Event::Call => [19, 0, 0],
            Event::Retry { call } => [20, *call as i64, 0],
            Event::Fault(fault) => [21, *fault as i64, 0],
            Event::Mend(_) => [22, 0, 0],
            Event::Heal => [23, 0, 0],
            Event::Judge => [24, 0, 0],
            Event::ControlFails { control } => [25, *control as i64, 0],
            Event::Read(_) => [26, 0, 0],
        };
        self.trace.add_numbers(&[self.now]);
        self.trace.add_numbers(&numbers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_comes_before_what_arrives_just_then() {
        let scenario = Scenario::new(1, &Limits::default());
        let Some(mut cluster) = Cluster::new(scenario, None, false) else {
            unreachable!("an empty store can be watched")
        };
        cluster.after(0, Event::Retry { call: 3 });
        cluster.release(vec![Event::Retry { call: 1 }, Event::Retry { call: 2 }]);
        let order: Vec<usize> = cluster
            .queue
            .into_values()
            .filter_map(|event| match event {
                Event::Retry { call } => Some(call),
                _ => None,
            })
            .collect();
        assert_eq!(order, [1, 2, 3]);
    }
}
