//! Histories of many clients, and whether they are linearizable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use super::keyspace::{self, Call, Outcome};
use super::linear::Timed;
use super::{delete, key, put};
use crate::contract::{Commit, CommitError, Entry, Guard, ReadError, Revision, Snapshot, Store};
use longshore_state::Key;

/// Notes every call made through its clients and what it was told.
#[derive(Debug, Default)]
pub struct Recorder {
    clock: AtomicU64,
    history: Mutex<Vec<Timed<Call>>>,
}

impl Recorder {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn note(&self, begin: u64, end: Option<u64>, call: Call) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.push(Timed { begin, end, call });
    }

    /// Gets and notes. A read that failed tells nothing and is not noted.
    ///
    /// # Errors
    /// [`ReadError`] of the store.
    pub async fn get(&self, store: &dyn Store, key: &Key) -> Result<Option<Entry>, ReadError> {
        let begin = self.now();
        let found = store.get(key).await?;
        let seen = found
            .as_ref()
            .map(|entry| (entry.revision, entry.value.clone()));
        let key = key.clone();
        self.note(begin, Some(self.now()), Call::Get { key, seen });
        Ok(found)
    }

    /// Lists and notes. A read that failed tells nothing and is not noted.
    ///
    /// # Errors
    /// [`ReadError`] of the store.
    pub async fn list(&self, store: &dyn Store, prefix: &str) -> Result<Snapshot, ReadError> {
        let begin = self.now();
        let found = store.list(prefix).await?;
        let seen = found.entries.clone();
        let prefix = prefix.to_owned();
        self.note(begin, Some(self.now()), Call::List { prefix, seen });
        Ok(found)
    }

    /// Commits and notes. One of unknown outcome is noted as such.
    ///
    /// # Errors
    /// [`CommitError`] of the store.
    pub async fn commit(&self, store: &dyn Store, commit: Commit) -> Result<Revision, CommitError> {
        let begin = self.now();
        let answer = store.commit(commit.clone()).await;
        let outcome = match &answer {
            Ok(revision) => Outcome::Made(*revision),
            Err(CommitError::Conflict { .. }) => Outcome::Refused,
            Err(CommitError::Unavailable(_) | CommitError::Unreachable(_)) => Outcome::Unknown,
            // The commit itself is at fault; the store was not asked.
            Err(_) => return answer,
        };
        let end = (outcome != Outcome::Unknown).then(|| self.now());
        self.note(begin, end, Call::Commit { commit, outcome });
        answer
    }

    /// What was noted so far.
    pub fn history(&self) -> Vec<Timed<Call>> {
        self.history
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Chance of one client, the same again from the same seed.
struct Chance(u64);

impl Chance {
    fn of(seed: u64, client: u64) -> Chance {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9).wrapping_add(client + 1));
        chance.below(2);
        chance
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// One client's next call of a history in which each call is about one of `keys` keys. It keeps
/// what it last read, so that its guards are sometimes out of date. Failed calls are part of the
/// history too, so that it may be called while the store suffers.
pub async fn call_one_key(
    recorder: &Recorder,
    store: &dyn Store,
    name: &str,
    value: &str,
    kind: u64,
) {
    let key = key(name);
    // A call that fails is noted as far as it tells something.
    let Ok(read) = recorder.get(store, &key).await else {
        return;
    };
    let revision = read.map_or(0, |entry| entry.revision);
    let guards = match kind {
        0..4 => vec![Guard::Unchanged { key, revision }],
        4 => vec![Guard::Absent { key }],
        5 | 6 => Vec::new(),
        _ => return,
    };
    let writes = vec![if kind == 6 {
        delete(name)
    } else {
        put(name, value)
    }];
    drop(recorder.commit(store, Commit { guards, writes }).await);
}

/// Clients get, swap, put and delete a few keys through any of the handles, which share one
/// keyspace that was empty.
pub async fn histories_of_keys_are_linearizable(handles: &[Arc<dyn Store>], seed: u64) {
    const CLIENTS: u64 = 8;
    const EACH: u64 = 30;
    const KEYS: u64 = 4;
    let recorder = Arc::new(Recorder::default());
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let recorder = Arc::clone(&recorder);
        let store = Arc::clone(&handles[client as usize % handles.len()]);
        clients.spawn(async move {
            let mut chance = Chance::of(seed, client);
            for n in 0..EACH {
                let name = format!("register/{}", chance.below(KEYS));
                let value = format!("{client}:{n}");
                call_one_key(&recorder, &*store, &name, &value, chance.below(8)).await;
                tokio::task::yield_now().await;
            }
        });
    }
    clients.join_all().await;
    let history = recorder.history();
    assert!(history.len() as u64 > CLIENTS * EACH);
    if let Err(violation) = keyspace::check(&history) {
        panic!("histories_of_keys_are_linearizable, seed {seed}: {violation}\n{history:#?}");
    }
}

/// Few clients list, and commit several keys at once with guards on others; many short rounds,
/// each under a prefix of its own.
pub async fn histories_of_the_keyspace_are_linearizable(handles: &[Arc<dyn Store>], seed: u64) {
    const ROUNDS: u64 = 12;
    const CLIENTS: u64 = 4;
    const EACH: u64 = 5;
    for round in 0..ROUNDS {
        let recorder = Arc::new(Recorder::default());
        let prefix = format!("round/{round}/");
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let recorder = Arc::clone(&recorder);
            let store = Arc::clone(&handles[client as usize % handles.len()]);
            let prefix = prefix.clone();
            clients.spawn(async move {
                let mut chance = Chance::of(seed ^ round << 8, client);
                for n in 0..EACH {
                    let value = format!("{client}:{n}");
                    call_some_keys(&recorder, &*store, &prefix, &value, &mut chance).await;
                }
            });
        }
        clients.join_all().await;
        let history = recorder.history();
        if let Err(violation) = keyspace::check(&history) {
            panic!(
                "histories_of_the_keyspace_are_linearizable, seed {seed}, round {round}: \
                 {violation}\n{history:#?}"
            );
        }
    }
}

async fn call_some_keys(
    recorder: &Recorder,
    store: &dyn Store,
    prefix: &str,
    value: &str,
    chance: &mut Chance,
) {
    let Ok(read) = recorder.list(store, prefix).await else {
        return;
    };
    let kind = chance.below(6);
    if kind == 5 {
        return;
    }
    let name = |n| format!("{prefix}{n}");
    let (first, second, third) = (name(chance.below(3)), name(3), name(4 + chance.below(2)));
    let revision_of = |name: &str| {
        let found = read.entries.iter().find(|entry| entry.key.as_str() == name);
        found.map_or(0, |entry| entry.revision)
    };
    let guards = match kind {
        0 => Vec::new(),
        1 => vec![Guard::NoneNewer {
            prefix: prefix.to_owned(),
            revision: read.revision,
        }],
        _ => vec![
            Guard::Unchanged {
                key: key(&third),
                revision: revision_of(&third),
            },
            Guard::Unchanged {
                key: key(&first),
                revision: revision_of(&first),
            },
        ],
    };
    let mut writes = vec![put(&first, value), put(&second, value)];
    if kind == 2 {
        writes.push(delete(&third));
    } else if kind == 3 {
        writes = vec![put(&third, value)];
    }
    drop(recorder.commit(store, Commit { guards, writes }).await);
}
