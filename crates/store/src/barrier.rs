//! Asking the store how far it is, on behalf of everybody who waits to know.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::contract::{ReadError, Revision, Store, Unreachable};

/// Turns any number of calls made at the same time into one question. Whoever comes while a
/// question is under way waits for the next one, since the answer under way may be older.
pub(crate) struct Barrier {
    store: Arc<dyn Store>,
    desk: Arc<Mutex<Desk>>,
}

type Answer = Result<Revision, ReadError>;

#[derive(Default)]
struct Desk {
    /// Whether somebody asks now.
    asking: bool,
    waiting: Vec<oneshot::Sender<Answer>>,
}

impl fmt::Debug for Barrier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Barrier").finish_non_exhaustive()
    }
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Barrier {
    pub(crate) fn new(store: Arc<dyn Store>) -> Barrier {
        Barrier {
            store,
            desk: Arc::default(),
        }
    }

    /// What [`Store::head`] answers when it is asked after this call.
    pub(crate) async fn head(&self) -> Answer {
        let (caller, answered) = oneshot::channel();
        let starts = {
            let mut desk = lock(&self.desk);
            desk.waiting.push(caller);
            !std::mem::replace(&mut desk.asking, true)
        };
        if starts {
            // A task of its own, so that a caller that goes away leaves nobody waiting.
            tokio::spawn(Self::ask(Arc::clone(&self.store), Arc::clone(&self.desk)));
        }
        let gone = |error| Err(Unreachable::new("asking how far the store is", error).into());
        answered.await.unwrap_or_else(gone)
    }

    async fn ask(store: Arc<dyn Store>, desk: Arc<Mutex<Desk>>) {
        loop {
            let callers = {
                let mut desk = lock(&desk);
                desk.waiting.retain(|caller| !caller.is_closed());
                if desk.waiting.is_empty() {
                    desk.asking = false;
                    return;
                }
                std::mem::take(&mut desk.waiting)
            };
            let answer = store.head().await;
            for caller in callers {
                // Whoever went away meanwhile needs no answer.
                drop(caller.send(answer.clone()));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::contract::{BoxFuture, Commit, CommitError, Entry, Snapshot};
    use crate::coordination::{Leadership, Presence};
    use crate::memory::Memory;
    use crate::watch::{Watch, WatchError};
    use longshore_state::Key;

    /// A store that counts how often it is asked how far it is, and answers when it may.
    #[derive(Default)]
    struct Slow {
        memory: Memory,
        asked: AtomicUsize,
        answers: Option<Semaphore>,
    }

    impl Store for Slow {
        fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
            self.memory.get(key)
        }

        fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Snapshot, ReadError>> {
            self.memory.list(prefix)
        }

        fn head(&self) -> BoxFuture<'_, Answer> {
            Box::pin(async {
                self.asked.fetch_add(1, Ordering::SeqCst);
                if let Some(answers) = &self.answers {
                    answers.acquire().await.unwrap().forget();
                }
                self.memory.head().await
            })
        }

        fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision, CommitError>> {
            self.memory.commit(commit)
        }

        fn watch(&self, prefix: &str, after: Revision) -> BoxFuture<'_, Result<Watch, WatchError>> {
            self.memory.watch(prefix, after)
        }

        fn campaign(&self, candidate: &str) -> BoxFuture<'_, Result<Leadership, ReadError>> {
            self.memory.campaign(candidate)
        }

        fn announce(
            &self,
            key: Key,
            value: bytes::Bytes,
        ) -> BoxFuture<'_, Result<Presence, ReadError>> {
            self.memory.announce(key, value)
        }
    }

    #[tokio::test]
    async fn callers_share_a_question_asked_after_they_came() {
        let slow = Arc::new(Slow {
            answers: Some(Semaphore::new(0)),
            ..Slow::default()
        });
        let barrier = Arc::new(Barrier::new(Arc::clone(&slow) as Arc<dyn Store>));
        let call = || {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move { barrier.head().await })
        };
        let first = call();
        while slow.asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = (0..10).map(|_| call()).collect();
        while lock(&barrier.desk).waiting.len() < 10 {
            tokio::task::yield_now().await;
        }
        // The answer under way may be older than they are.
        assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
        slow.answers.as_ref().unwrap().add_permits(2);
        first.await.unwrap().unwrap();
        for other in others {
            other.await.unwrap().unwrap();
        }
        assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
        assert!(!lock(&barrier.desk).asking);
    }
}
