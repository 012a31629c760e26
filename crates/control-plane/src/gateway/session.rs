//! One session: Hello, Welcome, the complete set, then both directions until it ends.

use std::time::Duration;

use longshore_model::instance::Incarnation;
use longshore_model::report::TaskReport;
use longshore_model::{ClusterName, InstanceId, Timestamp};
use longshore_proto::agent::agent_message::Body as FromAgent;
use longshore_proto::agent::control_message::Body as ToAgent;
use longshore_proto::agent::{AgentMessage, ControlMessage, Heartbeat, ReportsAck, Welcome};
use longshore_store::TransactError;
use tokio::sync::{broadcast, mpsc};
use tonic::{Status, Streaming};

use super::assignment::{Assignments, own_tasks};
use super::registration::{self, Registration, deregistered, is_deregistered};
use super::{Gateway, report, wire};

/// How often either side must be heard from.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// Silence after which a session is over.
const SILENCE_LIMIT: Duration = Duration::from_secs(15);
/// Report messages that may wait for the store before the agent is made to wait.
const REPORT_BACKLOG: usize = 64;
/// Task reports that go into one commit.
const REPORT_BATCH: usize = 500;

type Outbound = mpsc::Sender<Result<ControlMessage, Status>>;

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
    let registration = Registration::read(hello)?;
    let since = register(gateway, &cluster, instance, &registration).await?;

    let place = gateway
        .sessions
        .open((cluster.clone(), instance), outbound.clone());
    // Of two sessions that began at once the one that registered first must not be the one that
    // stays: nobody would note when it ends.
    if !registration::stands(&gateway.ecs.db.view(), &cluster, instance, since) {
        return Err(Status::aborted(
            "this instance registered anew meanwhile; connect again",
        ));
    }
    let (reports, pending) = mpsc::channel(REPORT_BACKLOG);
    let committer = tokio::spawn(commit_reports(
        gateway.clone(),
        (cluster.clone(), instance),
        registration.incarnation,
        pending,
        outbound.clone(),
    ));
    let result = converse(
        gateway, &cluster, instance, inbound, outbound, &place, reports,
    )
    .await;
    // What the agent said last is still taken over; it ends since its queue is closed.
    if let Err(error) = committer.await {
        tracing::error!(%error, "the report committer failed");
    }
    if place.is_current() {
        disconnect(gateway, &cluster, instance, since).await;
    }
    result
}

async fn converse(
    gateway: &Gateway,
    cluster: &ClusterName,
    instance: InstanceId,
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
    };
    send(outbound, ToAgent::Welcome(welcome)).await?;
    let complete = assignments.complete(&ecs.db.view(), &ecs.realm);
    send(outbound, ToAgent::Assignments(complete)).await?;

    let mut beat = tokio::time::interval(HEARTBEAT_INTERVAL);
    let mut heard = tokio::time::Instant::now();
    loop {
        tokio::select! {
            () = place.fenced() => {
                return Err(Status::aborted("a newer session of this instance has taken over"));
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
                        let changed = own_tasks(&batch, cluster, instance);
                        assignments.diff(&view, &ecs.realm, changed)
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

async fn send(outbound: &Outbound, body: ToAgent) -> Result<(), Status> {
    let sent = outbound
        .send_timeout(Ok(ControlMessage { body: Some(body) }), SILENCE_LIMIT)
        .await;
    sent.map_err(|_| Status::deadline_exceeded("the agent does not read what it is sent"))
}

/// Commits reports in order, as many at once as have come in, and acknowledges them. What cannot
/// be taken over since a record is damaged is tried again, and acknowledged only then.
async fn commit_reports(
    gateway: Gateway,
    (cluster, instance): (ClusterName, InstanceId),
    incarnation: Incarnation,
    mut pending: mpsc::Receiver<(u64, Vec<TaskReport>)>,
    outbound: Outbound,
) {
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
            let now = gateway.ecs.ctx().now;
            let committed = gateway.ecs.db.transact(|view| {
                let txn = report::apply(view, (&cluster, instance), &incarnation, chunk, now);
                Ok::<_, std::convert::Infallible>((txn, report::unreadable(view, &cluster, chunk)))
            });
            match committed.await {
                Ok(unreadable) => kept.extend(unreadable),
                Err(error) => {
                    // Not acknowledged, so the agent says it again on its next session.
                    tracing::warn!(%error, "reports could not be committed");
                    return;
                }
            }
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

async fn disconnect(gateway: &Gateway, cluster: &ClusterName, id: InstanceId, since: Timestamp) {
    let now = gateway.ecs.ctx().now;
    let noted = gateway.ecs.db.transact(|view| {
        let txn = registration::disconnect(view, cluster, id, since, now);
        Ok::<_, std::convert::Infallible>((txn, ()))
    });
    if let Err(error) = noted.await {
        tracing::warn!(%error, instance = %id, "cannot note that an agent is away");
    }
}
