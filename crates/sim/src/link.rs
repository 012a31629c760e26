//! Connections between agents and control planes, and the gateway's end of a session.
//!
//! A connection is a stream: within one direction nothing is lost, doubled or reordered while both
//! ends hold it. What is cut waits; an end that hears nothing for long enough gives up, and the
//! agent dials again. What was on its way then arrives at a session that is over.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use longshore_agent::node::Input;
use longshore_control_plane::gateway::assignment::{Assignments, own_tasks};
use longshore_control_plane::gateway::registration::{self, Registration, is_deregistered};
use longshore_control_plane::gateway::{report, wire};
use longshore_model::instance::{Connection, Incarnation};
use longshore_model::report::TaskReport;
use longshore_model::task::TaskStatus;
use longshore_model::{InstanceId, Timestamp};
use longshore_proto::agent as proto;
use longshore_store::{TransactError, Txn, View};
use tokio::sync::broadcast::error::TryRecvError;

use crate::cluster::{Cluster, Event, ToAgent, ToControl};
use crate::control::{Changes, Control, Doing, poll};
use crate::fault::Fault;
use crate::invariant::{Invariant, Reporting};
use crate::mutant::Mutant;

/// Both sides send a heartbeat this often, in ms.
const HEARTBEAT: i64 = 5000;
/// Silence that ends a session.
const SILENCE: i64 = 15_000;
/// Task reports that go into one commit.
const REPORT_BATCH: usize = 500;

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) host: usize,
    life: u64,
    pub(crate) control: usize,
    agent_open: bool,
    control_open: bool,
    agent_heard: i64,
    welcomed: bool,
    /// When the newest message on its way arrives.
    to_agent_at: i64,
    to_control_at: i64,
    /// Sets that were sent, for the network to repeat.
    sent: Vec<proto::Assignments>,
    /// The generation an agent that does not look at it believes in.
    believed: u64,
    /// The newest generation that arrived.
    told: u64,
}

/// Reports under way to the store: the sequence to acknowledge once they are there, and the commit.
type Committing = (Option<u64>, Doing<Option<Vec<TaskReport>>>);

/// The gateway's end of a session.
pub(crate) struct GateSession {
    host: usize,
    instance: InstanceId,
    incarnation: Incarnation,
    /// Since when the instance counts as connected through this session.
    since: Timestamp,
    registering: Option<Doing<Result<Timestamp, tonic::Status>>>,
    assignments: Assignments,
    changes: Option<Changes>,
    reports: VecDeque<(u64, Vec<TaskReport>)>,
    committing: Option<Committing>,
    /// On tasks whose records are damaged.
    kept: Vec<TaskReport>,
    heard: i64,
    /// With every heartbeat, what could not be told before is looked at again.
    looks_again: bool,
    ended: bool,
}

impl Cluster {
    // --- the agent's end

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

