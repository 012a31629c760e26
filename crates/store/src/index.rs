//! Which key was last put at which revision, held in memory to decide guards.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::contract::{Guard, Revision, Write};
use crate::key::Key;
use crate::watch::{Batch, Event};

/// The keyspace without its values. As large as the keys that exist; their text is shared.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_key: BTreeMap<Key, Revision>,
    by_revision: BTreeSet<(Revision, Key)>,
}

impl Index {
    /// The revision `key` was last put at; 0 when it is absent.
    fn revision(&self, key: &Key) -> Revision {
        self.by_key.get(key).copied().unwrap_or(0)
    }

    /// Notes that `key` was put at `revision`.
    pub(crate) fn put(&mut self, key: Key, revision: Revision) {
        if let Some(old) = self.by_key.insert(key.clone(), revision) {
            self.by_revision.remove(&(old, key.clone()));
        }
        self.by_revision.insert((revision, key));
    }

    /// Forgets `key`.
    pub(crate) fn delete(&mut self, key: &Key) {
        if let Some(old) = self.by_key.remove(key) {
            self.by_revision.remove(&(old, key.clone()));
        }
    }

    /// Takes over what a commit did.
    pub(crate) fn take_over(&mut self, batch: &Batch) {
        for event in &batch.events {
            match event {
                Event::Put(entry) => self.put(entry.key.clone(), batch.revision),
                Event::Deleted { key } => self.delete(key),
            }
        }
    }

    /// The first guard that does not hold, if any.
    pub(crate) fn first_broken<'a>(&self, guards: &'a [Guard]) -> Option<&'a Guard> {
        guards.iter().find(|guard| !self.holds(guard))
    }

    fn holds(&self, guard: &Guard) -> bool {
        match guard {
            Guard::Unchanged { key, revision } => self.revision(key) == *revision,
            Guard::Absent { key } => !self.by_key.contains_key(key),
            Guard::NoneNewer { prefix, revision } => self.none_newer(prefix, *revision),
        }
    }

    /// The keys that start with the literal string `prefix`, in order.
    pub(crate) fn under(&self, prefix: &str) -> Vec<Key> {
        let range = (Bound::Included(prefix), Bound::Unbounded);
        let keys = self.by_key.range::<str, _>(range).map(|(key, _)| key);
        keys.take_while(|key| key.as_str().starts_with(prefix))
            .cloned()
            .collect()
    }

    /// Looks from both sides at once, through the keys under the prefix and through the keys put
    /// since the revision. The shorter side ends the search, so a guard on a fresh view of a large
    /// table costs little, and so does a guard on an old view of a small one.
    fn none_newer(&self, prefix: &str, revision: Revision) -> bool {
        let range = (Bound::Included(prefix), Bound::Unbounded);
        let mut under_prefix = self
            .by_key
            .range::<str, _>(range)
            .take_while(|(key, _)| key.as_str().starts_with(prefix));
        let Some(next) = revision.checked_add(1) else {
            return true;
        };
        let mut put_since = self.by_revision.range((next, Key::lowest())..);
        loop {
            match under_prefix.next() {
                None => return true,
                Some((_, put)) if *put > revision => return false,
                Some(_) => {}
            }
            match put_since.next() {
                None => return true,
                Some((_, key)) if key.as_str().starts_with(prefix) => return false,
                Some(_) => {}
            }
        }
    }

    /// The writes that change something: a delete of an absent key does not.
    pub(crate) fn effective(&self, mut writes: Vec<Write>) -> Vec<Write> {
        writes.retain(|write| match write {
            Write::Put { .. } => true,
            Write::Delete { key } => self.by_key.contains_key(key),
        });
        writes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn index(entries: &[(&str, Revision)]) -> Index {
        let mut index = Index::default();
        for (key, revision) in entries {
            index.put(Key::new(key).unwrap(), *revision);
        }
        index
    }

    #[test]
    fn none_newer_agrees_with_a_plain_scan() {
        let entries = [
            ("a", 9),
            ("a/1", 3),
            ("a/2", 7),
            ("ab/1", 8),
            ("b/1", 1),
            ("b/2", 2),
        ];
        let index = index(&entries);
        for prefix in ["", "a", "a/", "ab/", "b/", "c", "~"] {
            for revision in 0..11 {
                let plain = entries
                    .iter()
                    .all(|(key, put)| !key.starts_with(prefix) || *put <= revision);
                assert_eq!(
                    index.none_newer(prefix, revision),
                    plain,
                    "{prefix:?} {revision}"
                );
            }
        }
    }

    #[test]
    fn a_deleted_key_leaves_nothing() {
        let mut index = index(&[("a", 1)]);
        let key = Key::new("a").unwrap();
        index.put(key.clone(), 2);
        index.delete(&key);
        index.delete(&key);
        assert!(index.by_key.is_empty() && index.by_revision.is_empty());
        assert!(index.holds(&Guard::Absent { key }));
    }
}
