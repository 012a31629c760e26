//! Which key was last put at which revision, held in memory to decide guards.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use crate::contract::{Guard, Revision, Write};
use crate::watch::{Batch, Event};
use longshore_state::Key;

/// The keyspace without its values. As large as the keys that exist; their text is shared.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Never iterated, since it has no order.
    revisions: HashMap<Key, Revision>,
    keys: BTreeSet<Key>,
    by_revision: BTreeMap<Revision, Put>,
}

/// What was put at one revision.
#[derive(Debug, Default)]
struct Put {
    /// Some may have been put again or deleted since, but not most of them.
    keys: Vec<Key>,
    /// How many have not.
    current: usize,
}

impl Index {
    /// The revision `key` was last put at; 0 when it is absent.
    fn revision(&self, key: &Key) -> Revision {
        self.revisions.get(key).copied().unwrap_or(0)
    }

    /// Notes that `key` was put at `revision`.
    pub(crate) fn put(&mut self, key: Key, revision: Revision) {
        match self.revisions.insert(key.clone(), revision) {
            Some(old) if old == revision => return,
            Some(old) => self.leave(old),
            None => {
                self.keys.insert(key.clone());
            }
        }
        let put = self.by_revision.entry(revision).or_default();
        put.keys.push(key);
        put.current += 1;
    }

    /// Forgets `key`.
    pub(crate) fn delete(&mut self, key: &Key) {
        if let Some(old) = self.revisions.remove(key) {
            self.keys.remove(key);
            self.leave(old);
        }
    }

    /// Takes over that a key put at `revision` is so no more.
    fn leave(&mut self, revision: Revision) {
        let Some(put) = self.by_revision.get_mut(&revision) else {
            return;
        };
        put.current -= 1;
        if put.current == 0 {
            self.by_revision.remove(&revision);
        } else if put.current < put.keys.len() / 2 {
            let revisions = &self.revisions;
            put.keys.retain(|key| revisions.get(key) == Some(&revision));
            put.keys.shrink_to_fit();
        }
    }

    /// The keys put after `revision`, in the order of what put them.
    fn put_after(&self, revision: Revision) -> impl Iterator<Item = &Key> {
        let after = (Bound::Excluded(revision), Bound::Unbounded);
        self.by_revision.range(after).flat_map(|(at, put)| {
            let is_current = |key: &&Key| self.revisions.get(*key) == Some(at);
            put.keys.iter().filter(is_current)
        })
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
            Guard::Absent { key } => !self.revisions.contains_key(key),
            Guard::NoneNewer { prefix, revision } => self.none_newer(prefix, *revision),
        }
    }

    /// The keys that start with the literal string `prefix`, in order.
    fn starting_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Key> {
        let range = (Bound::Included(prefix), Bound::Unbounded);
        let keys = self.keys.range::<str, _>(range);
        keys.take_while(move |key| key.as_str().starts_with(prefix))
    }

    /// The keys that start with the literal string `prefix`, in order.
    pub(crate) fn under(&self, prefix: &str) -> Vec<Key> {
        self.starting_with(prefix).cloned().collect()
    }

    /// Looks from both sides at once, through the keys under the prefix and through the keys put
    /// since the revision. The shorter side ends the search, so a guard on a fresh view of a large
    /// table costs little, and so does a guard on an old view of a small one.
    fn none_newer(&self, prefix: &str, revision: Revision) -> bool {
        let mut under_prefix = self.starting_with(prefix);
        let mut put_since = self.put_after(revision);
        loop {
            match under_prefix.next() {
                None => return true,
                Some(key) if self.revision(key) > revision => return false,
                Some(_) => {}
            }
            match put_since.next() {
                None => return true,
                Some(key) if key.as_str().starts_with(prefix) => return false,
                Some(_) => {}
            }
        }
    }

    /// The writes that change something: a delete of an absent key does not.
    pub(crate) fn effective(&self, mut writes: Vec<Write>) -> Vec<Write> {
        writes.retain(|write| match write {
            Write::Put { .. } => true,
            Write::Delete { key } => self.revisions.contains_key(key),
        });
        writes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    const KEYS: [&str; 6] = ["a", "a/1", "a/2", "ab/1", "b/1", "b/2"];

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_scan(
            commits in proptest::collection::vec((1..64_u8, proptest::bool::weighted(0.3)), 0..40),
        ) {
            let (mut index, mut plain) = (Index::default(), BTreeMap::new());
            for (revision, (keys, deletes)) in (1..).zip(&commits) {
                for (n, text) in KEYS.into_iter().enumerate() {
                    let key = Key::new(text).unwrap();
                    match (keys >> n & 1, deletes) {
                        (0, _) => {}
                        (_, true) => {
                            index.delete(&key);
                            plain.remove(text);
                        }
                        (_, false) => {
                            index.put(key, revision);
                            plain.insert(text, revision);
                        }
                    }
                }
            }
            for text in KEYS {
                let revision = plain.get(text).copied().unwrap_or(0);
                prop_assert_eq!(index.revision(&Key::new(text).unwrap()), revision);
            }
            for prefix in ["", "a", "a/", "ab/", "b/", "c", "~"] {
                let under = || plain.iter().filter(|(key, _)| key.starts_with(prefix));
                let found: Vec<_> = index.under(prefix).iter().map(Key::to_string).collect();
                prop_assert_eq!(found, under().map(|(key, _)| *key).collect::<Vec<_>>());
                for revision in 0..=commits.len() as Revision {
                    let expected = under().all(|(_, put)| *put <= revision);
                    prop_assert_eq!(index.none_newer(prefix, revision), expected);
                }
            }
            let kept: usize = index.by_revision.values().map(|put| put.keys.len()).sum();
            prop_assert!(kept <= 2 * plain.len() + index.by_revision.len());
        }
    }

    #[test]
    fn a_deleted_key_leaves_nothing() {
        let mut index = Index::default();
        let key = Key::new("a").unwrap();
        index.put(key.clone(), 1);
        index.put(key.clone(), 2);
        index.delete(&key);
        index.delete(&key);
        assert!(index.keys.is_empty() && index.revisions.is_empty());
        assert!(index.by_revision.is_empty());
        assert!(index.holds(&Guard::Absent { key }));
    }
}
