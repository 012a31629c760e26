//! The one loop that runs every controller by key.
//!
//! A key says what to look at, never what happened. Keys come from changes, from the times that
//! earlier decisions asked for, and from a slow timer that names everything, so a change that was
//! missed is only late. Different keys are decided side by side; one key is never decided twice
//! at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use longshore_api::context::Ecs;
use longshore_model::instance::InstanceStatus;
use longshore_model::plan::{Ctx, Reason};
use longshore_model::{ClusterName, InstanceId, ServiceName, TaskId, Timestamp};
use longshore_reconcile as reconcile;
use longshore_store::{Change, CommitError, Txn, View};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinSet;

use crate::settings::Settings;
use crate::{commit, gather, sweep};

/// How often every key is looked at, whatever was announced.
pub const RELIST_INTERVAL: Duration = Duration::from_secs(10);
/// Decisions under way at once. Their commits share the store's group commit.
const MAX_IN_FLIGHT: usize = 64;
/// How long a key rests whose plan the store refuses for what it is, so that it delays no other.
const POISON_WAIT: Duration = Duration::from_secs(30);

/// What one decision is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A service.
    Service(ClusterName, ServiceName),
    /// A task.
    Task(ClusterName, TaskId),
    /// A container instance.
    Instance(ClusterName, InstanceId),
}

impl Key {
    /// The cluster it is in.
    pub fn cluster(&self) -> &ClusterName {
        match self {
            Self::Service(cluster, _) | Self::Task(cluster, _) | Self::Instance(cluster, _) => {
                cluster
            }
        }
    }
}

/// The outcome of one decision, not committed yet.
#[derive(Debug)]
pub struct Decision {
    /// What to write; may be empty.
    pub txn: Txn,
    /// When to look again though nothing changes.
    pub wake_at: Option<Timestamp>,
    /// Why nothing more is done.
    pub reasons: Vec<Reason>,
}

/// Decides about one key from one view. `None` if what it names is gone.
pub fn decide(view: &View, key: &Key, settings: Settings, ctx: &mut Ctx) -> Option<Decision> {
    let plan = match key {
        Key::Service(cluster, name) => {
            let view = gather::service(view, cluster, name, settings)?;
            reconcile::service::reconcile(&view, ctx)
        }
        Key::Task(cluster, id) => {
            reconcile::task::reconcile(gather::task(view, cluster, *id, settings)?, ctx)
        }
        Key::Instance(cluster, id) => {
            let view = gather::instance(view, cluster, *id, settings)?;
            reconcile::instance::reconcile(&view, ctx)
        }
    };
    let txn = commit::translate(view, key, &plan.actions, ctx.now)?;
    Some(Decision {
        txn,
        wake_at: plan.wake_at,
        reasons: plan.reasons,
    })
}

/// What is to be looked at, and when.
#[derive(Debug, Default)]
pub struct Queue {
    ready: VecDeque<Key>,
    queued: BTreeSet<Key>,
    timers: BTreeSet<(Timestamp, Key)>,
    wakes: BTreeMap<Key, Timestamp>,
    /// Services with tasks that fit nowhere; whatever frees room wakes them.
    starved: BTreeSet<(ClusterName, ServiceName)>,
    /// What was last seen of each instance, so that a placement, which only counts its version up,
    /// wakes nobody.
    instances: BTreeMap<(ClusterName, InstanceId), (InstanceStatus, bool)>,
}

