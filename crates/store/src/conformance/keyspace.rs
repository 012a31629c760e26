//! The contract as a machine that does one call at a time, to explain recorded histories with.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::linear::{self, Model, Timed, Violation};
use crate::contract::{Commit, Entry, Guard, Revision, Write};
use longshore_state::Key;

/// A call to a store and what it was told.
#[derive(Debug, Clone)]
pub enum Call {
    /// [`crate::Store::get`].
    Get {
        /// Of this key.
        key: Key,
        /// What was there.
        seen: Option<(Revision, Bytes)>,
    },
    /// [`crate::Store::list`].
    List {
        /// Of this prefix.
        prefix: String,
        /// What was there.
        seen: Vec<Entry>,
    },
    /// [`crate::Store::commit`].
    Commit {
        /// What was asked for.
        commit: Commit,
        /// What came of it.
        outcome: Outcome,
    },
}

/// What came of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was made at this revision.
    Made(Revision),
    /// A guard did not hold.
    Refused,
    /// Nobody was told.
    Unknown,
}

/// Guarded commits over a map. Values should differ, so that a read tells which put it saw.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keyspace;

/// What is at a key. The revision is unknown after a commit of unknown outcome, until it is seen.
type Stored = (Option<Revision>, Bytes);

impl Model for Keyspace {
    type State = BTreeMap<Key, Stored>;
    type Call = Call;

    fn start(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, call: &Call) -> Option<Self::State> {
        match call {
            Call::Get { key, seen } => match (state.get(key), seen) {
                (None, None) => Some(state.clone()),
                (Some(stored), Some((revision, value))) if is_seen(stored, *revision, value) => {
                    let mut next = state.clone();
                    next.insert(key.clone(), (Some(*revision), value.clone()));
                    Some(next)
                }
                _ => None,
            },
            Call::List { prefix, seen } => list(state, prefix, seen),
            Call::Commit { commit, outcome } => match outcome {
                Outcome::Refused => {
                    let may_break = |guard| holds(state, guard) != Some(true);
                    commit.guards.iter().any(may_break).then(|| state.clone())
                }
                Outcome::Made(revision) => make(state, commit, Some(*revision)),
                Outcome::Unknown => make(state, commit, None),
            },
        }
    }
}

fn is_seen((stored_at, stored): &Stored, revision: Revision, value: &Bytes) -> bool {
    stored == value && stored_at.is_none_or(|stored_at| stored_at == revision)
}

fn list(
    state: &BTreeMap<Key, Stored>,
    prefix: &str,
    seen: &[Entry],
) -> Option<BTreeMap<Key, Stored>> {
    let under = state
        .iter()
        .filter(|(key, _)| key.as_str().starts_with(prefix));
    if under.clone().count() != seen.len() {
        return None;
    }
    let mut next = state.clone();
    for ((key, stored), entry) in under.zip(seen) {
        if *key != entry.key || !is_seen(stored, entry.revision, &entry.value) {
            return None;
        }
        next.insert(key.clone(), (Some(entry.revision), entry.value.clone()));
    }
    Some(next)
}

/// Whether a guard holds; none if that depends on a revision that nobody was told.
fn holds(state: &BTreeMap<Key, Stored>, guard: &Guard) -> Option<bool> {
    match guard {
        Guard::Unchanged { key, revision } => match state.get(key) {
            None => Some(*revision == 0),
            Some((Some(stored_at), _)) => Some(stored_at == revision),
            Some((None, _)) => (*revision == 0).then_some(false),
        },
        Guard::Absent { key } => Some(!state.contains_key(key)),
        Guard::NoneNewer { prefix, revision } => {
            let under = state
                .iter()
                .filter(|(key, _)| key.as_str().starts_with(prefix.as_str()));
            let mut all = Some(true);
            for (_, (stored_at, _)) in under {
                match stored_at {
                    Some(stored_at) if stored_at > revision => return Some(false),
                    Some(_) => {}
                    None => all = None,
                }
            }
            all
        }
    }
}

