//! One session: Hello, Welcome, the complete set, then both directions until it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use longshore_model::instance::{Connection, Incarnation, Instance, InstanceStatus, Resources};
use longshore_model::report::TaskReport;
use longshore_model::{ClusterName, CpuUnits, InstanceId, Mib, Port, TaskId, Timestamp};
use longshore_proto::agent::agent_message::Body as FromAgent;
use longshore_proto::agent::control_message::Body as ToAgent;
use longshore_proto::agent::{AgentMessage, ControlMessage, Heartbeat, Hello, ReportsAck, Welcome};
use longshore_store::{Change, TransactError, Txn, View};
use tokio::sync::{broadcast, mpsc};
use tonic::{Status, Streaming};

use super::assignment::Assignments;
use super::{Gateway, report, wire};

/// How often either side must be heard from.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// Silence after which a session is over.
const SILENCE_LIMIT: Duration = Duration::from_secs(15);
/// Report messages that may wait for the store before the agent is made to wait.
const REPORT_BACKLOG: usize = 64;
/// Task reports that go into one commit.
const REPORT_BATCH: usize = 500;
/// Attributes an agent may register.
const MAX_ATTRIBUTES: usize = 512;
/// Longest attribute name and value (ECS API reference).
const MAX_ATTRIBUTE_LENGTH: usize = 128;

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
    register(gateway, &cluster, instance, hello).await?;

    let place = gateway
        .sessions
        .open((cluster.clone(), instance), outbound.clone());
    let (reports, pending) = mpsc::channel(REPORT_BACKLOG);
    let committer = tokio::spawn(commit_reports(
        gateway.clone(),
        (cluster.clone(), instance),
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
        disconnect(gateway, &cluster, instance).await;
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
    let mut changes = ecs.db.subscribe();
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

fn own_tasks(batch: &[Change], cluster: &ClusterName, instance: InstanceId) -> BTreeSet<TaskId> {
    let own = |change: &Change| match change {
        Change::Task(c, id, on, _) if c == cluster && *on == instance => Some(*id),
        _ => None,
    };
    batch.iter().filter_map(own).collect()
}

fn is_deregistered(view: &View, cluster: &ClusterName, instance: InstanceId) -> bool {
    let read = view.instances.get(&(cluster.clone(), instance));
    read.is_some_and(|instance| instance.status == InstanceStatus::Inactive)
}

fn deregistered(instance: InstanceId) -> Status {
    Status::failed_precondition(format!(
        "container instance {instance} was deregistered; join again with a new token and an empty data directory"
    ))
}

/// Commits reports in order, as many at once as have come in, and acknowledges them.
async fn commit_reports(
    gateway: Gateway,
    (cluster, instance): (ClusterName, InstanceId),
    mut pending: mpsc::Receiver<(u64, Vec<TaskReport>)>,
    outbound: Outbound,
) {
    while let Some((mut sequence, mut reports)) = pending.recv().await {
        while reports.len() < REPORT_BATCH
            && let Ok((next, more)) = pending.try_recv()
        {
            sequence = next;
            reports.extend(more);
        }
        for chunk in reports.chunks(REPORT_BATCH) {
            let now = gateway.ecs.ctx().now;
            let committed = gateway.ecs.db.transact(|view| {
                let txn = report::apply(view, &cluster, instance, chunk, now);
                Ok::<_, std::convert::Infallible>((txn, ()))
            });
            if let Err(error) = committed.await {
                // Not acknowledged, so the agent says it again on its next session.
                tracing::warn!(%error, "reports could not be committed");
                return;
            }
        }
        let ack = ToAgent::ReportsAck(ReportsAck { sequence });
        if send(&outbound, ack).await.is_err() {
            return;
        }
    }
}

/// Writes down what the agent says of its node, and that it is here.
async fn register(
    gateway: &Gateway,
    cluster: &ClusterName,
    id: InstanceId,
    hello: Hello,
) -> Result<(), Status> {
    let now = gateway.ecs.ctx().now;
    let registration = Registration::read(hello)?;
    let registered = gateway.ecs.db.transact(|view| {
        let mut txn = Txn::new();
        match view.instances.get(&(cluster.clone(), id)) {
            Some(read) if read.status == InstanceStatus::Inactive => return Err(deregistered(id)),
            Some(read) => {
                let older = registration.incarnation.boot_id == read.incarnation.boot_id
                    && registration.incarnation.agent_started_at
                        < read.incarnation.agent_started_at;
                if older {
                    return Err(Status::failed_precondition(
                        "a later start of this agent has registered already",
                    ));
                }
                let mut instance = Instance::clone(read);
                registration.write(&mut instance, now);
                txn.replace(read, &instance);
            }
            None => {
                let home = view
                    .clusters
                    .get(cluster)
                    .filter(|c| c.status == longshore_model::cluster::ClusterStatus::Active);
                let home = home.ok_or_else(|| {
                    Status::failed_precondition(format!(
                        "cluster {cluster} does not exist; create it, then start the agent again"
                    ))
                })?;
                let mut instance = Instance {
                    id,
                    cluster: cluster.clone(),
                    status: InstanceStatus::Active,
                    status_reason: None,
                    registered: Resources::default(),
                    attributes: BTreeMap::new(),
                    hostname: String::new(),
                    agent_version: String::new(),
                    docker_version: String::new(),
                    incarnation: registration.incarnation.clone(),
                    connection: Connection::Connected(now),
                    registered_at: now,
                    version: 1,
                    tags: BTreeMap::new(),
                };
                registration.write(&mut instance, now);
                txn.guard(home);
                txn.create(&instance);
            }
        }
        Ok((txn, ()))
    });
    registered.await.map_err(|error| match error {
        TransactError::Refused(status) => status,
        TransactError::Store(error) => Status::unavailable(error.to_string()),
    })
}

async fn disconnect(gateway: &Gateway, cluster: &ClusterName, id: InstanceId) {
    let now = gateway.ecs.ctx().now;
    let noted = gateway.ecs.db.transact(|view| {
        let mut txn = Txn::new();
        let read = view.instances.get(&(cluster.clone(), id));
        if let Some(read) = read.filter(|instance| instance.connection.is_connected()) {
            let mut instance = Instance::clone(read);
            instance.connection = Connection::Disconnected(now);
            txn.replace(read, &instance);
        }
        Ok::<_, std::convert::Infallible>((txn, ()))
    });
    if let Err(error) = noted.await {
        tracing::warn!(%error, instance = %id, "cannot note that an agent is away");
    }
}

/// A Hello whose values were checked.
struct Registration {
    incarnation: Incarnation,
    registered: Resources,
    attributes: BTreeMap<String, Option<String>>,
    hostname: String,
    agent_version: String,
    docker_version: String,
}

impl Registration {
    fn read(hello: Hello) -> Result<Self, Status> {
        let invalid = |what: &str| Status::invalid_argument(format!("Hello: {what}"));
        let incarnation = hello
            .incarnation
            .ok_or_else(|| invalid("incarnation is missing"))?;
        let capacity = hello
            .capacity
            .ok_or_else(|| invalid("capacity is missing"))?;
        let ports = |ports: Vec<u32>| {
            ports
                .into_iter()
                .map(Port::try_from)
                .collect::<Result<BTreeSet<_>, _>>()
        };
        let bad_port = |_| invalid("a reserved port is above 65535");
        let fits = |text: &str| text.len() <= MAX_ATTRIBUTE_LENGTH;
        let attributes: BTreeMap<_, _> = hello.attributes.into_iter().collect();
        if attributes.len() > MAX_ATTRIBUTES
            || !attributes
                .iter()
                .all(|(name, value)| fits(name) && fits(value))
        {
            return Err(invalid("attributes are too many or too long"));
        }
        if ![
            &hello.hostname,
            &hello.agent_version,
            &hello.docker_version,
            &incarnation.boot_id,
        ]
        .into_iter()
        .all(|text| text.len() <= 255)
        {
            return Err(invalid("hostname, versions and boot id may have 255 bytes"));
        }
        Ok(Self {
            incarnation: Incarnation {
                boot_id: incarnation.boot_id,
                agent_started_at: Timestamp::from_millis(incarnation.agent_started_at),
            },
            registered: Resources {
                cpu: CpuUnits(capacity.cpu),
                memory: Mib(capacity.memory),
                tcp_ports: ports(capacity.reserved_tcp_ports).map_err(bad_port)?,
                udp_ports: ports(capacity.reserved_udp_ports).map_err(bad_port)?,
            },
            attributes: attributes
                .into_iter()
                .map(|(name, value)| (name, Some(value).filter(|value| !value.is_empty())))
                .collect(),
            hostname: hello.hostname,
            agent_version: hello.agent_version,
            docker_version: hello.docker_version,
        })
    }

    fn write(&self, instance: &mut Instance, now: Timestamp) {
        instance.incarnation = self.incarnation.clone();
        instance.registered = self.registered.clone();
        instance.attributes = self.attributes.clone();
        instance.hostname.clone_from(&self.hostname);
        instance.agent_version.clone_from(&self.agent_version);
        instance.docker_version.clone_from(&self.docker_version);
        instance.connection = Connection::Connected(now);
    }
}
