//! Connections between agents and control planes, and the agent's end of them.
//!
//! A connection is a stream: within one direction nothing is lost, doubled or reordered while both
//! ends hold it. What is cut waits; an end that hears nothing for long enough gives up, and the
//! agent dials again. What was on its way then arrives at a session that is over.

use longshore_agent::node::Input;
use longshore_model::TaskId;
use longshore_model::task::TaskStatus;
use longshore_proto::agent as proto;

use crate::cluster::{Cluster, Event, ToAgent, ToControl};
use crate::fault::Fault;
use crate::mutant::Mutant;

/// Both sides send a heartbeat this often, in ms.
const HEARTBEAT: i64 = 5000;
/// Silence that ends a session.
const SILENCE: i64 = 15_000;

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) host: usize,
    pub(crate) life: u64,
    pub(crate) control: usize,
    pub(crate) agent_open: bool,
    pub(crate) control_open: bool,
    pub(crate) agent_heard: i64,
    pub(crate) welcomed: bool,
    /// When the newest message on its way arrives.
    pub(crate) to_agent_at: i64,
    pub(crate) to_control_at: i64,
    /// Sets that were sent, for the network to repeat.
    pub(crate) sent: Vec<proto::Assignments>,
    /// The generation an agent that does not look at it believes in.
    pub(crate) believed: u64,
    /// The newest generation that arrived.
    pub(crate) told: u64,
    /// What the agent reported and did not hear of again.
    pub(crate) reported: Vec<Reported>,
}

/// A message of reports: its number, and what it says of which task.
pub(crate) type Reported = (u64, Vec<(TaskId, TaskStatus)>);

impl Cluster {
    /// The agent dials.
    pub(crate) fn dial(&mut self, host: usize, life: u64) {
        if !self.agent_lives(host, life) || self.hosts[host].conn.is_some() {
            return;
        }
        let Some(control) = self.serving() else {
            return self.dial_later(host, life);
        };
        let id = self.id();
        self.conns.insert(
            id,
            Conn {
                host,
                life,
                control,
                agent_open: true,
                control_open: true,
                agent_heard: self.now,
                welcomed: false,
                to_agent_at: 0,
                to_control_at: 0,
                sent: Vec::new(),
                believed: 0,
                told: 0,
                reported: Vec::new(),
            },
        );
        self.hosts[host].conn = Some(id);
        let hello = self.hosts[host].hello();
        let now = self.now;
        self.trace.say(now, || {
            format!("host {host} dials control plane {control} ({id})")
        });
        self.say_to_control(id, ToControl::Hello(Box::new(hello)));
        self.after(HEARTBEAT, Event::Beat { conn: id });
    }

    fn dial_later(&mut self, host: usize, life: u64) {
        let wait = self.hosts[host].next_wait();
        let wait = self.rng.between(wait / 2, wait);
        self.after(wait, Event::Dial { host, life });
    }

    /// Sends to the control plane.
    pub(crate) fn say_to_control(&mut self, conn: u64, message: ToControl) {
        let delay = self.net_delay();
        let now = self.now;
        let Some(link) = self.conns.get_mut(&conn) else {
            return;
        };
        link.to_control_at = link.to_control_at.max(now + delay);
        let wait = link.to_control_at - now;
        self.after(wait, Event::ToControl { conn, message });
    }

    /// Sends to the agent.
    pub(crate) fn say_to_agent(&mut self, conn: u64, message: ToAgent) {
        let delay = self.net_delay();
        let now = self.now;
        let Some(link) = self.conns.get_mut(&conn) else {
            return;
        };
        link.to_agent_at = link.to_agent_at.max(now + delay);
        let wait = link.to_agent_at - now;
        let replay = match &message {
            ToAgent::Assignments(set) => {
                link.sent.push(set.clone());
                Some(link.sent.len())
            }
            _ => None,
        };
        self.after(wait, Event::ToAgent { conn, message });
        if let Some(sent) = replay
            && self.strikes(Fault::NetReplay, 300)
        {
            let place = self.rng.index(sent);
            let delay = wait + self.rng.between(0, 3000);
            if let Some(set) = self
                .conns
                .get(&conn)
                .and_then(|c| c.sent.get(place))
                .cloned()
            {
                let message = ToAgent::Assignments(set);
                self.after(delay, Event::ToAgent { conn, message });
            }
        }
    }

