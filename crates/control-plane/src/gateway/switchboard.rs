//! Hands each session the changes that concern its instance, so that a change wakes one session
//! and not all of them: with a thousand instances a burst of tasks would otherwise cost a million
//! wake-ups.
//!
//! Sessions are told in rounds. A message to an agent costs as much as several tasks in it, and so
//! does the report that comes back, so after a round the next one waits in proportion to how many
//! sessions were told: one alone is told at once, and in a burst over a thousand instances each
//! gets what came meanwhile in one message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_model::{ClusterName, InstanceId};
use longshore_store::{Change, Db};
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

/// Changes that may wait for one session before it must look at everything of its instance.
const BACKLOG: usize = 4096;
/// How long the next round waits for each session that was told in the last. Some four times
/// what the messages between the two cost, so that they take a quarter of one processor at most.
const PAUSE: Duration = Duration::from_micros(400);
/// Below this a round does not wait: timers are no finer.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// The longest wait for a round.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

type Node = (ClusterName, InstanceId);

/// Who wants to hear of which instance. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Switchboard {
    lines: Arc<Mutex<BTreeMap<Node, Vec<Arc<Line>>>>>,
    next: Arc<AtomicU64>,
}

/// What waits for one session.
#[derive(Debug, Default)]
struct Line {
    id: u64,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: BTreeSet<Change>,
    lagged: bool,
    closed: bool,
}

/// One session's end; hung up when it is dropped.
#[derive(Debug)]
pub struct Extension {
    switchboard: Switchboard,
    node: Node,
    line: Arc<Line>,
}

impl Switchboard {
    /// Begins to hand on what `db` announces, until it is gone.
    pub fn follow(db: &Db) -> Self {
        let switchboard = Self::default();
        let mut changes = db.subscribe();
        let lines = switchboard.clone();
        tokio::spawn(async move {
            while let Some(told) = lines.round(&mut changes).await {
                if let Some(pause) = pause_after(told) {
                    tokio::time::sleep(pause).await;
                }
            }
            lines.tell_all(|waiting| waiting.closed = true);
        });
        switchboard
    }

    /// Waits for changes and hands on all that have come. Returns how many sessions were told;
    /// `None` once there will be no more.
    async fn round(&self, changes: &mut Receiver<Arc<Vec<Change>>>) -> Option<usize> {
        let mut batches = Vec::new();
        let mut received = changes.recv().await;
        let goes_on = loop {
            match received {
                Ok(batch) => batches.push(batch),
                Err(RecvError::Lagged(_)) => self.tell_all(|waiting| waiting.lagged = true),
                Err(RecvError::Closed) => break false,
            }
            received = match changes.try_recv() {
                Ok(batch) => Ok(batch),
                Err(TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
                Err(TryRecvError::Empty) => break true,
            };
        };
        let told = self.hand_on(batches.iter().flat_map(|batch| batch.iter()));
        goes_on.then_some(told)
    }

    /// What concerns this instance from now on.
    pub fn subscribe(&self, cluster: &ClusterName, instance: InstanceId) -> Extension {
        let node = (cluster.clone(), instance);
        let line = Arc::new(Line {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            ..Line::default()
        });
        let mut lines = lock(&self.lines);
        let of_node = lines.entry(node.clone()).or_default();
        of_node.push(Arc::clone(&line));
        Extension {
            switchboard: self.clone(),
            node,
            line,
        }
    }

    /// Returns how many sessions were told.
    fn hand_on<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) -> usize {
        let lines = lock(&self.lines);
        let mut told: BTreeMap<u64, &Arc<Line>> = BTreeMap::new();
        for change in changes {
            let node = match change {
                Change::Task(cluster, _, instance, _) | Change::Instance(cluster, instance) => {
                    (cluster.clone(), *instance)
                }
                Change::Cluster(_) | Change::Service(..) => continue,
            };
            for line in lines.get(&node).into_iter().flatten() {
                lock(&line.waiting).note(change);
                told.insert(line.id, line);
            }
        }
        // A notification that nobody waits for is kept, and only one.
        told.values().for_each(|line| line.changed.notify_one());
        told.len()
    }

    fn tell_all(&self, tell: impl Fn(&mut Waiting)) {
        for line in lock(&self.lines).values().flatten() {
            tell(&mut lock(&line.waiting));
            line.changed.notify_one();
        }
    }
}

