//! The one loop that runs every controller by key.
//!
//! A key says what to look at, never what happened. Keys come from changes, from the times that
//! earlier decisions asked for, from room that a waiting service could use, and from a slow timer
//! that names everything, so a change that was missed is only late. Tasks, instances and clusters
//! are decided about side by side; services of one cluster one after the other, against one
//! index of its instances, and committed together.
//!
//! It runs for one term of leadership, and every commit carries the fence of that term. A commit
//! whose outcome is not known ends the term: under the fence of the next it can no longer happen.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use longshore_ecs::context::Ecs;
use longshore_model::plan::{Ctx, Plan, Reason};
use longshore_model::{ClusterName, InstanceId, ServiceName, TaskId, Timestamp};
use longshore_reconcile::{self as reconcile, Action};
use longshore_store::{Change, CommitError, Guard, Txn, View};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::commit::Writing;
use crate::live::Live;
use crate::ownership::Absences;
use crate::placer::Scheduling;
use crate::queue::Queue;
use crate::settings::Settings;
use crate::statistics::Statistics;
use crate::{gather, sweep};

/// How often every key is looked at, whatever was announced.
pub const RELIST_INTERVAL: Duration = Duration::from_secs(10);
/// How often the control planes that sessions are with are looked for.
const ROLL_CALL_INTERVAL: Duration = Duration::from_secs(1);
/// Decisions under way at once. Their commits share the store's group commit.
const MAX_IN_FLIGHT: usize = 64;
/// How long a key rests whose plan cannot be written for what it is, so that it delays no other.
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

    /// Whether it is a service.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Service(..))
    }
}

/// Decides about one key from one view and the index of its instances. `None` if what it names is
/// gone. What the plan places is noted in the index; see [`Live::settle`].
pub fn decide(
    view: &View,
    live: &mut Live,
    key: &Key,
    settings: Settings,
    ctx: &mut Ctx,
) -> Option<Plan<Action>> {
    match key {
        Key::Service(cluster, name) => {
            let seen = gather::service(view, cluster, name, settings)?;
            Some(live.place_for(cluster, &seen, ctx))
        }
        Key::Task(cluster, id) => Some(reconcile::task::reconcile(
            gather::task(view, cluster, *id, settings)?,
            ctx,
        )),
        Key::Instance(cluster, id) => {
            let view = gather::instance(view, cluster, *id, settings)?;
            Some(reconcile::instance::reconcile(&view, ctx))
        }
    }
}

/// What one turn decided, not committed yet.
#[derive(Debug)]
pub struct Decided {
    /// What to write; may be empty.
    pub txn: Txn,
    /// The tasks that it places.
    pub placed: Vec<TaskId>,
    /// What became of each key that was decided about.
    pub plans: Vec<(Key, Planned)>,
    /// Keys that found no room in the transaction; nothing is decided about them.
    pub left: Vec<Key>,
}

/// What was decided about one key.
#[derive(Debug)]
pub enum Planned {
    /// What it names is gone.
    Gone,
    /// Its plan changes this record, which is damaged: what was read of it is not what is stored.
    /// Nothing of the plan is in the transaction.
    Damaged(longshore_store::Key),
    /// Its plan is in the transaction.
    Written(Rest),
}

/// What a plan leaves to be done later.
#[derive(Debug)]
pub struct Rest {
    /// When to look again though nothing changes.
    pub wake_at: Option<Timestamp>,
    /// Why nothing more is done.
    pub reasons: Vec<Reason>,
}

/// Decides about the keys of one turn, all of one cluster, from one view. What fits into a commit
/// by eye, and does not once it is written down, since its records are long, is decided again: the
/// first key alone, and then with fewer and fewer changes.
pub fn decide_turn(
    view: &View,
    live: &mut Live,
    mut keys: &[Key],
    mut settings: Settings,
    statistics: &Statistics,
    mut ctx: impl FnMut() -> Ctx,
) -> Option<Decided> {
    let mut later: &[Key] = &[];
    loop {
        let mut decided = decide_together(view, live, keys, settings, statistics, &mut ctx)?;
        let room = &mut settings.room;
        if decided.txn.bytes() <= room.bytes || (keys.len() == 1 && room.changes <= 1) {
            decided.left.extend_from_slice(later);
            return Some(decided);
        }
        live.settle(keys.first()?.cluster(), &decided.placed);
        if keys.len() > 1 {
            (keys, later) = keys.split_at(1);
        } else {
            room.changes /= 2;
        }
    }
}

