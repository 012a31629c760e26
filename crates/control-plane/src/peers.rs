//! The other control planes: calls to them, and what they may ask of this one. Both sides show a
//! certificate of the installation's authority; only one with a control plane's name is let in.

use std::sync::Arc;
use std::time::Duration;

use longshore_model::ReplicaId;
use longshore_proto::node::logs_client::LogsClient;
use longshore_proto::node::{LogLine, ReadLogsRequest};
use longshore_proto::peer::peers_client::PeersClient;
use longshore_proto::peer::peers_server::Peers as PeersRpc;
use longshore_proto::peer::{LookRequest, LookResponse};
use longshore_store::Db;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Response, Status, Streaming};

use crate::identity::authority::{Authority, SERVER_NAME, replica_of};
use crate::standing::Standing;

/// For connecting, and for an answer to a question of one line.
const PATIENCE: Duration = Duration::from_secs(2);
/// A silent connection is asked for a sign of life this often.
const PING: Duration = Duration::from_secs(5);

/// Calls to the other control planes.
#[derive(Debug)]
pub struct Peers {
    own: ReplicaId,
    tls: ClientTlsConfig,
}

impl Peers {
    /// Calls of `own`, with a certificate of `authority`.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn new(own: ReplicaId, authority: &Authority) -> anyhow::Result<Self> {
        let identity = authority.replica_identity(own)?;
        let tls = ClientTlsConfig::new()
            .domain_name(SERVER_NAME)
            .ca_certificate(Certificate::from_pem(authority.certificate()))
            .identity(Identity::from_pem(&identity.chain, identity.key.as_bytes()));
        Ok(Self { own, tls })
    }

    /// A connection to the control plane whose listener for agents is at `address`.
    async fn connect(&self, address: &str) -> Result<Channel, Status> {
        let unreachable = |error: tonic::transport::Error| {
            tracing::warn!(
                address,
                error = &error as &dyn std::error::Error,
                "cannot reach a control plane"
            );
            Status::unavailable(format!(
                "the control plane at {address}, which has the agent's session, cannot be reached; try again"
            ))
        };
        let endpoint = Endpoint::from_shared(format!("https://{address}")).map_err(unreachable)?;
        let endpoint = endpoint
            .tls_config(self.tls.clone())
            .map_err(unreachable)?
            .http2_keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        match tokio::time::timeout(PATIENCE, endpoint.connect()).await {
            Ok(connected) => connected.map_err(unreachable),
            Err(_) => Err(Status::unavailable(format!(
                "the control plane at {address}, which has the agent's session, does not answer; try again"
            ))),
        }
    }

    /// Reads logs through the control plane at `address`.
    ///
    /// # Errors
    /// `unavailable` where it cannot be reached, else what it says.
    pub async fn read_logs(
        &self,
        address: &str,
        request: ReadLogsRequest,
    ) -> Result<Streaming<LogLine>, Status> {
        let channel = self.connect(address).await?;
        let answer = LogsClient::new(channel).read_logs(request).await?;
        Ok(answer.into_inner())
    }

    /// Whether any other control plane reaches the store. Those known are from the view, which
    /// may be old by then.
    pub async fn any_reaches_store(&self, db: &Db) -> bool {
        let others: Vec<String> = {
            let view = db.view();
            let others = view.replicas.values().filter(|r| r.id != self.own);
            others
                .filter_map(|replica| replica.agents.clone())
                .collect()
        };
        let asked = others.iter().map(|address| self.reaches_store(address));
        let answers = futures::future::join_all(asked).await;
        answers.contains(&true)
    }

    async fn reaches_store(&self, address: &str) -> bool {
        let look = async {
            let channel = self.connect(address).await?;
            PeersClient::new(channel).look(LookRequest {}).await
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(Ok(answer)) => answer.into_inner().store_reachable,
            Ok(Err(_)) | Err(_) => false,
        }
    }
}

/// Lets in whom a certificate of this installation names as a control plane.
///
/// # Errors
/// `permission_denied` for everybody else.
pub fn check<T>(request: &Request<T>) -> Result<ReplicaId, Status> {
    let certificates = request.peer_certs();
    let leaf = certificates.as_ref().and_then(|chain| chain.first());
    leaf.and_then(|leaf| replica_of(leaf)).ok_or_else(|| {
        Status::permission_denied("only control planes of this installation may ask this")
    })
}

/// Answers the others.
pub struct PeersService {
    standing: Arc<Standing>,
}

impl PeersService {
    /// Tells how `standing` is.
    pub fn new(standing: Arc<Standing>) -> Self {
        Self { standing }
    }
}

#[tonic::async_trait]
impl PeersRpc for PeersService {
    async fn look(&self, request: Request<LookRequest>) -> Result<Response<LookResponse>, Status> {
        check(&request)?;
        Ok(Response::new(LookResponse {
            store_reachable: self.standing.is_reachable(),
            leads: self.standing.leads(),
        }))
    }
}
