//! Stub agents: many container instances in one process, over the real agent protocol.
//!
//! Each joins with a token, has a certificate and a connection of its own, registers what it is
//! told to offer, acknowledges every assignment and reports every task RUNNING at once, or STOPPED
//! when it is told to stop. Nothing is kept on disk and no container runs.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use longshore_proto::agent::agent_message::Body as Say;
use longshore_proto::agent::control_message::Body as Hear;
use longshore_proto::agent::enrollment_client::EnrollmentClient;
use longshore_proto::agent::gateway_client::GatewayClient;
use longshore_proto::agent::{
    AgentMessage, Assignments, AssignmentsAck, Capacity, ContainerReport, ControlMessage,
    Heartbeat, Hello, Incarnation, JoinRequest, Reports, TaskAssignment, TaskReport,
};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::control_plane::ControlPlane;
use crate::eventually::ticks;

/// The name in the control plane's certificate, wherever it is reached.
const SERVER_NAME: &str = "longshore-control-plane";
/// Nodes that one join token admits.
const TOKEN_USES: usize = 1000;
/// Nodes that join at once. They share a token's record, so more would only conflict.
const JOINING: usize = 8;
/// Sessions that are opened at once.
const OPENING: usize = 64;
/// Messages to the control plane that may wait.
const OUTGOING: usize = 64;
/// How often the tally is looked at while somebody waits for it. It says itself when things were.
const LOOK: Duration = Duration::from_millis(5);
/// Largest message taken: the complete set of a node with many tasks.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// What one instance offers.
#[derive(Debug, Clone)]
pub struct Offer {
    /// CPU units.
    pub cpu: u32,
    /// MiB.
    pub memory: u32,
    /// Attribute name to value; the empty string for none.
    pub attributes: BTreeMap<String, String>,
}

impl Offer {
    /// An instance of this size in a zone.
    pub fn new(cpu: u32, memory: u32, zone: &str) -> Self {
        Self {
            cpu,
            memory,
            attributes: BTreeMap::from([
                ("ecs.availability-zone".to_owned(), zone.to_owned()),
                ("ecs.os-type".to_owned(), "linux".to_owned()),
                ("ecs.os-family".to_owned(), "LINUX".to_owned()),
                ("ecs.cpu-architecture".to_owned(), "x86_64".to_owned()),
            ]),
        }
    }
}

/// What the stubs have seen, counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Tasks assigned to run.
    pub assigned: usize,
    /// Of these, RUNNING acknowledged by the control plane, which it does once that is committed.
    pub acknowledged: usize,
    /// Tasks reported STOPPED.
    pub stopped: usize,
    /// When the latest assignment came.
    pub assigned_at: Option<Instant>,
    /// When the latest acknowledgement came.
    pub acknowledged_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When each task was first assigned, and to which instance.
    assigned: HashMap<String, (Instant, usize)>,
    stopped: HashMap<String, Instant>,
    acknowledged: usize,
    acknowledged_at: Option<Instant>,
    assigned_at: Option<Instant>,
    /// Why sessions ended.
    faults: Vec<String>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
}

/// Stub agents. Dropping it ends their sessions.
#[derive(Debug)]
pub struct Fleet {
    shared: Arc<Shared>,
    instances: Vec<String>,
    _sessions: JoinSet<()>,
}

/// Who a stub is.
struct Member {
    instance: String,
    identity: Identity,
}

impl Fleet {
    /// Has one instance join per offer, and waits until all are connected.
    ///
    /// Errors: one cannot join, or its session does not open.
    pub async fn join(
        control: &ControlPlane,
        cluster: &str,
        offers: Vec<Offer>,
    ) -> anyhow::Result<Self> {
        let authority = Certificate::from_pem(control.authority()?);
        let address = control.agent_address();
        let mut members = Vec::with_capacity(offers.len());
        for batch in offers.chunks(TOKEN_USES) {
            let uses = u32::try_from(batch.len())?;
            let token = control.join_token(cluster, uses).await?;
            let channel = connect(address, &authority, None).await?;
            let joined = stream::iter(batch)
                .map(|_| enrol(channel.clone(), &token))
                .buffered(JOINING)
                .try_collect::<Vec<Member>>();
            members.extend(joined.await?);
        }
        let shared = Arc::new(Shared::default());
        let instances = members.iter().map(|m| m.instance.clone()).collect();
        let opening = members
            .into_iter()
            .zip(offers)
            .enumerate()
            .map(|(number, (member, offer))| open(number, address, &authority, member, offer));
        let opened: Vec<Opened> = stream::iter(opening)
            .buffer_unordered(OPENING)
            .try_collect()
            .await?;
        let mut sessions = JoinSet::new();
        for opened in opened {
            let shared = Arc::clone(&shared);
            sessions.spawn(async move {
                let number = opened.number;
                if let Err(error) = Stub::new(opened, &shared).converse().await {
                    shared.note(|seen| seen.faults.push(format!("stub {number}: {error:#}")));
                }
            });
        }
        Ok(Self {
            shared,
            instances,
            _sessions: sessions,
        })
    }