/// Decides about these keys in turn, as far as there is room.
fn decide_together(
    view: &View,
    live: &mut Live,
    keys: &[Key],
    settings: Settings,
    statistics: &Statistics,
    ctx: &mut impl FnMut() -> Ctx,
) -> Option<Decided> {
    let mut writing = Writing::new(view, keys.first()?.cluster());
    let (mut plans, mut left) = (Vec::new(), Vec::new());
    let mut keys = keys.iter();
    for key in keys.by_ref() {
        let mut ctx = ctx();
        let decide = || decide(view, live, key, settings, &mut ctx);
        let Some(plan) = statistics.decide.time(decide) else {
            live.leave(key);
            plans.push((key.clone(), Planned::Gone));
            continue;
        };
        if let Some(record) = writing.damaged(key, &plan.actions) {
            live.forget(key.cluster(), &plan.actions);
            plans.push((key.clone(), Planned::Damaged(record)));
            continue;
        }
        if !writing.has_room(&plan.actions, settings.room) {
            live.forget(key.cluster(), &plan.actions);
            left.push(key.clone());
            break;
        }
        let planned = if writing.knows_all(key, &plan.actions) {
            let add = || writing.add(key, plan.actions, ctx.now);
            statistics.encode.time(add).map(|()| Rest {
                wake_at: plan.wake_at,
                reasons: plan.reasons,
            })
        } else {
            live.forget(key.cluster(), &plan.actions);
            None
        };
        plans.push((key.clone(), planned.map_or(Planned::Gone, Planned::Written)));
    }
    left.extend(keys.cloned());
    let (txn, placed) = statistics.encode.time(|| writing.finish());
    Some(Decided {
        txn,
        placed,
        plans,
        left,
    })
}

/// What became of one turn.
#[derive(Debug)]
pub struct Activation {
    /// What was looked at, and how that ended.
    pub outcomes: Vec<(Key, Outcome)>,
}

/// How one activation ended.
#[derive(Debug, Clone)]
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
    /// There was no room for it in the transaction; its turn comes again.
    Left,
    /// What was decided from has changed; decide again.
    Conflict,
    /// The store refuses the plan for what it is.
    Poison,
    /// The plan changes a record that is damaged; it must be mended first.
    Damaged,
    /// Another control plane leads.
    Deposed,
    /// The store did not answer; whether the plan is committed is not known.
    Unknown,
    /// The store has failed, and with it the process.
    StoreFailed,
}

/// What is looked at now, and what is to be looked at: each key by one activation at a time.
#[derive(Debug, Default)]
pub struct Rounds {
    /// What is to be looked at.
    pub queue: Queue,
    in_flight: BTreeSet<Key>,
    turns: usize,
    /// Keys that were named again while a decision about them was under way.
    again: BTreeSet<Key>,
}

/// Why nothing more is decided in a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Another control plane leads.
    Deposed,
    /// The outcome of a commit is not known.
    Unknown,
    /// The store has failed; the process must be restarted.
    StoreFailed,
}

impl Rounds {
    /// How many keys wait, are decided about, and have a timer.
    pub fn sizes(&self) -> [usize; 3] {
        let [waiting, timers] = self.queue.sizes();
        [waiting, self.in_flight.len(), timers]
    }

    /// The next keys to decide about together, while there is room for one more activation. The
    /// caller answers each with [`Rounds::finish`].
    pub fn start(&mut self, now: Timestamp) -> Option<Vec<Key>> {
        while self.turns < MAX_IN_FLIGHT {
            let mut keys = self.queue.pop(now)?;
            keys.retain(|key| {
                let idle = !self.in_flight.contains(key);
                if !idle {
                    self.again.insert(key.clone());
                }
                idle
            });
            if keys.is_empty() {
                continue;
            }
            self.in_flight.extend(keys.iter().cloned());
            self.turns += 1;
            return Some(keys);
        }
        None
    }

    /// When [`Rounds::start`] has something to start though nothing happens until then. While there
    /// is no room it is [`Rounds::finish`] that makes some, and a timer that is due must not have
    /// the loop run round.
    pub fn next_wake(&self) -> Option<Timestamp> {
        (self.turns < MAX_IN_FLIGHT)
            .then(|| self.queue.next_wake())
            .flatten()
    }

