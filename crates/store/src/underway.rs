//! Records on their way to the store, as they were before they were encoded, so that the view need
//! not decode what this process has just encoded.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use longshore_state::{Event, Key, Made, Noun};

/// What is being committed, by key. A hint: whoever finds nothing here decodes, which gives the
/// same. Of two commits of one key that are under way at once only the later is kept.
#[derive(Debug, Default)]
pub(crate) struct Underway {
    by_key: Mutex<HashMap<Key, Made>>,
}

/// The records of one commit. Those that no watch has shown are forgotten when it is dropped.
#[derive(Debug)]
pub(crate) struct Passage<'a> {
    underway: &'a Underway,
    made: Vec<(Key, Bytes)>,
}

impl Underway {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Made>> {
        // Nothing that can panic runs while it is held.
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a commit will write.
    pub(crate) fn enter(&self, made: Vec<Made>) -> Passage<'_> {
        let names = made
            .iter()
            .map(|made| (made.key.clone(), made.value.clone()))
            .collect();
        let mut by_key = self.lock();
        for made in made {
            by_key.insert(made.key.clone(), made);
        }
        drop(by_key);
        Passage {
            underway: self,
            made: names,
        }
    }

    /// The records behind these events, in their order, where this process made exactly those
    /// bytes. Each is given out once.
    pub(crate) fn take<'a>(&self, events: impl Iterator<Item = &'a Event>) -> Vec<Option<Noun>> {
        let mut by_key = self.lock();
        if by_key.is_empty() {
            return events.map(|_| None).collect();
        }
        let mut take = |event: &Event| match event {
            Event::Put(entry) => {
                let made = by_key.get(&entry.key)?;
                // Another process may have written the same key in between.
                let is_same = std::ptr::eq(&*made.value, &*entry.value);
                if !is_same && made.value != entry.value {
                    return None;
                }
                by_key.remove(&entry.key).map(|made| made.noun)
            }
            Event::Deleted { .. } => None,
        };
        events.map(&mut take).collect()
    }

    /// Forgets everything: the view is made from a list.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

impl Passage<'_> {
    /// The commit stands: what the watch has not shown yet it will show.
    pub(crate) fn stands(mut self) {
        self.made.clear();
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.made.is_empty() {
            return;
        }
        let mut by_key = self.underway.lock();
        for (key, value) in &self.made {
            let is_ours = |made: &Made| made.value.as_ptr() == value.as_ptr();
            if by_key.get(key).is_some_and(is_ours) {
                by_key.remove(key);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contract::Entry;

    fn made(key: &str, value: &'static [u8], number: u32) -> Made {
        Made {
            key: Key::new(key).unwrap(),
            value: Bytes::from_static(value),
            noun: Arc::new(number),
        }
    }

    fn put(key: &str, value: &'static [u8]) -> Event {
        Event::Put(Entry {
            key: Key::new(key).unwrap(),
            value: Bytes::from_static(value),
            revision: 1,
        })
    }

    fn take(underway: &Underway, event: &Event) -> Option<u32> {
        let noun = underway.take(std::iter::once(event)).remove(0)?;
        noun.downcast_ref::<u32>().copied()
    }

    #[test]
    fn a_record_is_given_out_once_and_only_for_its_own_bytes() {
        let underway = Underway::default();
        underway
            .enter(vec![made("a", b"1", 1), made("b", b"2", 2)])
            .stands();
        assert_eq!(take(&underway, &put("a", b"other")), None);
        assert_eq!(take(&underway, &put("a", b"1")), Some(1));
        assert_eq!(take(&underway, &put("a", b"1")), None);
        let key = Key::new("b").unwrap();
        assert_eq!(take(&underway, &Event::Deleted { key }), None);
        assert_eq!(take(&underway, &put("b", b"2")), Some(2));
    }

    #[test]
    fn a_refused_commit_leaves_nothing_and_takes_nothing_of_another() {
        let underway = Underway::default();
        let refused = underway.enter(vec![made("a", b"1", 1), made("b", b"1", 1)]);
        let stands = underway.enter(vec![made("a", b"2", 2)]);
        drop(refused);
        stands.stands();
        assert_eq!(underway.len(), 1);
        assert_eq!(take(&underway, &put("a", b"2")), Some(2));
    }
}