    /// The ids of the container instances, in the order of the offers.
    pub fn instances(&self) -> &[String] {
        &self.instances
    }

    /// Waits until `reached` holds of the tally.
    ///
    /// Errors: it does not in time, or a session ends; with the tally.
    pub async fn until(
        &self,
        within: Duration,
        what: &str,
        reached: impl Fn(&Tally) -> bool,
    ) -> anyhow::Result<Tally> {
        let (begun, mut looks) = (Instant::now(), ticks(LOOK));
        loop {
            looks.tick().await;
            let tally = self.tally()?;
            if reached(&tally) {
                return Ok(tally);
            }
            if begun.elapsed() > within {
                bail!("waited {within:?} for {what}; last seen: {tally:?}");
            }
        }
    }

    /// What was seen so far.
    ///
    /// Errors: a session has ended.
    pub fn tally(&self) -> anyhow::Result<Tally> {
        let seen = self.shared.lock();
        if let Some(fault) = seen.faults.first() {
            bail!("{fault}");
        }
        Ok(Tally {
            assigned: seen.assigned.len(),
            acknowledged: seen.acknowledged,
            stopped: seen.stopped.len(),
            assigned_at: seen.assigned_at,
            acknowledged_at: seen.acknowledged_at,
        })
    }

    /// The tasks assigned so far: their ids, when each came, and to which instance.
    pub fn assigned(&self) -> Vec<(String, Instant, String)> {
        let seen = self.shared.lock();
        let all = seen.assigned.iter();
        all.map(|(task, (at, number))| (task.clone(), *at, self.instances[*number].clone()))
            .collect()
    }

    /// When the task was reported STOPPED.
    pub fn stopped_at(&self, task: &str) -> Option<Instant> {
        self.shared.lock().stopped.get(task).copied()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.lock());
    }
}

/// A session whose Welcome has come.
struct Opened {
    number: usize,
    outgoing: mpsc::Sender<AgentMessage>,
    incoming: Streaming<ControlMessage>,
}

async fn connect(
    address: &str,
    authority: &Certificate,
    identity: Option<Identity>,
) -> anyhow::Result<Channel> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(authority.clone())
        .domain_name(SERVER_NAME);
    if let Some(identity) = identity {
        tls = tls.identity(identity);
    }
    Endpoint::from_shared(format!("https://{address}"))?
        .tls_config(tls)?
        .tcp_nodelay(true)
        .connect()
        .await
        .with_context(|| format!("cannot reach {address}"))
}

/// Trades the token for a certificate.
async fn enrol(channel: Channel, token: &str) -> anyhow::Result<Member> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let request = CertificateParams::default().serialize_request(&key)?;
    let joined = EnrollmentClient::new(channel)
        .join(JoinRequest {
            token: token.to_owned(),
            certificate_signing_request: request.pem()?,
            hostname: "stub".to_owned(),
        })
        .await?
        .into_inner();
    Ok(Member {
        instance: joined.instance_id,
        identity: Identity::from_pem(joined.certificate_chain, key.serialize_pem()),
    })
}

/// Opens a session: Hello, then Welcome.
async fn open(
    number: usize,
    address: &str,
    authority: &Certificate,
    member: Member,
    offer: Offer,
) -> anyhow::Result<Opened> {
    let channel = connect(address, authority, Some(member.identity)).await?;
    let (outgoing, waiting) = mpsc::channel(OUTGOING);
    let hello = Hello {
        incarnation: Some(Incarnation {
            boot_id: format!("stub-{number}"),
            agent_started_at: 1,
        }),
        agent_version: "1.0.0".to_owned(),
        agent_hash: String::new(),
        docker_version: "stub".to_owned(),
        hostname: format!("stub-{number}"),
        capacity: Some(Capacity {
            cpu: offer.cpu,
            memory: offer.memory,
            ..Capacity::default()
        }),
        attributes: offer.attributes,
    };
    say(&outgoing, Say::Hello(hello)).await?;
    let mut incoming = GatewayClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .session(ReceiverStream::new(waiting))
        .await?
        .into_inner();
    match incoming.message().await?.and_then(|message| message.body) {
        Some(Hear::Welcome(_)) => Ok(Opened {
            number,
            outgoing,
            incoming,
        }),
        other => bail!("instead of Welcome came {other:?}"),
    }
}