    /// Takes over what became of an activation.
    ///
    /// # Errors
    /// The [`End`] of the term, when nothing can be decided any more.
    pub fn finish(&mut self, activation: Activation, now: Timestamp) -> Result<(), End> {
        self.turns = self.turns.saturating_sub(1);
        let shared = activation.outcomes.len() > 1;
        let cluster = activation.outcomes.first().and_then(|(key, _)| {
            let cluster = key.cluster();
            key.is_service().then(|| cluster.clone())
        });
        for (key, outcome) in activation.outcomes {
            self.in_flight.remove(&key);
            match outcome {
                Outcome::Gone => self.queue.settle(&key, None),
                Outcome::Done { wake_at, .. } => self.queue.settle(&key, wake_at),
                // Whoever shared the transaction may have been the one with the trouble.
                Outcome::Conflict | Outcome::Poison if shared => {
                    self.queue.push_alone(key.clone());
                }
                Outcome::Conflict | Outcome::Left => self.queue.push(key.clone()),
                Outcome::Poison | Outcome::Damaged => {
                    self.queue.rest(&key, now.after(POISON_WAIT));
                }
                Outcome::Deposed => return Err(End::Deposed),
                Outcome::Unknown => return Err(End::Unknown),
                Outcome::StoreFailed => return Err(End::StoreFailed),
            }
            if self.again.remove(&key) {
                self.queue.push(key);
            }
        }
        if let Some(cluster) = cluster {
            self.queue.done(&cluster);
        }
        Ok(())
    }
}

/// Runs the controllers for one term. `fence` is what every commit is guarded by, where there may
/// be other control planes. Dropping it ends the term; what is under way then is cut off, and is
/// void once another leads.
pub async fn run(
    ecs: Arc<Ecs>,
    scheduling: Arc<Scheduling>,
    settings: Settings,
    fence: Option<Guard>,
) -> End {
    scheduling.begin_term();
    let mut changes = ecs.db.subscribe();
    let mut rounds = Rounds::default();
    rounds.queue.push_all(&ecs.db.view());
    let mut absences = Absences::default();
    let began = Instant::now();
    let mut relist = interval(RELIST_INTERVAL);
    relist.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut roll_call = interval(ROLL_CALL_INTERVAL);
    roll_call.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut running: JoinSet<Activation> = JoinSet::new();

    loop {
        let now = ecs.ctx().now;
        while let Some(keys) = rounds.start(now) {
            let (ecs, scheduling) = (Arc::clone(&ecs), Arc::clone(&scheduling));
            running.spawn(activate(ecs, scheduling, settings, keys, fence.clone()));
        }
        let timer = async {
            match rounds.next_wake() {
                Some(at) => tokio::time::sleep(at.since(now)).await,
                None => std::future::pending().await,
            }
        };
        let chore = tokio::select! {
            received = changes.recv() => {
                let received = match received {
                    Ok(batch) => Ok(batch),
                    Err(RecvError::Lagged(_)) => Err(()),
                    Err(RecvError::Closed) => return End::StoreFailed,
                };
                let view = ecs.db.view();
                note_all(&mut rounds.queue, received, &mut changes, &view, ecs.ctx().now);
                scheduling.wake(&view, &mut rounds.queue);
                Txn::new()
            }
            Some(finished) = running.join_next() => {
                let Ok(activation) = finished else {
                    // A decision that panics is a broken invariant; the process must not go on.
                    tracing::error!("a controller panicked; stopping");
                    return End::StoreFailed;
                };
                if let Err(end) = rounds.finish(activation, now) {
                    return end;
                }
                scheduling.wake(&ecs.db.view(), &mut rounds.queue);
                Txn::new()
            }
            () = timer => Txn::new(),
            _ = relist.tick() => {
                rounds.queue.push_all(&ecs.db.view());
                sweep::sweep(&ecs.db.view(), now)
            }
            _ = roll_call.tick() => absences.look(&ecs.db.view(), began.elapsed(), now),
        };
        if !chore.is_empty() {
            match write(&ecs, chore, fence.as_ref()).await {
                Ok(()) | Err(Outcome::Conflict | Outcome::Poison) => {}
                Err(Outcome::Deposed) => return End::Deposed,
                Err(Outcome::Unknown) => return End::Unknown,
                Err(_) => return End::StoreFailed,
            }
        }
    }
}

