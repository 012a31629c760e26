//! A sorted list that can be changed anywhere and asked for its n-th entry.

/// Entries per chunk before it is split. Chosen so that moving half a chunk costs about as much as
/// finding it: 256 entries of 24 bytes are 6 KiB.
const CHUNK: usize = 256;

/// Lengths that are added up at once on the way to a place.
const STRIDE: usize = 16;

/// Entries in order, none twice. Changes and look-ups take a search plus one pass over the chunk
/// lengths, of which there are a few hundred at 100,000 entries; these and the first entries lie
/// together, so that neither reads the chunks.
#[derive(Debug, Clone)]
pub(crate) struct Ranked<T> {
    /// None is empty.
    chunks: Vec<Vec<T>>,
    /// Of each chunk.
    firsts: Vec<T>,
    lengths: Vec<u32>,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            firsts: Vec::new(),
            lengths: Vec::new(),
        }
    }
}

impl<T: Ord + Copy> Ranked<T> {
    /// Takes over entries in any order.
    pub(crate) fn load(&mut self, mut entries: Vec<T>) {
        entries.sort_unstable();
        entries.dedup();
        *self = Self::default();
        for chunk in entries.chunks(CHUNK * 3 / 4) {
            let mut own = Vec::with_capacity(CHUNK + 1);
            own.extend_from_slice(chunk);
            self.insert_chunk(self.chunks.len(), own);
        }
    }

    fn insert_chunk(&mut self, at: usize, chunk: Vec<T>) {
        if let Some(first) = chunk.first() {
            self.firsts.insert(at, *first);
            self.lengths.insert(at, chunk.len() as u32);
            self.chunks.insert(at, chunk);
        }
    }

    /// After a chunk was changed.
    fn chunk_changed(&mut self, at: usize) {
        match self.chunks[at].first() {
            Some(first) => {
                self.firsts[at] = *first;
                self.lengths[at] = self.chunks[at].len() as u32;
            }
            None => {
                self.firsts.remove(at);
                self.lengths.remove(at);
                self.chunks.remove(at);
            }
        }
    }

    /// The chunk that holds the entry or would.
    fn chunk_of(&self, entry: &T) -> usize {
        let after = self.firsts.partition_point(|first| first <= entry);
        after.saturating_sub(1)
    }

    pub(crate) fn insert(&mut self, entry: T) {
        let at = self.chunk_of(&entry);
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.insert_chunk(at, vec![entry]);
            return;
        };
        if let Err(position) = chunk.binary_search(&entry) {
            chunk.insert(position, entry);
            if chunk.len() > CHUNK {
                let upper = chunk.split_off(CHUNK / 2);
                self.insert_chunk(at + 1, upper);
            }
            self.chunk_changed(at);
        }
    }

    pub(crate) fn remove(&mut self, entry: &T) {
        let at = self.chunk_of(entry);
        if let Some(chunk) = self.chunks.get_mut(at)
            && let Ok(position) = chunk.binary_search(entry)
        {
            chunk.remove(position);
            self.chunk_changed(at);
        }
    }

    pub(crate) fn first(&self) -> Option<&T> {
        self.firsts.first()
    }

    /// How many entries lead the list with `equal` true; it must be true of a prefix.
    pub(crate) fn leading(&self, equal: impl Fn(&T) -> bool) -> usize {
        let whole = self.firsts.partition_point(&equal);
        let Some(last) = whole.checked_sub(1) else {
            return 0;
        };
        let before: u32 = self.lengths[..last].iter().sum();
        before as usize + self.chunks[last].partition_point(equal)
    }

    /// The n-th entry from 0.
    pub(crate) fn nth(&self, n: usize) -> Option<&T> {
        let mut rest = u32::try_from(n).ok()?;
        for (stride, lengths) in self.lengths.chunks(STRIDE).enumerate() {
            let together = lengths.iter().sum();
            if let Some(beyond) = rest.checked_sub(together) {
                rest = beyond;
                continue;
            }
            for (within, length) in lengths.iter().enumerate() {
                match rest.checked_sub(*length) {
                    None => return self.chunks[stride * STRIDE + within].get(rest as usize),
                    Some(beyond) => rest = beyond,
                }
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
