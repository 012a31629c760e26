//! A sorted list that can be changed anywhere and asked for its n-th entry.

/// Entries per chunk before it is split. Chosen so that moving half a chunk costs about as much as
/// finding it: 256 entries of 24 bytes are 6 KiB.
const CHUNK: usize = 256;

/// Entries in order, none twice. Changes and look-ups take a search plus one pass over the chunk
/// lengths, of which there are a few hundred at 100,000 entries.
#[derive(Debug, Clone)]
pub(crate) struct Ranked<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T: Ord + Copy> Ranked<T> {
    /// Takes over entries in any order.
    pub(crate) fn load(&mut self, mut entries: Vec<T>) {
        entries.sort_unstable();
        entries.dedup();
        self.chunks = entries
            .chunks(CHUNK * 3 / 4)
            .map(|chunk| {
                let mut own = Vec::with_capacity(CHUNK + 1);
                own.extend_from_slice(chunk);
                own
            })
            .collect();
    }

    /// The chunk that holds the entry or would.
    fn chunk_of(&self, entry: &T) -> usize {
        let after = self
            .chunks
            .partition_point(|chunk| chunk.first().is_some_and(|first| first <= entry));
        after.saturating_sub(1)
    }

    pub(crate) fn insert(&mut self, entry: T) {
        let at = self.chunk_of(&entry);
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(vec![entry]);
            return;
        };
        if let Err(position) = chunk.binary_search(&entry) {
            chunk.insert(position, entry);
            if chunk.len() > CHUNK {
                let upper = chunk.split_off(CHUNK / 2);
                self.chunks.insert(at + 1, upper);
            }
        }
    }

    pub(crate) fn remove(&mut self, entry: &T) {
        let at = self.chunk_of(entry);
        if let Some(chunk) = self.chunks.get_mut(at)
            && let Ok(position) = chunk.binary_search(entry)
        {
            chunk.remove(position);
            if chunk.is_empty() {
                self.chunks.remove(at);
            }
        }
    }

    pub(crate) fn first(&self) -> Option<&T> {
        self.chunks.first().and_then(|chunk| chunk.first())
    }

    /// How many entries lead the list with `equal` true; it must be true of a prefix.
    pub(crate) fn leading(&self, equal: impl Fn(&T) -> bool) -> usize {
        let whole = self
            .chunks
            .partition_point(|chunk| chunk.first().is_some_and(&equal));
        let Some(last) = whole.checked_sub(1) else {
            return 0;
        };
        let before: usize = self.chunks[..last].iter().map(Vec::len).sum();
        before + self.chunks[last].partition_point(equal)
    }

    /// The n-th entry from 0.
    pub(crate) fn nth(&self, mut n: usize) -> Option<&T> {
        for chunk in &self.chunks {
            match n.checked_sub(chunk.len()) {
                None => return chunk.get(n),
                Some(rest) => n = rest,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        /// The same as a set, through splits and merges.
        #[test]
        fn a_ranked_list_is_a_set_with_places(
            loaded in proptest::collection::vec(0_u32..3000, 0..2000),
            changes in proptest::collection::vec((0_u32..3000, proptest::bool::ANY), 0..2000),
        ) {
            let mut list = Ranked::default();
            list.load(loaded.clone());
            let mut set: BTreeSet<u32> = loaded.into_iter().collect();
            for (entry, add) in changes {
                if add {
                    list.insert(entry);
                    set.insert(entry);
                } else {
                    list.remove(&entry);
                    set.remove(&entry);
                }
                prop_assert_eq!(list.first(), set.first());
            }
            prop_assert_eq!(list.leading(|_| true), set.len());
            for bound in [0, 1, 700, 2999] {
                prop_assert_eq!(list.leading(|entry| *entry < bound), set.range(..bound).count());
            }
            for (place, entry) in set.iter().enumerate() {
                prop_assert_eq!(list.nth(place), Some(entry));
            }
            prop_assert_eq!(list.nth(set.len()), None);
        }
    }
}