    /// The agent's end is over. The other end hears of it unless the way there is cut.
    pub(crate) fn agent_end_closes(&mut self, conn: u64) {
        let Some(link) = self.conns.get_mut(&conn) else {
            return;
        };
        if !std::mem::take(&mut link.agent_open) {
            return;
        }
        let (host, life, now) = (link.host, link.life, self.now);
        self.trace
            .say(now, || format!("host {host} gives up connection {conn}"));
        self.say_to_control(conn, ToControl::Close);
        if self.hosts[host].conn == Some(conn) {
            self.hosts[host].conn = None;
        }
        if self.agent_lives(host, life) {
            self.agent_input(host, life, Input::SessionClosed);
            self.dial_later(host, life);
        }
    }

    /// A message reaches an agent.
    pub(crate) fn agent_hears(&mut self, conn: u64, message: ToAgent) {
        let (now, is_forgetful) = (self.now, self.is_mutant(Mutant::OlderSetAccepted));
        let Some(link) = self.conns.get_mut(&conn) else {
            return;
        };
        let (host, life) = (link.host, link.life);
        if !link.agent_open {
            return;
        }
        link.agent_heard = now;
        match message {
            ToAgent::Welcome => {
                link.welcomed = true;
                self.hosts[host].reset_wait();
                self.trace
                    .say(now, || format!("host {host} has session {conn}"));
                self.agent_input(host, life, Input::SessionOpened);
            }
            ToAgent::Assignments(mut set) => {
                if is_forgetful {
                    link.believed = link.believed.max(set.generation) + 1;
                    set.generation = link.believed;
                }
                if self.is_mutant(Mutant::PartTakenAsWhole) {
                    set.complete = true;
                }
                if self.is_mutant(Mutant::StopWithoutTombstone) {
                    let known = &self.hosts[host];
                    set.tasks.retain(|task| {
                        task.desired_status != "STOPPED" || known.holds(&task.task_id)
                    });
                }
                match longshore_agent::wire::assignments(set) {
                    Ok(set) => {
                        self.trace.say(now, || {
                            let tasks = set.tasks.iter();
                            let tasks: Vec<_> = tasks
                                .map(|t| format!("{}:{}", t.task, t.desired_status.as_str()))
                                .collect();
                            format!(
                                "host {host} is told generation {} complete {} tasks {tasks:?} removed {:?}",
                                set.generation, set.complete, set.removed
                            )
                        });
                        // One that is repeated tells nothing.
                        let told = self.conns.get_mut(&conn).map(|c| &mut c.told);
                        if let Some(told) = told.filter(|told| **told < set.generation) {
                            *told = set.generation;
                            self.hosts[host].is_told(&set);
                        }
                        self.agent_input(host, life, Input::Assigned(set));
                    }
                    Err(_) => self.agent_end_closes(conn),
                }
            }
            ToAgent::ReportsAck { sequence, unread } => {
                let (heard, waiting) = std::mem::take(&mut link.reported)
                    .into_iter()
                    .partition(|(sent, _)| *sent <= sequence);
                link.reported = waiting;
                self.oracle.reports_acknowledged(now, heard, &unread);
                let input = Input::ReportsAcknowledged { sequence, unread };
                self.agent_input(host, life, input);
            }
            ToAgent::Close => {
                link.control_open = false;
                self.agent_end_closes(conn);
            }
        }
    }

    /// Both ends look how long the other has been silent.
    pub(crate) fn beat(&mut self, conn: u64) {
        let now = self.now;
        let Some(link) = self.conns.get(&conn) else {
            return;
        };
        let (host, control) = (link.host, link.control);
        let (agent_open, control_open) = (link.agent_open, link.control_open);
        let link_control = control;
        if !agent_open && !control_open {
            self.conns.remove(&conn);
            return;
        }
        let node = &self.hosts[host];
        let agent_speaks = agent_open && node.is_up() && !node.paused && !node.cut_to_control;
        let control_speaks = control_open
            && self.controls[control].as_ref().is_some_and(|c| !c.paused)
            && !node.cut_to_agent;
        let agent_hears = !node.paused;
        let mut silent = false;
        if let Some(link) = self.conns.get_mut(&conn) {
            if control_speaks {
                link.agent_heard = now;
            }
            let limit = if link.welcomed { SILENCE } else { 10_000 };
            silent = agent_open && agent_hears && now - link.agent_heard >= limit;
        }
        if silent {
            self.agent_end_closes(conn);
        }
        if let Some(control) = &mut self.controls[control]
            && !control.paused
            && let Some(session) = control.sessions.get_mut(&conn)
        {
            session.looks_again = true;
            if agent_speaks {
                session.heard = now;
            } else if now - session.heard > SILENCE {
                let id = control.id;
                self.end_session(id, conn);
            }
            self.pump(link_control);
        }
        self.after(HEARTBEAT, Event::Beat { conn });
    }

    // --- the gateway's end
}
