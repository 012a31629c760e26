//! A lease that is kept alive: what is bound to it goes when this process does.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::servers::{Failure, Kind, Servers, TRY_LIMIT};

/// A lease of etcd.
#[derive(Clone)]
pub(super) struct Lease {
    servers: Arc<Servers>,
    pub(super) id: i64,
    time_to_live: Duration,
}

/// What asking for a lease to live on came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Renewed {
    Alive,
    /// It ran out, and what was bound to it is gone.
    Gone,
    /// Etcd does not answer.
    Unknown,
}

impl Lease {
    /// A new lease.
    pub(super) async fn grant(
        servers: &Arc<Servers>,
        time_to_live: Duration,
        deadline: Instant,
    ) -> Result<Lease, Failure> {
        let seconds = i64::try_from(time_to_live.as_secs()).unwrap_or(i64::MAX);
        let id = servers.grant(deadline, seconds).await?;
        Ok(Lease {
            servers: Arc::clone(servers),
            id,
            time_to_live,
        })
    }

    /// How often to ask for it to live on: often enough that two answers may be lost.
    pub(super) fn beat(&self) -> Duration {
        self.time_to_live / 5
    }

    /// Lets it live on.
    pub(super) async fn renew(&self) -> Renewed {
        let deadline = Instant::now() + self.time_to_live;
        match self.servers.renew(deadline, self.id).await {
            Ok(()) => Renewed::Alive,
            Err(failure) if failure.kind == Kind::NoLease => Renewed::Gone,
            Err(failure) => {
                tracing::debug!(%failure, "a lease is not renewed");
                Renewed::Unknown
            }
        }
    }

    /// Ends it, if etcd answers; else it runs out.
    pub(super) async fn revoke(self) {
        let deadline = Instant::now() + TRY_LIMIT * 2;
        if let Err(failure) = self.servers.revoke(deadline, self.id).await
            && failure.kind != Kind::NoLease
        {
            tracing::debug!(%failure, "a lease is left to run out");
        }
    }
}
