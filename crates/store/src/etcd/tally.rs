//! Whether a watch has shown everything: etcd 3.4 may lose, repeat and cut what it shows.
//!
//! Every change of records puts `head` as the last key of its transaction, with the number of
//! records changed. So a revision is complete when its `head` has been shown and the number is
//! right, and none was lost in between when the version of `head`, which etcd counts, is the next
//! one. What is lost at the end, with nothing after it, is found by asking (`inspector.rs`).
//!
//! Pure: what was shown goes in, what may be published comes out.

use bytes::Bytes;

use crate::contract::{Entry, Revision};
use crate::watch::{Batch, Event};
use longshore_state::Key;

use super::plan::{Head, revision};

/// One event of the watched range, as etcd shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The revision of its transaction.
    pub revision: i64,
    /// What it is about.
    pub of: Subject,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A record: its new value, or none where it was deleted.
    Record(Key, Option<Bytes>),
    /// The key `head`: how often it was put since it was made, and its value.
    Head(i64, Bytes),
    /// Something else.
    Other,
}

/// A watch that cannot be followed as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// Everything up to this revision of etcd was published.
    pub(super) after: i64,
}

/// A record and its new value; none where it was deleted.
type Changed = (Key, Option<Bytes>);

/// What has been shown so far.
#[derive(Debug)]
pub(super) struct Tally {
    /// Everything up to this revision of etcd is published.
    position: i64,
    /// The newest `head` taken: its revision and its version.
    head_at: i64,
    version: i64,
    /// The records of the revision that is being shown.
    pending: Vec<Changed>,
    pending_at: i64,
    /// Changes of records without a `head`, which only somebody else's hand makes, at this
    /// revision. They are taken when they are shown the same way a second time.
    strange: Option<(i64, Vec<Changed>)>,
}

impl Tally {
    /// Begins after revision `position`, where `head` was last put at `head_at` and has `version`.
    pub(super) fn new(position: i64, head_at: i64, version: i64) -> Tally {
        Tally {
            position,
            head_at,
            version,
            pending: Vec::new(),
            pending_at: 0,
            strange: None,
        }
    }

    /// Everything up to this revision of etcd is published.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// The revision of the newest `head` taken.
    pub(super) fn head_at(&self) -> i64 {
        self.head_at
    }

    /// Forgets what is not complete, before another watch from after [`Tally::position`].
    pub(super) fn begin_again(&mut self) {
        if !self.pending.is_empty() {
            self.strange = Some((self.pending_at, std::mem::take(&mut self.pending)));
        }
        self.pending_at = 0;
    }

    /// Takes what was shown, in order, and returns what is complete by now.
    ///
    /// # Errors
    /// [`Gap`] when something was not shown; what came before it is in `complete`.
    pub(super) fn take(&mut self, shown: Vec<Shown>, complete: &mut Vec<Batch>) -> Result<(), Gap> {
        for event in shown {
            // What was shown before, or is of a time before.
            if event.revision <= self.position || event.revision < self.pending_at {
                continue;
            }
            if event.revision > self.pending_at {
                self.turn_to(event.revision, complete)?;
            }
            match event.of {
                Subject::Record(key, value) => {
                    if !self.pending.iter().any(|(pending, _)| *pending == key) {
                        self.pending.push((key, value));
                    }
                }
                Subject::Head(version, value) => complete.extend(self.close(version, &value)?),
                Subject::Other => {}
            }
        }
        Ok(())
    }

    fn gap(&self) -> Gap {
        Gap {
            after: self.position,
        }
    }

    /// The first event of a revision: the one before ended without a `head`.
    fn turn_to(&mut self, next: i64, complete: &mut Vec<Batch>) -> Result<(), Gap> {
        if !self.pending.is_empty() {
            let seen = Some((self.pending_at, self.pending.clone()));
            if self.strange != seen {
                return Err(self.gap());
            }
            self.strange = None;
            complete.push(self.publish());
        }
        self.pending_at = next;
        Ok(())
    }