/// The keyspace after a commit, if its guards can hold and its revision can be.
fn make(
    state: &BTreeMap<Key, Stored>,
    commit: &Commit,
    revision: Option<Revision>,
) -> Option<BTreeMap<Key, Stored>> {
    if commit
        .guards
        .iter()
        .any(|guard| holds(state, guard) == Some(false))
    {
        return None;
    }
    let mut next = state.clone();
    for write in &commit.writes {
        let before = match write {
            Write::Put { key, value } => next.insert(key.clone(), (revision, value.clone())),
            Write::Delete { key } => next.remove(key),
        };
        // A key changes once at a revision, and revisions grow.
        if let (Some((Some(before), _)), Some(revision)) = (before, revision)
            && before >= revision
        {
            return None;
        }
    }
    Some(next)
}

/// Checks a history of a store that was empty. Where every call is about one key, keys are checked
/// one by one, which is far cheaper.
///
/// # Errors
/// [`Violation`] when no order explains it.
pub fn check(history: &[Timed<Call>]) -> Result<(), Violation> {
    let mut by_key: BTreeMap<&Key, Vec<Timed<Call>>> = BTreeMap::new();
    for timed in history {
        match only_key(&timed.call) {
            Some(key) => by_key.entry(key).or_default().push(timed.clone()),
            None => return linear::check(&Keyspace, history),
        }
    }
    by_key
        .values()
        .try_for_each(|history| linear::check(&Keyspace, history))
}

