//! A transaction over typed records, before it is committed.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

use crate::commit::{Commit, Guard, Revision, Write};
use crate::key::Key;
use crate::table::{self, Record};
use crate::view::Stored;

/// A record of any table, its type taken away.
pub type Noun = Arc<dyn Any + Send + Sync>;

/// A record and what it was encoded as, so that it need not be decoded again.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its key.
    pub key: Key,
    /// The bytes that are written.
    pub value: Bytes,
    /// The record.
    pub noun: Noun,
}

/// Guards and writes in the making.
#[derive(Debug, Default)]
pub struct Txn {
    commit: Commit,
    made: Vec<Made>,
    bytes: usize,
}

impl Txn {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The commit, and the records that it puts.
    pub fn into_parts(self) -> (Commit, Vec<Made>) {
        (self.commit, self.made)
    }

    /// The commit as far as it is made.
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// The commit holds only if this record is as it was read.
    pub fn guard<R: Record>(&mut self, read: &Stored<R>) {
        self.commit.guards.push(Guard::Unchanged {
            key: read.key(),
            revision: read.stored_at,
        });
    }

    /// The commit holds only if no record of this kind under `name` (a part of a key that ends
    /// with `/`, or nothing) was written after `revision`.
    pub fn guard_none_newer<R: Record>(&mut self, name: &str, revision: Revision) {
        let prefix = format!("{}{name}", table::prefix::<R>());
        self.commit
            .guards
            .push(Guard::NoneNewer { prefix, revision });
    }

    /// Writes a record that must not exist.
    pub fn create<R: Record>(&mut self, record: &R) {
        self.create_owned(record.clone());
    }

    /// As [`Txn::create`], of a record that the caller has no other use for.
    pub fn create_owned<R: Record>(&mut self, record: R) {
        let key = record.key();
        self.commit.guards.push(Guard::Absent { key: key.clone() });
        self.put(key, record);
    }

    /// Writes a record in place of the one that was read, if that is still there.
    pub fn replace<R: Record>(&mut self, read: &Stored<R>, record: &R) {
        self.replace_owned(read, record.clone());
    }

    /// As [`Txn::replace`], of a record that the caller has no other use for.
    pub fn replace_owned<R: Record>(&mut self, read: &Stored<R>, record: R) {
        let key = record.key();
        debug_assert_eq!(
            key,
            read.key(),
            "a record is replaced by another of its key"
        );
        self.commit.guards.push(Guard::Unchanged {
            key: key.clone(),
            revision: read.stored_at,
        });
        self.put(key, record);
    }

    /// Writes a record in place of what was read under its key at that revision; `None`: of
    /// nothing. Holds only if that is still so.
    pub fn put_at<R: Record>(&mut self, record: R, read_at: Option<Revision>) {
        let key = record.key();
        self.commit.guards.push(match read_at {
            None => Guard::Absent { key: key.clone() },
            Some(revision) => Guard::Unchanged {
                key: key.clone(),
                revision,
            },
        });
        self.put(key, record);
    }

    /// Removes what was read under this key at that revision, if it is still there.
    pub fn delete_at(&mut self, key: Key, read_at: Revision) {
        self.commit.guards.push(Guard::Unchanged {
            key: key.clone(),
            revision: read_at,
        });
        self.commit.writes.push(Write::Delete { key });
    }

    /// Removes the record that was read, if it is still there.
    pub fn delete<R: Record>(&mut self, read: &Stored<R>) {
        self.guard(read);
        self.commit.writes.push(Write::Delete { key: read.key() });
    }

    /// Removes whatever stands under a key, also what does not decode.
    pub fn delete_key(&mut self, key: Key) {
        self.commit.writes.push(Write::Delete { key });
    }

    /// The commit holds only if this is so: the fence of a leader.
    pub fn require(&mut self, guard: Guard) {
        self.commit.guards.push(guard);
    }

    fn put<R: Record>(&mut self, key: Key, record: R) {
        let value = table::encode(&record).expect("nouns have string keys and finite numbers");
        debug_assert!(
            table::decode::<R>(&value).is_ok_and(|read| read == record),
            "the view takes {key} as it is here, not as it is written"
        );
        // The key of a put is in its guard, too.
        self.bytes += 2 * key.as_str().len() + value.len();
        self.made.push(Made {
            key: key.clone(),
            value: value.clone(),
            noun: Arc::new(record),
        });
        self.commit.writes.push(Write::Put { key, value });
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.commit.writes.is_empty()
    }

    /// Bytes of the records that it puts, and of their keys, as a store counts them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many records it writes.
    pub fn len(&self) -> usize {
        self.commit.writes.len()
    }
}
