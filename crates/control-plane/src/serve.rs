//! Puts the parts together and runs them until the process is told to stop.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use longshore_api::context::Ecs;
use longshore_api::door;
use longshore_proto::agent::enrollment_server::EnrollmentServer;
use longshore_proto::agent::gateway_server::GatewayServer;
use longshore_proto::node::logs_server::LogsServer;
use longshore_proto::node::nodes_server::NodesServer;
use longshore_proto::placement::placement_server::PlacementServer;
use longshore_store::{Db, Embedded, HistoryLimit};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::config::RunArgs;
use crate::controller;
use crate::gateway::Gateway;
use crate::gateway::sessions::Sessions;
use crate::identity::access_key;
use crate::identity::authority::Authority;
use crate::logs::LogsService;
use crate::nodes::NodesService;
use crate::placement::PlacementService;
use crate::placer::{SchedulerPlacer, Scheduling};

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
    // The store holds the lock on the directory, so it is opened before anything is written there.
    let store = Embedded::open(args.data_dir.join("store"), HistoryLimit::default())
        .context("cannot open the store")?;
    let keys = access_key::load_or_create(&args.data_dir, &args.account_id)?;
    let authority = Arc::new(Authority::load_or_create(&args.data_dir)?);
    let people = bind(args.listen).await?;
    let agents = bind(args.agent_listen).await?;

    let db = Db::open(Arc::new(store))
        .await
        .context("cannot read the store")?;
    let quarantined = db.view().quarantined.len();
    if quarantined > 0 {
        tracing::error!(
            quarantined,
            "records were set aside; restore them from a backup"
        );
    }
    let scheduling = Arc::new(Scheduling::default());
    let ecs = Arc::new(Ecs {
        realm: args.realm(),
        db: Arc::clone(&db),
        placer: Arc::new(SchedulerPlacer(Arc::clone(&scheduling))),
        clock: Arc::new(SystemTime::now),
        entropy: Arc::new(rand::random::<u128>),
    });
    let sessions = Sessions::default();
    let gateway = Gateway::new(Arc::clone(&ecs), Arc::clone(&authority), sessions.clone());
    gateway
        .disconnect_all()
        .await
        .context("cannot note that no agent is connected")?;

    let extra = Routes::new(NodesServer::new(NodesService::new(
        Arc::clone(&ecs),
        Arc::clone(&authority),
    )))
    .add_service(LogsServer::new(LogsService::new(
        Arc::clone(&ecs),
        sessions,
    )))
    .add_service(PlacementServer::new(PlacementService::new(
        Arc::clone(&ecs),
        Arc::clone(&scheduling),
    )));
    let door = door::router(Arc::clone(&ecs), Arc::new(keys), extra)?;

    tracing::info!(listen = %args.listen, agent_listen = %args.agent_listen,
        region = %args.region, account = %args.account_id, "Longshore serves");
    let serving = door::serve::serve(people, tls, door, stop.clone().cancelled_owned());
    let listening = serve_agents(agents, gateway, &authority, stop.clone());
    let controlling = controller::run(Arc::clone(&ecs), scheduling, args.settings());
    tokio::pin!(serving, listening, controlling);
    tokio::select! {
        () = &mut serving => Ok(()),
        result = &mut listening => result,
        () = &mut controlling => bail!("the controllers ended; the log says why"),
        error = db.failed() => {
            Err(anyhow::Error::new(error).context("the store has failed; restart to read back what is durable"))
        }
    }
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

async fn serve_agents(
    listener: TcpListener,
    gateway: Gateway,
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
        .add_service(EnrollmentServer::new(gateway.clone()))
        .add_service(GatewayServer::new(gateway))
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
