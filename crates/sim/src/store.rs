//! The store between the processes and their commits. The keyspace is the store crate's own
//! [`Memory`], so guards mean what they mean in production; what the simulation decides is when a
//! commit arrives, when its answer does, and what a watch shows.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use longshore_store::{
    Batch, BoxFuture, Commit, CommitError, Entry, Key, Leadership, Memory, Presence, ReadError,
    Revision, Snapshot, Store, Watch, WatchError,
};

/// Polls something that never waits.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A commit on its way to the store.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) ticket: u64,
    /// The process that made it.
    pub(crate) control: usize,
    /// The revision of its view at that time.
    pub(crate) view: Revision,
    pub(crate) commit: Commit,
}

/// Where commits wait until the simulation carries them out.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    submitted: Vec<Submitted>,
    answers: BTreeMap<u64, Result<Revision, CommitError>>,
}

impl Desk {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&self, control: usize, view: Revision, commit: Commit) -> u64 {
        let mut waiting = self.waiting();
        waiting.next += 1;
        let ticket = waiting.next;
        waiting.submitted.push(Submitted {
            ticket,
            control,
            view,
            commit,
        });
        ticket
    }

    /// What was submitted since the last call.
    pub(crate) fn take(&self) -> Vec<Submitted> {
        std::mem::take(&mut self.waiting().submitted)
    }

    /// Hands an answer to whoever waits for it.
    pub(crate) fn answer(&self, ticket: u64, answer: Result<Revision, CommitError>) {
        self.waiting().answers.insert(ticket, answer);
    }
}

/// The store as one process sees it.
pub(crate) struct SimStore {
    pub(crate) desk: Arc<Desk>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) control: usize,
    /// The revision of the process's view, kept up by the simulation.
    pub(crate) view: Arc<AtomicU64>,
}

impl Store for SimStore {
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        self.memory.get(key)
    }

    fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Snapshot, ReadError>> {
        self.memory.list(prefix)
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision, CommitError>> {
        let ticket = self
            .desk
            .submit(self.control, self.view.load(Ordering::Relaxed), commit);
        let desk = Arc::clone(&self.desk);
        Box::pin(poll_fn(move |_| {
            match desk.waiting().answers.remove(&ticket) {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            }
        }))
    }

    fn watch(&self, prefix: &str, after: Revision) -> BoxFuture<'_, Result<Watch, WatchError>> {
        self.memory.watch(prefix, after)
    }

    fn head(&self) -> BoxFuture<'_, Result<Revision, ReadError>> {
        self.memory.head()
    }

    fn campaign(&self, candidate: &str) -> BoxFuture<'_, Result<Leadership, ReadError>> {
        self.memory.campaign(candidate)
    }

    fn announce(&self, key: Key, value: Bytes) -> BoxFuture<'_, Result<Presence, ReadError>> {
        self.memory.announce(key, value)
    }
}

/// Everything that was committed, in order.
pub(crate) struct Log {
    memory: Arc<Memory>,
    watch: Watch,
    pub(crate) batches: Vec<Arc<Batch>>,
}

impl Log {
    /// The log of an empty store.
    pub(crate) fn new(memory: &Arc<Memory>) -> Option<Self> {
        let watch = ready(memory.watch("", 0))?.ok()?;
        Some(Self {
            memory: Arc::clone(memory),
            watch,
            batches: Vec::new(),
        })
    }

    /// Carries out a commit. Returns its answer, and its batch where it made one.
    pub(crate) fn commit(
        &mut self,
        commit: Commit,
    ) -> (Result<Revision, CommitError>, Option<Arc<Batch>>) {
        let answer = ready(self.memory.commit(commit));
        let answer = answer.unwrap_or(Err(CommitError::Empty));
        let batch = match ready(self.watch.next()) {
            Some(Some(Ok(batch))) => Some(Arc::new(batch)),
            _ => None,
        };
        self.batches.extend(batch.clone());
        (answer, batch)
    }

    /// Everything there is now.
    pub(crate) fn list(&self) -> Snapshot {
        let listed = ready(self.memory.list(""));
        listed.and_then(Result::ok).unwrap_or(Snapshot {
            revision: 0,
            entries: Vec::new(),
        })
    }
}
