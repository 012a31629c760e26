//! What the controllers, RunTask, StartTask and the explanations share: one index per cluster, and
//! what is counted of its use.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_ecs::context::{PlacementAnswer, PlacementRequest, Placer};
use longshore_model::placement::Unplaced;
use longshore_model::plan::Ctx;
use longshore_reconcile::placement;
use longshore_scheduler::Request;
use longshore_store::View;

use super::cluster_index::ClusterIndexes;
use super::statistics::Statistics;
use crate::control::Queue;

/// The indexes, and what is counted.
#[derive(Debug, Default)]
pub struct Scheduling {
    indexes: Mutex<ClusterIndexes>,
    /// What is counted.
    pub statistics: Statistics,
}

impl Scheduling {
    /// The indexes, in step with this view. Take the view first; nobody who holds the indexes
    /// waits for it.
    pub fn indexes(&self, view: &View) -> MutexGuard<'_, ClusterIndexes> {
        let mut indexes = self.lock();
        let statistics = &self.statistics;
        statistics.index.time(|| indexes.catch_up(view, statistics));
        indexes
    }

    fn lock(&self) -> MutexGuard<'_, ClusterIndexes> {
        self.indexes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a term of leadership: what was placed in an earlier one and cut off is forgotten.
    pub fn begin_term(&self) {
        *self.lock() = ClusterIndexes::default();
    }

    /// Queues those that may now find room.
    pub fn wake(&self, view: &View, queue: &mut Queue) {
        let mut indexes = self.indexes(view);
        let woken = indexes.woken();
        let waiting = indexes.waiting() as u64;
        drop(indexes);
        self.statistics.waiting.store(waiting, Ordering::Relaxed);
        self.statistics.wakes.add(woken.len() as u64);
        woken.into_iter().for_each(|key| queue.wake(key));
    }
}

/// What a call of RunTask, or of StartTask for one instance, asks of placement.
pub(super) fn request(asked: &PlacementRequest<'_>) -> Request {
    let (group, definition) = (asked.group, asked.definition);
    match asked.only {
        Some(_) => placement::of_start(group, definition),
        None => placement::of_standalone(group, definition, asked.constraints, asked.strategy),
    }
}

/// Places standalone tasks. What it says is undone at once in the index: the guards of the
/// caller's transaction tell whether it still holds when that is committed.
#[derive(Debug, Clone, Default)]
pub struct SchedulerPlacer(pub Arc<Scheduling>);

impl Placer for SchedulerPlacer {
    fn place(&self, view: &View, asked: &PlacementRequest<'_>, ctx: &mut Ctx) -> PlacementAnswer {
        let mut indexes = self.0.indexes(view);
        let mut attempt = indexes.index(asked.cluster).attempt();
        let request = Arc::new(request(asked));
        let mut answer = PlacementAnswer::default();
        match asked.only {
            None => {
                let placement = attempt.place(&request, asked.count, ctx);
                let placed = placement.placed.into_iter();
                answer.placed = placed.map(|placed| placed.instance).collect();
                answer.unplaced = placement.unplaced;
            }
            Some(instance) => {
                for _ in 0..asked.count {
                    match attempt.place_on(instance, &request) {
                        Ok(placed) => answer.placed.push(placed.instance),
                        Err(rejection) => {
                            let mut unplaced = Unplaced::default();
                            unplaced.rejections.insert(instance, rejection);
                            answer.unplaced = Some(unplaced);
                            break;
                        }
                    }
                }
            }
        }
        answer
    }
}