async fn say(outgoing: &mpsc::Sender<AgentMessage>, body: Say) -> anyhow::Result<()> {
    let message = AgentMessage { body: Some(body) };
    outgoing.send(message).await.context("the session is over")
}

/// One instance's side of its session.
struct Stub<'a> {
    session: Opened,
    shared: &'a Shared,
    /// Tasks reported RUNNING and not told to stop since.
    running: HashSet<String>,
    sequence: u64,
    /// Sequence and how many tasks it reported RUNNING.
    unacknowledged: VecDeque<(u64, usize)>,
}

impl<'a> Stub<'a> {
    fn new(session: Opened, shared: &'a Shared) -> Self {
        Self {
            session,
            shared,
            running: HashSet::new(),
            sequence: 0,
            unacknowledged: VecDeque::new(),
        }
    }

    async fn converse(mut self) -> anyhow::Result<()> {
        while let Some(message) = self.session.incoming.message().await? {
            match message.body {
                Some(Hear::Assignments(assignments)) => self.take(assignments).await?,
                Some(Hear::ReportsAck(ack)) => self.acknowledged(ack.sequence),
                Some(Hear::Heartbeat(Heartbeat { nonce })) if nonce != 0 => {
                    say(&self.session.outgoing, Say::Heartbeat(Heartbeat { nonce })).await?;
                }
                _ => {}
            }
        }
        bail!("the control plane ended the session")
    }

    async fn take(&mut self, assignments: Assignments) -> anyhow::Result<()> {
        let now = Instant::now();
        let generation = assignments.generation;
        let mut reports = Vec::new();
        let mut started = Vec::new();
        for task in assignments.tasks {
            let runs = task.desired_status == "RUNNING";
            if runs && self.running.insert(task.task_id.clone()) {
                started.push(task.task_id.clone());
                reports.push(report(task, "RUNNING"));
            } else if !runs {
                self.running.remove(&task.task_id);
                reports.push(report(task, "STOPPED"));
            }
        }
        let (count, number) = (started.len(), self.session.number);
        let stopped = reports.iter().filter(|r| r.last_status == "STOPPED");
        let stopped: Vec<String> = stopped.map(|r| r.task_id.clone()).collect();
        if !reports.is_empty() {
            self.shared.note(|seen| {
                for task in started {
                    seen.assigned.entry(task).or_insert((now, number));
                    seen.assigned_at = Some(now);
                }
                for task in stopped {
                    seen.stopped.entry(task).or_insert(now);
                }
            });
        }
        let ack = AssignmentsAck { generation };
        say(&self.session.outgoing, Say::AssignmentsAck(ack)).await?;
        if !reports.is_empty() {
            self.sequence += 1;
            self.unacknowledged.push_back((self.sequence, count));
            let reports = Reports {
                sequence: self.sequence,
                tasks: reports,
            };
            say(&self.session.outgoing, Say::Reports(reports)).await?;
        }
        Ok(())
    }

    fn acknowledged(&mut self, sequence: u64) {
        let now = Instant::now();
        let mut count = 0;
        while let Some((_, started)) = self.unacknowledged.pop_front_if(|(s, _)| *s <= sequence) {
            count += started;
        }
        self.shared.note(|seen| {
            seen.acknowledged += count;
            seen.acknowledged_at = Some(now);
        });
    }
}

/// What a stub says of a task: all its containers are as it is.
fn report(task: TaskAssignment, status: &str) -> TaskReport {
    let containers = task
        .containers
        .into_iter()
        .map(|container| ContainerReport {
            name: container.name,
            last_status: status.to_owned(),
            exit_code: (status == "STOPPED").then_some(0),
            ..ContainerReport::default()
        });
    TaskReport {
        task_id: task.task_id,
        last_status: status.to_owned(),
        containers: containers.collect(),
        started_at: Some(0),
        stopped_at: (status == "STOPPED").then_some(0),
        ..TaskReport::default()
    }
}
