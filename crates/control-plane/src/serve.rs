//! Puts the parts together and runs them until the process is told to stop.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use longshore_door::service;
use longshore_door::wire::grpc::Beside;
use longshore_door::{Backend, router, serve};
use longshore_ecs::context::Ecs;
use longshore_model::replica::Replica;
use longshore_model::{ReplicaId, Timestamp};
use longshore_proto::agent::enrollment_server::EnrollmentServer;
use longshore_proto::agent::gateway_server::GatewayServer;
use longshore_proto::node::logs_server::LogsServer;
use longshore_proto::node::nodes_server::NodesServer;
use longshore_proto::peer::peers_server::PeersServer;
use longshore_proto::placement::placement_server::PlacementServer;
use longshore_store::Db;
use longshore_store::table::{self, Record as _};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::config::{RunArgs, StoreAddress};
use crate::gateway::Gateway;
use crate::gateway::sessions::Sessions;
use crate::identity::authority::Authority;
use crate::identity::installation;
use crate::leader;
use crate::logs::{Asker, LogsService};
use crate::nodes::NodesService;
use crate::patience::answered;
use crate::peers::{Peers, PeersService};
use crate::placement::{PlacementService, SchedulerPlacer, Scheduling};
use crate::standing::Standing;
use crate::store;

/// Connections of agents are asked for a sign of life this often, and dropped without one.
const AGENT_PING: Duration = Duration::from_secs(5);
const AGENT_HANDSHAKE: Duration = Duration::from_secs(5);

/// Serves until `stop` is cancelled or the store fails.
///
/// # Errors
/// When something cannot be opened, bound or read, and when the store has failed.
pub async fn run(args: RunArgs, stop: CancellationToken) -> anyhow::Result<()> {
    crate::identity::create_private_dir(&args.data_dir)
        .with_context(|| format!("cannot create {}", args.data_dir.display()))?;
    let tls = people_tls(&args)?;
    let is_shared = args.store.store != StoreAddress::Embedded;
    let own = Replica {
        id: ReplicaId::new(rand::random()),
        people: args.reachable(args.listen),
        agents: args.reachable(args.agent_listen),
        started_at: now(),
    };
    if is_shared && own.agents.is_none() {
        bail!(
            "--agent-listen {} names no single address, and other control planes and agents must reach this one: give --advertise with its host name or address",
            args.agent_listen
        );
    }
    // An embedded store holds the lock on the directory, so it is opened before anything is
    // written there.
    let store = store::open(&args.store, &args.data_dir).await?;
    answered(&stop, async || {
        crate::operation::refuse_unfinished(&*store).await
    })
    .await?;
    let db = answered(&stop, async || {
        Db::open(Arc::clone(&store))
            .await
            .context("cannot read the store")
    })
    .await?;
    answered(&stop, async || {
        db.barrier().await.context("cannot read the store")
    })
    .await?;
    let common = answered(&stop, async || {
        installation::join(
            &db,
            &args.data_dir,
            &args.account_id,
            args.replace_authority,
            now(),
        )
        .await
    })
    .await?;
    let people = bind(args.listen).await?;
    let agents = bind(args.agent_listen).await?;

    let quarantined = db.view().quarantined.len();
    if quarantined > 0 {
        tracing::error!(
            quarantined,
            "records were set aside; restore them from a backup"
        );
    }
    let scheduling = Arc::new(Scheduling::default());
    let ecs = Arc::new(Ecs {
        backend: Backend {
            realm: args.realm(),
            db: Arc::clone(&db),

            clock: Arc::new(SystemTime::now),
            entropy: Arc::new(rand::random::<u128>),
        },
        placer: Arc::new(SchedulerPlacer(Arc::clone(&scheduling))),
    });
    let presence =
        table::encode(&own).context("cannot write down that this control plane lives")?;
    let presence = answered(&stop, async || {
        store
            .announce(own.key(), presence.clone())
            .await
            .context("cannot announce this control plane")
    })
    .await?;
    answered(&stop, async || {
        db.barrier().await.context("cannot read the store")
    })
    .await?;
    let authority = Arc::new(common.authority);
    let standing = Standing::new(own.id);
    let peers = Arc::new(Peers::new(own.id, &authority)?);
    let sessions = Sessions::default();
    let gateway = Gateway::new(
        Arc::clone(&ecs),
        Arc::clone(&authority),
        sessions.clone(),
        Arc::clone(&standing),
        Arc::clone(&scheduling),
        &common.history,
        stop.clone(),
    );
    if !is_shared {
        gateway
            .disconnect_all()
            .await
            .context("cannot note that no agent is connected")?;
    }
    let logs = |asker| {
        let (ecs, sessions) = (Arc::clone(&ecs), sessions.clone());
        LogsServer::new(LogsService::new(
            ecs,
            sessions,
            Arc::clone(&standing),
            asker,
        ))
    };
    let nodes = NodesService::new(Arc::clone(&ecs), Arc::clone(&authority));
    let placement = PlacementService::new(Arc::clone(&ecs), Arc::clone(&scheduling));
    let extra = Routes::new(NodesServer::new(nodes))
        .add_service(logs(Asker::People(Arc::clone(&peers))))
        .add_service(PlacementServer::new(placement));
    let beside = Beside {
        routes: extra,
        names: vec![
            "longshore.node.v1.Nodes",
            "longshore.node.v1.Logs",
            "longshore.placement.v1.Placement",
        ],
        descriptors: longshore_proto::FILE_DESCRIPTOR_SET,
    };
    let mut services = vec![service::bind(&longshore_ecs::table::API, Arc::clone(&ecs))];
    services.extend(longshore_services::all(&ecs.backend));
    let door = router::router(ecs.backend.clone(), Arc::new(common.keys), services, beside)
        .await?
        .with_health(standing.health(&db));
    let doors = AgentDoors {
        gateway: gateway.clone(),
        logs: logs(Asker::Peers),
        peers: PeersServer::new(PeersService::new(Arc::clone(&standing))),
    };

    tracing::info!(control_plane = %own.id, listen = %args.listen, agent_listen = %args.agent_listen,
        store = %args.store.store, region = %args.region, account = %args.account_id,
        "Longshore serves");
    let serving = serve::serve(people, tls, door, stop.clone().cancelled_owned());
    let listening = serve_agents(agents, doors, &authority, stop.clone());
    let leading = leader::run(
        Arc::clone(&ecs),
        Arc::clone(&store),
        scheduling,
        args.settings(),
        Arc::clone(&standing),
        stop.clone(),
    );
    // Told to stop, it gives up the lead and its place at once, and then ends its calls.
    let leading = async {
        leading.await?;
        presence.withdraw().await;
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::pin!(serving, listening, leading);
    tokio::select! {
        () = &mut serving => Ok(()),
        result = &mut listening => result,
        result = &mut leading => result,
        () = standing.watch(&db, &peers) => bail!("watching the store ended"),
        () = gateway.find_ghost_sessions() => bail!("watching the sessions ended"),
        error = db.failed() => {
            Err(anyhow::Error::new(error).context("the store has failed; restart to read back what is durable"))
        }
    }
}

/// The time by this machine's clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen at {address}: stop what listens there, or choose another address")
    })
}

