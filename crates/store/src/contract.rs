//! What every store backend promises.
//!
//! The contract asks for nothing that etcd 3.4 lacks. A guard is a transaction compare on
//! `mod_revision` (a range compare for [`Guard::NoneNewer`]), a commit is part of one transaction,
//! and a revision is etcd's. Where the two could differ, etcd's answer is the contract: an absent
//! key counts as last modified at revision 0, one commit may not name a key twice, and a commit
//! that changes nothing gets no revision of its own. Commits that touch different keys may share
//! a revision, and then a [`Batch`](crate::Batch) as well.

use std::collections::BTreeSet;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_state::Key;

pub use longshore_state::{Commit, Entry, Guard, Revision, Snapshot, Write};

use crate::coordination::{Leadership, Presence};
use crate::watch::{Watch, WatchError};

/// Largest value, in bytes. The largest ECS noun is a task definition, 64 KiB on the wire; 1 MiB
/// leaves room for what we keep beside it and stays under etcd's default request size of 1.5 MiB.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// How much one commit may have, counted. A plan for a larger change is made of several commits, and
/// a view built from more keys guards their prefix instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most writes.
    pub writes: usize,
    /// Most guards.
    pub guards: usize,
}

impl Bounds {
    /// What every backend takes.
    pub const COMMON: Self = Self {
        writes: 3072,
        guards: 4096,
    };
}

/// Most bytes in one commit: keys and values of writes, keys and prefixes of guards. Bounds what
/// the store holds in memory for commits that wait. An etcd server refuses what is above its own
/// `--max-request-bytes`, 1.5 MiB unless it is told otherwise.
pub const MAX_COMMIT_BYTES: usize = 8 * 1024 * 1024;

/// Checks a commit against the limits that every backend holds, and its own bounds. Backends
/// call it before anything else.
///
/// # Errors
/// [`CommitError::Empty`], [`CommitError::DuplicateKey`] or [`CommitError::TooLarge`].
pub fn validate(commit: &Commit, bounds: Bounds) -> Result<(), CommitError> {
    if commit.writes.is_empty() {
        return Err(CommitError::Empty);
    }
    let within = |what: &'static str, actual: usize, limit: usize| {
        if actual > limit {
            return Err(CommitError::TooLarge {
                what,
                key: None,
                actual,
                limit,
            });
        }
        Ok(())
    };
    within("number of writes", commit.writes.len(), bounds.writes)?;
    within("number of guards", commit.guards.len(), bounds.guards)?;
    let mut keys = BTreeSet::new();
    for write in &commit.writes {
        if let Write::Put { key, value } = write
            && value.len() > MAX_VALUE_BYTES
        {
            return Err(CommitError::TooLarge {
                what: "value's length in bytes",
                key: Some(key.clone()),
                actual: value.len(),
                limit: MAX_VALUE_BYTES,
            });
        }
        if !keys.insert(write.key()) {
            return Err(CommitError::DuplicateKey {
                key: write.key().clone(),
            });
        }
    }
    within("commit's length in bytes", commit.bytes(), MAX_COMMIT_BYTES)
}

/// Why a commit was refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A guard did not hold; nothing was written. Read again, decide again.
    #[error("the commit's view is out of date: expected {guard}")]
    Conflict {
        /// The first guard that did not hold.
        guard: Guard,
    },
    /// The commit has no writes.
    #[error("a commit needs at least one write")]
    Empty,
    /// Two writes name one key.
    #[error("a commit writes {key} twice; keep only the last write")]
    DuplicateKey {
        /// The key named twice.
        key: Key,
    },
    /// The commit breaks a size limit; nothing was written.
    #[error(
        "the {what}{} is {actual}, above the limit of {limit}; split the change or shrink the value",
        .key.as_ref().map(|key| format!(" at {key}")).unwrap_or_default()
    )]
    TooLarge {
        /// What was measured, with its unit.
        what: &'static str,
        /// The key whose value is too large, if it is one value.
        key: Option<Key>,
        /// What was found.
        actual: usize,
        /// The largest accepted.
        limit: usize,
    },
    /// The store failed. Whether this commit happened is unknown until the store is opened again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The store does not answer now. Whether this commit happened, or is yet to happen, is
    /// unknown: read again, decide again.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl From<ReadError> for CommitError {
    fn from(error: ReadError) -> CommitError {
        match error {
            ReadError::Unavailable(fault) => CommitError::Unavailable(fault),
            ReadError::Unreachable(fault) => CommitError::Unreachable(fault),
        }
    }
}

/// Why nothing could be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The store failed for good.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The store does not answer now; try again.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