/// The key a call is about, if it is one.
fn only_key(call: &Call) -> Option<&Key> {
    match call {
        Call::Get { key, .. } => Some(key),
        Call::List { .. } => None,
        Call::Commit { commit, .. } => {
            let written = commit.writes.iter().map(|write| Some(write.key()));
            let guarded = commit.guards.iter().map(|guard| match guard {
                Guard::Unchanged { key, .. } | Guard::Absent { key } => Some(key),
                Guard::NoneNewer { .. } => None,
            });
            let keys: BTreeSet<Option<&Key>> = written.chain(guarded).collect();
            match keys.len() {
                1 => keys.into_iter().next().flatten(),
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{delete, key, put};
    use super::*;

    fn get(name: &str, seen: Option<(Revision, &str)>) -> Call {
        Call::Get {
            key: key(name),
            seen: seen.map(|(revision, value)| (revision, value.to_owned().into())),
        }
    }

    fn list(seen: &[(&str, Revision, &str)]) -> Call {
        let entry = |(name, revision, value): &(&str, Revision, &str)| Entry {
            key: key(name),
            value: (*value).to_owned().into(),
            revision: *revision,
        };
        Call::List {
            prefix: String::new(),
            seen: seen.iter().map(entry).collect(),
        }
    }

    fn commit(guards: Vec<Guard>, writes: Vec<Write>, outcome: Outcome) -> Call {
        Call::Commit {
            commit: Commit { guards, writes },
            outcome,
        }
    }

    fn unchanged(name: &str, revision: Revision) -> Guard {
        Guard::Unchanged {
            key: key(name),
            revision,
        }
    }

    fn made(name: &str, value: &str, revision: Revision) -> Call {
        commit(Vec::new(), vec![put(name, value)], Outcome::Made(revision))
    }

    /// Each call ends before the next begins, but for those of unknown outcome.
    fn one_by_one(calls: Vec<Call>) -> Vec<Timed<Call>> {
        let timed = |(n, call): (usize, Call)| {
            let outcome_known = !matches!(
                call,
                Call::Commit {
                    outcome: Outcome::Unknown,
                    ..
                }
            );
            Timed {
                begin: n as u64 * 2,
                end: outcome_known.then_some(n as u64 * 2 + 1),
                call,
            }
        };
        calls.into_iter().enumerate().map(timed).collect()
    }

    #[test]
    fn histories_made_by_hand() {
        use Outcome::{Made, Refused, Unknown};
        let swap = |revision, value, outcome| {
            commit(
                vec![unchanged("a", revision)],
                vec![put("a", value)],
                outcome,
            )
        };
        let both = |value: &str, outcome| {
            commit(Vec::new(), vec![put("a", value), put("b", value)], outcome)
        };
        let cases: Vec<(&str, bool, Vec<Call>)> = vec![
            (
                "put and get",
                true,
                vec![made("a", "1", 5), get("a", Some((5, "1")))],
            ),
            (
                "a stale read",
                false,
                vec![made("a", "1", 5), get("a", None)],
            ),
            (
                "another revision",
                false,
                vec![made("a", "1", 5), get("a", Some((6, "1")))],
            ),
            (
                "revisions go back",
                false,
                vec![made("a", "1", 5), made("a", "2", 4)],
            ),
            (
                "one revision twice",
                false,
                vec![made("a", "1", 5), made("a", "2", 5)],
            ),
            (
                "keys share a revision",
                true,
                vec![made("a", "1", 5), made("b", "2", 5)],
            ),
            (
                "a guard that held",
                true,
                vec![
                    made("a", "1", 5),
                    swap(5, "2", Made(6)),
                    get("a", Some((6, "2"))),
                ],
            ),
            (
                "a guard that could not hold",
                false,
                vec![made("a", "1", 5), swap(4, "2", Made(6))],
            ),
            (
                "a refusal with reason",
                true,
                vec![made("a", "1", 5), swap(4, "2", Refused)],
            ),
            (
                "a refusal without reason",
                false,
                vec![made("a", "1", 5), swap(5, "2", Refused)],
            ),
            (
                "a lost update",
                false,
                vec![
                    made("a", "1", 5),
                    swap(5, "2", Made(6)),
                    swap(5, "3", Made(7)),
                ],
            ),
            (
                "unknown, and it happened",
                true,
                vec![
                    swap(0, "1", Unknown),
                    get("a", Some((9, "1"))),
                    swap(9, "2", Made(10)),
                ],
            ),
            (
                "unknown, and it happened twice",
                false,
                vec![
                    swap(0, "1", Unknown),
                    get("a", Some((9, "1"))),
                    get("a", Some((10, "1"))),
                ],
            ),
            (
                "unknown, and it did not happen",
                true,
                vec![
                    made("a", "1", 5),
                    swap(5, "2", Unknown),
                    get("a", Some((5, "1"))),
                ],
            ),
            (
                "unknown, seen and then gone",
                false,
                vec![
                    made("a", "1", 5),
                    swap(5, "2", Unknown),
                    get("a", Some((6, "2"))),
                    get("a", Some((5, "1"))),
                ],
            ),
            (
                "a delete",
                true,
                vec![
                    made("a", "1", 5),
                    commit(Vec::new(), vec![delete("a")], Made(6)),
                    get("a", None),
                ],
            ),
            (
                "both halves",
                true,
                vec![both("1", Made(3)), list(&[("a", 3, "1"), ("b", 3, "1")])],
            ),
            (
                "half a commit",
                false,
                vec![both("1", Made(3)), list(&[("a", 3, "1")])],
            ),
            (
                "a list of two moments",
                false,
                vec![
                    both("1", Made(3)),
                    both("2", Unknown),
                    list(&[("a", 4, "2"), ("b", 3, "1")]),
                ],
            ),
            (
                "a guard on another key",
                false,
                vec![
                    made("b", "1", 3),
                    commit(
                        vec![Guard::Absent { key: key("b") }],
                        vec![put("a", "1")],
                        Made(4),
                    ),
                ],
            ),
            (
                "write skew",
                false,
                vec![
                    made("a", "0", 1),
                    made("b", "0", 2),
                    commit(vec![unchanged("b", 2)], vec![put("a", "1")], Made(3)),
                    commit(vec![unchanged("a", 1)], vec![put("b", "1")], Made(4)),
                ],
            ),
        ];
        for (name, linearizable, calls) in cases {
            let found = check(&one_by_one(calls));
            assert_eq!(found.is_ok(), linearizable, "{name}: {found:?}");
        }
    }
}
