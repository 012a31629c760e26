//! The store and the view of it, kept together: read from memory, write through guards.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use crate::barrier::Barrier;
use crate::contract::{
    CALL_LIMIT, CALL_MARGIN, CommitError, ReadError, Revision, Snapshot, Store, Unavailable,
    Unreachable,
};
use crate::progress::Progress;
use crate::underway::Underway;
use crate::watch::{Batch, Watch, WatchError};
use longshore_state::Txn;
use longshore_state::{Change, View};

/// Batches of changes a subscriber may lag behind before it must look at everything again.
const CHANGE_BACKLOG: usize = 4096;
/// Times a decision is made again after a conflict before the caller is told to try later.
const MAX_ATTEMPTS: usize = 32;
/// Batches of the watch that the view takes over at once, at most.
const MAX_BATCHES: usize = 64;
/// How long one attempt waits for the view to move on after a conflict.
const CONFLICT_WAIT: Duration = Duration::from_millis(100);
/// Pauses between tries to follow a store that does not answer: doubled from the first to the last.
const FOLLOW_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Reads and writes for handlers, controllers and the gateway.
pub struct Db {
    store: Arc<dyn Store>,
    barrier: Barrier,
    view: RwLock<View>,
    progress: Progress,
    underway: Underway,
    /// Nanoseconds spent taking over changes.
    applying: AtomicU64,
    changes: broadcast::Sender<Arc<Vec<Change>>>,
}

/// Why [`Db::transact`] gave up.
#[derive(Debug, thiserror::Error)]
pub enum TransactError<E> {
    /// The decision itself refused.
    #[error(transparent)]
    Refused(E),
    /// The store refused, or conflicts did not end.
    #[error(transparent)]
    Store(CommitError),
}

impl Db {
    /// Reads everything and starts following the store. The following ends when the last clone of
    /// the returned value is gone or the store fails.
    ///
    /// # Errors
    /// [`ReadError`] if the store cannot be read.
    pub async fn open(store: Arc<dyn Store>) -> Result<Arc<Self>, ReadError> {
        let snapshot = store.list("").await?;
        let revision = snapshot.revision;
        let db = Arc::new(Self::at(store, snapshot, CHANGE_BACKLOG));
        tokio::spawn(Self::follow(
            Arc::downgrade(&db),
            Arc::clone(&db.store),
            revision,
        ));
        Ok(db)
    }

    /// What `store` held when `snapshot` was read, followed by nobody: the caller hands on every
    /// batch of the watch with [`Db::apply`], or a new list with [`Db::replace`]. For simulations,
    /// which decide when the view moves. A subscriber may lag `backlog` batches behind.
    pub fn at(store: Arc<dyn Store>, snapshot: Snapshot, backlog: usize) -> Self {
        let mut view = View::from_snapshot(snapshot);
        log_set_aside(&mut view);
        Self {
            barrier: Barrier::new(Arc::clone(&store)),
            store,
            progress: Progress::new(view.revision),
            underway: Underway::default(),
            applying: AtomicU64::new(0),
            view: RwLock::new(view),
            changes: broadcast::Sender::new(backlog),
        }
    }

    /// Takes over the next batch of the watch and announces it.
    pub fn apply(&self, batch: &Batch) {
        self.apply_all(std::slice::from_ref(batch));
    }

    /// Takes over the next batches of the watch and announces them as one.
    fn apply_all(&self, batches: &[Batch]) {
        let Some(newest) = batches.last().map(|batch| batch.revision) else {
            return;
        };
        let begun = Instant::now();
        let events = || batches.iter().flat_map(|batch| &batch.events);
        let nouns = self.underway.take(events());
        let changes = {
            let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
            let revisions = batches
                .iter()
                .flat_map(|batch| batch.events.iter().map(|_| batch.revision));
            let apply = |((event, revision), noun)| view.apply_known(event, revision, noun);
            let known = events().zip(revisions).zip(nouns);
            let changes = known.filter_map(apply).collect::<Vec<_>>();
            log_set_aside(&mut view);
            changes
        };
        let spent = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.applying.fetch_add(spent, Ordering::Relaxed);
        self.progress.reached(newest);
        if !changes.is_empty() {
            // Nobody listening is fine: a new subscriber reads the view first.
            let _ = self.changes.send(Arc::new(changes));
        }
    }

    /// How long it took to take over changes since it was opened. For whoever looks at what the
    /// time goes into.
    pub fn spent_applying(&self) -> Duration {
        Duration::from_nanos(self.applying.load(Ordering::Relaxed))
    }

