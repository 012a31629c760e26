//! A transaction over typed records, before it is committed.

use crate::contract::{Commit, Guard, Revision, Write};
use crate::table::{self, Record};
use crate::view::Stored;

/// Guards and writes in the making.
#[derive(Debug, Default)]
pub struct Txn {
    pub(crate) commit: Commit,
}

impl Txn {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
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
        self.commit.guards.push(Guard::Absent { key: record.key() });
        self.put(record);
    }

    /// Writes a record in place of the one that was read, if that is still there.
    pub fn replace<R: Record>(&mut self, read: &Stored<R>, record: &R) {
        self.guard(read);
        self.put(record);
    }

    /// Removes the record that was read, if it is still there.
    pub fn delete<R: Record>(&mut self, read: &Stored<R>) {
        self.guard(read);
        self.commit.writes.push(Write::Delete { key: read.key() });
    }

    /// The commit holds only if this is so: the fence of a leader.
    pub fn require(&mut self, guard: Guard) {
        self.commit.guards.push(guard);
    }

    fn put<R: Record>(&mut self, record: &R) {
        let value = table::encode(record).expect("nouns have string keys and finite numbers");
        self.commit.writes.push(Write::Put {
            key: record.key(),
            value,
        });
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.commit.writes.is_empty()
    }

    /// How many records it writes.
    pub fn len(&self) -> usize {
        self.commit.writes.len()
    }
}
