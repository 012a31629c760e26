//! Hands each session the changes that concern its instance, so that a change wakes one session
//! and not all of them: with a thousand instances a burst of tasks would otherwise cost a million
//! wake-ups.
//!
//! A message to an agent costs as much as several tasks in it, and so does the report that comes
//! back. So sessions that were told together rest, in proportion to how many they are, and then hear
//! of all that came meanwhile in one message: in a burst over a thousand instances each gets a few
//! large messages. Any other session is told at once, and so are they once nothing more comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_model::{ClusterName, InstanceId};
use longshore_store::{Change, Db};
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;

/// Changes that may wait for one session before it must look at everything of its instance.
const BACKLOG: usize = 4096;
/// How long sessions rest for each that was told with them. Some four times what the messages between
/// the two cost, so that they take a quarter of one processor at most.
const REST: Duration = Duration::from_micros(400);
/// Below this nobody rests: timers are no finer.
const SHORTEST_REST: Duration = Duration::from_millis(1);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_millis(400);
/// Once no change has come for so long, nobody rests any longer.
const QUIET: Duration = Duration::from_millis(40);

type Node = (ClusterName, InstanceId);
/// Sessions by the ids of their lines.
type Touched = BTreeMap<u64, Arc<Line>>;

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
            let mut rests = Rests::default();
            loop {
                tokio::select! {
                    biased;
                    () = rests.over() => rests.end(Instant::now()),
                    touched = lines.gather(&mut changes) => match touched {
                        Some(touched) => rests.tell(touched, Instant::now()),
                        None => break,
                    },
                }
            }
            lines.tell_all(|waiting| waiting.closed = true);
        });
        switchboard
    }

    /// Waits for changes and hands on all that have come. Returns the sessions they concern, who do
    /// not know yet; `None` once there will be no more. Dropping the future loses nothing.
    async fn gather(&self, changes: &mut Receiver<Arc<Vec<Change>>>) -> Option<Touched> {
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
        let touched = self.hand_on(batches.iter().flat_map(|batch| batch.iter()));
        goes_on.then_some(touched)
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

    /// Returns the sessions that the changes concern.
    fn hand_on<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) -> Touched {
        let lines = lock(&self.lines);
        let mut touched = Touched::new();
        for change in changes {
            let Some((cluster, instance)) = change.for_agent() else {
                continue;
            };
            let node = (cluster.clone(), instance);
            for line in lines.get(&node).into_iter().flatten() {
                lock(&line.waiting).note(change);
                let known = touched.entry(line.id);
                known.or_insert_with(|| Arc::clone(line));
            }
        }
        touched
    }

    fn tell_all(&self, tell: impl Fn(&mut Waiting)) {
        for line in lock(&self.lines).values().flatten() {
            tell(&mut lock(&line.waiting));
            line.changed.notify_one();
        }
    }
}

/// Which sessions rest.
#[derive(Debug, Default)]
struct Rests {
    until: BTreeMap<u64, Instant>,
    /// Of these, those with something new.
    held: Touched,
    /// When that came.
    latest: Option<Instant>,
}

impl Rests {
    /// Has those told that do not rest, and keeps the others.
    fn tell(&mut self, touched: Touched, now: Instant) {
        let mut told = Vec::new();
        for (id, line) in touched {
            if self.until.get(&id).is_some_and(|until| *until > now) {
                self.held.insert(id, line);
                self.latest = Some(now);
            } else {
                // A notification that nobody waits for is kept, and only one.
                line.changed.notify_one();
                told.push(id);
            }
        }
        if let Some(rest) = rest_after(told.len()) {
            self.until
                .extend(told.into_iter().map(|id| (id, now + rest)));
        }
    }

    /// Ends the rests that are over, and all of them if it has been quiet. Whoever has something
    /// new is told.
    fn end(&mut self, now: Instant) {
        if self.latest.is_some_and(|latest| latest + QUIET <= now) {
            self.until.clear();
        }
        self.until.retain(|_, until| *until > now);
        self.latest = None;
        let held = std::mem::take(&mut self.held);
        self.tell(held, now);
    }

