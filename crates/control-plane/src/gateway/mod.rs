//! Where agents connect: enrolment, and one session per container instance.
//!
//! The listener asks for a client certificate; a session without one of ours ends before it
//! begins, and what an agent says counts only for the instance its certificate names.
//!
//! An agent may connect to any control plane. Its instance's record names the one that has the
//! session, and only the newest registration stands: an older session ends when it sees that it
//! was replaced, or that the leader counts it as gone.

pub mod assignment;
mod ghost_sessions;
pub mod registration;
pub mod report;
mod session;
pub mod sessions;
pub mod switchboard;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use longshore_ecs::context::Ecs;
use longshore_model::{ClusterName, InstanceId};
use longshore_proto::agent::enrollment_server::Enrollment;
use longshore_proto::agent::gateway_server::Gateway as GatewayRpc;
use longshore_proto::agent::{AgentMessage, ControlMessage, JoinRequest, JoinResponse};
use longshore_store::{TransactError, Txn};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::identity::authority::{Authority, node_of};
use crate::identity::join;
use crate::placement::Scheduling;
use crate::standing::Standing;
use ghost_sessions::GhostSessions;
use sessions::Sessions;
use switchboard::Switchboard;

/// Messages to one agent that may wait before the session is closed as too slow.
const OUTBOUND_BACKLOG: usize = 256;
/// How often the sessions are compared with what is noted of them.
const GHOST_INTERVAL: Duration = Duration::from_secs(5);

/// Serves agents.
#[derive(Clone)]
pub struct Gateway {
    ecs: Arc<Ecs>,
    authority: Arc<Authority>,
    sessions: Sessions,
    standing: Arc<Standing>,
    switchboard: Switchboard,
    scheduling: Arc<Scheduling>,
    history: Arc<str>,
    stop: CancellationToken,
}

impl Gateway {
    /// A gateway over this state, in a runtime. `sessions` is shared with whoever asks agents for
    /// something, `scheduling` has the statistics; `history` is what the revisions of the store belong to. Once `stop` is cancelled
    /// agents are sent to others.
    pub fn new(
        ecs: Arc<Ecs>,
        authority: Arc<Authority>,
        sessions: Sessions,
        standing: Arc<Standing>,
        scheduling: Arc<Scheduling>,
        history: &str,
        stop: CancellationToken,
    ) -> Self {
        let switchboard = Switchboard::follow(&ecs.db);
        Self {
            ecs,
            authority,
            sessions,
            standing,
            switchboard,
            scheduling,
            history: Arc::from(history),
            stop,
        }
    }

    /// Notes now and then that agents are away which are said to have a session here and have
    /// none: the end of a session cannot be noted while the store does not answer. Runs until the
    /// process ends.
    pub async fn find_ghost_sessions(&self) {
        let mut ghosts = GhostSessions::default();
        let mut ticks = tokio::time::interval(GHOST_INTERVAL);
        loop {
            ticks.tick().await;
            let found = ghosts.look(&self.ecs.db.view(), self.standing.id(), |cluster, id| {
                self.sessions.is_open(&(cluster.clone(), id))
            });
            for (cluster, instance, since) in found {
                tracing::info!(%cluster, %instance, "an agent that is noted as connected is not");
                session::disconnect(self, &cluster, instance, since).await;
            }
        }
    }

    /// Notes that no agent is connected, which is so when the control plane has just started.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn disconnect_all(&self) -> anyhow::Result<()> {
        let now = self.ecs.ctx().now;
        let away = self.ecs.db.transact(|view| {
            let txn = registration::disconnect_all(view, now);
            Ok::<_, std::convert::Infallible>((txn, ()))
        });
        Ok(away.await?)
    }
}

/// Waits until the view has everything that was acknowledged before.
pub(crate) async fn fresh(ecs: &Ecs) -> Result<(), Status> {
    match ecs.db.barrier().await {
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "the store does not answer");
            Err(Status::unavailable(
                "the store does not answer this control plane; try again, here or at another",
            ))
        }
    }
}

/// The instance that the peer's certificate names.
fn peer<T>(request: &Request<T>) -> Result<(ClusterName, InstanceId), Status> {
    let certificates = request.peer_certs();
    let leaf = certificates.as_ref().and_then(|chain| chain.first());
    leaf.and_then(|leaf| node_of(leaf)).ok_or_else(|| {
        Status::unauthenticated(
            "a session needs the client certificate of a container instance; join first",
        )
    })
}

#[tonic::async_trait]
impl Enrollment for Gateway {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let request = request.into_inner();
        // One answer for every bad token: which part was wrong is nobody's business.
        let refused = || {
            Status::permission_denied(
                "the join token is unknown, used up or expired; make a new one with CreateJoinToken",
            )
        };
        let (id, secret) = join::parse(&request.token).ok_or_else(refused)?;
        let ctx = self.ecs.ctx();
        // The token may have been made a moment ago through another control plane.
        fresh(&self.ecs).await?;
        let admitted = self.ecs.db.transact(|view| {
            let read = view.join_tokens.get(id).ok_or(())?;
            if !join::admits(read, secret, ctx.now) {
                return Err(());
            }
            let mut record = longshore_store::table::JoinToken::clone(read);
            record.uses_left -= 1;
            let mut txn = Txn::new();
            txn.replace(read, &record);
            Ok((txn, record.cluster))
        });
        let cluster = match admitted.await {
            Ok(cluster) => cluster,
            Err(TransactError::Refused(())) => {
                tracing::warn!(token = id, hostname = %request.hostname, "refused a join token");
                return Err(refused());
            }
            Err(TransactError::Store(error)) => return Err(Status::unavailable(error.to_string())),
        };
        let instance = ctx.clone().instance_id();
        let chain = self
            .authority
            .sign_node(&request.certificate_signing_request, &cluster, instance)
            .map_err(|error| {
                Status::invalid_argument(format!("the certificate signing request: {error}"))
            })?;
        tracing::info!(%cluster, %instance, hostname = %request.hostname, "a node joined");
        Ok(Response::new(JoinResponse {
            certificate_chain: chain,
            certificate_authority: self.authority.certificate().to_owned(),
            instance_id: instance.to_string(),
            cluster: cluster.to_string(),
        }))
    }
}

#[tonic::async_trait]
impl GatewayRpc for Gateway {
    type SessionStream = ReceiverStream<Result<ControlMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let node = peer(&request)?;
        let (outbound, stream) = mpsc::channel(OUTBOUND_BACKLOG);
        let gateway = self.clone();
        tokio::spawn(async move {
            let (cluster, instance) = node.clone();
            match session::serve(&gateway, node, request.into_inner(), &outbound).await {
                Ok(()) => tracing::info!(%cluster, %instance, "the session ended"),
                Err(status) => {
                    let reason = status.message();
                    tracing::info!(%cluster, %instance, reason, "the session was ended");
                    // The agent may be gone already; then there is nobody to tell.
                    let _ = outbound.send(Err(status)).await;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}