    /// Takes over a whole list after a gap, and announces everything there is in it, and what is
    /// there no more.
    pub fn replace(&self, snapshot: Snapshot) {
        let mut view = View::from_snapshot(snapshot);
        log_set_aside(&mut view);
        let revision = view.revision;
        let mut changes = view.everything();
        let mut held = self.view.write().unwrap_or_else(PoisonError::into_inner);
        view.changes = held.changes.after();
        let before = std::mem::replace(&mut *held, view);
        drop(held);
        self.underway.clear();
        changes.extend(before.everything());
        changes.sort_unstable();
        changes.dedup();
        self.progress.reached(revision);
        let _ = self.changes.send(Arc::new(changes));
    }

    /// Follows the store for as long as the view is of use to anybody. Holds the view only while
    /// there is something to do with it.
    async fn follow(db: Weak<Self>, store: Arc<dyn Store>, mut revision: Revision) {
        let mut pause = FOLLOW_PAUSES.0;
        while db.strong_count() > 0 {
            let error = match store.watch("", revision).await {
                Ok(watch) => {
                    pause = FOLLOW_PAUSES.0;
                    match Self::drain(&db, watch, &mut revision).await {
                        Some(error) => error,
                        None => return,
                    }
                }
                Err(error) => error,
            };
            let listed = match error {
                WatchError::Compacted { .. } | WatchError::Ahead { .. } => {
                    // A watch is a hint, a list is the truth: build the view anew after a gap.
                    tracing::warn!(%error, "the watch has a gap; reading everything again");
                    store.list("").await
                }
                WatchError::Unavailable(fault) => Err(fault.into()),
                WatchError::Unreachable(fault) => Err(fault.into()),
            };
            let Some(db) = db.upgrade() else { return };
            match listed {
                Ok(snapshot) => {
                    revision = snapshot.revision;
                    db.replace(snapshot);
                }
                Err(ReadError::Unavailable(fault)) => {
                    db.progress.fail(fault);
                    return;
                }
                Err(ReadError::Unreachable(fault)) => {
                    drop(db);
                    tracing::warn!(error = %fault, "the view is not kept up to date");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(FOLLOW_PAUSES.1);
                }
            }
        }
    }

    /// Takes over what the watch shows until it ends, with an error if it does not end for good.
    async fn drain(
        db: &Weak<Self>,
        mut watch: Watch,
        revision: &mut Revision,
    ) -> Option<WatchError> {
        loop {
            let next = watch.next().await;
            let db = db.upgrade()?;
            let mut batches = match next? {
                Ok(batch) => vec![batch],
                Err(error) => return Some(error),
            };
            watch.take_more(&mut batches, MAX_BATCHES);
            *revision = batches.last().map_or(*revision, |batch| batch.revision);
            db.apply_all(&batches);
        }
    }

    /// The newest state. Hold it briefly and never across an await.
    pub fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What changes from now on. A subscriber that lags gets `Lagged` and must look at everything.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Vec<Change>>> {
        self.changes.subscribe()
    }

    /// Resolves when the store has failed for good; the process must be restarted.
    pub async fn failed(&self) -> Unavailable {
        self.progress.failed().await
    }

    /// Waits until the view has everything that was acknowledged, through any control plane,
    /// before this was called. Calls made at the same time share one question to the store.
    ///
    /// # Errors
    /// [`ReadError`]; within [`CALL_LIMIT`].
    pub async fn barrier(&self) -> Result<Revision, ReadError> {
        let reached = async {
            let head = self.barrier.head().await?;
            self.progress.reach(head).await?;
            Ok(head)
        };
        match tokio::time::timeout(CALL_LIMIT - CALL_MARGIN, reached).await {
            Ok(reached) => reached,
            Err(late) => Err(Unreachable::new("waiting for the newest state", late).into()),
        }
    }

    /// Commits and waits until the view has it. An empty transaction does nothing.
    ///
    /// # Errors
    /// [`CommitError`]; on a conflict, read the view again and decide again.
    pub async fn commit(&self, txn: Txn) -> Result<Revision, CommitError> {
        if txn.is_empty() {
            return Ok(self.view().revision);
        }
        let seen = self.view().revision;
        let (commit, made) = txn.into_parts();
        let passage = self.underway.enter(made);
        match self.store.commit(commit).await {
            Ok(revision) => {
                passage.stands();
                match tokio::time::timeout(CALL_LIMIT, self.progress.reach(revision)).await {
                    Ok(reached) => reached?,
                    // It stands; a read behind a barrier will see it.
                    Err(_) => tracing::warn!(revision, "the view is late"),
                }
                Ok(revision)
            }
            Err(error) => {
                drop(passage);
                if error.is_conflict() {
                    // Whoever won is in the store already; give the view a moment to have it too.
                    let moved = self.progress.reach(seen + 1);
                    let _ = tokio::time::timeout(CONFLICT_WAIT, moved).await;
                }
                Err(error)
            }
        }
    }