impl Queue {
    /// Puts a key at the end, once.
    pub fn push(&mut self, key: Key) {
        if self.queued.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    /// Names everything there is.
    pub fn push_all(&mut self, view: &View) {
        for (cluster, name) in view.services.keys() {
            self.push(Key::Service(cluster.clone(), name.clone()));
        }
        for (cluster, id) in view.instances.keys() {
            self.push(Key::Instance(cluster.clone(), *id));
        }
        for (cluster, id) in view.tasks.keys() {
            self.push(Key::Task(cluster.clone(), *id));
        }
    }

    /// Names what a change may matter to.
    pub fn note(&mut self, change: &Change, view: &View) {
        match change {
            Change::Cluster(_) => {}
            Change::Service(cluster, name) => {
                self.push(Key::Service(cluster.clone(), name.clone()));
            }
            Change::Task(cluster, id, _, service) => {
                if let Some(service) = service {
                    self.push(Key::Service(cluster.clone(), service.clone()));
                }
                let live = view
                    .tasks
                    .get(&(cluster.clone(), *id))
                    .is_some_and(|t| t.is_live());
                if !live {
                    self.push(Key::Task(cluster.clone(), *id));
                    self.wake_starved(cluster);
                }
            }
            Change::Instance(cluster, id) => self.note_instance(cluster, *id, view),
        }
    }

    fn note_instance(&mut self, cluster: &ClusterName, id: InstanceId, view: &View) {
        let name = (cluster.clone(), id);
        let seen = view
            .instances
            .get(&name)
            .map(|instance| (instance.status, instance.connection.is_connected()));
        if seen == self.instances.get(&name).copied() {
            return;
        }
        match seen {
            Some(seen) => self.instances.insert(name, seen),
            None => self.instances.remove(&name),
        };
        self.push(Key::Instance(cluster.clone(), id));
        for task in view.instance_tasks(cluster, id) {
            self.push(Key::Task(cluster.clone(), task.id));
            if let Some(service) = &task.service {
                self.push(Key::Service(cluster.clone(), service.name.clone()));
            }
        }
        self.wake_starved(cluster);
    }

    fn wake_starved(&mut self, cluster: &ClusterName) {
        let waiting: Vec<_> = self
            .starved
            .iter()
            .filter(|(c, _)| c == cluster)
            .cloned()
            .collect();
        for (cluster, name) in waiting {
            self.push(Key::Service(cluster, name));
        }
    }

    /// Takes over what a decision said of its key.
    pub fn settle(&mut self, key: &Key, wake_at: Option<Timestamp>, reasons: &[Reason]) {
        if let Some(old) = self.wakes.remove(key) {
            self.timers.remove(&(old, key.clone()));
        }
        if let Some(at) = wake_at {
            self.wakes.insert(key.clone(), at);
            self.timers.insert((at, key.clone()));
        }
        if let Key::Service(cluster, name) = key {
            let service = (cluster.clone(), name.clone());
            if reasons
                .iter()
                .any(|reason| matches!(reason, Reason::Unplaced { .. }))
            {
                self.starved.insert(service);
            } else {
                self.starved.remove(&service);
            }
        }
    }

    /// The next key to look at.
    pub fn pop(&mut self, now: Timestamp) -> Option<Key> {
        while let Some((at, key)) = self.timers.first().cloned().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, key.clone()));
            self.wakes.remove(&key);
            self.push(key);
        }
        let key = self.ready.pop_front()?;
        self.queued.remove(&key);
        Some(key)
    }

    /// When the next timer is due.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }
}

/// What became of one activation.
#[derive(Debug)]
pub struct Activation {
    /// What was decided about.
    pub key: Key,
    /// How it ended.
    pub outcome: Outcome,
}

/// How one activation ended.
#[derive(Debug)]
pub enum Outcome {
    /// What the key names does not exist.
    Gone,
    /// The plan, which may be empty, is committed.
    Done {
        /// When to look again though nothing changes.
        wake_at: Option<Timestamp>,
        /// Why nothing more is done.
        reasons: Vec<Reason>,
    },
    /// What was decided from has changed; decide again.
    Conflict,
    /// The store refuses the plan for what it is.
    Poison,
    /// The store has failed, and with it the process.
    StoreFailed,
}

/// What is looked at now, and what is to be looked at: each key by one activation at a time.
#[derive(Debug, Default)]
pub struct Rounds {
    /// What is to be looked at.
    pub queue: Queue,
    in_flight: BTreeSet<Key>,
    /// Keys that were named again while a decision about them was under way.
    again: BTreeSet<Key>,
}

/// The store has failed; the process must be restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreFailed;

impl Rounds {
    /// How many keys wait, are decided about, and have a timer.
    pub fn sizes(&self) -> [usize; 3] {
        [
            self.queue.ready.len(),
            self.in_flight.len(),
            self.queue.timers.len(),
        ]
    }

    /// The next key to decide about, while there is room for one more decision. The caller
    /// answers each with [`Rounds::finish`].
    pub fn start(&mut self, now: Timestamp) -> Option<Key> {
        while self.in_flight.len() < MAX_IN_FLIGHT {
            let key = self.queue.pop(now)?;
            if self.in_flight.contains(&key) {
                self.again.insert(key);
                continue;
            }
            self.in_flight.insert(key.clone());
            return Some(key);
        }
        None
    }

    /// Takes over what became of an activation.
    ///
    /// # Errors
    /// [`StoreFailed`] when nothing can be decided any more.
    pub fn finish(&mut self, activation: Activation, now: Timestamp) -> Result<(), StoreFailed> {
        let Activation { key, outcome } = activation;
        self.in_flight.remove(&key);
        match outcome {
            Outcome::Gone => self.queue.settle(&key, None, &[]),
            Outcome::Done { wake_at, reasons } => self.queue.settle(&key, wake_at, &reasons),
            Outcome::Conflict => self.queue.push(key.clone()),
            Outcome::Poison => self.queue.settle(&key, Some(now.after(POISON_WAIT)), &[]),
            Outcome::StoreFailed => return Err(StoreFailed),
        }
        if self.again.remove(&key) {
            self.queue.push(key);
        }
        Ok(())
    }
}

