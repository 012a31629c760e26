//! A store that several control planes share: etcd 3.4 or newer.
//!
//! ```text
//!  commit ─► queue ─► lanes: pack, one etcd transaction each ─► etcd
//!                                                                 │ watch
//!        watches of this process ◄─ history ◄─ tally ◄─ follower ◄┘
//!                                                ▲
//!                               inspector: asks etcd for what the watch did not show
//! ```
//!
//! | file | noun |
//! |---|---|
//! | `options.rs` | [`EtcdOptions`], and why an etcd is not used |
//! | `layout.rs` | where things are in etcd |
//! | `servers.rs` | one connection to each server; calls that find one that answers |
//! | `plan.rs` | commits as etcd transactions |
//! | `committer.rs`, `lane.rs` | the queue and the lanes; each commit happens once or not at all |
//! | `follower.rs`, `tally.rs`, `inspector.rs` | the watch, and how what it does not show is found |
//! | `lease.rs`, `leader.rs`, `presence.rs` | leading and being announced |
//! | `installation.rs` | whose etcd it is |
//! | `cluster.rs` | real etcd servers for tests |
//!
//! Correctness never depends on a watch: reads and guards are linearizable, and the watch only
//! feeds views, which `head` proves complete.

#[cfg(any(test, feature = "conformance"))]
pub mod cluster;
mod committer;
mod follower;
mod inspector;
mod installation;
mod lane;
mod layout;
mod leader;
mod lease;
mod options;
mod plan;
mod presence;
mod servers;
mod tally;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{GetOptions, KeyValue, Txn, TxnOp, TxnOpResponse};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::contract::validate;
use crate::contract::{
    BoxFuture, CALL_LIMIT, CALL_MARGIN, Commit, CommitError, Entry, ReadError, Revision, Snapshot,
    Store, Unreachable,
};
use crate::coordination::{Leadership, Presence};
use crate::watch::{History, Watch, WatchError};
use longshore_state::Key;

use committer::Committer;
use follower::{Followed, Follower, read_head};
use inspector::Inspector;
use layout::{Layout, end_of, until};
use plan::revision;
use presence::Announcement;
use servers::{Failure, Kind, Servers};
use tally::Tally;

#[cfg(any(test, feature = "conformance"))]
pub use follower::Tamper;
pub use options::{EtcdError, EtcdOptions, EtcdTls, EtcdUser};
pub use tally::{Shown, Subject};

/// How long a call waits for the watch before it has the inspector look.
const PATIENCE: Duration = Duration::from_millis(150);

/// A list reads parts of about this many bytes, so that no answer is large and each is quick.
const PART_BYTES: usize = 2 * 1024 * 1024;
/// Entries in the first part of a list, and most in any.
const PART_ENTRIES: (usize, usize) = (500, 5_000);
/// How often a list is begun again when etcd compacts what is being read.
const LIST_TRIES: usize = 20;

/// A store in etcd, shared with other processes.
///
/// Must be used inside a Tokio runtime. Calls end within [`CALL_LIMIT`]; while etcd does not
/// answer they end with [`Unreachable`], and everything resumes by itself. Dropping the store ends
/// its watches; commits under way may still happen.
pub struct Etcd {
    servers: Arc<Servers>,
    layout: Layout,
    history: Arc<History>,
    committer: Arc<Committer>,
    look: Arc<Notify>,
    installation: String,
    _tasks: JoinSet<()>,
}

impl fmt::Debug for Etcd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Etcd")
            .field("layout", &self.layout)
            .field("installation", &self.installation)
            .finish_non_exhaustive()
    }
}

impl Etcd {
    /// Connects and, where there is no installation yet, makes one. Tries for
    /// [`EtcdOptions::open_limit`], since etcd may be starting as well.
    ///
    /// # Errors
    /// [`EtcdError`] says what is wrong and what to do.
    pub async fn open(options: EtcdOptions) -> Result<Etcd, EtcdError> {
        Etcd::start(
            options,
            #[cfg(any(test, feature = "conformance"))]
            None,
        )
        .await
    }

    /// As [`Etcd::open`], with someone between etcd's watch and this store.
    ///
    /// # Errors
    /// [`EtcdError`].
    #[cfg(any(test, feature = "conformance"))]
    pub async fn open_tampered(options: EtcdOptions, tamper: Tamper) -> Result<Etcd, EtcdError> {
        Etcd::start(options, Some(tamper)).await
    }