    /// Decides from the view and commits, again and again until no conflict is in the way.
    /// `decide` must have no effect but its answer.
    ///
    /// # Errors
    /// [`TransactError::Refused`] with what `decide` refused, or [`TransactError::Store`].
    pub async fn transact<T, E>(
        &self,
        mut decide: impl FnMut(&View) -> Result<(Txn, T), E>,
    ) -> Result<T, TransactError<E>> {
        let mut attempt = 0;
        loop {
            let (txn, answer) = decide(&self.view()).map_err(TransactError::Refused)?;
            match self.commit(txn).await {
                Ok(_) => return Ok(answer),
                Err(error) if error.is_conflict() && attempt < MAX_ATTEMPTS => attempt += 1,
                Err(error) => return Err(TransactError::Store(error)),
            }
        }
    }
}

/// Tells the log what a view set aside.
fn log_set_aside(view: &mut View) {
    for (key, error) in view.take_set_aside() {
        tracing::error!(%key, %error, "a record does not decode and is set aside");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use longshore_model::ClusterName;
    use longshore_model::cluster::{Cluster, ClusterStatus};
    use longshore_model::recorded::Recorded;
    use longshore_model::tag::Tags;
    use longshore_model::time::Timestamp;

    use super::*;
    use crate::contract::{Commit, Write};
    use crate::memory::Memory;
    use crate::watch::HistoryLimit;
    use longshore_state::Key;

    fn cluster(created: i64) -> Cluster {
        Cluster {
            name: ClusterName::default_cluster(),
            status: ClusterStatus::Active,
            created_at: Timestamp::from_millis(created),
            tags: Tags::new(),
            recorded: Recorded::default(),
        }
    }

    async fn count_up(db: &Db) {
        let counted = db.transact(|view| {
            let mut txn = Txn::new();
            match view.clusters.get(&ClusterName::default_cluster()) {
                Some(read) => txn.replace(read, &cluster(read.created_at.millis() + 1)),
                None => txn.create(&cluster(1)),
            }
            Ok::<_, ()>((txn, ()))
        });
        counted.await.unwrap();
    }

    #[tokio::test]
    async fn a_commit_is_in_the_view_when_it_returns_and_announced() {
        let db = Db::open(Arc::new(Memory::default())).await.unwrap();
        let mut changes = db.subscribe();
        count_up(&db).await;
        assert_eq!(db.view().clusters.len(), 1);
        let announced = changes.recv().await.unwrap();
        assert_eq!(
            *announced,
            [Change::Cluster(ClusterName::default_cluster())]
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nothing_is_lost_when_many_change_one_record() {
        let db = Db::open(Arc::new(Memory::default())).await.unwrap();
        let writers = (0..8).map(|_| {
            let db = Arc::clone(&db);
            tokio::spawn(async move {
                for _ in 0..25 {
                    count_up(&db).await;
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let view = db.view();
        let stored = view.clusters.values().next().unwrap();
        assert_eq!(stored.created_at.millis(), 200);
    }

    #[tokio::test]
    async fn a_record_that_does_not_decode_is_set_aside_and_harms_nothing() {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let bad = Key::new("cluster/bad").unwrap();
        let put = Write::Put {
            key: bad.clone(),
            value: Bytes::from_static(b"\x01????{}"),
        };
        store
            .commit(Commit {
                guards: vec![],
                writes: vec![put],
            })
            .await
            .unwrap();
        let db = Db::open(Arc::clone(&store)).await.unwrap();
        assert!(db.view().quarantined[&bad].contains("checksum"));
        count_up(&db).await;
        assert_eq!(db.view().clusters.len(), 1);
        let mut txn = Txn::new();
        txn.delete_key(bad);
        db.commit(txn).await.unwrap();
        assert!(db.view().quarantined.is_empty());
    }

    #[tokio::test]
    async fn a_new_list_announces_what_is_gone_as_well() {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let db = Db::open(Arc::clone(&store)).await.unwrap();
        count_up(&db).await;
        let mut changes = db.subscribe();
        db.replace(Snapshot {
            revision: 9,
            entries: Vec::new(),
        });
        assert!(db.view().clusters.is_empty());
        let announced = changes.recv().await.unwrap();
        assert_eq!(
            *announced,
            [Change::Cluster(ClusterName::default_cluster())]
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_gap_in_the_watch_is_bridged_by_a_list() {
        let limit = HistoryLimit {
            commits: 1,
            ..HistoryLimit::default()
        };
        let db = Db::open(Arc::new(Memory::new(limit))).await.unwrap();
        for _ in 0..200 {
            count_up(&db).await;
        }
        let view = db.view();
        assert_eq!(
            view.clusters.values().next().unwrap().created_at.millis(),
            200
        );
    }
}
