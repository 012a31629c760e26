//! Leading: campaign, decide for one term, campaign again. A standby keeps its view up, so a term
//! begins without reading anything but what is newest.

use std::sync::Arc;
use std::time::Duration;

use longshore_ecs::context::Ecs;
use longshore_store::{Leadership, ReadError, Store, Unavailable};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::control::{self, End};
use crate::placement::Scheduling;
use crate::settings::Settings;
use crate::standing::Standing;

/// Waits while the store does not answer, halved by chance at most.
const RETRY: Duration = Duration::from_millis(500);
/// How long giving up the lead may take; it ends by itself when its lease does.
const RESIGN: Duration = Duration::from_secs(2);

/// Campaigns and decides until `stop` is cancelled or the store fails for good. When it returns,
/// it leads no more.
///
/// # Errors
/// [`LeadError`] when the process must end.
pub async fn run(
    ecs: Arc<Ecs>,
    store: Arc<dyn Store>,
    scheduling: Arc<Scheduling>,
    settings: Settings,
    standing: Arc<Standing>,
    stop: CancellationToken,
) -> Result<(), LeadError> {
    let candidate = standing.id().to_string();
    loop {
        let elected = tokio::select! {
            elected = store.campaign(&candidate) => elected,
            () = stop.cancelled() => return Ok(()),
        };
        let leadership = match elected {
            Ok(leadership) => leadership,
            Err(ReadError::Unavailable(error)) => return Err(error.into()),
            Err(ReadError::Unreachable(error)) => {
                tracing::debug!(%error, "cannot campaign");
                pause().await;
                continue;
            }
        };
        let end = tokio::select! {
            end = term(&ecs, &scheduling, settings, &standing, &leadership) => end,
            () = leadership.lost() => Some(End::Deposed),
            () = stop.cancelled() => None,
        };
        standing.set_leads(false);
        match end {
            None => {}
            Some(End::StoreFailed) => return Err(LeadError::Controllers),
            Some(End::Unknown) => {
                tracing::warn!("the outcome of a commit is not known; the term ends");
            }
            Some(End::Deposed) => tracing::warn!("this control plane leads no more"),
        }
        // Not in time is no harm: the key goes with the lease, and its fence is not used again.
        if timeout(RESIGN, leadership.resign()).await.is_err() {
            tracing::debug!("the lead was not given up in time");
        }
        if end.is_none() {
            return Ok(());
        }
    }
}

/// One term, until nothing more can be decided in it.
async fn term(
    ecs: &Arc<Ecs>,
    scheduling: &Arc<Scheduling>,
    settings: Settings,
    standing: &Standing,
    leadership: &Leadership,
) -> Option<End> {
    let elected = Instant::now();
    // Everything that earlier leaders committed; nothing of theirs comes after.
    while let Err(error) = ecs.db.barrier().await {
        if let ReadError::Unavailable(_) = error {
            return Some(End::StoreFailed);
        }
        pause().await;
    }
    standing.set_leads(true);
    let ready_ms = elected.elapsed().as_millis();
    tracing::info!(ready_ms, "this control plane leads");
    let fence = leadership.fence();
    let (ecs, scheduling) = (Arc::clone(ecs), Arc::clone(scheduling));
    Some(control::run(ecs, scheduling, settings, fence).await)
}

async fn pause() {
    sleep(RETRY.mul_f64(rand::random_range(0.5..=1.0))).await;
}

/// Why nothing is decided any more.
#[derive(Debug, thiserror::Error)]
pub enum LeadError {
    /// The store has failed for good.
    #[error(transparent)]
    Store(#[from] Unavailable),
    /// The log says why.
    #[error("the controllers ended; the log says why")]
    Controllers,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;

    use bytes::Bytes;
    use longshore_model::instance::{Connection, Instance};
    use longshore_model::{ClusterName, InstanceId, Realm, ReplicaId, Timestamp};
    use longshore_store::table::Record as _;
    use longshore_store::{
        BoxFuture, Commit, CommitError, Db, Entry, Guard, Key, Memory, Presence, Revision,
        Snapshot, Term, Unreachable, Watch, WatchError, Write,
    };

    use super::*;
    use crate::placement::SchedulerPlacer;
    use crate::testing;

    /// A store that others lead as well, and that can be made to lose the answers of commits.
    #[derive(Default)]
    struct Contested {
        memory: Memory,
        campaigns: AtomicUsize,
        /// Commits of a leader yet to be swallowed without an answer.
        swallow: AtomicUsize,
        terms: Mutex<Vec<Term>>,
    }

    fn leader_key() -> Key {
        Key::new("leader").unwrap()
    }

    impl Contested {
        /// Somebody leads from now on; whoever did before is not told.
        async fn elect(&self) -> Revision {
            let write = Write::Put {
                key: leader_key(),
                value: Bytes::new(),
            };
            let commit = Commit {
                guards: Vec::new(),
                writes: vec![write],
            };
            self.memory.commit(commit).await.unwrap()
        }
    }

    impl Store for Contested {
        fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
            self.memory.get(key)
        }

        fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Snapshot, ReadError>> {
            self.memory.list(prefix)
        }

        fn head(&self) -> BoxFuture<'_, Result<Revision, ReadError>> {
            self.memory.head()
        }

        fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision, CommitError>> {
            let less = |left: usize| left.checked_sub(1);
            let swallowed = self
                .swallow
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            if swallowed.is_ok() {
                let lost = Unreachable::new("committing", "no answer");
                return Box::pin(async { Err(lost.into()) });
            }
            self.memory.commit(commit)
        }

        fn watch(&self, prefix: &str, after: Revision) -> BoxFuture<'_, Result<Watch, WatchError>> {
            self.memory.watch(prefix, after)
        }

        fn campaign(&self, _: &str) -> BoxFuture<'_, Result<Leadership, ReadError>> {
            Box::pin(async {
                self.campaigns.fetch_add(1, Ordering::Relaxed);
                let fence = Guard::Unchanged {
                    key: leader_key(),
                    revision: self.elect().await,
                };
                let (leadership, term) = Leadership::new(Some(fence));
                self.terms.lock().unwrap().push(term);
                Ok(leadership)
            })
        }

        fn announce(&self, key: Key, value: Bytes) -> BoxFuture<'_, Result<Presence, ReadError>> {
            self.memory.announce(key, value)
        }
    }

    struct World {
        store: Arc<Contested>,
        ecs: Arc<Ecs>,
        stop: CancellationToken,
        leading: tokio::task::JoinHandle<Result<(), LeadError>>,
    }

    /// A leader, and an instance whose control plane is gone: after a while it has something to
    /// decide.
    async fn world() -> World {
        let store = Arc::new(Contested::default());
        let orphan = Instance {
            replica: Some(ReplicaId::new(9)),
            ..testing::instance(
                InstanceId::new(7),
                Connection::Connected(Timestamp::default()),
            )
        };
        let put = Write::Put {
            key: orphan.key(),
            value: longshore_store::table::encode(&orphan).unwrap(),
        };
        let commit = Commit {
            guards: Vec::new(),
            writes: vec![put],
        };
        store.commit(commit).await.unwrap();
        let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let ecs = Arc::new(Ecs {
            backend: longshore_door::Backend {
                realm: Realm {
                    partition: "aws".to_owned(),
                    region: "us-east-1".to_owned(),
                    account: "000000000000".to_owned(),
                },
                db: Db::open(Arc::clone(&shared)).await.unwrap(),

                clock: Arc::new(SystemTime::now),
                entropy: Arc::new(rand::random::<u128>),
            },
            placer: Arc::new(SchedulerPlacer::default()),
        });
        let stop = CancellationToken::new();
        let leading = tokio::spawn(run(
            Arc::clone(&ecs),
            shared,
            Arc::default(),
            Settings::default(),
            Standing::new(ReplicaId::new(1)),
            stop.clone(),
        ));
        World {
            store,
            ecs,
            stop,
            leading,
        }
    }

    impl World {
        /// Waits until it is decided that the instance is away.
        async fn decided(&self) {
            let name = (ClusterName::default_cluster(), InstanceId::new(7));
            let mut changes = self.ecs.db.subscribe();
            while self.ecs.db.view().instances[&name]
                .connection
                .is_connected()
            {
                changes.recv().await.unwrap();
            }
        }

        fn campaigns(&self) -> usize {
            self.store.campaigns.load(Ordering::Relaxed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_decides_until_it_is_told_to_stop() {
        let world = world().await;
        world.decided().await;
        world.stop.cancel();
        world.leading.await.unwrap().unwrap();
        assert_eq!(world.store.campaigns.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_deposed_and_does_not_know_changes_nothing_and_campaigns_again() {
        let world = world().await;
        while world.campaigns() == 0 {
            tokio::task::yield_now().await;
        }
        world.store.elect().await;
        world.decided().await;
        assert!(world.campaigns() >= 2, "its own fence kept it out");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_told_campaigns_again() {
        let world = world().await;
        while world.campaigns() == 0 {
            tokio::task::yield_now().await;
        }
        let term = world.store.terms.lock().unwrap().pop().unwrap();
        term.lose();
        world.decided().await;
        assert_eq!(world.campaigns(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_without_an_answer_ends_the_term() {
        let world = world().await;
        world.store.swallow.store(1, Ordering::Relaxed);
        world.decided().await;
        assert_eq!(world.campaigns(), 2);
    }
}
