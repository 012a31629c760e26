//! One session: Hello, Welcome, the complete set, then both directions until it ends.

use std::time::Duration;

use longshore_model::report::TaskReport;
use longshore_model::{ClusterName, InstanceId, Timestamp};
use longshore_proto::agent::agent_message::Body as FromAgent;
use longshore_proto::agent::control_message::Body as ToAgent;
use longshore_proto::agent::{AgentMessage, ControlMessage, Heartbeat, ReportsAck, Welcome};
use longshore_store::{CommitError, TransactError, View};
use tokio::sync::{broadcast, mpsc};
use tonic::{Status, Streaming};

use super::assignment::{Assignments, own_tasks};
use super::registration::{self, Registration, deregistered, is_deregistered};
use super::report::Reporter;
use super::{Gateway, fresh, report, wire};

/// How often either side must be heard from.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// Silence after which a session is over.
const SILENCE_LIMIT: Duration = Duration::from_secs(15);
/// Report messages that may wait for the store before the agent is made to wait.
const REPORT_BACKLOG: usize = 64;
/// Task reports that go into one commit.
const REPORT_BATCH: usize = 500;

/// How soon a commit is tried again while the store does not answer.
const STORE_RETRY: Duration = Duration::from_millis(500);

type Outbound = mpsc::Sender<Result<ControlMessage, Status>>;
type Pending = mpsc::Receiver<(u64, Vec<TaskReport>)>;

/// Serves one session until either side ends it.
pub(super) async fn serve(
    gateway: &Gateway,
    (cluster, instance): (ClusterName, InstanceId),
    mut inbound: Streaming<AgentMessage>,
    outbound: &Outbound,
) -> Result<(), Status> {
    let hello = tokio::time::timeout(SILENCE_LIMIT, inbound.message()).await;
    let first = hello.map_err(|_| Status::deadline_exceeded("no Hello came in time"))??;
    let Some(FromAgent::Hello(hello)) = first.and_then(|message| message.body) else {
        return Err(Status::invalid_argument("a session begins with Hello"));
    };
    let registration = Registration::read(hello)?.through(gateway.standing.id());
    // What is decided from here on, and the first set above all, must know everything that the
    // agent was told by another control plane.
    fresh(&gateway.ecs).await?;
    let cluster = gateway.ecs.db.view().cluster_name(&cluster);
    let since = register(gateway, &cluster, instance, &registration).await?;

    let place = gateway
        .sessions
        .open((cluster.clone(), instance), outbound.clone());
    // Of two sessions that began at once the one that registered first must not be the one that
    // stays: nobody would note when it ends.
    if !registration::stands(&gateway.ecs.db.view(), &cluster, instance, since) {
        return Err(superseded());
    }
    let (reports, pending) = mpsc::channel(REPORT_BACKLOG);
    let reporting = Reporting {
        gateway: gateway.clone(),
        reporter: Reporter {
            cluster: cluster.clone(),
            instance,
            incarnation: registration.incarnation,
            since,
        },
    };
    let committer = tokio::spawn(commit_reports(reporting, pending, outbound.clone()));
    let node = (&cluster, instance, since);
    let result = converse(gateway, node, inbound, outbound, &place, reports).await;
    // What the agent said last is still taken over; it ends since its queue is closed.
    if let Err(error) = committer.await {
        tracing::error!(%error, "the report committer failed");
    }
    // Of one that stops the agents have moved before anybody would count them as away.
    if place.is_current() && !gateway.stop.is_cancelled() {
        disconnect(gateway, &cluster, instance, since).await;
    }
    result
}

