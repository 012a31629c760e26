//! The groups that tasks on one instance belong to.

use std::sync::Arc;

/// Tasks of one group on one instance that are not STOPPED, placements not committed among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GroupCount {
    pub(crate) live: u32,
    pub(crate) wanted: u32,
}

#[derive(Debug, Clone)]
struct Group {
    /// Decides all but always, so that the name, which lies elsewhere in memory, is rarely read.
    hash: u64,
    name: Arc<str>,
    count: GroupCount,
}

impl Group {
    /// Whether it has this name, of this hash. A name is most often compared with itself.
    fn is(&self, hash: u64, name: &str) -> bool {
        self.hash == hash && (std::ptr::eq(&*self.name, name) || *self.name == *name)
    }
}

/// Counts by group, those with tasks only. Tasks of one group come one after the other, so the group
/// counted last is at hand and the others are a pointer away.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups {
    latest: Option<Group>,
    /// By hash.
    others: Vec<Group>,
}

impl Groups {
    /// The tasks of this group.
    pub(crate) fn of(&self, name: &str) -> GroupCount {
        let hash = hash(name);
        if let Some(group) = &self.latest
            && group.is(hash, name)
        {
            return group.count;
        }
        self.find(hash, name)
            .map_or_else(|_| GroupCount::default(), |at| self.others[at].count)
    }

    /// Where among the others the group is, or would be.
    fn find(&self, hash: u64, name: &str) -> Result<usize, usize> {
        let from = self.others.partition_point(|group| group.hash < hash);
        let mut equal = self.others[from..]
            .iter()
            .take_while(|group| group.hash == hash);
        equal
            .position(|group| group.is(hash, name))
            .map(|at| from + at)
            .ok_or(from)
    }

    /// Counts so many more, or fewer. Returns the group's name as it is kept here, to be shared.
    pub(crate) fn count(&mut self, name: &Arc<str>, live: i64, wanted: i64) -> Arc<str> {
        let hash = hash(name);
        let mut group = match self.latest.take() {
            Some(latest) if latest.is(hash, name) => latest,
            latest => {
                let found = self.find(hash, name).ok();
                let found = found.map(|at| self.others.remove(at));
                if let Some(latest) = latest {
                    let at = self.find(latest.hash, &latest.name);
                    self.others.insert(at.unwrap_or_else(|at| at), latest);
                }
                found.unwrap_or_else(|| Group {
                    hash,
                    name: Arc::clone(name),
                    count: GroupCount::default(),
                })
            }
        };
        let moved = |value: u32, by: i64| u32::try_from(i64::from(value) + by).unwrap_or(0);
        group.count.live = moved(group.count.live, live);
        group.count.wanted = moved(group.count.wanted, wanted);
        let name = Arc::clone(&group.name);
        self.latest = (group.count.live > 0).then_some(group);
        name
    }

    /// Their names, in no order that means anything.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.latest
            .iter()
            .chain(&self.others)
            .map(|group| &*group.name)
    }
}

/// FNV-1a over eight bytes at a time.
fn hash(name: &str) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(PRIME).rotate_left(23);
    let (words, rest) = name.as_bytes().as_chunks::<8>();
    let seed = mix(0xcbf2_9ce4_8422_2325, name.len() as u64);
    let whole = words
        .iter()
        .fold(seed, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter()
        .fold(whole, |hash, byte| mix(hash, u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        /// The same as a map from names to counts.
        #[test]
        fn groups_are_a_map_from_names(
            changes in proptest::collection::vec(("[a-c]{0,3}", 0_i64..3, -1_i64..3), 0..60),
        ) {
            let (mut groups, mut map) = (Groups::default(), BTreeMap::<String, (i64, i64)>::new());
            for (name, live, wanted) in changes {
                let had = map.get(&name).copied().unwrap_or_default();
                // As callers do: a count goes down no further than it went up.
                let now = (had.0 + live - 1, (had.1 + wanted).max(0));
                if now.0 < 0 {
                    continue;
                }
                let kept = groups.count(&Arc::from(&*name), live - 1, now.1 - had.1);
                prop_assert_eq!(&*kept, &name);
                if now.0 == 0 {
                    map.remove(&name);
                } else {
                    map.insert(name, now);
                }
            }
            let mut names: Vec<&str> = groups.names().collect();
            names.sort_unstable();
            prop_assert_eq!(names, map.keys().map(String::as_str).collect::<Vec<_>>());
            for (name, (live, wanted)) in map {
                let count = GroupCount { live: live as u32, wanted: wanted as u32 };
                prop_assert_eq!(groups.of(&name), count);
            }
        }
    }

    #[test]
    fn names_of_every_length_have_hashes_of_their_own() {
        let names: Vec<String> = (0..40).map(|length| "x".repeat(length)).collect();
        let mut hashes: Vec<u64> = names.iter().map(|name| hash(name)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), names.len());
    }
}