    async fn start(
        options: EtcdOptions,
        #[cfg(any(test, feature = "conformance"))] tamper: Option<Tamper>,
    ) -> Result<Etcd, EtcdError> {
        let layout = Layout::new(&options.prefix);
        let limit = options.history;
        let (servers, installation) = installation::open(options, &layout).await?;
        let head = installation.head;
        let history = History::new(limit, revision(head.head_at));
        let committer = Arc::new(Committer::start(Arc::clone(&servers), layout.clone()));
        let look = Arc::new(Notify::new());
        let followed = Arc::new(Followed {
            head_at: watch::Sender::new(head.head_at),
            restart: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        let follower = Follower {
            servers: Arc::clone(&servers),
            layout: layout.clone(),
            history: Arc::clone(&history),
            followed: Arc::clone(&followed),
            tally: Tally::new(head.revision, head.head_at, head.version),
            #[cfg(any(test, feature = "conformance"))]
            tamper,
        };
        tasks.spawn(follower.run());
        let inspector = Inspector {
            servers: Arc::clone(&servers),
            layout: layout.clone(),
            history: Arc::clone(&history),
            followed,
            committer: Arc::clone(&committer),
            look: Arc::clone(&look),
        };
        tasks.spawn(inspector.run());
        Ok(Etcd {
            servers,
            layout,
            history,
            committer,
            look,
            installation: installation.id,
            _tasks: tasks,
        })
    }

    /// The id of the installation: 32 hexadecimal digits, the same for as long as it exists.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// Waits until watches of this process have this revision, to the deadline at most. A watch
    /// that is late is looked into.
    async fn published(&self, revision: Revision, deadline: Instant) -> Result<(), ReadError> {
        let mut wait = PATIENCE;
        loop {
            let published = self.history.published(revision);
            let end = deadline.min(Instant::now() + wait);
            match tokio::time::timeout_at(end, published).await {
                Ok(published) => return Ok(published?),
                Err(late) if Instant::now() >= deadline => {
                    return Err(Unreachable::new("waiting for etcd's watch", late).into());
                }
                Err(_) => self.look.notify_one(),
            }
            wait = PATIENCE * 4;
        }
    }

    async fn get_now(&self, key: Key) -> Result<Option<Entry>, ReadError> {
        self.history.check_available()?;
        let deadline = deadline();
        let data = self.layout.data(key.as_str());
        let asked = self.servers.get(deadline, data, None);
        let mut read = asked.await.map_err(|f| f.unreachable("reading a record"))?;
        let Some(kv) = read.take_kvs().pop() else {
            return Ok(None);
        };
        let entry = Entry {
            key: key.clone(),
            revision: revision(kv.mod_revision()),
            value: kv.into_key_value().1.into(),
        };
        self.published(entry.revision, deadline).await?;
        Ok(Some(entry))
    }

    async fn head_now(&self) -> Result<Revision, ReadError> {
        self.history.check_available()?;
        let read = read_head(&self.servers, &self.layout, deadline()).await;
        let head = read.map_err(|failure| failure.unreachable("reading how far etcd is"))?;
        Ok(revision(head.map_or(0, |head| head.head_at)))
    }

    async fn list_now(&self, prefix: String) -> Result<Snapshot, ReadError> {
        self.history.check_available()?;
        let mut tries = 0;
        let snapshot = loop {
            match self.list_once(&prefix).await {
                Ok(snapshot) => break snapshot,
                Err(failure) if failure.kind == Kind::Compacted && tries < LIST_TRIES => tries += 1,
                Err(failure) => return Err(failure.unreachable("listing records").into()),
            }
        };
        self.published(snapshot.revision, deadline()).await?;
        Ok(snapshot)
    }

    /// Lists part by part, all at the revision of the first.
    async fn list_once(&self, prefix: &str) -> Result<Snapshot, Failure> {
        let mut start = self.layout.data(prefix);
        let end = end_of(&start);
        let mut snapshot = Snapshot {
            revision: 0,
            entries: Vec::new(),
        };
        let mut at: Option<i64> = None;
        let (mut part_entries, mut bytes) = (PART_ENTRIES.0, 0);
        loop {
            let at_revision = |options: GetOptions| match at {
                Some(at) => options.with_revision(at),
                None => options,
            };
            let limit = i64::try_from(part_entries).unwrap_or(i64::MAX);
            let part = at_revision(until(end.clone()).with_limit(limit));
            let head = at_revision(GetOptions::new().with_keys_only());
            let reads = [
                TxnOp::get(self.layout.head(), Some(head)),
                TxnOp::get(start.clone(), Some(part)),
            ];
            let reads = Txn::new().and_then(reads);
            let response = self.servers.txn(deadline(), reads).await?;
            at = at.or(response.header().map(|header| header.revision()));
            let mut reads = response.op_responses().into_iter();
            let (Some(TxnOpResponse::Get(head)), Some(TxnOpResponse::Get(mut part))) =
                (reads.next(), reads.next())
            else {
                return Err(Failure {
                    kind: Kind::Refused,
                    text: "etcd answered a list with something else".to_owned(),
                });
            };
            snapshot.revision = head
                .kvs()
                .first()
                .map_or(0, |kv| revision(kv.mod_revision()));
            let more = part.more();
            for kv in part.take_kvs() {
                start.clear();
                start.extend_from_slice(kv.key());
                bytes += kv.key().len() + kv.value().len();
                snapshot.entries.extend(self.entry(kv));
            }
            if !more {
                return Ok(snapshot);
            }
            start.push(0);
            let mean = bytes / snapshot.entries.len().max(1) + 1;
            part_entries = (PART_BYTES / mean).clamp(1, PART_ENTRIES.1);
        }
    }

    /// A record; none for a key that cannot be one of ours.
    fn entry(&self, kv: KeyValue) -> Option<Entry> {
        let Some(key) = self.layout.record(kv.key()) else {
            let key = String::from_utf8_lossy(kv.key());
            tracing::error!(%key, "etcd holds a key that is no record of Longshore's; skipped");
            return None;
        };
        Some(Entry {
            key,
            revision: revision(kv.mod_revision()),
            value: kv.into_key_value().1.into(),
        })
    }

    async fn commit_now(&self, commit: Commit) -> Result<Revision, CommitError> {
        validate(&commit, self.bounds())?;
        self.history.check_available()?;
        let deadline = deadline();
        let (made, _) = self.committer.commit(commit, deadline).await?;
        self.seen(made, deadline).await;
        Ok(made)
    }

    /// Waits for watches to have what stands already; that they are late is no failure of it.
    async fn seen(&self, made: Revision, deadline: Instant) {
        if let Err(error) = self.published(made, deadline).await {
            tracing::warn!(%error, made, "watches have a commit late");
        }
    }

    async fn watch_now(&self, prefix: String, after: Revision) -> Result<Watch, WatchError> {
        if after > self.history.newest()? && after <= self.head_now().await? {
            self.published(after, deadline()).await?;
        }
        self.history.watch(&prefix, after)
    }
}

/// When a call that begins now must answer.
fn deadline() -> Instant {
    Instant::now() + (CALL_LIMIT - CALL_MARGIN)
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.history.close();
    }
}

impl Store for Etcd {
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        Box::pin(self.get_now(key.clone()))
    }

    fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Snapshot, ReadError>> {
        Box::pin(self.list_now(prefix.to_owned()))
    }

    fn head(&self) -> BoxFuture<'_, Result<Revision, ReadError>> {
        Box::pin(self.head_now())
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(self.commit_now(commit))
    }

    fn watch(&self, prefix: &str, after: Revision) -> BoxFuture<'_, Result<Watch, WatchError>> {
        Box::pin(self.watch_now(prefix.to_owned(), after))
    }

    fn campaign(&self, candidate: &str) -> BoxFuture<'_, Result<Leadership, ReadError>> {
        Box::pin(leader::campaign(
            Arc::clone(&self.servers),
            self.layout.clone(),
            candidate.to_owned(),
        ))
    }

    fn announce(&self, key: Key, value: Bytes) -> BoxFuture<'_, Result<Presence, ReadError>> {
        let announcement = Announcement {
            servers: Arc::clone(&self.servers),
            layout: self.layout.clone(),
            committer: Arc::clone(&self.committer),
            key,
            value,
        };
        Box::pin(async move {
            let deadline = deadline();
            let (presence, made_at) = announcement.make().await?;
            self.seen(made_at, deadline).await;
            Ok(presence)
        })
    }
}