async fn converse(
    gateway: &Gateway,
    (cluster, instance, since): (&ClusterName, InstanceId, Timestamp),
    mut inbound: Streaming<AgentMessage>,
    outbound: &Outbound,
    place: &super::sessions::Place,
    reports: mpsc::Sender<(u64, Vec<TaskReport>)>,
) -> Result<(), Status> {
    let ecs = &gateway.ecs;
    // Subscribed before the set is made: a change in between is sent twice rather than never.
    let mut changes = gateway.switchboard.subscribe(cluster, instance);
    let mut assignments = Assignments::new(cluster.clone(), instance);
    let welcome = Welcome {
        cluster: cluster.to_string(),
        instance_id: instance.to_string(),
        region: ecs.realm.region.clone(),
        account: ecs.realm.account.clone(),
        heartbeat_interval_ms: HEARTBEAT_INTERVAL.as_millis() as u32,
        control_planes: addresses(&ecs.db.view()),
        history: gateway.history.to_string(),
    };
    send(outbound, ToAgent::Welcome(welcome)).await?;
    let complete = assignments.complete(&ecs.db.view(), &ecs.realm);
    send(outbound, ToAgent::Assignments(complete)).await?;

    let isolated = gateway.standing.isolated();
    tokio::pin!(isolated);
    let mut beat = tokio::time::interval(HEARTBEAT_INTERVAL);
    let mut heard = tokio::time::Instant::now();
    loop {
        tokio::select! {
            () = place.fenced() => {
                return Err(Status::aborted("a newer session of this instance has taken over"));
            }
            () = gateway.stop.cancelled() => {
                return Err(Status::unavailable("this control plane stops; connect to another"));
            }
            () = &mut isolated => {
                return Err(Status::unavailable(
                    "this control plane is cut off from the store and others are not; connect to another",
                ));
            }
            message = inbound.message() => {
                heard = tokio::time::Instant::now();
                let Some(message) = message? else { return Ok(()) };
                match message.body {
                    Some(FromAgent::Reports(message)) => {
                        let converted =
                            message.tasks.into_iter().map(wire::report).collect::<Result<_, _>>();
                        let tasks = converted.map_err(|e| Status::invalid_argument(e.to_string()))?;
                        if reports.send((message.sequence, tasks)).await.is_err() {
                            return Err(Status::unavailable("the store has failed"));
                        }
                    }
                    Some(FromAgent::LogChunk(chunk)) => place.deliver(chunk),
                    Some(FromAgent::Heartbeat(Heartbeat { nonce })) if nonce != 0 => {
                        send(outbound, ToAgent::Heartbeat(Heartbeat { nonce: 0 })).await?;
                    }
                    Some(FromAgent::Heartbeat(_) | FromAgent::AssignmentsAck(_)) => {}
                    Some(FromAgent::Hello(_)) => {
                        return Err(Status::invalid_argument("Hello is said once"));
                    }
                    // A body of a newer protocol; it says nothing this side knows of.
                    None => {}
                }
            }
            received = changes.recv() => {
                let message = match received {
                    Ok(batch) => {
                        let view = ecs.db.view();
                        if is_deregistered(&view, cluster, instance) {
                            return Err(deregistered(instance));
                        }
                        if !registration::stands(&view, cluster, instance, since) {
                            return Err(superseded());
                        }
                        let changed = own_tasks(&batch, cluster, instance);
                        let diff = || assignments.diff(&view, &ecs.realm, changed);
                        gateway.scheduling.statistics.dispatch.time(diff)
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        Some(assignments.complete(&ecs.db.view(), &ecs.realm))
                    }
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                };
                if let Some(message) = message {
                    send(outbound, ToAgent::Assignments(message)).await?;
                }
            }
            _ = beat.tick() => {
                if heard.elapsed() > SILENCE_LIMIT {
                    return Err(Status::deadline_exceeded("the agent has been silent for too long"));
                }
                send(outbound, ToAgent::Heartbeat(Heartbeat { nonce: 1 })).await?;
                // What could not be read may have been mended.
                let message = assignments.diff(&ecs.db.view(), &ecs.realm, []);
                if let Some(message) = message {
                    send(outbound, ToAgent::Assignments(message)).await?;
                }
            }
        }
    }
}

/// Where agents reach the control planes that live.
fn addresses(view: &View) -> Vec<String> {
    let replicas = view.replicas.values();
    replicas.filter_map(|r| r.agents.clone()).collect()
}

fn superseded() -> Status {
    Status::aborted(
        "this session is not the newest of its instance, or was counted as gone; connect again",
    )
}

