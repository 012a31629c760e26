//! Asks etcd from time to time for what a watch may have kept back, and removes the records of
//! processes that are gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{GetOptions, GetResponse, KeyValue, Txn, TxnOp, TxnOpResponse};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::contract::{CALL_LIMIT, Unavailable};
use crate::watch::History;
use longshore_state::Key;

use super::committer::{Committer, Outcome};
use super::follower::Followed;
use super::layout::{Layout, end_of, until};
use super::plan::{Change, Check, Plan};
use super::servers::{Failure, Servers};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a watch may be behind without any progress before it is begun again.
const PATIENCE: Duration = Duration::from_millis(250);

/// The task that looks.
pub(super) struct Inspector {
    pub(super) servers: Arc<Servers>,
    pub(super) layout: Layout,
    pub(super) history: Arc<History>,
    pub(super) followed: Arc<Followed>,
    pub(super) committer: Arc<Committer>,
    /// Somebody waits for a revision: look at once.
    pub(super) look: Arc<Notify>,
}

/// What a look found.
struct Found {
    /// The revision of `head`; 0 where it is not there.
    head_at: i64,
    /// Who was announced and is no more, with the revision of the entry in the roster.
    gone: Vec<(Key, i64)>,
}

impl Inspector {
    /// Looks until the task is aborted, or etcd is not the one it was.
    pub(super) async fn run(self) {
        let mut before = None;
        loop {
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = self.look.notified() => {}
            }
            let seen = *self.followed.head_at.borrow();
            let found = match self.look_now().await {
                Ok(found) => found,
                Err(failure) => {
                    tracing::debug!(%failure, "etcd does not answer");
                    continue;
                }
            };
            if found.head_at < seen {
                let why = "etcd is older than it was: it was restored from a backup or replaced";
                tracing::error!("{why}");
                self.history.fail(Unavailable::new("following etcd", why));
                return;
            }
            self.compare(found.head_at).await;
            let gone: BTreeSet<(Key, i64)> = found.gone.into_iter().collect();
            // Seen twice, so that whoever is about to be announced again may be.
            if let Some(before) = before.replace(gone.clone()) {
                for (key, listed_at) in gone.intersection(&before) {
                    self.remove(key, *listed_at).await;
                }
            }
        }
    }

    async fn look_now(&self) -> Result<Found, Failure> {
        let all = |part: Vec<u8>| {
            let options = until(end_of(&part)).with_keys_only();
            TxnOp::get(part, Some(options))
        };
        let head = GetOptions::new().with_keys_only();
        let reads = [
            TxnOp::get(self.layout.head(), Some(head)),
            all(self.layout.announced("")),
            all(self.layout.roster("")),
        ];
        let deadline = Instant::now() + CALL_LIMIT;
        let response = self
            .servers
            .txn(deadline, Txn::new().and_then(reads))
            .await?;
        let mut responses = response.op_responses().into_iter().map(|read| match read {
            TxnOpResponse::Get(read) => read.kvs().to_vec(),
            _ => Vec::new(),
        });
        let mut next = || responses.next().unwrap_or_default();
        let (head, announced, roster) = (next(), next(), next());
        let named = |kv: &KeyValue, part| self.layout.under(kv.key(), part);
        let announced: BTreeSet<Key> = announced
            .iter()
            .filter_map(|kv| named(kv, "announced/"))
            .collect();
        let listed = roster.iter();
        let listed = listed.filter_map(|kv| Some((named(kv, "roster/")?, kv.mod_revision())));
        Ok(Found {
            head_at: head.first().map_or(0, KeyValue::mod_revision),
            gone: listed.filter(|(key, _)| !announced.contains(key)).collect(),
        })
    }

    /// Has the watch begun again if it is behind `head` and does not move.
    async fn compare(&self, head: i64) {
        let mut followed = self.followed.head_at.subscribe();
        let seen = *followed.borrow_and_update();
        if seen >= head {
            return;
        }
        let moved = followed.wait_for(|at| *at > seen);
        if tokio::time::timeout(PATIENCE, moved).await.is_err() {
            tracing::debug!(seen, head, "the watch of etcd is behind");
            self.followed.restart.notify_one();
        }
    }

    /// Removes the record of a process that is gone, if nobody has meanwhile.
    async fn remove(&self, key: &Key, listed_at: i64) {
        let name = key.as_str();
        let (data, roster) = (self.layout.data(name), self.layout.roster(name));
        let mut extra = vec![
            Check::Modified(self.layout.announced(name), 0),
            Check::Modified(roster.clone(), listed_at),
        ];
        let deadline = Instant::now() + CALL_LIMIT;
        let options = GetOptions::new().with_keys_only();
        let kept = self
            .servers
            .get(deadline, data.clone(), Some(options))
            .await;
        let kept = kept.is_ok_and(|read: GetResponse| !read.kvs().is_empty());
        if !kept {
            return self.strike(extra, roster).await;
        }
        extra.push(Check::Exists(data.clone()));
        let changes = vec![Change::Delete(data), Change::Delete(roster)];
        let plan = Plan::of_coordination(extra, changes, (0, 1));
        match self.committer.carry_out(plan, 0, deadline).await {
            Outcome::Done(_) => {
                tracing::info!(%key, "removed the record of a process that is gone")
            }
            other => tracing::debug!(%key, ?other, "left the record of a process that is gone"),
        }
    }

    /// Takes an entry whose record is gone off the roster. That changes no record, so it is no
    /// commit.
    async fn strike(&self, checks: Vec<Check>, roster: Vec<u8>) {
        let when: Vec<_> = checks.iter().map(Check::compare).collect();
        let strike = Txn::new()
            .when(when)
            .and_then([TxnOp::delete(roster, None)]);
        let struck = self.servers.txn(Instant::now() + CALL_LIMIT, strike);
        if let Err(failure) = struck.await {
            tracing::debug!(%failure, "the roster is left as it is");
        }
    }
}