/// Runs the controllers until the process ends. Returns when the store has failed.
pub async fn run(ecs: Arc<Ecs>, settings: Settings) {
    let mut changes = ecs.db.subscribe();
    let mut rounds = Rounds::default();
    rounds.queue.push_all(&ecs.db.view());
    let mut relist = tokio::time::interval(RELIST_INTERVAL);
    relist.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut running: JoinSet<Activation> = JoinSet::new();

    loop {
        let now = ecs.ctx().now;
        while let Some(key) = rounds.start(now) {
            running.spawn(activate(Arc::clone(&ecs), settings, key));
        }
        let timer = async {
            match rounds.queue.next_wake() {
                Some(at) => tokio::time::sleep(at.since(now)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            received = changes.recv() => {
                let mut received = match received {
                    Ok(batch) => Ok(batch),
                    Err(RecvError::Lagged(_)) => Err(()),
                    Err(RecvError::Closed) => return,
                };
                let view = ecs.db.view();
                loop {
                    match &received {
                        Ok(batch) => batch.iter().for_each(|change| rounds.queue.note(change, &view)),
                        Err(()) => rounds.queue.push_all(&view),
                    }
                    received = match changes.try_recv() {
                        Ok(batch) => Ok(batch),
                        Err(TryRecvError::Lagged(_)) => Err(()),
                        Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                    };
                }
            }
            Some(finished) = running.join_next() => {
                let Ok(activation) = finished else {
                    // A decision that panics is a broken invariant; the process must not go on.
                    tracing::error!("a controller panicked; stopping");
                    return;
                };
                if rounds.finish(activation, now) == Err(StoreFailed) {
                    return;
                }
            }
            () = timer => {}
            _ = relist.tick() => {
                rounds.queue.push_all(&ecs.db.view());
                let txn = sweep::sweep(&ecs.db.view(), now);
                if let Err(error) = ecs.db.commit(txn).await {
                    tracing::debug!(%error, "the sweep is left to the next round");
                }
            }
        }
    }
}

/// One decision and its commit.
pub async fn activate(ecs: Arc<Ecs>, settings: Settings, key: Key) -> Activation {
    let decision = decide(&ecs.db.view(), &key, settings, &mut ecs.ctx());
    let outcome = match decision {
        None => Outcome::Gone,
        Some(Decision {
            txn,
            wake_at,
            reasons,
        }) => match ecs.db.commit(txn).await {
            Ok(_) => {
                for reason in &reasons {
                    tracing::debug!(?key, %reason, "waits");
                }
                Outcome::Done { wake_at, reasons }
            }
            Err(error) if error.is_conflict() => Outcome::Conflict,
            Err(CommitError::Unavailable(error)) => {
                tracing::error!(%error, "the store has failed");
                Outcome::StoreFailed
            }
            Err(error) => {
                tracing::error!(?key, %error, "a plan is refused by the store; it rests");
                Outcome::Poison
            }
        },
    };
    Activation { key, outcome }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use longshore_model::placement::Unplaced;

    use super::*;

    fn key(name: &str) -> Key {
        Key::Service(ClusterName::default_cluster(), name.parse().unwrap())
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_key_is_queued_once_and_keys_take_turns() {
        let mut queue = Queue::default();
        for name in ["a", "b", "a"] {
            queue.push(key(name));
        }
        assert_eq!(queue.pop(at(0)), Some(key("a")));
        queue.push(key("a"));
        assert_eq!(queue.pop(at(0)), Some(key("b")));
        assert_eq!(queue.pop(at(0)), Some(key("a")));
        assert_eq!(queue.pop(at(0)), None);
    }

    #[test]
    fn the_newest_wake_counts() {
        let mut queue = Queue::default();
        queue.settle(&key("a"), Some(at(10)), &[]);
        queue.settle(&key("a"), Some(at(20)), &[]);
        assert_eq!(queue.next_wake(), Some(at(20)));
        assert_eq!(queue.pop(at(15)), None);
        assert_eq!(queue.pop(at(20)), Some(key("a")));
        queue.settle(&key("a"), None, &[]);
        assert_eq!(queue.next_wake(), None);
    }

    #[test]
    fn what_frees_room_wakes_only_who_waits_for_it() {
        let mut queue = Queue::default();
        let unplaced = [Reason::Unplaced {
            count: 1,
            why: Unplaced::default(),
        }];
        queue.settle(&key("waiting"), None, &unplaced);
        queue.settle(&key("content"), None, &[]);
        let stopped = Change::Task(
            ClusterName::default_cluster(),
            TaskId::new(1),
            InstanceId::new(1),
            None,
        );
        queue.note(&stopped, &View::default());
        let mut woken = Vec::new();
        while let Some(key) = queue.pop(at(0)) {
            woken.push(key);
        }
        assert!(woken.contains(&key("waiting")) && !woken.contains(&key("content")));
    }
}
