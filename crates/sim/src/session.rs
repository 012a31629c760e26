//! The gateway's end of a session. The order of its steps is that of the real one.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use longshore_control_plane::gateway::assignment::{Assignments, own_tasks};
use longshore_control_plane::gateway::registration::{self, Registration, is_deregistered};
use longshore_control_plane::gateway::report::{self, Reporter};
use longshore_control_plane::gateway::wire;
use longshore_model::instance::{Connection, Incarnation};
use longshore_model::report::TaskReport;
use longshore_model::task::TaskStatus;
use longshore_model::{InstanceId, Timestamp};
use longshore_store::{TransactError, Txn, View};
use tokio::sync::broadcast::error::TryRecvError;

use crate::cluster::{Cluster, ToAgent, ToControl};
use crate::control::{By, Changes, Control, Doing, poll, replica_id};
use crate::invariant::Invariant;
use crate::mutant::Mutant;
use crate::oracle::Reporting;

/// Task reports that go into one commit.
const REPORT_BATCH: usize = 500;

/// Reports under way to the store: the sequence to acknowledge once they are there, and the commit.
type Committing = (Option<u64>, Doing<Option<Vec<TaskReport>>>);

/// The gateway's end of a session.
pub(crate) struct GateSession {
    pub(crate) host: usize,
    pub(crate) instance: InstanceId,
    pub(crate) incarnation: Incarnation,
    /// Since when the instance counts as connected through this session.
    pub(crate) since: Timestamp,
    pub(crate) registering: Option<Doing<Result<Timestamp, tonic::Status>>>,
    pub(crate) assignments: Assignments,
    pub(crate) changes: Option<Changes>,
    pub(crate) reports: VecDeque<(u64, Vec<TaskReport>)>,
    pub(crate) committing: Option<Committing>,
    /// On tasks whose records are damaged.
    pub(crate) kept: Vec<TaskReport>,
    /// How many these were when they were last acknowledged.
    pub(crate) kept_before: usize,
    /// The newest report that was acknowledged.
    pub(crate) newest: u64,
    pub(crate) heard: i64,
    /// With every heartbeat, what could not be told before is looked at again.
    pub(crate) looks_again: bool,
    pub(crate) ended: bool,
    pub(crate) is_closed: bool,
}

impl Cluster {
    /// The control plane's end is gone with its process.
    pub(crate) fn control_end_closes(&mut self, conn: u64) {
        if let Some(link) = self.conns.get_mut(&conn) {
            link.control_open = false;
            self.say_to_agent(conn, ToAgent::Close);
        }
    }

    /// The session is over as soon as what was reported is committed.
    pub(crate) fn end_session(&mut self, control: usize, conn: u64) {
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
            // A data directory has one process: what reaches one that was replaced finds nobody.
            ToControl::Hello(_) if newest != Some(control_id) => {
                return self.control_end_closes(conn);
            }
            ToControl::Hello(hello) => {
                let Ok(registration) = Registration::read(*hello) else {
                    return self.control_end_closes(conn);
                };
                let registration = registration.through(replica_id(control_id));
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
                    Box::new(GateSession {
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
                        kept_before: 0,
                        newest: 0,
                        heard: now,
                        looks_again: false,
                        ended: false,
                        is_closed: false,
                    }),
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
            self.collect(&By::Itself);
            match poll(registering) {
                None => {
                    self.collect(&By::Itself);
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
        let is_kept = self.is_mutant(Mutant::SessionKept) && session.is_closed;
        if over && !is_kept {
            self.close_session(control, conn, &session);
            session.is_closed = true;
            if self.is_mutant(Mutant::SessionKept) {
                control.sessions.insert(conn, session);
            }
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
                    let stands =
                        registration::stands(&view, &self.name, session.instance, session.since)
                            || self.is_mutant(Mutant::OldSessionDisconnects)
                            || self.is_mutant(Mutant::OldIncarnationApplied);
                    if is_deregistered(&view, &self.name, session.instance) || !stands {
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
                    let unread = BTreeSet::new();
                    self.say_to_agent(conn, ToAgent::ReportsAck { sequence, unread });
                }
                self.collect(&By::Itself);
                let committing = self.committing(control, session, reports);
                session.committing = Some((sequence, committing));
            }
            let Some((_, committing)) = &mut session.committing else {
                return progress;
            };
            self.collect(&By::Itself);
            let reporting = Reporting {
                instance: session.instance,
                incarnation: session.incarnation.clone(),
            };
            let done = poll(committing);
            self.collect(&By::Agent(reporting));
            let Some(committed) = done else {
                return progress;
            };
            progress = true;
            let Some((sequence, _)) = session.committing.take() else {
                return progress;
            };
            if let Some(mut kept) = committed {
                if self.is_mutant(Mutant::UnreadAcknowledged) {
                    kept.clear();
                }
                let fewer = kept.len() < std::mem::replace(&mut session.kept_before, kept.len());
                session.kept = kept;
                session.newest = sequence.unwrap_or(session.newest);
                if sequence.is_some() || fewer {
                    let ack = ToAgent::ReportsAck {
                        sequence: session.newest,
                        unread: session.kept.iter().map(|report| report.task).collect(),
                    };
                    self.say_to_agent(conn, ack);
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
        let mutant = self.mutant;
        let reporter = Reporter {
            cluster: self.name.clone(),
            instance: session.instance,
            incarnation: session.incarnation.clone(),
            since: session.since,
        };
        Box::pin(async move {
            let mut kept = Vec::new();
            for chunk in reports.chunks(REPORT_BATCH) {
                let now = ecs.ctx().now;
                let committed = ecs.db.transact(|view| {
                    let node = (&reporter.cluster, reporter.instance);
                    let taken = report::take_over(view, &reporter, chunk, now);
                    let newest = view.instances.get(&(node.0.clone(), node.1));
                    let txn = match (mutant, newest) {
                        (Some(Mutant::ReportOrderIgnored), _) => {
                            newest_wins(view, node.0, node.1, chunk)
                        }
                        (Some(Mutant::OldIncarnationApplied), Some(newest)) => {
                            report::apply(view, node, &newest.incarnation, chunk, now)
                        }
                        _ => return taken.ok_or(()),
                    };
                    Ok((txn, report::unreadable(view, node.0, chunk)))
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
        let Some(read) = view.tasks.get(cluster, task) else {
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