/// How long the next round waits.
fn pause_after(told: usize) -> Option<Duration> {
    let pause = PAUSE.saturating_mul(u32::try_from(told).unwrap_or(u32::MAX));
    (pause >= SHORTEST_PAUSE).then_some(pause.min(LONGEST_PAUSE))
}

impl Waiting {
    fn note(&mut self, change: &Change) {
        if self.changes.len() < BACKLOG {
            self.changes.insert(change.clone());
        } else {
            self.changes.clear();
            self.lagged = true;
        }
    }
}

impl Extension {
    /// The changes since the last call, once there are any. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As a broadcast receiver: `Lagged` when some were lost, `Closed` when there will be no more.
    pub async fn recv(&mut self) -> Result<Vec<Change>, RecvError> {
        loop {
            {
                let mut waiting = lock(&self.line.waiting);
                if std::mem::take(&mut waiting.lagged) {
                    waiting.changes.clear();
                    return Err(RecvError::Lagged(0));
                }
                if !waiting.changes.is_empty() {
                    return Ok(std::mem::take(&mut waiting.changes).into_iter().collect());
                }
                if waiting.closed {
                    return Err(RecvError::Closed);
                }
            }
            self.line.changed.notified().await;
        }
    }
}

impl Drop for Extension {
    fn drop(&mut self) {
        let mut lines = lock(&self.switchboard.lines);
        if let Some(of_node) = lines.get_mut(&self.node) {
            of_node.retain(|line| line.id != self.line.id);
            if of_node.is_empty() {
                lines.remove(&self.node);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use longshore_model::TaskId;

    use super::*;

    fn task(id: u128, instance: u128) -> Change {
        Change::Task(
            ClusterName::default_cluster(),
            TaskId::new(id),
            InstanceId::new(instance),
            None,
        )
    }

    #[tokio::test]
    async fn a_session_hears_of_its_own_instance_only() {
        let switchboard = Switchboard::default();
        let cluster = ClusterName::default_cluster();
        let mut one = switchboard.subscribe(&cluster, InstanceId::new(1));
        let mut two = switchboard.subscribe(&cluster, InstanceId::new(2));
        let told = switchboard.hand_on(&[task(1, 1), task(2, 2), task(1, 1)]);
        assert_eq!(told, 2);
        assert_eq!(switchboard.hand_on(&[task(3, 1)]), 1);
        assert_eq!(one.recv().await.unwrap(), [task(1, 1), task(3, 1)]);
        assert_eq!(two.recv().await.unwrap(), [task(2, 2)]);
        drop(two);
        assert_eq!(lock(&switchboard.lines).len(), 1);
    }

    #[tokio::test]
    async fn a_round_takes_all_that_has_come() {
        let switchboard = Switchboard::default();
        let mut one = switchboard.subscribe(&ClusterName::default_cluster(), InstanceId::new(1));
        let (announce, mut changes) = tokio::sync::broadcast::channel(8);
        for id in 1..=2 {
            announce.send(Arc::new(vec![task(id, 1)])).unwrap();
        }
        assert_eq!(switchboard.round(&mut changes).await, Some(1));
        assert_eq!(one.recv().await.unwrap(), [task(1, 1), task(2, 1)]);
        announce.send(Arc::new(vec![task(3, 1)])).unwrap();
        drop(announce);
        assert_eq!(switchboard.round(&mut changes).await, None);
        assert_eq!(one.recv().await.unwrap(), [task(3, 1)]);
    }

    #[test]
    fn a_round_waits_for_as_long_as_the_last_was_large() {
        assert_eq!(pause_after(1), None);
        assert_eq!(pause_after(100), Some(Duration::from_millis(40)));
        assert_eq!(pause_after(100_000), Some(LONGEST_PAUSE));
    }

    #[tokio::test]
    async fn a_session_that_misses_changes_is_told_so() {
        let switchboard = Switchboard::default();
        let cluster = ClusterName::default_cluster();
        let mut one = switchboard.subscribe(&cluster, InstanceId::new(1));
        let flood: Vec<Change> = (0..=BACKLOG as u128).map(|id| task(id, 1)).collect();
        switchboard.hand_on(&flood);
        assert_eq!(one.recv().await, Err(RecvError::Lagged(0)));
        switchboard.tell_all(|waiting| waiting.closed = true);
        assert_eq!(one.recv().await, Err(RecvError::Closed));
    }
}