    fn say_to_agent(&mut self, conn: u64, message: ToAgent) {
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
            ToAgent::ReportsAck(sequence) => {
                self.agent_input(host, life, Input::ReportsAcknowledged { sequence });
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

    /// The control plane's end is gone with its process.
    pub(crate) fn control_end_closes(&mut self, conn: u64) {
        if let Some(link) = self.conns.get_mut(&conn) {
            link.control_open = false;
            self.say_to_agent(conn, ToAgent::Close);
        }
    }

    fn end_session(&mut self, control: usize, conn: u64) {
        let ended = self.controls[control]
            .as_mut()
            .and_then(|control| control.sessions.get_mut(&conn))
            .map(|session| session.ended = true);
        if ended.is_some() {
            self.control_end_closes(conn);
            self.pump(control);
        }
    }

    /// A message reaches a control plane.
    pub(crate) fn control_hears(&mut self, conn: u64, message: ToControl) {
        let now = self.now;
        let Some(link) = self.conns.get(&conn) else {
            return;
        };
        let (host, control_id) = (link.host, link.control);
        let instance = self.hosts[host].instance;
        let cluster = self.name.clone();
        let newest = self.controls.iter().rposition(Option::is_some);
        let Some(control) = self.controls[control_id].as_mut() else {
            // Nobody is there any more.
            if link.control_open {
                self.control_end_closes(conn);
            }
            return;
        };
        match message {
            // Longshore is one process: what reaches one that was replaced finds nobody.
            ToControl::Hello(_) if newest != Some(control_id) => {
                return self.control_end_closes(conn);
            }
            ToControl::Hello(hello) => {
                let Ok(registration) = Registration::read(*hello) else {
                    return self.control_end_closes(conn);
                };
                let since = control.ecs.ctx().now;
                let incarnation = registration.incarnation.clone();
                let ecs = Arc::clone(&control.ecs);
                let name = cluster.clone();
                let registering: Doing<Result<Timestamp, tonic::Status>> = Box::pin(async move {
                    let registered = ecs
                        .db
                        .transact(|view| registration.register(view, &name, instance, since));
                    registered.await.map_err(|error| match error {
                        TransactError::Refused(status) => status,
                        TransactError::Store(error) => {
                            tonic::Status::unavailable(error.to_string())
                        }
                    })
                });
                control.sessions.insert(
                    conn,
                    GateSession {
                        host,
                        instance,
                        incarnation,
                        since,
                        registering: Some(registering),
                        assignments: Assignments::new(cluster, instance),
                        changes: None,
                        reports: VecDeque::new(),
                        committing: None,
                        kept: Vec::new(),
                        heard: now,
                        looks_again: false,
                        ended: false,
                    },
                );
            }
            ToControl::Reports(reports) => {
                if let Some(session) = control.sessions.get_mut(&conn).filter(|s| !s.ended) {
                    session.heard = now;
                    let tasks: Result<Vec<_>, _> =
                        reports.tasks.into_iter().map(wire::report).collect();
                    match tasks {
                        Ok(tasks) => session.reports.push_back((reports.sequence, tasks)),
                        Err(_) => return self.end_session(control_id, conn),
                    }
                }
            }
            ToControl::Close => return self.end_session(control_id, conn),
        }
        self.pump(control_id);
    }

    /// Brings every session as far as it goes now. Returns whether something happened.
    pub(crate) fn turn_sessions(&mut self, control: &mut Control) -> bool {
        let mut progress = false;
        let conns: Vec<u64> = control.sessions.keys().copied().collect();
        for conn in conns {
            progress |= self.turn_session(control, conn);
        }
        progress
    }

    fn turn_session(&mut self, control: &mut Control, conn: u64) -> bool {
        let Some(mut session) = control.sessions.remove(&conn) else {
            return false;
        };
        let mut progress = false;
        let replaced = self.controls.iter().rposition(Option::is_some);
        if session.registering.is_some() && replaced.is_some_and(|newest| newest > control.id) {
            // See `control_hears`.
            self.control_end_closes(conn);
            return true;
        }
        if let Some(registering) = &mut session.registering {
            self.collect(None);
            match poll(registering) {
                None => {
                    self.collect(None);
                    control.sessions.insert(conn, session);
                    return false;
                }
                Some(Err(_)) => {
                    self.control_end_closes(conn);
                    return true;
                }
                Some(Ok(since)) => {
                    session.registering = None;
                    session.since = since;
                    progress = true;
                    self.open_session(control, conn, &mut session);
                }
            }
        }
        if !session.ended {
            progress |= self.tell_changes(control, conn, &mut session);
        }
        let again = std::mem::take(&mut session.looks_again);
        progress |= self.commit_reports(control, conn, &mut session, again);
        let over = session.ended && session.committing.is_none() && session.reports.is_empty();
        if over {
            self.close_session(control, conn, &session);
            return true;
        }
        control.sessions.insert(conn, session);
        progress
    }

    /// The session takes its place, and its agent is told everything.
    fn open_session(&mut self, control: &mut Control, conn: u64, session: &mut GateSession) {
        if let Some(older) = control.places.insert(session.instance, conn)
            && older != conn
            && let Some(fenced) = control.sessions.get_mut(&older)
        {
            fenced.ended = true;
            self.control_end_closes(older);
        }
        if session.ended {
            return;
        }
        let (view, since) = (control.db.view(), session.since);
        let stands = registration::stands(&view, &self.name, session.instance, since);
        drop(view);
        if !stands && !self.is_mutant(Mutant::OldSessionDisconnects) {
            session.ended = true;
            return self.control_end_closes(conn);
        }
        session.changes = Some(control.db.subscribe());
        self.say_to_agent(conn, ToAgent::Welcome);
        let is_empty =
            self.is_mutant(Mutant::EmptyViewServed) && self.now - control.started_at < 3000;
        let mut set = if is_empty {
            session.assignments.complete(&View::default(), &self.realm)
        } else {
            session
                .assignments
                .complete(&control.db.view(), &self.realm)
        };
        if self.is_mutant(Mutant::DamagedSetComplete) {
            set.complete = true;
        }
        self.oracle.exercise(Invariant::S7);
        self.say_to_agent(conn, ToAgent::Assignments(set));
    }

    fn tell_changes(
        &mut self,
        control: &mut Control,
        conn: u64,
        session: &mut GateSession,
    ) -> bool {
        let mut progress = false;
        if session.looks_again && session.changes.is_some() {
            let view = control.db.view();
            let message = session.assignments.diff(&view, &self.realm, []);
            if let Some(message) = message
                && !self.is_mutant(Mutant::DiffNotSent)
            {
                self.say_to_agent(conn, ToAgent::Assignments(message));
            }
        }
        while let Some(changes) = &mut session.changes {
            let message = match changes.try_recv() {
                Ok(batch) => {
                    let view = control.db.view();
                    if is_deregistered(&view, &self.name, session.instance) {
                        session.ended = true;
                        self.control_end_closes(conn);
                        return true;
                    }
                    let changed = own_tasks(&batch, &self.name, session.instance);
                    session.assignments.diff(&view, &self.realm, changed)
                }
                Err(TryRecvError::Lagged(_)) => {
                    let view = control.db.view();
                    Some(session.assignments.complete(&view, &self.realm))
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            };
            progress = true;
            if let Some(message) = message
                && !self.is_mutant(Mutant::DiffNotSent)
            {
                self.say_to_agent(conn, ToAgent::Assignments(message));
            }
        }
        progress
    }

    /// Commits what was reported, in order, and acknowledges it.
    fn commit_reports(
        &mut self,
        control: &mut Control,
        conn: u64,
        session: &mut GateSession,
        mut again: bool,
    ) -> bool {
        let mut progress = false;
        loop {
            if session.committing.is_none() {
                let next = session.reports.pop_front();
                if next.is_none() && (!again || session.kept.is_empty()) {
                    return progress;
                }
                again = false;
                let mut sequence = next.as_ref().map(|(sequence, _)| *sequence);
                let mut reports = std::mem::take(&mut session.kept);
                reports.extend(next.into_iter().flat_map(|(_, reports)| reports));
                while reports.len() < REPORT_BATCH
                    && let Some((next, more)) = session.reports.pop_front()
                {
                    sequence = Some(next);
                    reports.extend(more);
                }
                if let Some(sequence) = sequence
                    && self.is_mutant(Mutant::ReportAckedEarly)
                {
                    self.say_to_agent(conn, ToAgent::ReportsAck(sequence));
                }
                self.collect(None);
                let committing = self.committing(control, session, reports);
                session.committing = Some((sequence, committing));
            }
            let Some((_, committing)) = &mut session.committing else {
                return progress;
            };
            self.collect(None);
            let reporting = Reporting {
                instance: session.instance,
                incarnation: session.incarnation.clone(),
            };
            let done = poll(committing);
            self.collect(Some(reporting));
            let Some(committed) = done else {
                return progress;
            };
            progress = true;
            let Some((sequence, _)) = session.committing.take() else {
                return progress;
            };
            if let Some(kept) = committed {
                session.kept = kept;
                if let Some(sequence) = sequence {
                    self.say_to_agent(conn, ToAgent::ReportsAck(sequence));
                }
            } else {
                session.reports.clear();
                session.ended = true;
                self.control_end_closes(conn);
            }
        }
    }

    fn committing(
        &self,
        control: &Control,
        session: &GateSession,
        reports: Vec<TaskReport>,
    ) -> Doing<Option<Vec<TaskReport>>> {
        let ecs = Arc::clone(&control.ecs);
        let (cluster, instance) = (self.name.clone(), session.instance);
        let (incarnation, mutant) = (session.incarnation.clone(), self.mutant);
        Box::pin(async move {
            let mut kept = Vec::new();
            for chunk in reports.chunks(REPORT_BATCH) {
                let now = ecs.ctx().now;
                let committed = ecs.db.transact(|view| {
                    let newest = view.instances.get(&(cluster.clone(), instance));
                    let txn = match (mutant, newest) {
                        (Some(Mutant::ReportOrderIgnored), _) => {
                            newest_wins(view, &cluster, instance, chunk)
                        }
                        (Some(Mutant::OldIncarnationApplied), Some(newest)) => {
                            let said = &newest.incarnation;
                            report::apply(view, (&cluster, instance), said, chunk, now)
                        }
                        _ => report::apply(view, (&cluster, instance), &incarnation, chunk, now),
                    };
                    Ok::<_, Infallible>((txn, report::unreadable(view, &cluster, chunk)))
                });
                kept.extend(committed.await.ok()?);
            }
            Some(kept)
        })
    }

    /// The session is over; its instance is away unless it has registered again.
    fn close_session(&mut self, control: &mut Control, conn: u64, session: &GateSession) {
        let is_current = control.places.get(&session.instance) == Some(&conn);
        if !is_current {
            return;
        }
        control.places.remove(&session.instance);
        let (now, since) = (control.wall(), session.since);
        let host = session.host;
        self.trace.say(self.now, || {
            format!("session {conn} of host {host} is over")
        });
        let ecs = Arc::clone(&control.ecs);
        let (cluster, instance) = (self.name.clone(), session.instance);
        let any = self.is_mutant(Mutant::OldSessionDisconnects);
        control.chores.push(Box::pin(async move {
            let noted = ecs.db.transact(|view| {
                let registered = view.instances.get(&(cluster.clone(), instance));
                let since = match registered.map(|i| i.connection) {
                    Some(Connection::Connected(at)) if any => at,
                    _ => since,
                };
                let txn = registration::disconnect(view, &cluster, instance, since, now);
                Ok::<_, Infallible>((txn, ()))
            });
            // Refused, the next registration says what is so.
            noted.await.ok();
        }));
    }
}

/// What taking reports at their word would write.
fn newest_wins(
    view: &View,
    cluster: &longshore_model::ClusterName,
    instance: InstanceId,
    reports: &[TaskReport],
) -> Txn {
    let mut latest = std::collections::BTreeMap::new();
    for report in reports {
        latest.insert(report.task, report.last_status);
    }
    let mut txn = Txn::new();
    for (task, status) in latest {
        let Some(read) = view.tasks.get(&(cluster.clone(), task)) else {
            continue;
        };
        if read.instance != instance || read.last_status == status {
            continue;
        }
        let mut changed = longshore_model::task::Task::clone(read);
        changed.last_status = status;
        changed.version += 1;
        if status == TaskStatus::Stopped {
            changed.stopped_at = Some(changed.created_at);
        }
        txn.replace(read, &changed);
    }
    txn
}
