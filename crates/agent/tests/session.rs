//! The real binary against a control plane of the test's own: joining, the session, logs,
//! reconnecting, crashing. Needs Docker.

#![allow(clippy::unwrap_used, missing_docs)]

mod rig;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::Stream;
use longshore_model::InstanceId;
use longshore_proto::agent::agent_message::Body as Said;
use longshore_proto::agent::control_message::Body as Say;
use longshore_proto::agent::enrollment_server::{Enrollment, EnrollmentServer};
use longshore_proto::agent::gateway_server::{Gateway, GatewayServer};
use longshore_proto::agent::{
    AgentMessage, Assignments, ContainerSpec, ControlMessage, Heartbeat, Hello, JoinRequest,
    JoinResponse, LogCancel, LogChunk, LogRequest, ReportsAck, TaskAssignment, TaskReport, Welcome,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa,
    KeyPair,
};
use rig::{Sweep, containers, inspect};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

const PATIENCE: Duration = Duration::from_secs(60);
const HEARTBEAT_MS: u32 = 200;

/// A control plane's authority; outlives its restarts.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    server: Identity,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["longshore-control-plane".into()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let chain = format!("{}{}", certificate.pem(), issuer.pem());
        Self {
            server: Identity::from_pem(chain, key.serialize_pem()),
            issuer,
        }
    }

    fn token(&self) -> String {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.issuer.der());
        format!("ls1.abc.0123456789.{}", hex::encode(hash))
    }
}

struct Doors {
    authority: Arc<Authority>,
    instance: InstanceId,
    sessions: Sender<Session>,
    joins: Arc<Mutex<Vec<String>>>,
}

/// One session as the control plane sees it.
struct Session {
    heard: Streaming<AgentMessage>,
    say: Sender<Result<ControlMessage, Status>>,
    hello: Hello,
    heartbeats: u32,
    chunks: Vec<LogChunk>,
}

/// Of the store that sets are made from; only grows.
static REVISION: AtomicU64 = AtomicU64::new(1);

#[tonic::async_trait]
impl Enrollment for Doors {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let request = request.into_inner();
        if request.token != self.authority.token() {
            return Err(Status::permission_denied("the token is not known"));
        }
        self.joins.lock().unwrap().push(request.hostname);
        let csr = request.certificate_signing_request;
        let csr = CertificateSigningRequestParams::from_pem(&csr).unwrap();
        let certificate = csr.signed_by(&self.authority.issuer).unwrap();
        Ok(Response::new(JoinResponse {
            certificate_chain: certificate.pem(),
            certificate_authority: self.authority.issuer.pem(),
            instance_id: self.instance.to_string(),
            cluster: "default".into(),
        }))
    }
}

#[tonic::async_trait]
impl Gateway for Doors {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<ControlMessage, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        if request
            .peer_certs()
            .is_none_or(|certificates| certificates.is_empty())
        {
            return Err(Status::unauthenticated("no client certificate"));
        }
        let mut heard = request.into_inner();
        let Some(AgentMessage {
            body: Some(Said::Hello(hello)),
        }) = heard.message().await?
        else {
            return Err(Status::invalid_argument("no hello"));
        };
        let (say, saying) = channel(64);
        let welcome = Say::Welcome(Welcome {
            cluster: "default".into(),
            instance_id: self.instance.to_string(),
            region: "us-east-1".into(),
            account: "000000000000".into(),
            heartbeat_interval_ms: HEARTBEAT_MS,
            control_planes: vec![],
            history: self.instance.to_string(),
        });
        say.send(Ok(ControlMessage {
            body: Some(welcome),
        }))
        .await
        .unwrap();
        let session = Session {
            heard,
            say,
            hello,
            heartbeats: 0,
            chunks: vec![],
        };
        self.sessions.send(session).await.ok();
        Ok(Response::new(Box::pin(ReceiverStream::new(saying))))
    }
}

impl Session {
    async fn say(&self, body: Say) {
        self.say
            .send(Ok(ControlMessage { body: Some(body) }))
            .await
            .unwrap();
    }

    async fn assign(&self, generation: u64, complete: bool, tasks: Vec<TaskAssignment>) {
        self.say(Say::Assignments(Assignments {
            generation,
            complete,
            tasks,
            removed: vec![],
            revision: REVISION.fetch_add(1, Ordering::Relaxed),
        }))
        .await;
    }

    /// Hears the next message; answers heartbeats and acknowledges reports as a control plane does.
    async fn hear(&mut self) -> Said {
        let message = timeout(PATIENCE, self.heard.message())
            .await
            .expect("silence");
        let body = message.unwrap().unwrap().body.unwrap();
        match &body {
            Said::Heartbeat(beat) => {
                self.heartbeats += 1;
                self.say(Say::Heartbeat(*beat)).await;
            }
            Said::Reports(reports) => {
                self.say(Say::ReportsAck(ReportsAck {
                    sequence: reports.sequence,
                    unread_task_ids: Vec::new(),
                }))
                .await;
            }
            Said::LogChunk(chunk) => self.chunks.push(chunk.clone()),
            Said::Hello(_) | Said::AssignmentsAck(_) => {}
        }
        body
    }

