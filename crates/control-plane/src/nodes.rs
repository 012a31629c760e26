//! `longshore.node.v1.Nodes`: making join tokens.

use std::sync::Arc;
use std::time::Duration;

use longshore_ecs::context::Ecs;
use longshore_model::ClusterName;
use longshore_model::cluster::ClusterStatus;
use longshore_proto::node::nodes_server::Nodes;
use longshore_proto::node::{CreateJoinTokenRequest, CreateJoinTokenResponse};
use longshore_store::{TransactError, Txn};
use tonic::{Request, Response, Status};

use crate::identity::authority::Authority;
use crate::identity::join;

const DEFAULT_LIFETIME: u32 = 3600;

/// Serves the RPC; the door's gate stands in front of it.
pub struct NodesService {
    ecs: Arc<Ecs>,
    authority: Arc<Authority>,
}

impl NodesService {
    /// Tokens that pin this authority.
    pub fn new(ecs: Arc<Ecs>, authority: Arc<Authority>) -> Self {
        Self { ecs, authority }
    }
}

#[tonic::async_trait]
impl Nodes for NodesService {
    async fn create_join_token(
        &self,
        request: Request<CreateJoinTokenRequest>,
    ) -> Result<Response<CreateJoinTokenResponse>, Status> {
        let request = request.into_inner();
        let cluster: ClusterName =
            request
                .cluster
                .parse()
                .map_err(|error: longshore_model::name::InvalidName| {
                    Status::invalid_argument(error.to_string())
                })?;
        let uses = if request.uses == 0 { 1 } else { request.uses };
        if uses > join::MAX_USES {
            return Err(Status::invalid_argument(format!(
                "uses is {uses}; a token admits at most {} nodes",
                join::MAX_USES
            )));
        }
        let seconds = if request.ttl_seconds == 0 {
            DEFAULT_LIFETIME
        } else {
            request.ttl_seconds
        };
        let lifetime = Duration::from_secs(seconds.into());
        if lifetime > join::MAX_LIFETIME {
            return Err(Status::invalid_argument(format!(
                "ttl_seconds is {seconds}; a token is valid for at most {} s",
                join::MAX_LIFETIME.as_secs()
            )));
        }
        let expires_at = self.ecs.ctx().now.after(lifetime);
        let (token, record) = join::mint(
            cluster.clone(),
            uses,
            expires_at,
            self.authority.fingerprint(),
        );
        crate::gateway::fresh(&self.ecs).await?;
        let made = self.ecs.db.transact(|view| {
            let home = view
                .clusters
                .get(&cluster)
                .filter(|c| c.status == ClusterStatus::Active);
            let home = home.ok_or_else(|| {
                Status::not_found(format!("cluster {cluster} does not exist; create it first"))
            })?;
            let mut txn = Txn::new();
            txn.guard(home);
            txn.create(&record);
            Ok((txn, ()))
        });
        made.await.map_err(|error| match error {
            TransactError::Refused(status) => status,
            TransactError::Store(error) => Status::unavailable(error.to_string()),
        })?;
        tracing::info!(token = %record.id, %cluster, uses, "made a join token");
        Ok(Response::new(CreateJoinTokenResponse {
            token: token.to_string(),
            expires_at: expires_at.millis(),
        }))
    }
}
