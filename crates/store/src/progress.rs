//! How far the view is, for those who wait for it. A change wakes those it is enough for and
//! nobody else: with a thousand commits under way all of them would otherwise be woken a thousand
//! times.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::contract::{Revision, Unavailable};

/// The newest revision of the view, or why there will be no newer one.
#[derive(Debug)]
pub(crate) struct Progress {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    at: Revision,
    failed: Option<Unavailable>,
    /// By what they wait for, then in the order in which they came.
    waiting: BTreeMap<(Revision, u64), oneshot::Sender<()>>,
    next: u64,
}

/// One who waits; dropped, it waits no more.
struct Waiter<'a> {
    progress: &'a Progress,
    place: (Revision, u64),
}

impl Progress {
    pub(crate) fn new(at: Revision) -> Self {
        Self {
            state: Mutex::new(State {
                at,
                failed: None,
                waiting: BTreeMap::new(),
                next: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The view is at `revision` now.
    pub(crate) fn reached(&self, revision: Revision) {
        let mut state = self.state();
        state.at = revision;
        let later = state.waiting.split_off(&(revision.saturating_add(1), 0));
        let woken = std::mem::replace(&mut state.waiting, later);
        drop(state);
        for waiter in woken.into_values() {
            // Whoever has gone meanwhile need not know.
            let _ = waiter.send(());
        }
    }

    /// There will be no newer one.
    pub(crate) fn fail(&self, cause: Unavailable) {
        let mut state = self.state();
        state.failed.get_or_insert(cause);
        // Their senders are dropped, which wakes them.
        state.waiting.clear();
    }

    /// Waits until the view is at `revision`.
    ///
    /// # Errors
    /// Why it never will be.
    pub(crate) async fn reach(&self, revision: Revision) -> Result<(), Unavailable> {
        loop {
            let (waiter, woken) = {
                let mut state = self.state();
                if state.at >= revision {
                    return Ok(());
                }
                if let Some(cause) = &state.failed {
                    return Err(cause.clone());
                }
                let (sender, woken) = oneshot::channel();
                state.next += 1;
                let place = (revision, state.next);
                state.waiting.insert(place, sender);
                let progress = self;
                (Waiter { progress, place }, woken)
            };
            // An error says that the store has failed, and the next look says why.
            let _ = woken.await;
            drop(waiter);
        }
    }

    /// Why the view has failed, once it has.
    pub(crate) async fn failed(&self) -> Unavailable {
        loop {
            if let Err(cause) = self.reach(Revision::MAX).await {
                return cause;
            }
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.progress.state().waiting.remove(&self.place);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_when_it_is_time() {
        let progress = Arc::new(Progress::new(1));
        progress.reach(1).await.unwrap();
        let waits = |revision| {
            let progress = Arc::clone(&progress);
            tokio::spawn(async move { progress.reach(revision).await })
        };
        let (two, three, nine) = (waits(2), waits(3), waits(9));
        while progress.state().waiting.len() < 3 {
            tokio::task::yield_now().await;
        }
        progress.reached(3);
        two.await.unwrap().unwrap();
        three.await.unwrap().unwrap();
        assert_eq!(progress.state().waiting.len(), 1);
        progress.fail(Unavailable::new("testing", "no disk"));
        assert!(nine.await.unwrap().is_err());
        // What was reached stays reached.
        progress.reach(3).await.unwrap();
        assert_eq!(progress.failed().await.during, "testing");
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nothing() {
        let progress = Arc::new(Progress::new(1));
        let waits = {
            let progress = Arc::clone(&progress);
            tokio::spawn(async move { progress.reach(2).await })
        };
        while progress.state().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        waits.abort();
        assert!(waits.await.is_err());
        assert!(progress.state().waiting.is_empty());
    }
}
