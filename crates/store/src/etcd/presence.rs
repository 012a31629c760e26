//! Being announced: a record that goes when the process does.
//!
//! The record is put and removed by commits like any other, so that watches can be checked. What
//! lives by a lease is a key beside it; whoever finds that gone removes the record (`inspector.rs`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::contract::{CALL_LIMIT, ReadError, Revision};
use crate::coordination::Presence;
use longshore_state::Key;

use super::committer::{Committer, Outcome};
use super::layout::Layout;
use super::lease::{Lease, Renewed};
use super::plan::{Change, Check, Plan};
use super::servers::{Failure, Kind, Servers};

/// How long a process that is not heard of is still announced. An election of etcd fits in twice.
const TIME_TO_LIVE: Duration = Duration::from_secs(5);

const ANNOUNCING: &str = "announcing this process";

/// What is announced, and through what.
pub(super) struct Announcement {
    pub(super) servers: Arc<Servers>,
    pub(super) layout: Layout,
    pub(super) committer: Arc<Committer>,
    pub(super) key: Key,
    pub(super) value: Bytes,
}

impl Announcement {
    /// See [`crate::Store::announce`]. Returns the revision of the record as well.
    pub(super) async fn make(self) -> Result<(Presence, Revision), ReadError> {
        let (lease, made_at) = self
            .put()
            .await
            .map_err(|failure| failure.unreachable(ANNOUNCING))?;
        let (presence, ended) = Presence::new();
        tokio::spawn(self.keep(lease, ended));
        Ok((presence, made_at))
    }

    /// Puts the record under a new lease.
    async fn put(&self) -> Result<(Lease, Revision), Failure> {
        let deadline = Instant::now() + CALL_LIMIT;
        let lease = Lease::grant(&self.servers, TIME_TO_LIVE, deadline).await?;
        let key = self.key.as_str();
        let changes = vec![
            Change::Put(self.layout.data(key), self.value.clone(), 0),
            Change::Put(self.layout.announced(key), Bytes::new(), lease.id),
            Change::Put(self.layout.roster(key), Bytes::new(), 0),
        ];
        let plan = Plan::of_coordination(Vec::new(), changes, (1, 0));
        match self
            .committer
            .carry_out(plan, self.value.len(), deadline)
            .await
        {
            Outcome::Done(made_at) => Ok((lease, made_at)),
            other => {
                // What may have been put goes with the lease.
                tokio::spawn(lease.revoke());
                Err(failure_of(other))
            }
        }
    }

    async fn keep(self, mut lease: Lease, mut ended: oneshot::Receiver<oneshot::Sender<()>>) {
        let caller = loop {
            tokio::select! {
                caller = &mut ended => break caller.ok(),
                () = sleep(lease.beat()) => {}
            }
            // Not cancelled halfway: what is put must be known here.
            if lease.renew().await == Renewed::Gone {
                tracing::warn!(key = %self.key, "etcd had lost sight of this process; announcing it again");
                match self.put().await {
                    Ok((renewed, _)) => lease = renewed,
                    Err(failure) => tracing::warn!(%failure, "cannot announce this process"),
                }
            }
        };
        self.withdraw().await;
        lease.revoke().await;
        if let Some(caller) = caller {
            // Whoever withdrew may not wait any more.
            let _ = caller.send(());
        }
    }

    async fn withdraw(&self) {
        let key = self.key.as_str();
        let data = self.layout.data(key);
        let changes = vec![
            Change::Delete(data.clone()),
            Change::Delete(self.layout.announced(key)),
            Change::Delete(self.layout.roster(key)),
        ];
        let plan = Plan::of_coordination(vec![Check::Exists(data)], changes, (0, 1));
        let deadline = Instant::now() + CALL_LIMIT;
        let outcome = self.committer.carry_out(plan, 0, deadline).await;
        if let Outcome::Unknown(failure) = outcome {
            tracing::debug!(%failure, "the announcement is left to run out");
        }
    }
}

fn failure_of(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Unknown(failure) => failure,
        other => Failure {
            kind: Kind::Refused,
            text: format!("etcd refused the record: {other:?}"),
        },
    }
}