    /// Waits until the rest of somebody with something new is over; for ever if there is none.
    async fn over(&self) {
        match self.due() {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    fn due(&self) -> Option<Instant> {
        let quiet = self.latest.map(|latest| latest + QUIET);
        let ends = self
            .held
            .keys()
            .filter_map(|id| self.until.get(id).copied());
        ends.chain(quiet).min()
    }
}

/// How long so many sessions rest that are told together.
fn rest_after(told: usize) -> Option<Duration> {
    let rest = REST.saturating_mul(u32::try_from(told).unwrap_or(u32::MAX));
    (rest >= SHORTEST_REST).then_some(rest.min(LONGEST_REST))
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
        Change::Task {
            cluster: ClusterName::default_cluster(),
            id: TaskId::new(id),
            instance: InstanceId::new(instance),
            service: None,
            for_agent: true,
        }
    }

    #[tokio::test]
    async fn a_session_hears_of_its_own_instance_only() {
        let switchboard = Switchboard::default();
        let cluster = ClusterName::default_cluster();
        let mut one = switchboard.subscribe(&cluster, InstanceId::new(1));
        let mut two = switchboard.subscribe(&cluster, InstanceId::new(2));
        let touched = switchboard.hand_on(&[task(1, 1), task(2, 2), task(1, 1)]);
        assert_eq!(touched.len(), 2);
        assert_eq!(switchboard.hand_on(&[task(3, 1)]).len(), 1);
        assert_eq!(one.recv().await.unwrap(), [task(1, 1), task(3, 1)]);
        assert_eq!(two.recv().await.unwrap(), [task(2, 2)]);
        drop(two);
        assert_eq!(lock(&switchboard.lines).len(), 1);
    }

    #[tokio::test]
    async fn all_that_has_come_is_handed_on_together() {
        let switchboard = Switchboard::default();
        let mut one = switchboard.subscribe(&ClusterName::default_cluster(), InstanceId::new(1));
        let (announce, mut changes) = tokio::sync::broadcast::channel(8);
        for id in 1..=2 {
            announce.send(Arc::new(vec![task(id, 1)])).unwrap();
        }
        let touched = switchboard.gather(&mut changes).await.unwrap();
        assert_eq!(touched.len(), 1);
        assert_eq!(one.recv().await.unwrap(), [task(1, 1), task(2, 1)]);
        announce.send(Arc::new(vec![task(3, 1)])).unwrap();
        drop(announce);
        assert!(switchboard.gather(&mut changes).await.is_none());
        assert_eq!(one.recv().await.unwrap(), [task(3, 1)]);
    }

    #[test]
    fn sessions_rest_for_as_long_as_they_are_many() {
        assert_eq!(rest_after(1), None);
        assert_eq!(rest_after(100), Some(Duration::from_millis(40)));
        assert_eq!(rest_after(100_000), Some(LONGEST_REST));
    }

    #[test]
    fn who_was_told_with_many_rests_and_anybody_else_is_told_at_once() {
        let of = |ids: std::ops::Range<u64>| -> Touched {
            let line = |id| {
                (
                    id,
                    Arc::new(Line {
                        id,
                        ..Line::default()
                    }),
                )
            };
            ids.map(line).collect()
        };
        let (mut rests, begun) = (Rests::default(), Instant::now());
        let after = |millis| begun + Duration::from_millis(millis);
        rests.tell(of(0..200), begun);
        assert_eq!((rests.until.len(), rests.due()), (200, None));
        // One of them has something new, and five that were not told with them; these rest for as
        // long as five do.
        rests.tell(of(199..205), after(10));
        assert_eq!(rests.held.keys().collect::<Vec<_>>(), [&199]);
        assert_eq!(rests.due(), Some(after(10) + QUIET));
        rests.tell(of(202..203), after(11));
        assert_eq!(rests.due(), Some(after(12)));
        rests.end(after(12));
        assert_eq!(rests.held.keys().collect::<Vec<_>>(), [&199]);
        // More keeps coming: a rest lasts as long as it was to.
        rests.tell(of(198..199), after(45));
        assert_eq!(rests.due(), Some(after(80)));
        rests.end(after(80));
        assert!(rests.held.is_empty() && rests.due().is_none());
        // Nothing more comes: it ends.
        rests.tell(of(300..500), after(100));
        rests.tell(of(300..500), after(110));
        assert_eq!(rests.due(), Some(after(110) + QUIET));
        rests.end(after(110) + QUIET);
        assert!(rests.held.is_empty());
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