/// The TLS of the address for people; none on loopback unless asked for.
fn people_tls(args: &RunArgs) -> anyhow::Result<Option<TlsAcceptor>> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else {
        if !args.listen.ip().is_loopback() {
            bail!(
                "--listen {} is not loopback: give --tls-cert and --tls-key, or listen at 127.0.0.1",
                args.listen
            );
        }
        return Ok(None);
    };
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("{} holds no PEM certificates", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_slice(&read(key)?)
        .with_context(|| format!("{} holds no PEM private key", key.display()))?;
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the TLS certificate and key do not fit")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// What is served on the listener for agents.
struct AgentDoors {
    gateway: Gateway,
    logs: LogsServer<LogsService>,
    peers: PeersServer<PeersService>,
}

async fn serve_agents(
    listener: TcpListener,
    doors: AgentDoors,
    authority: &Authority,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let identity = authority.server_identity()?;
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&identity.chain, identity.key.as_bytes()))
        .client_ca_root(Certificate::from_pem(authority.certificate()))
        // Joining comes before having a certificate; sessions ask for one themselves.
        .client_auth_optional(true)
        .timeout(AGENT_HANDSHAKE);
    Server::builder()
        .tls_config(tls)?
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(AGENT_PING))
        .http2_keepalive_timeout(Some(AGENT_PING))
        .max_concurrent_streams(16)
        .add_service(EnrollmentServer::new(doors.gateway.clone()))
        .add_service(GatewayServer::new(doors.gateway))
        .add_service(doors.logs)
        .add_service(doors.peers)
        .serve_with_incoming_shutdown(nodelay(listener), stop.cancelled_owned())
        .await
        .context("the agent listener failed")
}

/// `serve_with_incoming` does not set TCP_NODELAY itself.
fn nodelay(
    listener: TcpListener,
) -> impl futures::Stream<Item = std::io::Result<tokio::net::TcpStream>> {
    use futures::StreamExt as _;
    TcpListenerStream::new(listener).inspect(|accepted| {
        if let Ok(stream) = accepted {
            // Without it small messages are only slower.
            let _ = stream.set_nodelay(true);
        }
    })
}
