//! What processes that share a store agree on: who leads, and who is there.

use std::fmt;

use tokio::sync::{oneshot, watch};

use crate::contract::Guard;

/// Reserved: where rivals share a store, a guard on this key means the key of the leader, which
/// no list, watch or write shows or touches.
pub const LEADER_KEY: &str = "leader";

/// That this process leads, until it is [lost](Leadership::lost) or dropped.
///
/// Only the fence makes it safe: between the moment another leads and the moment this process
/// hears of it, nothing but the fence keeps its commits out.
#[derive(Debug)]
pub struct Leadership {
    fence: Option<Guard>,
    lost: watch::Receiver<bool>,
    /// Tells the backend to give it up: with someone to tell when that is done, or by its drop.
    end: Option<oneshot::Sender<oneshot::Sender<()>>>,
}

/// The backend's side of a [`Leadership`]: it says when it is lost, and hears when to give it up.
#[derive(Debug)]
pub struct Term {
    lost: watch::Sender<bool>,
    end: oneshot::Receiver<oneshot::Sender<()>>,
}

impl Leadership {
    /// A leadership behind `fence`, and the backend's side of it.
    pub fn new(fence: Option<Guard>) -> (Leadership, Term) {
        let (lose, lost) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        let term = Term {
            lost: lose,
            end: ended,
        };
        let leadership = Leadership {
            fence,
            lost,
            end: Some(end),
        };
        (leadership, term)
    }

    /// The leadership of a process that has the store to itself: no fence, and never lost.
    pub fn unrivalled() -> Leadership {
        let (_, lost) = watch::channel(false);
        Leadership {
            fence: None,
            lost,
            end: None,
        }
    }

    /// The guard that every commit of the leader carries; it fails once another leads. None where
    /// there can be no other.
    pub fn fence(&self) -> Option<Guard> {
        self.fence.clone()
    }

    /// Resolves when the leadership is known to be lost. Safe to cancel.
    pub async fn lost(&self) {
        if self.fence.is_none() {
            std::future::pending::<()>().await;
        }
        // A backend that is gone leads no more, either.
        let mut lost = self.lost.clone();
        drop(lost.wait_for(|lost| *lost).await);
    }

    /// Whether it is known to be lost.
    pub fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Gives the leadership up; when it returns, another can lead, or the store cannot be reached.
    pub async fn resign(mut self) {
        let (done, resigned) = oneshot::channel();
        if let Some(end) = self.end.take()
            && end.send(done).is_ok()
        {
            // An error says that the backend is gone, which is as good.
            drop(resigned.await);
        }
    }
}

impl Term {
    /// Lets the holder know that it leads no more.
    pub fn lose(&self) {
        self.lost.send_replace(true);
    }

    /// Resolves when the holder gives it up; then whoever is in the answer wants to hear when
    /// that is done. Safe to cancel; to be called no more once it has resolved.
    pub async fn ended(&mut self) -> Option<oneshot::Sender<()>> {
        (&mut self.end).await.ok()
    }
}

/// That this process is announced, until it is withdrawn or dropped.
pub struct Presence {
    end: Option<oneshot::Sender<oneshot::Sender<()>>>,
}

impl fmt::Debug for Presence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Presence").finish_non_exhaustive()
    }
}

impl Presence {
    /// A presence, and the backend's side of it: who is to be told once it is withdrawn, or an
    /// error when it was dropped.
    pub fn new() -> (Presence, oneshot::Receiver<oneshot::Sender<()>>) {
        let (end, ended) = oneshot::channel();
        (Presence { end: Some(end) }, ended)
    }

    /// The presence in a store of one process, where nobody else looks.
    pub fn unobserved() -> Presence {
        Presence { end: None }
    }

    /// Removes the record; when it returns, that is done, or the store cannot be reached.
    pub async fn withdraw(mut self) {
        let (done, withdrawn) = oneshot::channel();
        if let Some(end) = self.end.take()
            && end.send(done).is_ok()
        {
            drop(withdrawn.await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence() -> Guard {
        Guard::Absent {
            key: crate::Key::new(LEADER_KEY).expect("it is a key"),
        }
    }

    #[tokio::test]
    async fn a_term_ends_from_either_side() {
        let (held, term) = Leadership::new(Some(fence()));
        assert!(!held.is_lost());
        term.lose();
        held.lost().await;
        assert!(held.is_lost());

        let (held, mut term) = Leadership::new(Some(fence()));
        let backend = tokio::spawn(async move {
            let caller = term.ended().await;
            caller.map(|caller| caller.send(()).is_ok())
        });
        held.resign().await;
        assert_eq!(backend.await.ok().flatten(), Some(true));

        let (held, mut term) = Leadership::new(Some(fence()));
        drop(held);
        assert!(term.ended().await.is_none());
    }

    #[tokio::test]
    async fn without_rivals_nothing_is_lost() {
        let held = Leadership::unrivalled();
        assert_eq!(held.fence(), None);
        tokio::select! {
            biased;
            () = held.lost() => panic!("nobody could have taken it"),
            () = std::future::ready(()) => {}
        }
        held.resign().await;
        Presence::unobserved().withdraw().await;
    }
}
