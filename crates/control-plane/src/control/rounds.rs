//! What is decided about now and what is to be, each key by one activation at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use longshore_model::Timestamp;
use longshore_model::plan::Reason;
use longshore_reconcile::Key;

use super::queue::Queue;
use super::turn::Due;

/// Decisions under way at once. Their commits share the store's group commit.
const MAX_IN_FLIGHT: usize = 64;
/// How long a key rests whose plan cannot be written for what it is, so that it delays no other.
const POISON_WAIT: Duration = Duration::from_secs(30);

/// What became of one turn.
#[derive(Debug)]
pub struct Activation {
    /// What was looked at, and how that ended.
    pub outcomes: Vec<(Key, Outcome)>,
}

/// How one activation ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// What the key names does not exist.
    Gone,
    /// The plan, which may be empty, is committed.
    Done {
        /// When to look again though nothing changes.
        wake_at: Option<Timestamp>,
        /// Why nothing more is done.
        reasons: Vec<Reason>,
        /// Whether it waits for what it saw to last.
        waits: bool,
    },
    /// There was no room for it in the transaction; its turn comes again.
    Left,
    /// What was decided from has changed; decide again.
    Conflict,
    /// The store refuses the plan for what it is.
    Poison,
    /// The plan changes a record that is damaged; it must be mended first.
    Damaged,
    /// Another control plane leads.
    Deposed,
    /// The store did not answer; whether the plan is committed is not known.
    Unknown,
    /// The store has failed, and with it the process.
    StoreFailed,
}

/// What is looked at now, and what is to be looked at: each key by one activation at a time.
#[derive(Debug, Default)]
pub struct Rounds {
    /// What is to be looked at.
    pub queue: Queue,
    in_flight: BTreeSet<Key>,
    turns: usize,
    /// Keys that were named again while a decision about them was under way.
    again: BTreeSet<Key>,
    /// Keys whose decisions wait for what they saw to last, and since when, on the clock of
    /// [`Rounds::start`] that never jumps.
    waits_since: BTreeMap<Key, Duration>,
}

/// Why nothing more is decided in a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Another control plane leads.
    Deposed,
    /// The outcome of a commit is not known.
    Unknown,
    /// The store has failed; the process must be restarted.
    StoreFailed,
}

impl Rounds {
    /// How many keys wait, are decided about, and have a timer.
    pub fn sizes(&self) -> [usize; 3] {
        let [waiting, timers] = self.queue.sizes();
        [waiting, self.in_flight.len(), timers]
    }

    /// The next keys to decide about together, while there is room for one more activation. The
    /// caller answers each with [`Rounds::finish`]. `elapsed` is a clock that never jumps.
    pub fn start(&mut self, now: Timestamp, elapsed: Duration) -> Option<Vec<Due>> {
        while self.turns < MAX_IN_FLIGHT {
            let mut keys = self.queue.pop(now)?;
            keys.retain(|key| {
                let idle = !self.in_flight.contains(key);
                if !idle {
                    self.again.insert(key.clone());
                }
                idle
            });
            if keys.is_empty() {
                continue;
            }
            self.in_flight.extend(keys.iter().cloned());
            self.turns += 1;
            let due = keys.into_iter().map(|key| {
                let since = self.waits_since.get(&key);
                let waited = since.map_or(Duration::ZERO, |since| elapsed.saturating_sub(*since));
                Due { key, waited }
            });
            return Some(due.collect());
        }
        None
    }

    /// When [`Rounds::start`] has something to start though nothing happens until then. While there
    /// is no room it is [`Rounds::finish`] that makes some, and a timer that is due must not have
    /// the loop run round.
    pub fn next_wake(&self) -> Option<Timestamp> {
        (self.turns < MAX_IN_FLIGHT)
            .then(|| self.queue.next_wake())
            .flatten()
    }

