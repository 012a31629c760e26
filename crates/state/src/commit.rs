//! What a commit is: guards that say what must still be true, and writes that happen together.

use std::fmt;

use bytes::Bytes;

use crate::key::Key;

/// A point in the history of the keyspace. 0 is before anything; a commit that changes something
/// gets a larger one than every commit that was acknowledged before it was made. Commits of
/// different keys made at the same time may share one. Not necessarily contiguous: a backend may
/// share its counter.
pub type Revision = u64;

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
        /// Its new value; stores bound its length.
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
    /// What must hold, decided in order; as many as the store's bounds say. May be empty.
    pub guards: Vec<Guard>,
    /// What to change; at least one, as many as the store's bounds say, no key twice.
    pub writes: Vec<Write>,
}

impl Commit {
    /// Bytes of keys, prefixes and values, as the limits of stores count them.
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

/// One change to one key, as a watch shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The key was put; the entry's revision is that of its commit.
    Put(Entry),
    /// The key existed and was removed.
    Deleted {
        /// The removed key.
        key: Key,
    },
}

impl Event {
    /// The key that changed.
    pub fn key(&self) -> &Key {
        match self {
            Event::Put(entry) => &entry.key,
            Event::Deleted { key } => key,
        }
    }
}
