//! What every store backend promises.
//!
//! The contract asks for nothing that etcd 3.4 lacks. A guard is a transaction compare on
//! `mod_revision` (a range compare for [`Guard::NoneNewer`]), a commit is one transaction, and a
//! revision is etcd's. Where the two could differ, etcd's answer is the contract: an absent key
//! counts as last modified at revision 0, one commit may not name a key twice, and a commit that
//! changes nothing gets no revision of its own.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::key::Key;
use crate::watch::{Watch, WatchError};

/// A point in the history of the keyspace. 0 is before anything; each commit that changes
/// something gets a larger one. Not necessarily contiguous: a backend may share its counter.
pub type Revision = u64;

/// Largest value, in bytes. The largest ECS noun is a task definition, 64 KiB on the wire; 1 MiB
/// leaves room for what we keep beside it and stays under etcd's default request size of 1.5 MiB.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// Most writes in one commit. A plan for a larger change is made of several commits. An etcd
/// server must be started with `--max-txn-ops` of at least [`MAX_GUARDS`].
pub const MAX_WRITES: usize = 1024;

/// Most guards in one commit. A view built from more keys guards their prefix instead.
pub const MAX_GUARDS: usize = 4096;

/// Most bytes in one commit: keys and values of writes, keys and prefixes of guards. Bounds what
/// the store holds in memory for commits that wait. An etcd server must be started with a larger
/// `--max-request-bytes`.
pub const MAX_COMMIT_BYTES: usize = 8 * 1024 * 1024;

/// One record and the revision of the commit that last put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the record.
    pub key: Key,
    /// Opaque bytes; their framing belongs to the caller.
    pub value: Bytes,
    /// Revision of the commit that last put this key.
    pub revision: Revision,
}

/// Every entry under a prefix, all read at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The revision the entries were read at. A watch after it misses nothing.
    pub revision: Revision,
    /// The entries, in key order.
    pub entries: Vec<Entry>,
}

/// What must still be true for a commit to happen. All guards are decided against the keyspace as
/// it was before the commit's own writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The key was last put at exactly this revision. Revision 0 means that it is absent.
    Unchanged {
        /// The guarded key.
        key: Key,
        /// The revision it was read at.
        revision: Revision,
    },
    /// The key does not exist.
    Absent {
        /// The guarded key.
        key: Key,
    },
    /// No key that exists under the prefix was put after this revision. Deletes are not seen.
    NoneNewer {
        /// A literal string prefix: end it with `/` to mean a table. Empty means every key.
        prefix: String,
        /// The revision the prefix was listed at.
        revision: Revision,
    },
}

impl fmt::Display for Guard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Guard::Unchanged { key, revision } => write!(out, "{key} unchanged since {revision}"),
            Guard::Absent { key } => write!(out, "{key} absent"),
            Guard::NoneNewer { prefix, revision } => {
                write!(out, "nothing under {prefix:?} newer than {revision}")
            }
        }
    }
}

/// One change to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets the value, whether or not the key existed. Putting an equal value is a change.
    Put {
        /// The key to set.
        key: Key,
        /// Its new value, at most [`MAX_VALUE_BYTES`].
        value: Bytes,
    },
    /// Removes the key. Does nothing when it is absent.
    Delete {
        /// The key to remove.
        key: Key,
    },
}

impl Write {
    /// The key this write changes.
    pub fn key(&self) -> &Key {
        match self {
            Write::Put { key, .. } | Write::Delete { key } => key,
        }
    }
}

/// Writes that happen together if every guard holds, and not at all otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// What must hold, decided in order; at most [`MAX_GUARDS`]. May be empty.
    pub guards: Vec<Guard>,
    /// What to change; 1 to [`MAX_WRITES`], no key twice.
    pub writes: Vec<Write>,
}

impl Commit {
    /// Checks the limits that every backend holds. Backends call it before anything else.
    ///
    /// # Errors
    /// [`CommitError::Empty`], [`CommitError::DuplicateKey`] or [`CommitError::TooLarge`].
    pub fn validate(&self) -> Result<(), CommitError> {
        if self.writes.is_empty() {
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
        within("number of writes", self.writes.len(), MAX_WRITES)?;
        within("number of guards", self.guards.len(), MAX_GUARDS)?;
        let mut keys = BTreeSet::new();
        for write in &self.writes {
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
        within("commit's length in bytes", self.bytes(), MAX_COMMIT_BYTES)
    }

    /// Bytes of keys, prefixes and values, as [`MAX_COMMIT_BYTES`] counts them.
    pub fn bytes(&self) -> usize {
        let guards = self.guards.iter().map(|guard| match guard {
            Guard::Unchanged { key, .. } | Guard::Absent { key } => key.as_str().len(),
            Guard::NoneNewer { prefix, .. } => prefix.len(),
        });
        let writes = self.writes.iter().map(|write| match write {
            Write::Put { key, value } => key.as_str().len() + value.len(),
            Write::Delete { key } => key.as_str().len(),
        });
        guards.sum::<usize>() + writes.sum::<usize>()
    }
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

/// A keyspace with guarded commits and watches. All methods may be called concurrently.
///
/// Commits are linearizable: a read that starts after a commit returned sees it. Dropping a
/// [`commit`](Store::commit) future does not undo the commit; it may still happen.
pub trait Store: Send + Sync + 'static {
    /// The entry at `key`, if there is one.
    ///
    /// # Errors
    /// [`Unavailable`] after a storage error.
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Entry>, Unavailable>>;

    /// Every entry whose key starts with the literal string `prefix`, read at one revision. The
    /// answer is as large as the table; callers list to build a view, not to serve a page.
    ///
    /// # Errors
    /// [`Unavailable`] after a storage error.
    fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Snapshot, Unavailable>>;

    /// Makes the writes if every guard holds. When it returns, the commit is durable and watches
    /// see it. A commit that changed nothing (it deleted absent keys only) returns the newest
    /// revision and makes no batch.
    ///
    /// # Errors
    /// [`CommitError`]; only [`CommitError::Unavailable`] leaves open whether it happened.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision, CommitError>>;

    /// Follows the commits after `after` that touch a key under the literal string `prefix`.
    ///
    /// # Errors
    /// [`WatchError::Compacted`] when the history no longer reaches back to `after`: list again
    /// and watch after the snapshot's revision. [`WatchError::Ahead`] when `after` is in the
    /// future. [`WatchError::Unavailable`] after a storage error.
    fn watch(&self, prefix: &str, after: Revision) -> BoxFuture<'_, Result<Watch, WatchError>>;
}
