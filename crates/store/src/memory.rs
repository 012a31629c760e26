//! A store that lives as long as its process, for tests and simulation.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::contract::validate;
use crate::contract::{
    BoxFuture, Commit, CommitError, Entry, ReadError, Revision, Snapshot, Store, Unavailable, Write,
};
use crate::coordination::{Leadership, Presence};
use crate::index::Index;
use crate::watch::{Batch, History, HistoryLimit, Watch, WatchError};
use longshore_state::Key;

/// The contract over a map under a mutex. Never [`Unavailable`]; "durable" means "in the map".
#[derive(Debug)]
pub struct Memory {
    state: Mutex<State>,
    history: Arc<History>,
}

#[derive(Debug, Default)]
struct State {
    revision: Revision,
    entries: BTreeMap<Key, Entry>,
    index: Index,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new(HistoryLimit::default())
    }
}

impl Memory {
    /// An empty store that keeps this much history for watches.
    pub fn new(history: HistoryLimit) -> Memory {
        Memory {
            state: Mutex::default(),
            history: History::new(history, 0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs while the state is being changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit_now(&self, commit: Commit) -> Result<Revision, CommitError> {
        validate(&commit, self.bounds())?;
        let mut state = self.state();
        if let Some(guard) = state.index.first_broken(&commit.guards) {
            return Err(CommitError::Conflict {
                guard: guard.clone(),
            });
        }
        let writes = state.index.effective(commit.writes);
        if writes.is_empty() {
            return Ok(state.revision);
        }
        state.revision += 1;
        let revision = state.revision;
        for write in &writes {
            match write {
                Write::Put { key, value } => {
                    let entry = Entry {
                        key: key.clone(),
                        value: value.clone(),
                        revision,
                    };
                    state.entries.insert(key.clone(), entry);
                    state.index.put(key.clone(), revision);
                }
                Write::Delete { key } => {
                    state.entries.remove(key);
                    state.index.delete(key);
                }
            }
        }
        // Under the state's lock, so that batches are published in the order of their revisions.
        self.history.publish(vec![Batch::new(revision, writes)]);
        Ok(revision)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.history.close();
    }
}

impl Store for Memory {
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        let entry = self.state().entries.get(key).cloned();
        Box::pin(async move { Ok(entry) })
    }

    fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Snapshot, ReadError>> {
        let state = self.state();
        let range = (Bound::Included(prefix), Bound::Unbounded);
        let entries = state.entries.range::<str, _>(range);
        let entries = entries.take_while(|(key, _)| key.as_str().starts_with(prefix));
        let entries = entries.map(|(_, entry)| entry.clone()).collect();
        let snapshot = Snapshot {
            revision: state.revision,
            entries,
        };
        Box::pin(async move { Ok(snapshot) })
    }

    fn head(&self) -> BoxFuture<'_, Result<Revision, ReadError>> {
        let newest = self.state().revision;
        Box::pin(async move { Ok(newest) })
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(async move { self.commit_now(commit) })
    }

    fn watch(&self, prefix: &str, after: Revision) -> BoxFuture<'_, Result<Watch, WatchError>> {
        let watch = self.history.watch(prefix, after);
        Box::pin(async move { watch })
    }

    fn campaign(&self, _: &str) -> BoxFuture<'_, Result<Leadership, ReadError>> {
        Box::pin(async { Ok(Leadership::unrivalled()) })
    }

    fn announce(&self, key: Key, value: Bytes) -> BoxFuture<'_, Result<Presence, ReadError>> {
        Box::pin(announce_plainly(self, key, value))
    }
}

/// Announces in a store that nobody else looks into: a plain put.
pub(crate) async fn announce_plainly(
    store: &dyn Store,
    key: Key,
    value: Bytes,
) -> Result<Presence, ReadError> {
    let commit = Commit {
        guards: Vec::new(),
        writes: vec![Write::Put { key, value }],
    };
    match store.commit(commit).await {
        Ok(_) => Ok(Presence::unobserved()),
        Err(CommitError::Unreachable(fault)) => Err(fault.into()),
        Err(CommitError::Unavailable(fault)) => Err(fault.into()),
        // Beyond the limits of the store, which no announcement is.
        Err(error) => Err(Unavailable::new("announcing this process", error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn conforms() {
        crate::conformance::run(async |limit| Arc::new(Memory::new(limit)) as Arc<dyn Store>).await;
    }
}