async fn send(outbound: &Outbound, body: ToAgent) -> Result<(), Status> {
    let sent = outbound
        .send_timeout(Ok(ControlMessage { body: Some(body) }), SILENCE_LIMIT)
        .await;
    sent.map_err(|_| Status::deadline_exceeded("the agent does not read what it is sent"))
}

/// Whose reports are committed.
struct Reporting {
    gateway: Gateway,
    reporter: Reporter,
}

impl Reporting {
    /// Commits reports, for as long as that takes while the store does not answer. Returns those
    /// that cannot be taken over since a record is damaged; `None` when the session is over. What
    /// is not committed is not acknowledged, so the agent says it again in its next session.
    async fn commit(&self, reports: &[TaskReport], pending: &Pending) -> Option<Vec<TaskReport>> {
        loop {
            let now = self.gateway.ecs.ctx().now;
            let committed = self.gateway.ecs.db.transact(|view| {
                let take_over = || report::take_over(view, &self.reporter, reports, now);
                let taken = self.gateway.scheduling.statistics.report.time(take_over);
                taken.ok_or_else(superseded)
            });
            match committed.await {
                Ok(unreadable) => return Some(unreadable),
                Err(TransactError::Refused(_)) => return None,
                Err(TransactError::Store(CommitError::Unreachable(error))) => {
                    tracing::debug!(%error, "reports wait for the store");
                    if pending.is_closed() {
                        return None;
                    }
                    tokio::time::sleep(STORE_RETRY).await;
                }
                Err(TransactError::Store(error)) => {
                    tracing::warn!(%error, "reports could not be committed");
                    return None;
                }
            }
        }
    }
}

/// Commits reports in order, as many at once as have come in, and acknowledges them. What cannot
/// be taken over since a record is damaged is tried again, and acknowledged only then.
async fn commit_reports(session: Reporting, mut pending: Pending, outbound: Outbound) {
    let mut kept: Vec<TaskReport> = Vec::new();
    let mut newest = 0;
    let mut again = tokio::time::interval(HEARTBEAT_INTERVAL);
    loop {
        let received = tokio::select! {
            received = pending.recv() => match received {
                Some(received) => Some(received),
                None => return,
            },
            _ = again.tick(), if !kept.is_empty() => None,
        };
        let (before, is_new) = (kept.len(), received.is_some());
        let mut reports = std::mem::take(&mut kept);
        if let Some((sequence, more)) = received {
            newest = sequence;
            reports.extend(more);
        }
        while reports.len() < REPORT_BATCH
            && let Ok((next, more)) = pending.try_recv()
        {
            newest = next;
            reports.extend(more);
        }
        for chunk in reports.chunks(REPORT_BATCH) {
            let Some(unreadable) = session.commit(chunk, &pending).await else {
                return;
            };
            kept.extend(unreadable);
        }
        if is_new || kept.len() < before {
            let ack = ToAgent::ReportsAck(ReportsAck {
                sequence: newest,
                unread_task_ids: kept.iter().map(|report| report.task.to_string()).collect(),
            });
            if send(&outbound, ack).await.is_err() {
                return;
            }
        }
    }
}

/// Writes down what the agent says of its node, and that it is here. Returns since when.
async fn register(
    gateway: &Gateway,
    cluster: &ClusterName,
    id: InstanceId,
    registration: &Registration,
) -> Result<Timestamp, Status> {
    let now = gateway.ecs.ctx().now;
    let registered = gateway
        .ecs
        .db
        .transact(|view| registration.register(view, cluster, id, now));
    registered.await.map_err(|error| match error {
        TransactError::Refused(status) => status,
        TransactError::Store(error) => Status::unavailable(error.to_string()),
    })
}

pub(super) async fn disconnect(
    gateway: &Gateway,
    cluster: &ClusterName,
    id: InstanceId,
    since: Timestamp,
) {
    let now = gateway.ecs.ctx().now;
    let noted = gateway.ecs.db.transact(|view| {
        let txn = registration::disconnect(view, cluster, id, since, now);
        Ok::<_, std::convert::Infallible>((txn, ()))
    });
    if let Err(error) = noted.await {
        tracing::warn!(%error, instance = %id, "cannot note that an agent is away");
    }
}