/// Names what has changed, with everything else that has come in by now.
fn note_all(
    queue: &mut Queue,
    first: Result<Arc<Vec<Change>>, ()>,
    changes: &mut Receiver<Arc<Vec<Change>>>,
    view: &View,
    now: Timestamp,
) {
    let mut received = first;
    loop {
        match &received {
            Ok(batch) => batch
                .iter()
                .for_each(|change| queue.note(change, view, now)),
            Err(()) => queue.push_all(view),
        }
        received = match changes.try_recv() {
            Ok(batch) => Ok(batch),
            Err(TryRecvError::Lagged(_)) => Err(()),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return,
        };
    }
}

/// Commits under the fence. What went wrong, as an outcome.
async fn write(ecs: &Ecs, mut txn: Txn, fence: Option<&Guard>) -> Result<(), Outcome> {
    if txn.is_empty() {
        return Ok(());
    }
    if let Some(fence) = fence {
        txn.require(fence.clone());
    }
    match ecs.db.commit(txn).await {
        Ok(_) => Ok(()),
        Err(error) => Err(judge(&error, fence)),
    }
}

/// What a refused commit means for its plan.
fn judge(error: &CommitError, fence: Option<&Guard>) -> Outcome {
    match error {
        CommitError::Conflict { guard } if Some(guard) == fence => Outcome::Deposed,
        CommitError::Conflict { .. } => Outcome::Conflict,
        CommitError::Unreachable(error) => {
            tracing::warn!(%error, "the store does not answer");
            Outcome::Unknown
        }
        CommitError::Unavailable(error) => {
            tracing::error!(%error, "the store has failed");
            Outcome::StoreFailed
        }
        CommitError::Empty | CommitError::DuplicateKey { .. } | CommitError::TooLarge { .. } => {
            tracing::error!(%error, "a plan is refused by the store; it rests");
            Outcome::Poison
        }
    }
}