    /// Takes over what became of an activation.
    ///
    /// # Errors
    /// The [`End`] of the term, when nothing can be decided any more.
    pub fn finish(
        &mut self,
        activation: Activation,
        now: Timestamp,
        elapsed: Duration,
    ) -> Result<(), End> {
        self.turns = self.turns.saturating_sub(1);
        let shared = activation.outcomes.len() > 1;
        let cluster = activation.outcomes.first();
        let cluster = cluster.and_then(|(key, _)| key.turn().cloned());
        for (key, outcome) in activation.outcomes {
            self.in_flight.remove(&key);
            match outcome {
                Outcome::Gone => {
                    self.waits_since.remove(&key);
                    self.queue.settle(&key, None);
                }
                Outcome::Done { wake_at, waits, .. } => {
                    if !waits {
                        self.waits_since.remove(&key);
                    } else if !self.waits_since.contains_key(&key) {
                        self.waits_since.insert(key.clone(), elapsed);
                    }
                    self.queue.settle(&key, wake_at);
                }
                // Whoever shared the transaction may have been the one with the trouble.
                Outcome::Conflict | Outcome::Poison if shared => {
                    self.queue.push_alone(key.clone());
                }
                Outcome::Conflict | Outcome::Left => self.queue.push(key.clone()),
                Outcome::Poison | Outcome::Damaged => {
                    self.queue.rest(&key, now.after(POISON_WAIT));
                }
                Outcome::Deposed => return Err(End::Deposed),
                Outcome::Unknown => return Err(End::Unknown),
                Outcome::StoreFailed => return Err(End::StoreFailed),
            }
            if self.again.remove(&key) {
                self.queue.push(key);
            }
        }
        if let Some(cluster) = cluster {
            self.queue.done(&cluster);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use longshore_model::{ClusterName, TaskId};

    use super::*;

    fn key(name: &str) -> Key {
        Key::Service((ClusterName::default_cluster(), name.parse().unwrap()))
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Starts what there is to start, at a time of the jumping clock.
    fn start(rounds: &mut Rounds, millis: i64) -> Option<Vec<Key>> {
        let due = rounds.start(at(millis), Duration::ZERO)?;
        Some(due.into_iter().map(|due| due.key).collect())
    }

    fn finish(rounds: &mut Rounds, outcomes: Vec<(Key, Outcome)>, millis: i64) -> Result<(), End> {
        rounds.finish(Activation { outcomes }, at(millis), Duration::ZERO)
    }

    #[test]
    fn a_due_timer_waits_for_room_and_not_for_time() {
        let mut rounds = Rounds::default();
        let task = |id: usize| {
            let id = TaskId::new(id.try_into().unwrap());
            Key::Task((ClusterName::default_cluster(), id))
        };
        (0..MAX_IN_FLIGHT).for_each(|id| rounds.queue.push(task(id)));
        rounds.queue.settle(&key("a"), Some(at(5)));
        assert_eq!(rounds.next_wake(), Some(at(5)));
        let started: Vec<_> = std::iter::from_fn(|| start(&mut rounds, 0)).collect();
        assert_eq!((started.len(), rounds.next_wake()), (MAX_IN_FLIGHT, None));
        assert_eq!(start(&mut rounds, 9), None);
        finish(&mut rounds, vec![(task(0), Outcome::Gone)], 9).unwrap();
        assert_eq!(rounds.next_wake(), Some(at(5)));
        assert_eq!(start(&mut rounds, 9), Some(vec![key("a")]));
    }

    #[test]
    fn a_term_ends_with_the_first_commit_that_may_not_stand() {
        let ends = [
            (Outcome::Deposed, End::Deposed),
            (Outcome::Unknown, End::Unknown),
            (Outcome::StoreFailed, End::StoreFailed),
        ];
        for (outcome, end) in ends {
            let mut rounds = Rounds::default();
            rounds.queue.push(key("a"));
            let keys = start(&mut rounds, 0).unwrap();
            let outcomes = keys.into_iter().map(|key| (key, outcome.clone())).collect();
            assert_eq!(finish(&mut rounds, outcomes, 0), Err(end));
        }
    }

    #[test]
    fn what_waits_is_told_for_how_long_until_it_does_not() {
        let mut rounds = Rounds::default();
        let mut decide = |elapsed, waits| {
            rounds.queue.push(key("a"));
            let elapsed = Duration::from_secs(elapsed);
            let due = rounds.start(at(0), elapsed).unwrap().remove(0);
            let done = Outcome::Done {
                wake_at: None,
                reasons: Vec::new(),
                waits,
            };
            let outcomes = vec![(due.key, done)];
            rounds
                .finish(Activation { outcomes }, at(0), elapsed)
                .unwrap();
            due.waited.as_secs()
        };
        assert_eq!(decide(100, true), 0);
        assert_eq!(decide(103, true), 3);
        assert_eq!(decide(110, false), 10);
        assert_eq!(decide(111, true), 0);
        assert_eq!(decide(112, true), 1);
    }
}