/// The store does not answer now: too few of its servers live, the connection is refused, or the
/// time is up. The process goes on, and what is tried again later may succeed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store does not answer: {during} failed ({cause}); it is tried again")]
pub struct Unreachable {
    /// What the store was asked for, such as "committing".
    pub during: &'static str,
    /// The newest error met.
    #[source]
    pub cause: Arc<dyn Error + Send + Sync>,
}

impl Unreachable {
    /// Notes that `during` failed with `cause`.
    pub fn new(
        during: &'static str,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Unreachable {
        Unreachable {
            during,
            cause: Arc::from(cause.into()),
        }
    }
}

impl CommitError {
    /// True when the same decision, made again from a fresh view, may succeed.
    pub fn is_conflict(&self) -> bool {
        matches!(self, CommitError::Conflict { .. })
    }
}

/// The store met a storage error and refuses everything from then on. After a failed fsync the
/// state of the disk is unknown, so nothing is retried: the process must be restarted, which
/// reads back what is really there.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "the store is unavailable because {during} failed; check the disk, then restart the control plane"
)]
pub struct Unavailable {
    /// What the store was doing, such as "writing a commit".
    pub during: &'static str,
    /// The first error, which every later call repeats.
    #[source]
    pub cause: Arc<dyn Error + Send + Sync>,
}

impl Unavailable {
    /// Notes that `during` failed with `cause`.
    pub fn new(
        during: &'static str,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Unavailable {
        Unavailable {
            during,
            cause: Arc::from(cause.into()),
        }
    }
}

/// A boxed future, so that a store can be used as `Arc<dyn Store>`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Longest that a call of a [`Store`] takes before it answers [`Unreachable`]. A list, which may
/// be long, counts from the last part that arrived.
pub const CALL_LIMIT: Duration = Duration::from_secs(2);

/// What whoever waits on behalf of a call keeps of [`CALL_LIMIT`] for their own work, so that the
/// call around it still ends in time on a busy machine.
pub(crate) const CALL_MARGIN: Duration = Duration::from_millis(150);

/// A keyspace with guarded commits and watches. All methods may be called concurrently.
///
/// Commits are linearizable: a read that starts after a commit returned sees it, through whichever
/// process. Dropping a [`commit`](Store::commit) future does not undo the commit; it may still
/// happen. Calls of a store that cannot be reached end within [`CALL_LIMIT`].
pub trait Store: Send + Sync + 'static {
    /// What one commit may have; never less than [`Bounds::COMMON`].
    fn bounds(&self) -> Bounds {
        Bounds::COMMON
    }

    /// The entry at `key`, if there is one.
    ///
    /// # Errors
    /// [`ReadError`].
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Entry>, ReadError>>;

    /// Every entry whose key starts with the literal string `prefix`, read at one revision. The
    /// answer is as large as the table; callers list to build a view, not to serve a page.
    ///
    /// # Errors
    /// [`ReadError`].
    fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Snapshot, ReadError>>;

    /// The revision of the newest commit. Every commit that was acknowledged before the call, to
    /// whomever, is counted. Cheap: it reads no record.
    ///
    /// # Errors
    /// [`ReadError`].
    fn head(&self) -> BoxFuture<'_, Result<Revision, ReadError>>;

    /// Makes the writes if every guard holds. When it returns, the commit is durable and watches
    /// see it. A commit that changed nothing (it deleted absent keys only) returns the newest
    /// revision and makes no batch.
    ///
    /// # Errors
    /// [`CommitError`]; only [`CommitError::Unavailable`] and [`CommitError::Unreachable`] leave
    /// open whether it happened.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision, CommitError>>;

    /// Follows the commits after `after` that touch a key under the literal string `prefix`.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] when the history no longer reaches back to `after`: list again
    /// and watch after the snapshot's revision. [`WatchError::Ahead`] when `after` is in the
    /// future. [`WatchError::Unavailable`] after a storage error, [`WatchError::Unreachable`] when
    /// the store does not answer now.
    fn watch(&self, prefix: &str, after: Revision) -> BoxFuture<'_, Result<Watch, WatchError>>;

    /// Waits until this process leads those that share the store, however long another leads.
    /// `candidate` says who this is, for whoever looks. A store of one process answers at once.
    /// Dropping the future withdraws the candidate.
    ///
    /// # Errors
    /// [`ReadError`] as soon as the store does not answer; campaign again.
    fn campaign(&self, candidate: &str) -> BoxFuture<'_, Result<Leadership, ReadError>>;

    /// Puts a record that stays as long as the returned [`Presence`] is held and this process
    /// lives, as others see it: where the store has lost sight of the process the record goes, and
    /// is put again as soon as it is back. A store of one process keeps the record until it is
    /// opened the next time.
    ///
    /// # Errors
    /// [`ReadError`]; the record may then be there for some seconds.
    fn announce(&self, key: Key, value: Bytes) -> BoxFuture<'_, Result<Presence, ReadError>>;
}