    async fn status(&mut self, task: &str, status: &str) -> TaskReport {
        loop {
            if let Said::Reports(reports) = self.hear().await {
                let of_task = reports.tasks.into_iter().find(|r| r.task_id == task);
                if let Some(report) = of_task.filter(|r| r.last_status == status) {
                    return report;
                }
            }
        }
    }

    async fn logs(&mut self, request_id: u64) -> (String, String) {
        loop {
            let of_request = self.chunks.iter().filter(|c| c.request_id == request_id);
            if let Some(end) = of_request.clone().find(|c| c.end) {
                let text = of_request.flat_map(|c| c.data.clone()).collect();
                return (String::from_utf8(text).unwrap(), end.error.clone());
            }
            self.hear().await;
        }
    }
}

/// A control plane and the agent that joined it.
struct World {
    authority: Arc<Authority>,
    instance: InstanceId,
    address: String,
    server: tokio::task::JoinHandle<()>,
    sessions: Receiver<Session>,
    joins: Arc<Mutex<Vec<String>>>,
    directory: tempfile::TempDir,
    agent: Child,
    _sweep: Sweep,
}

type Server1 = (
    tokio::task::JoinHandle<()>,
    Receiver<Session>,
    Arc<Mutex<Vec<String>>>,
);

async fn serve(authority: &Arc<Authority>, instance: InstanceId, listener: TcpListener) -> Server1 {
    let (sender, sessions) = channel(8);
    let joins = Arc::new(Mutex::new(vec![]));
    let doors = || Doors {
        authority: Arc::clone(authority),
        instance,
        sessions: sender.clone(),
        joins: Arc::clone(&joins),
    };
    let tls = ServerTlsConfig::new()
        .identity(authority.server.clone())
        .client_ca_root(Certificate::from_pem(authority.issuer.pem()))
        .client_auth_optional(true);
    let server = Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_service(EnrollmentServer::new(doors()))
        .add_service(GatewayServer::new(doors()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(async move {
        server.await.unwrap();
    });
    (server, sessions, joins)
}

fn agent(directory: &Path, address: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_longshore-agent"))
        .args([
            "run",
            "--control-plane",
            address,
            "--zone",
            "zone-1",
            "--attribute",
            "disk=ssd",
        ])
        .arg("--data-dir")
        .arg(directory.join("data"))
        .arg("--token-file")
        .arg(directory.join("token"))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn world() -> World {
    rig::image();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let authority = Arc::new(Authority::new());
    let instance = rig::random_instance();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (server, sessions, joins) = serve(&authority, instance, listener).await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("token"), authority.token()).unwrap();
    World {
        agent: agent(directory.path(), &address),
        authority,
        instance,
        address,
        server,
        sessions,
        joins,
        directory,
        _sweep: Sweep(instance),
    }
}

impl World {
    async fn session(&mut self) -> Session {
        timeout(PATIENCE, self.sessions.recv())
            .await
            .expect("no session")
            .unwrap()
    }
}

fn task(command: &[&str]) -> TaskAssignment {
    let id = rig::random_task().to_string();
    TaskAssignment {
        task_arn: format!("arn:aws:ecs:us-east-1:000000000000:task/default/{id}"),
        task_id: id,
        desired_status: "RUNNING".into(),
        cluster: "default".into(),
        family: "session".into(),
        revision: 1,
        network_mode: "bridge".into(),
        containers: vec![ContainerSpec {
            name: "main".into(),
            image: rig::IMAGE.into(),
            memory: Some(64),
            essential: true,
            command: command.iter().map(|&word| word.into()).collect(),
            stop_timeout: Some(1),
            ..ContainerSpec::default()
        }],
        ..TaskAssignment::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_joins_once_and_keeps_its_tasks_through_every_crash() {
    let mut world = world().await;
    let mut session = world.session().await;
    assert_eq!(world.joins.lock().unwrap().len(), 1);
    let capacity = session.hello.capacity.clone().unwrap();
    assert!(
        capacity.cpu >= 1024 && capacity.memory > 0 && capacity.reserved_tcp_ports.contains(&22)
    );
    assert_eq!(session.hello.attributes["ecs.availability-zone"], "zone-1");
    assert_eq!(session.hello.attributes["disk"], "ssd");
    assert!(!session.hello.docker_version.is_empty());

    let task = task(&["sh", "-c", "echo to stdout; echo to stderr >&2; sleep 600"]);
    let id = task.task_id.clone();
    session.assign(1, true, vec![]).await;
    session.assign(2, false, vec![task.clone()]).await;
    let mut running: Option<TaskReport> = None;
    // An acknowledgement covers earlier sets that came with it.
    let mut acknowledged = 0;
    while running.is_none() || acknowledged < 2 {
        match session.hear().await {
            Said::AssignmentsAck(ack) => acknowledged = ack.generation,
            Said::Reports(reports) => {
                let mut of_task = reports.tasks.into_iter();
                running = of_task.find(|r| r.last_status == "RUNNING").or(running);
            }
            _ => {}
        }
    }
    let running = running.unwrap();
    let container = running.containers[0].runtime_id.clone();

    // Logs: all of them, an unknown container, and a stream that is cancelled.
    let request = |request_id, container: &str, follow| LogRequest {
        request_id,
        task_id: id.clone(),
        container: container.into(),
        follow,
        tail: 0,
    };
    // RUNNING is said when the process is started, which is before it has written anything.
    let written = async {
        loop {
            session.chunks.clear();
            session
                .say(Say::LogRequest(request(7, "main", false)))
                .await;
            let (text, error) = session.logs(7).await;
            assert_eq!(error, "");
            if text.contains("to stdout\n") && text.contains("to stderr\n") {
                return;
            }
        }
    };
    timeout(PATIENCE, written).await.expect("no log lines");
    let stream_of = |data: &str| {
        let chunk = session.chunks.iter().find(|c| c.data == data.as_bytes());
        chunk.unwrap().stream.clone()
    };
    assert_eq!(stream_of("to stderr\n"), "stderr");
    session
        .say(Say::LogRequest(request(8, "other", false)))
        .await;
    assert!(session.logs(8).await.1.contains("no container \"other\""));
    session.say(Say::LogRequest(request(9, "main", true))).await;
    session
        .say(Say::LogCancel(LogCancel { request_id: 9 }))
        .await;

    // A heartbeat is answered with its nonce, and comes by itself.
    session.say(Say::Heartbeat(Heartbeat { nonce: 42 })).await;
    while !matches!(session.hear().await, Said::Heartbeat(beat) if beat.nonce == 42) {}
    while session.heartbeats < 2 {
        session.hear().await;
    }

    // The control plane goes away; the container does not. It comes back on the same address.
    world.server.abort();
    drop(session);
    world.server.await.ok();
    let listener = loop {
        match TcpListener::bind(&world.address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    (world.server, world.sessions, world.joins) =
        serve(&world.authority, world.instance, listener).await;
    let mut session = timeout(PATIENCE, world.sessions.recv())
        .await
        .unwrap()
        .unwrap();
    session.assign(1, true, vec![task.clone()]).await;
    let report = session.status(&id, "RUNNING").await;
    assert_eq!(report.containers[0].runtime_id, container);

    // The agent is killed; the container is not. A new life of it adopts what is there.
    let first_life = session.hello.incarnation.clone().unwrap();
    world.agent.kill().await.unwrap();
    assert_eq!(inspect(&container, "{{.State.Running}}"), "true");
    world.agent = agent(world.directory.path(), &world.address);
    let mut session = loop {
        let session = timeout(PATIENCE, world.sessions.recv())
            .await
            .unwrap()
            .unwrap();
        if session.hello.incarnation != Some(first_life.clone()) {
            break session;
        }
    };
    let second_life = session.hello.incarnation.clone().unwrap();
    assert_eq!(second_life.boot_id, first_life.boot_id);
    assert!(second_life.agent_started_at > first_life.agent_started_at);
    session.assign(1, true, vec![task.clone()]).await;
    let report = session.status(&id, "RUNNING").await;
    assert_eq!(report.containers[0].runtime_id, container);
    assert!(
        world.joins.lock().unwrap().is_empty(),
        "an identity is used again"
    );

    // Told to stop, it stops, and SIGTERM ends the agent at once without touching containers.
    let stopped = TaskAssignment {
        desired_status: "STOPPED".into(),
        ..task
    };
    session.assign(2, false, vec![stopped]).await;
    let report = session.status(&id, "STOPPED").await;
    assert_eq!(report.containers[0].exit_code, Some(137));
    let pid = i32::try_from(world.agent.id().unwrap()).unwrap();
    let signal = nix::sys::signal::Signal::SIGTERM;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
    let ended = timeout(Duration::from_secs(5), world.agent.wait()).await;
    assert!(ended.unwrap().unwrap().success());
    assert_eq!(containers(world.instance).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_control_plane_is_left() {
    let mut world = world().await;
    let session = world.session().await;
    // It says nothing after its welcome, not even to heartbeats.
    let _second = world.session().await;
    drop(session);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_control_plane_that_the_token_names_is_joined() {
    let world = world().await;
    let stranger = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let join = |token: String, directory: PathBuf| {
        Command::new(env!("CARGO_BIN_EXE_longshore-agent"))
            .args([
                "join",
                "--control-plane",
                &world.address,
                "--token",
                &token,
                "--data-dir",
            ])
            .arg(directory)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    // Of another authority: it is never told the token, however often the agent tries.
    let mut agent = join(stranger.token(), directory.path().join("a"));
    let mut lines = tokio::io::BufReader::new(agent.stderr.take().unwrap());
    let mut line = String::new();
    let read = tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut line);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    assert!(
        line.contains("its certificate authority is another"),
        "{line}"
    );
    drop(agent);
    // Of the right authority but unknown: refused for good.
    let hash = world
        .authority
        .token()
        .split('.')
        .next_back()
        .unwrap()
        .to_owned();
    let agent = join(format!("ls1.xyz.ffff.{hash}"), directory.path().join("b"));
    let output = timeout(PATIENCE, agent.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the token is not known"), "{said}");
}
