//! The records that an installation is made of.

use aws_lc_rs::digest;
use bytes::Bytes;
use longshore_store::table::list::TableInfo;
use longshore_store::table::{self, Installation};
use longshore_store::{Entry, Key, ReadError, Revision, Store};

/// Put first and removed last while a store is being filled. What is beside it is not whole.
pub const UNFINISHED: &str = "transfer/unfinished";

/// Every record but those that end with a process. In key order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The revision they were read at, of the store they were read from.
    pub revision: Revision,
    /// Keys and values; their revisions belong to that store and mean nothing in another.
    pub records: Vec<(Key, Bytes)>,
    /// Whether the store was being filled and is not whole.
    pub is_unfinished: bool,
}

impl Content {
    /// Reads a store at one revision.
    ///
    /// # Errors
    /// [`ReadError`] of the store.
    pub async fn read(store: &dyn Store) -> Result<Content, ReadError> {
        let snapshot = store.list("").await?;
        let is_unfinished = snapshot.entries.iter().any(|entry| is_marker(&entry.key));
        let lasts = |entry: &Entry| {
            let ends = TableInfo::of(&entry.key).is_some_and(|table| !table.is_lasting);
            !is_marker(&entry.key) && !ends
        };
        let entries = snapshot.entries.into_iter().filter(lasts);
        Ok(Content {
            revision: snapshot.revision,
            records: entries.map(|entry| (entry.key, entry.value)).collect(),
            is_unfinished,
        })
    }

    /// SHA-256 over all keys and values, in hex. Equal for equal contents wherever they are kept:
    /// the installation's record, in which each store has a history of its own, is left out.
    pub fn digest(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        let installation = table::key::<Installation>(Installation::NAME);
        for (key, value) in self.records.iter().filter(|(key, _)| *key != installation) {
            for part in [key.as_str().as_bytes(), value] {
                context.update(&(part.len() as u64).to_be_bytes());
                context.update(part);
            }
        }
        hex::encode(context.finish())
    }

    /// The first key at which two contents differ, the history of the installation aside.
    pub fn first_difference(&self, other: &Content) -> Option<Key> {
        let mut ours = self.records.iter().map(comparable);
        let mut theirs = other.records.iter().map(comparable);
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return None,
                (Some(our), Some(their)) if our == their => {}
                (Some((our, _)), Some((their, _))) => return Some(our.min(their).clone()),
                (Some((key, _)), None) | (None, Some((key, _))) => return Some(key.clone()),
            }
        }
    }

    /// Gives the content the history of another store: revisions of this one do not compare with
    /// revisions of the one it came from.
    pub fn begin_history(&mut self, history: String) {
        let installation = table::key::<Installation>(Installation::NAME);
        let Some((_, value)) = self
            .records
            .iter_mut()
            .find(|(key, _)| *key == installation)
        else {
            return;
        };
        if let Ok(mut record) = table::decode::<Installation>(value) {
            record.history = history;
            if let Ok(encoded) = table::encode(&record) {
                *value = encoded;
            }
        }
    }
}

fn is_marker(key: &Key) -> bool {
    key.as_str() == UNFINISHED
}

/// The installation's record without its history; every other record as it is.
fn comparable((key, value): &(Key, Bytes)) -> (&Key, Bytes) {
    if key.as_str().starts_with(&table::prefix::<Installation>())
        && let Ok(mut record) = table::decode::<Installation>(value)
    {
        record.history.clear();
        if let Ok(encoded) = table::encode(&record) {
            return (key, encoded);
        }
    }
    (key, value.clone())
}