/// The decisions of one turn and their commit.
pub async fn activate(
    ecs: Arc<Ecs>,
    scheduling: Arc<Scheduling>,
    settings: Settings,
    keys: Vec<Key>,
    fence: Option<Guard>,
) -> Activation {
    let statistics = &scheduling.statistics;
    let decided = {
        let view = ecs.db.view();
        let mut live = scheduling.live(&view);
        decide_turn(&view, &mut live, &keys, settings, statistics, || ecs.ctx())
    };
    let Some(decided) = decided else {
        return Activation {
            outcomes: Vec::new(),
        };
    };
    statistics.decisions.add(decided.plans.len() as u64);
    let Decided {
        txn,
        placed,
        plans,
        left,
    } = decided;
    statistics.commits.add(u64::from(!txn.is_empty()));
    let begun = Instant::now();
    let committed = write(&ecs, txn, fence.as_ref()).await;
    statistics.commit.took(begun.elapsed());
    match &committed {
        Ok(()) if placed.is_empty() => {}
        Ok(()) => {
            let millis = u64::try_from(ecs.ctx().now.millis()).unwrap_or(0);
            statistics.placed_at.store(millis, Ordering::Relaxed);
            statistics.placed.add(placed.len() as u64);
        }
        Err(Outcome::Conflict) => statistics.conflicts.add(1),
        Err(outcome) => tracing::debug!(?keys, ?outcome, "what was decided is not committed"),
    }
    if !placed.is_empty()
        && let Some(cluster) = keys.first().map(Key::cluster)
    {
        let view = ecs.db.view();
        scheduling.live(&view).settle(cluster, &placed);
    }
    let plans = plans.into_iter().map(|(key, planned)| {
        let outcome = match (&committed, planned) {
            (Ok(()), Planned::Gone) => Outcome::Gone,
            (Ok(()), Planned::Damaged(record)) => {
                tracing::warn!(?key, %record, "a decision waits for a damaged record to be mended");
                Outcome::Damaged
            }
            (Ok(()), Planned::Written(Rest { wake_at, reasons })) => {
                for reason in &reasons {
                    tracing::debug!(?key, %reason, "waits");
                }
                Outcome::Done { wake_at, reasons }
            }
            (Err(outcome), _) => outcome.clone(),
        };
        (key, outcome)
    });
    let left = left.into_iter().map(|key| (key, Outcome::Left));
    Activation {
        outcomes: plans.chain(left).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use longshore_model::CpuUnits;
    use longshore_model::instance::Connection;
    use longshore_model::service::PropagateTags;

    use super::*;
    use crate::testing::{definition, instance, put, service};

    fn key(name: &str) -> Key {
        Key::Service(ClusterName::default_cluster(), name.parse().unwrap())
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_conflict_at_the_fence_ends_the_term_and_any_other_is_decided_again() {
        let guard = |name: &str| Guard::Absent {
            key: longshore_store::Key::new(name).unwrap(),
        };
        let (fence, other) = (guard("leader"), guard("cluster/a"));
        let conflict = |guard: &Guard| CommitError::Conflict {
            guard: guard.clone(),
        };
        let judged = |at: &Guard, fence| judge(&conflict(at), fence);
        assert!(matches!(judged(&fence, Some(&fence)), Outcome::Deposed));
        assert!(matches!(judged(&other, Some(&fence)), Outcome::Conflict));
        assert!(matches!(judged(&other, None), Outcome::Conflict));
    }

    #[test]
    fn a_turn_whose_records_are_long_makes_fewer_changes() {
        let mut view = View::default();
        let mut web = service(40);
        web.propagate_tags = PropagateTags::Service;
        let tag = |n| (format!("{n:0>128}"), "v".repeat(256));
        web.tags = (0..50).map(tag).collect();
        let mut other = web.clone();
        other.name = "other".parse().unwrap();
        let mut definition = definition();
        definition.cpu = Some(CpuUnits(1));
        let now = Timestamp::default();
        let mut node = instance(InstanceId::new(2), Connection::Connected(now));
        node.registered.cpu = CpuUnits(80);
        put(&mut view, &web);
        put(&mut view, &other);
        put(&mut view, &definition);
        put(&mut view, &node);

        let (mut live, statistics) = (Live::default(), Statistics::default());
        live.catch_up(&view, &statistics);
        let mut seed = 0;
        // How many tasks it places, what it leaves, and the bytes of its commit. Nothing of it is
        // committed, so that room for all 80 tasks is there again only if nothing is kept.
        let mut turn = |bytes| {
            let mut settings = Settings::default();
            settings.room.bytes = bytes;
            let keys = [key("other"), key("web")];
            let ctx = || {
                seed += 1;
                Ctx::new(now, seed)
            };
            let decided = decide_turn(&view, &mut live, &keys, settings, &statistics, ctx);
            let decided = decided.unwrap();
            live.settle(&node.cluster, &decided.placed);
            (decided.placed.len(), decided.left, decided.txn.bytes())
        };
        let (placed, left, whole) = turn(usize::MAX);
        assert_eq!((placed, left), (80, vec![]));
        for (room, expected) in [(whole, 80), (whole / 2, 25), (whole / 100, 1), (1, 1)] {
            let (placed, left, bytes) = turn(room);
            assert_eq!(placed, expected, "{bytes} of {room}");
            assert_eq!(left.is_empty(), placed == 80);
            assert!(bytes <= room || placed == 1, "{bytes} of {room}");
        }
        assert_eq!(turn(whole).0, 80);
    }

    #[test]
    fn a_due_timer_waits_for_room_and_not_for_time() {
        let mut rounds = Rounds::default();
        let task = |id: usize| {
            Key::Task(
                ClusterName::default_cluster(),
                TaskId::new(id.try_into().unwrap()),
            )
        };
        (0..MAX_IN_FLIGHT).for_each(|id| rounds.queue.push(task(id)));
        rounds.queue.settle(&key("a"), Some(at(5)));
        assert_eq!(rounds.next_wake(), Some(at(5)));
        let started: Vec<_> = std::iter::from_fn(|| rounds.start(at(0))).collect();
        assert_eq!((started.len(), rounds.next_wake()), (MAX_IN_FLIGHT, None));
        assert_eq!(rounds.start(at(9)), None);
        let outcomes = vec![(task(0), Outcome::Gone)];
        rounds.finish(Activation { outcomes }, at(9)).unwrap();
        assert_eq!(rounds.next_wake(), Some(at(5)));
        assert_eq!(rounds.start(at(9)), Some(vec![key("a")]));
    }

    #[test]
    fn a_term_ends_with_the_first_commit_that_may_not_stand() {
        let ends = [
            (Outcome::Deposed, End::Deposed),
            (Outcome::Unknown, End::Unknown),
            (Outcome::StoreFailed, End::StoreFailed),
        ];
        for (outcome, end) in ends {
            let mut rounds = Rounds::default();
            rounds.queue.push(key("a"));
            let keys = rounds.start(at(0)).unwrap();
            let outcomes = keys.into_iter().map(|key| (key, outcome.clone())).collect();
            let finished = rounds.finish(Activation { outcomes }, at(0));
            assert_eq!(finished, Err(end));
        }
    }
}