    /// The `head` of the revision being shown.
    fn close(&mut self, version: i64, value: &[u8]) -> Result<Option<Batch>, Gap> {
        let puts = self.pending.iter().filter(|(_, value)| value.is_some());
        let puts = puts.count();
        let seen = Head {
            puts,
            deletes: self.pending.len() - puts,
        };
        if version != self.version + 1 || Head::decode(value) != Some(seen) {
            return Err(self.gap());
        }
        self.version = version;
        self.head_at = self.pending_at;
        Ok(Some(self.publish()))
    }

    fn publish(&mut self) -> Batch {
        self.position = self.pending_at;
        let at: Revision = revision(self.position);
        let event = |(key, value)| match value {
            Some(value) => Event::Put(Entry {
                key,
                value,
                revision: at,
            }),
            None => Event::Deleted { key },
        };
        Batch {
            revision: at,
            events: std::mem::take(&mut self.pending)
                .into_iter()
                .map(event)
                .collect(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(n: u8) -> Key {
        Key::new(format!("k/{n}")).unwrap()
    }

    fn record(revision: i64, n: u8, put: bool) -> Shown {
        let value = put.then(|| Bytes::from(revision.to_string()));
        Shown {
            revision,
            of: Subject::Record(key(n), value),
        }
    }

    fn head(revision: i64, version: i64, puts: usize, deletes: usize) -> Shown {
        let value = Head { puts, deletes }.encode().into();
        Shown {
            revision,
            of: Subject::Head(version, value),
        }
    }

    /// What etcd shows of commits: each writes some of eight keys, at every other revision.
    fn log(commits: &[Vec<bool>]) -> Vec<Shown> {
        let mut log = Vec::new();
        for (n, writes) in commits.iter().enumerate() {
            let (version, revision) = (n as i64 + 1, 2 * n as i64 + 2);
            let records = writes.iter().enumerate();
            log.extend(records.map(|(key, put)| record(revision, key as u8, *put)));
            let puts = writes.iter().filter(|put| **put).count();
            log.push(head(revision, version, puts, writes.len() - puts));
        }
        log
    }

    fn honest(log: &[Shown]) -> Vec<Batch> {
        let mut complete = Vec::new();
        Tally::new(0, 0, 0)
            .take(log.to_vec(), &mut complete)
            .unwrap();
        complete
    }

    #[test]
    fn what_is_shown_in_full_is_published_however_it_is_cut() {
        let log = log(&[vec![true, true], vec![false], vec![true, false, true]]);
        let whole = honest(&log);
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[2].events.len(), 3);
        let mut one_by_one = Vec::new();
        let mut tally = Tally::new(0, 0, 0);
        for event in &log {
            tally
                .take(vec![event.clone(), event.clone()], &mut one_by_one)
                .unwrap();
        }
        assert_eq!(one_by_one, whole);
        assert_eq!((tally.position(), tally.head_at()), (6, 6));
        tally.take(log, &mut one_by_one).unwrap();
        assert_eq!(one_by_one, whole, "what is shown again is no news");
    }

    #[test]
    fn what_is_missing_is_noticed() {
        let log = log(&[vec![true, true], vec![false], vec![true, false, true]]);
        for missing in 0..log.len() - 1 {
            let mut shown = log.clone();
            shown.remove(missing);
            let mut complete = Vec::new();
            let mut tally = Tally::new(0, 0, 0);
            let gap = tally.take(shown, &mut complete);
            assert!(gap.is_err(), "event {missing}");
            assert_eq!(complete, honest(&log)[..complete.len()], "event {missing}");
        }
    }

    #[test]
    fn changes_by_hand_are_taken_when_they_are_shown_twice() {
        let by_hand = vec![record(1, 0, false), head(2, 1, 0, 0)];
        let mut complete = Vec::new();
        let mut tally = Tally::new(0, 0, 0);
        let first = tally.take(by_hand.clone(), &mut complete);
        assert_eq!(first, Err(Gap { after: 0 }));
        tally.begin_again();
        tally.take(by_hand, &mut complete).unwrap();
        assert_eq!(complete[0].events, [Event::Deleted { key: key(0) }]);
        assert_eq!(tally.head_at(), 2);
    }

    #[test]
    fn a_head_that_is_lost_the_same_way_twice_is_missed_at_the_next() {
        let mut shown = log(&[vec![true, false], vec![true]]);
        shown.remove(2);
        let mut complete = Vec::new();
        let mut tally = Tally::new(0, 0, 0);
        let first = tally.take(shown.clone(), &mut complete);
        assert_eq!(first, Err(Gap { after: 0 }));
        tally.begin_again();
        // It looks like a change by hand.
        let second = tally.take(shown, &mut complete);
        assert_eq!(second, Err(Gap { after: 2 }));
        assert_eq!((complete.len(), tally.head_at()), (1, 0));
    }

    /// What an adversary does to one delivery.
    #[derive(Debug, Clone)]
    enum Trick {
        Lose(usize),
        Repeat(usize),
        CutAfter(usize),
        GoBack(usize),
    }

    fn trick() -> impl Strategy<Value = Trick> {
        let place = 0..60_usize;
        prop_oneof![
            place.clone().prop_map(Trick::Lose),
            place.clone().prop_map(Trick::Repeat),
            place.clone().prop_map(Trick::CutAfter),
            place.prop_map(Trick::GoBack),
        ]
    }

    fn tampered(mut shown: Vec<Shown>, tricks: &[Trick]) -> Vec<Shown> {
        for trick in tricks {
            let length = shown.len();
            match trick {
                Trick::Lose(at) if *at < length => drop(shown.remove(*at)),
                Trick::Repeat(at) if *at < length => shown.insert(*at, shown[*at].clone()),
                Trick::CutAfter(at) => shown.truncate(*at),
                Trick::GoBack(at) if *at < length => {
                    let earlier = shown[at / 2].clone();
                    shown.insert(*at, earlier);
                }
                _ => {}
            }
        }
        shown
    }

    /// The order of what one revision changes says nothing.
    fn in_key_order(mut batches: Vec<Batch>) -> Vec<Batch> {
        for batch in &mut batches {
            batch.events.sort_by_key(|event| match event {
                Event::Put(entry) => entry.key.to_string(),
                Event::Deleted { key } => key.to_string(),
            });
        }
        batches
    }

    proptest! {
        #[test]
        fn only_what_happened_is_published_and_nothing_is_left_out(
            commits in prop::collection::vec(prop::collection::vec(any::<bool>(), 1..5), 1..12),
            deliveries in prop::collection::vec(prop::collection::vec(trick(), 0..4), 0..8),
        ) {
            let log = log(&commits);
            let truth = honest(&log);
            let mut tally = Tally::new(0, 0, 0);
            let mut complete = Vec::new();
            let rest = |tally: &Tally| -> Vec<Shown> {
                let after = tally.position();
                log.iter().filter(|event| event.revision > after).cloned().collect()
            };
            let mut lossy = 0;
            for tricks in &deliveries {
                let loses = |trick: &Trick| matches!(trick, Trick::Lose(_) | Trick::CutAfter(_));
                lossy += usize::from(tricks.iter().any(loses));
                let shown = tampered(rest(&tally), tricks);
                let _ = tally.take(shown, &mut complete);
                tally.begin_again();
                if tally.head_at() < tally.position() {
                    // A head was lost the same way twice. That shows at the next one, or by asking;
                    // what was published until then did happen.
                    prop_assert!(lossy >= 2);
                    prop_assert!(complete.is_sorted_by(|a, b| a.revision < b.revision));
                    for batch in &complete {
                        let happened = truth.iter().find(|t| t.revision == batch.revision);
                        let happened = &happened.unwrap().events;
                        prop_assert!(batch.events.iter().all(|event| happened.contains(event)));
                    }
                    let rest = rest(&tally);
                    prop_assert!(rest.is_empty() || tally.take(rest, &mut complete).is_err());
                    return Ok(());
                }
                complete = in_key_order(complete);
                prop_assert_eq!(&complete, &truth[..complete.len()]);
                prop_assert_eq!(tally.head_at(), tally.position());
            }
            tally.take(rest(&tally), &mut complete).unwrap();
            prop_assert_eq!(complete, truth);
        }
    }
}
