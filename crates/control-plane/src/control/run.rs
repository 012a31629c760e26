//! The one loop that runs every controller by key, for one term of leadership.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use longshore_ecs::context::Ecs;
use longshore_model::Timestamp;
use longshore_store::{Change, CommitError, Guard, Txn, View};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::queue::Queue;
use super::rounds::{Activation, End, Outcome, Rounds};
use super::turn::{Decided, Due, Planned, Rest, decide_turn};
use crate::placement::Scheduling;
use crate::settings::Settings;

/// How often every key is looked at, whatever was announced.
pub const RELIST_INTERVAL: Duration = Duration::from_secs(10);

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
    let began = Instant::now();
    let mut relist = interval(RELIST_INTERVAL);
    relist.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut running: JoinSet<Activation> = JoinSet::new();

    loop {
        let now = ecs.ctx().now;
        while let Some(keys) = rounds.start(now, began.elapsed()) {
            let (ecs, scheduling) = (Arc::clone(&ecs), Arc::clone(&scheduling));
            running.spawn(activate(ecs, scheduling, settings, keys, fence.clone()));
        }
        let timer = async {
            match rounds.next_wake() {
                Some(at) => tokio::time::sleep(at.since(now)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            received = changes.recv() => {
                let received = match received {
                    Ok(batch) => Ok(batch),
                    Err(RecvError::Lagged(_)) => Err(()),
                    Err(RecvError::Closed) => return End::StoreFailed,
                };
                let view = ecs.db.view();
                note_all(&mut rounds.queue, received, &mut changes, &view, ecs.ctx().now);
                scheduling.wake(&view, &mut rounds.queue);
            }
            Some(finished) = running.join_next() => {
                let Ok(activation) = finished else {
                    // A decision that panics is a broken invariant; the process must not go on.
                    tracing::error!("a controller panicked; stopping");
                    return End::StoreFailed;
                };
                if let Err(end) = rounds.finish(activation, now, began.elapsed()) {
                    return end;
                }
                scheduling.wake(&ecs.db.view(), &mut rounds.queue);
            }
            () = timer => {}
            _ = relist.tick() => rounds.queue.push_all(&ecs.db.view()),
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
        Err(error) => Err(classify(&error, fence)),
    }
}

/// What a refused commit means for its plan.
fn classify(error: &CommitError, fence: Option<&Guard>) -> Outcome {
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
    keys: Vec<Due>,
    fence: Option<Guard>,
) -> Activation {
    let statistics = &scheduling.statistics;
    let decided = {
        let view = ecs.db.view();
        let mut indexes = scheduling.indexes(&view);
        decide_turn(&view, &mut indexes, &keys, settings, statistics, || {
            ecs.ctx()
        })
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
        && let Some(due) = keys.first()
    {
        let view = ecs.db.view();
        scheduling.indexes(&view).settle(&due.key, &placed);
    }
    let plans = plans.into_iter().map(|(key, planned)| {
        let outcome = match (&committed, planned) {
            (Ok(()), Planned::Gone) => Outcome::Gone,
            (Ok(()), Planned::Damaged(record)) => {
                tracing::warn!(?key, %record, "a decision waits for a damaged record to be mended");
                Outcome::Damaged
            }
            (
                Ok(()),
                Planned::Written(Rest {
                    wake_at,
                    reasons,
                    waits,
                }),
            ) => {
                for reason in &reasons {
                    tracing::debug!(?key, %reason, "waits");
                }
                Outcome::Done {
                    wake_at,
                    reasons,
                    waits,
                }
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
    use super::*;

    #[test]
    fn a_conflict_at_the_fence_ends_the_term_and_any_other_is_decided_again() {
        let guard = |name: &str| Guard::Absent {
            key: longshore_store::Key::new(name).unwrap(),
        };
        let (fence, other) = (guard("leader"), guard("cluster/a"));
        let conflict = |guard: &Guard| CommitError::Conflict {
            guard: guard.clone(),
        };
        let classified = |at: &Guard, fence| classify(&conflict(at), fence);
        assert!(matches!(classified(&fence, Some(&fence)), Outcome::Deposed));
        assert!(matches!(
            classified(&other, Some(&fence)),
            Outcome::Conflict
        ));
        assert!(matches!(classified(&other, None), Outcome::Conflict));
    }
}
