//! Commits as a stream, from a bounded history.
//!
//! A backend publishes each durable commit to one [`History`]. A [`Watch`] is a cursor over it,
//! so a slow watcher holds no queue of its own: when the history has moved past its cursor it is
//! told [`WatchError::Compacted`] and lists again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use longshore_state::{Entry, Revision, Write};

pub use longshore_state::Event;

use crate::contract::{ReadError, Unavailable, Unreachable};

/// How much of the past a store keeps for watches. The oldest commits go when either bound is
/// passed; the newest is always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryLimit {
    /// Most commits kept.
    pub commits: usize,
    /// Most bytes kept, counted as keys, values and a fixed cost for each event.
    pub bytes: usize,
}

impl Default for HistoryLimit {
    /// 10,000 commits, 64 MiB: a watcher may be away for seconds at the highest commit rate and
    /// for hours at a usual one, and re-listing costs less than keeping more.
    fn default() -> HistoryLimit {
        HistoryLimit {
            commits: 10_000,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// What the commits of one revision did to the keys under a watched prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The revision of the commits.
    pub revision: Revision,
    /// Their changes, each commit's together and in the order of its writes, no key twice; at
    /// least one.
    pub events: Vec<Event>,
}

/// What an event counts for in a history.
fn event_bytes(event: &Event) -> usize {
    let value = match event {
        Event::Put(entry) => entry.value.len(),
        Event::Deleted { .. } => 0,
    };
    size_of::<Event>() + event.key().as_str().len() + value
}

impl Batch {
    /// The batch of the commit that made `writes` at `revision`.
    pub(crate) fn new(revision: Revision, writes: Vec<Write>) -> Batch {
        let event = |write| match write {
            Write::Put { key, value } => Event::Put(Entry {
                key,
                value,
                revision,
            }),
            Write::Delete { key } => Event::Deleted { key },
        };
        Batch {
            revision,
            events: writes.into_iter().map(event).collect(),
        }
    }

    /// The part of the batch under `prefix`; none when nothing is.
    fn under(&self, prefix: &str) -> Option<Batch> {
        let matches = |event: &&Event| event.key().as_str().starts_with(prefix);
        let events: Vec<Event> = self.events.iter().filter(matches).cloned().collect();
        (!events.is_empty()).then_some(Batch {
            revision: self.revision,
            events,
        })
    }

    fn bytes(&self) -> usize {
        size_of::<Batch>() + self.events.iter().map(event_bytes).sum::<usize>()
    }
}

/// Why a watch cannot start or go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WatchError {
    /// Commits that the watch had not seen are no longer kept. List again, and watch after the
    /// snapshot's revision.
    #[error("the history before revision {oldest} is gone; list again")]
    Compacted {
        /// The oldest revision that a watch may still start after.
        oldest: Revision,
    },
    /// The store has not reached this revision, so the caller's view comes from another store or
    /// from a later copy of this one. List again.
    #[error("revision {after} is ahead of the store, which is at {newest}; list again")]
    Ahead {
        /// The revision asked for.
        after: Revision,
        /// The newest revision of the store.
        newest: Revision,
    },
    /// The store failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The store does not answer now. Watch again after the same revision.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

impl From<ReadError> for WatchError {
    fn from(error: ReadError) -> WatchError {
        match error {
            ReadError::Unavailable(fault) => WatchError::Unavailable(fault),
            ReadError::Unreachable(fault) => WatchError::Unreachable(fault),
        }
    }
}

/// The newest durable commits of one store, shared by all its watches.
#[derive(Debug)]
pub(crate) struct History {
    limit: HistoryLimit,
    ring: Mutex<Ring>,
    /// Marked as changed after each change of the ring. Carries nothing.
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Ring {
    batches: VecDeque<Batch>,
    bytes: usize,
    /// Every commit after this revision is in `batches`.
    oldest: Revision,
    newest: Revision,
    end: Option<End>,
}

/// Why no more commits will come.
#[derive(Debug, Clone)]
enum End {
    Closed,
    Failed(Unavailable),
}

impl History {
    /// An empty history of a store that is at `revision`.
    pub(crate) fn new(limit: HistoryLimit, revision: Revision) -> Arc<History> {
        let ring = Ring {
            batches: VecDeque::new(),
            bytes: 0,
            oldest: revision,
            newest: revision,
            end: None,
        };
        Arc::new(History {
            limit,
            ring: Mutex::new(ring),
            changed: watch::Sender::new(()),
        })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing that can panic runs while the ring is being changed.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends durable commits, oldest first, each newer than all before.
    pub(crate) fn publish(&self, batches: Vec<Batch>) {
        let mut ring = self.ring();
        for batch in batches {
            ring.newest = batch.revision;
            ring.bytes += batch.bytes();
            ring.batches.push_back(batch);
        }
        while ring.batches.len() > 1
            && (ring.batches.len() > self.limit.commits || ring.bytes > self.limit.bytes)
        {
            if let Some(batch) = ring.batches.pop_front() {
                ring.bytes -= batch.bytes();
                ring.oldest = batch.revision;
            }
        }
        drop(ring);
        self.changed.send_replace(());
    }

    /// Forgets all that was published and goes on after `revision`: watches that are before it are
    /// told [`WatchError::Compacted`].
    pub(crate) fn reset(&self, revision: Revision) {
        let mut ring = self.ring();
        ring.batches.clear();
        ring.bytes = 0;
        ring.oldest = revision;
        ring.newest = revision;
        drop(ring);
        self.changed.send_replace(());
    }

    /// Ends every watch with `fault`, after what is already published. The first end stays.
    pub(crate) fn fail(&self, fault: Unavailable) {
        self.finish(End::Failed(fault));
    }

    /// Ends every watch, after what is already published. The first end stays.
    pub(crate) fn close(&self) {
        self.finish(End::Closed);
    }

    fn finish(&self, end: End) {
        self.ring().end.get_or_insert(end);
        self.changed.send_replace(());
    }

    /// Refuses once the store has failed.
    pub(crate) fn check_available(&self) -> Result<(), Unavailable> {
        match &self.ring().end {
            Some(End::Failed(fault)) => Err(fault.clone()),
            Some(End::Closed) | None => Ok(()),
        }
    }

    /// The revision of the newest commit published.
    pub(crate) fn newest(&self) -> Result<Revision, Unavailable> {
        self.check_available()?;
        Ok(self.ring().newest)
    }

    /// Waits until `revision` is published. A reader of the disk may be ahead of the history for
    /// a moment; after this a watch from what it read will start.
    pub(crate) async fn published(&self, revision: Revision) -> Result<(), Unavailable> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            {
                let ring = self.ring();
                match &ring.end {
                    _ if ring.newest >= revision => return Ok(()),
                    Some(End::Failed(fault)) => return Err(fault.clone()),
                    Some(End::Closed) => return Ok(()),
                    None => {}
                }
            }
            if changed.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Starts a watch; see [`crate::Store::watch`].
    pub(crate) fn watch(
        self: &Arc<History>,
        prefix: &str,
        after: Revision,
    ) -> Result<Watch, WatchError> {
        self.check_available()?;
        let ring = self.ring();
        if after < ring.oldest {
            return Err(WatchError::Compacted {
                oldest: ring.oldest,
            });
        }
        if after > ring.newest {
            return Err(WatchError::Ahead {
                after,
                newest: ring.newest,
            });
        }
        drop(ring);
        Ok(Watch {
            history: Arc::clone(self),
            changed: self.changed.subscribe(),
            prefix: prefix.to_owned(),
            position: after,
            ended: false,
        })
    }
}

/// The commits under one prefix after one revision: ordered, complete, each once, and only once
/// they are durable.
#[derive(Debug)]
pub struct Watch {
    history: Arc<History>,
    changed: watch::Receiver<()>,
    prefix: String,
    position: Revision,
    ended: bool,
}

impl Watch {
    /// Waits for the next commit that touches the prefix.
    ///
    /// `None` means that the store was closed, or that an error was already handed out; an error
    /// is always the last item. Safe to cancel: no batch is lost.
    pub async fn next(&mut self) -> Option<Result<Batch, WatchError>> {
        loop {
            // Before the look, so that a change between look and wait is not slept through.
            self.changed.borrow_and_update();
            if let Some(item) = self.look() {
                return item;
            }
            if self.changed.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Adds the commits that can be had without waiting, up to `most` in all. An error is left to
    /// the next call of [`Watch::next`].
    pub(crate) fn take_more(&mut self, batches: &mut Vec<Batch>, most: usize) {
        let history = Arc::clone(&self.history);
        let ring = history.ring();
        if self.ended || self.position < ring.oldest {
            return;
        }
        let unseen = ring
            .batches
            .partition_point(|batch| batch.revision <= self.position);
        for batch in ring.batches.range(unseen..) {
            if batches.len() >= most {
                return;
            }
            self.position = batch.revision;
            batches.extend(batch.under(&self.prefix));
        }
    }

    /// Every commit up to this revision was handed out or does not touch the prefix. A watch
    /// started after it continues this one.
    pub fn position(&self) -> Revision {
        self.position
    }

    /// The next item if there is one now; the outer `None` means wait.
    fn look(&mut self) -> Option<Option<Result<Batch, WatchError>>> {
        if self.ended {
            return Some(None);
        }
        let ring = self.history.ring();
        if self.position < ring.oldest {
            self.ended = true;
            return Some(Some(Err(WatchError::Compacted {
                oldest: ring.oldest,
            })));
        }
        let unseen = ring
            .batches
            .partition_point(|batch| batch.revision <= self.position);
        for batch in ring.batches.range(unseen..) {
            self.position = batch.revision;
            if let Some(batch) = batch.under(&self.prefix) {
                return Some(Some(Ok(batch)));
            }
        }
        let end = ring.end.clone()?;
        self.ended = true;
        Some(match end {
            End::Closed => None,
            End::Failed(fault) => Some(Err(fault.into())),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;

    use longshore_state::Key;

    use super::*;

    fn put(revision: Revision, bytes: usize) -> Batch {
        let key = Key::new("a").unwrap();
        Batch::new(
            revision,
            vec![Write::Put {
                key,
                value: Bytes::from(vec![0; bytes]),
            }],
        )
    }

    #[test]
    fn the_byte_bound_drops_the_oldest_and_keeps_the_newest() {
        let history = History::new(
            HistoryLimit {
                commits: 100,
                bytes: 3000,
            },
            0,
        );
        history.publish((1..=10).map(|revision| put(revision, 1000)).collect());
        assert_eq!(history.ring().oldest, 8);
        history.publish(vec![put(11, 10_000)]);
        let ring = history.ring();
        assert_eq!((ring.oldest, ring.batches.len()), (10, 1));
        assert_eq!(ring.bytes, ring.batches[0].bytes());
    }

    #[tokio::test]
    async fn a_failure_comes_after_what_was_published() {
        let history = History::new(HistoryLimit::default(), 0);
        let mut watch = history.watch("", 0).unwrap();
        history.publish(vec![put(1, 1)]);
        history.fail(Unavailable::new("testing", "no disk"));
        history.close();
        assert_eq!(watch.next().await.unwrap().unwrap().revision, 1);
        assert!(matches!(
            watch.next().await,
            Some(Err(WatchError::Unavailable(_)))
        ));
        assert!(watch.next().await.is_none());
        assert!(matches!(
            history.watch("", 1),
            Err(WatchError::Unavailable(_))
        ));
        assert!(history.published(1).await.is_ok());
        assert!(history.published(2).await.is_err());
    }
}
