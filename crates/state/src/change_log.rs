//! The newest changes of a view, numbered, so that whoever keeps something made from the view can
//! take over what changed instead of making it anew.

use std::collections::VecDeque;

use crate::change::Change;

/// Changes that are kept. One commit makes at most 8,192, and whoever catches up does so at every
/// decision; who has missed more makes anew what it keeps, which then costs as much.
const KEPT: usize = 32_768;

/// The newest changes to instances and tasks, oldest first.
#[derive(Debug, Default)]
pub struct ChangeLog {
    /// The number of the oldest that is kept.
    first: u64,
    kept: VecDeque<Change>,
}

impl ChangeLog {
    /// The number that the next change gets: whoever has seen all below it is up to date.
    pub fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// The changes from number `seen` on; `None` if they are not all kept, or belong to a view
    /// that was replaced.
    pub fn since(&self, seen: u64) -> Option<impl Iterator<Item = &Change>> {
        let skipped = seen.checked_sub(self.first)?;
        let skipped = usize::try_from(skipped).ok()?;
        (skipped <= self.kept.len()).then(|| self.kept.iter().skip(skipped))
    }

    /// An empty log whose numbers no reader of this one has seen.
    pub fn after(&self) -> Self {
        Self {
            first: self.end() + 1,
            kept: VecDeque::new(),
        }
    }

    pub(crate) fn note(&mut self, change: &Change) {
        if matches!(change, Change::Instance { .. } | Change::Task { .. }) {
            if self.kept.len() == KEPT {
                self.kept.pop_front();
                self.first += 1;
            }
            self.kept.push_back(change.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_model::{ClusterName, InstanceId};

    use super::*;

    fn change(number: u128) -> Change {
        Change::Instance {
            cluster: ClusterName::default_cluster(),
            id: InstanceId::new(number),
            is_other: true,
        }
    }

    fn since(log: &ChangeLog, seen: u64) -> Option<usize> {
        log.since(seen).map(Iterator::count)
    }

    #[test]
    fn a_reader_gets_what_it_has_not_seen_or_learns_that_it_missed_something() {
        let mut log = ChangeLog::default();
        assert_eq!(since(&log, 0), Some(0));
        (0..3).for_each(|n| log.note(&change(n)));
        log.note(&Change::Cluster(ClusterName::default_cluster()));
        assert_eq!(log.end(), 3);
        assert_eq!(
            [0, 1, 3, 4].map(|seen| since(&log, seen)),
            [Some(3), Some(2), Some(0), None]
        );
        (0..KEPT as u128).for_each(|n| log.note(&change(n)));
        assert_eq!([2, 3].map(|seen| since(&log, seen)), [None, Some(KEPT)]);
    }

    #[test]
    fn after_a_replacement_nobody_is_up_to_date() {
        let mut log = ChangeLog::default();
        log.note(&change(1));
        let next = log.after();
        assert_eq!([0, 1].map(|seen| since(&next, seen)), [None, None]);
        assert_eq!(since(&next, next.end()), Some(0));
    }
}
