//! The instances of one cluster, kept up to date by changes and never copied.
//!
//! A change costs the same however many requests are known: it is noted in a log, and each
//! [`Class`] catches up with the log when its request is asked again. Placing a task is a look at
//! the best instance of its class and one such change.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;

use longshore_model::placement::{MAX_NAMED_REJECTIONS, Rejection, Unplaced};
use longshore_model::{InstanceId, TaskId};

use crate::batch::{Attempt, BatchId, Tentative};
use crate::class::Class;
use crate::filter::{self, Statics};
use crate::lack::Delta;
use crate::names::NameSets;
use crate::request::Request;
use crate::slot::Slot;
use crate::state::{InstanceState, TaskState};

/// Most records that all classes together keep, one per instance and class, of about 100 bytes
/// with their entry. Beyond it the class asked longest ago is forgotten and learned anew when asked
/// again: 400 classes at 10,000 instances.
const MAX_RECORDS: usize = 4_000_000;
/// Changes kept in the log for classes that lag behind, per instance. Beyond that learning anew
/// is cheaper.
const LOGGED_PER_INSTANCE: usize = 2;
/// Least changes kept.
const MIN_LOGGED: usize = 4096;

/// The instances of one cluster and what is on them.
#[derive(Debug, Clone, Default)]
pub struct Index {
    slots: Vec<Option<Slot>>,
    free: BinaryHeap<Reverse<usize>>,
    places: BTreeMap<InstanceId, usize>,
    names: NameSets,
    stamp: u64,
    /// Tasks whose instance is not known yet.
    strays: BTreeMap<(InstanceId, TaskId), TaskState>,
    daemons: BTreeMap<String, Arc<Request>>,
    batches: BTreeMap<BatchId, Vec<Tentative>>,
    given_batches: u64,
    classes: Vec<Class>,
    uses: u64,
    log: VecDeque<usize>,
    /// Changes that were dropped from the front of the log.
    forgotten: u64,
}

impl Index {
    /// An index of no instances.
    pub fn new() -> Self {
        Self::default()
    }

    /// Instances it holds.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The instances it holds, by id.
    pub fn instances(&self) -> impl Iterator<Item = InstanceId> {
        self.places.keys().copied()
    }

    /// Takes over an instance that is new or has changed. Its tasks are kept. Saying the same
    /// twice changes nothing.
    pub fn upsert(&mut self, state: InstanceState) -> Delta {
        let place = self.places.get(&state.id).copied();
        if let Some(slot) = place.and_then(|place| self.slots[place].as_mut()) {
            if *slot.state == state {
                return slot.delta(false);
            }
            self.names.leave(&slot.state);
            self.stamp += 1;
            slot.names = self.names.enter(&state);
            slot.replace(state, self.stamp);
        } else {
            self.insert(state.clone());
            return self.settled(self.places[&state.id], true);
        }
        self.settled(place.unwrap_or_default(), true)
    }

    fn insert(&mut self, state: InstanceState) {
        let id = state.id;
        self.stamp += 1;
        let mut slot = Slot::new(state, self.stamp);
        slot.names = self.names.enter(&slot.state);
        let strays: Vec<_> = self
            .strays
            .range((id, TaskId::new(0))..=(id, TaskId::new(u128::MAX)))
            .map(|(key, _)| *key)
            .collect();
        for key in strays {
            if let Some(task) = self.strays.remove(&key) {
                slot.add_task(task);
            }
        }
        let place = match self.free.pop() {
            Some(Reverse(place)) => place,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        self.places.insert(id, place);
        self.slots[place] = Some(slot);
    }

    /// Forgets an instance and everything on it.
    pub fn remove(&mut self, id: InstanceId) {
        if let Some(place) = self.places.remove(&id) {
            if let Some(slot) = self.slots[place].take() {
                self.names.leave(&slot.state);
            }
            self.free.push(Reverse(place));
            self.note(place);
        }
    }

    /// Takes over a task that is new or has changed and is not STOPPED. `None` if its instance is
    /// not known; the task is kept until it is.
    pub fn put_task(&mut self, task: TaskState) -> Option<Delta> {
        let Some(place) = self.places.get(&task.instance).copied() else {
            self.strays.insert((task.instance, task.id), task);
            return None;
        };
        let slot = self.slots[place].as_mut()?;
        if slot.take_over_running(&task) {
            return Some(self.settled(place, false));
        }
        let gained = slot
            .tasks
            .get(&task.id)
            .is_some_and(|held| *held.demand != task.demand);
        slot.drop_task(task.id);
        slot.add_task(task);
        Some(self.settled(place, gained))
    }

    /// Forgets a task: it is STOPPED, or its record is gone. `None` if it was not known.
    pub fn remove_task(&mut self, instance: InstanceId, id: TaskId) -> Option<Delta> {
        self.strays.remove(&(instance, id));
        let place = self.places.get(&instance).copied()?;
        self.slots[place].as_mut()?.drop_task(id)?;
        Some(self.settled(place, true))
    }

    /// Keeps room for a daemon on every ACTIVE instance that it belongs on and is not on yet. The
    /// request names it by its group; a request for the same group replaces the one before.
    pub fn put_daemon(&mut self, request: Arc<Request>) -> Vec<Delta> {
        self.daemons.insert(request.group.clone(), request);
        self.reserve_everywhere()
    }

    /// Keeps no more room for the daemon of this group.
    pub fn remove_daemon(&mut self, group: &str) -> Vec<Delta> {
        if self.daemons.remove(group).is_none() {
            return Vec::new();
        }
        self.reserve_everywhere()
    }

    fn reserve_everywhere(&mut self) -> Vec<Delta> {
        let places: Vec<usize> = self.places.values().copied().collect();
        let settled = places.into_iter().map(|place| self.settled(place, true));
        settled.collect()
    }

    /// Opens an attempt: placements made through it are undone unless it is kept.
    pub fn attempt(&mut self) -> Attempt<'_> {
        Attempt::new(self)
    }

    /// Takes the placements of a batch out again: after its commit, when the tasks themselves were
    /// put, or when the commit was refused. Twice does nothing.
    pub fn forget(&mut self, batch: BatchId) -> Vec<Delta> {
        let tentative = self.batches.remove(&batch).unwrap_or_default();
        self.undo(&tentative)
    }

    pub(crate) fn keep(&mut self, tentative: Vec<Tentative>) -> BatchId {
        self.given_batches += 1;
        let id = BatchId(self.given_batches);
        if !tentative.is_empty() {
            self.batches.insert(id, tentative);
        }
        id
    }

    pub(crate) fn undo(&mut self, tentative: &[Tentative]) -> Vec<Delta> {
        let mut deltas = Vec::new();
        for one in tentative {
            let place = self.places.get(&one.instance).copied();
            let slot = place.and_then(|place| self.slots[place].as_mut());
            // The instance may have left, or left and come back with nothing on it.
            if let (Some(place), Some(slot)) = (place, slot)
                && slot.born == one.born
            {
                slot.free(&one.demand);
                slot.count(&one.group, -1, -1);
                deltas.push(self.settled(place, true));
            }
        }
        deltas
    }

    /// Whether one more task would fit on the instance now.
    pub fn can_take(&self, instance: InstanceId, request: &Request) -> bool {
        self.slot(instance)
            .is_some_and(|slot| self.rejection_at(slot, request).is_none())
    }

    /// Why one more task would not fit on the instance, if so; `None` also if it is not known.
    pub fn rejection(&self, instance: InstanceId, request: &Request) -> Option<Rejection> {
        let slot = self.slot(instance)?;
        self.rejection_at(slot, request)
    }

    fn rejection_at(&self, slot: &Slot, request: &Request) -> Option<Rejection> {
        let statics = Statics::fresh(slot, request);
        let check = filter::first_failure(slot, request, &statics)?;
        Some(filter::rejection(slot, request, check))
    }

    pub(crate) fn slot(&self, instance: InstanceId) -> Option<&Slot> {
        self.slots[*self.places.get(&instance)?].as_ref()
    }

    pub(crate) fn slot_at(&mut self, place: usize) -> Option<&mut Slot> {
        self.slots.get_mut(place).and_then(Option::as_mut)
    }

    pub(crate) fn place_of(&self, instance: InstanceId) -> Option<usize> {
        self.places.get(&instance).copied()
    }

    /// The instances by id.
    pub(crate) fn by_id(&self) -> impl Iterator<Item = &Slot> {
        let places = self.places.values();
        places.filter_map(|place| self.slots[*place].as_ref())
    }

    /// Notes a placement at this place, which frees nothing.
    pub(crate) fn taken(&mut self, place: usize) {
        self.note(place);
        self.reserve_at(place);
    }

    /// Sees to everything that follows from a change at this place.
    fn settled(&mut self, place: usize, gained: bool) -> Delta {
        self.note(place);
        let gained = self.reserve_at(place) || gained;
        match &self.slots[place] {
            Some(slot) => slot.delta(gained),
            None => Delta {
                instance: InstanceId::new(0),
                takes: false,
                gained: false,
                cpu: 0,
                memory: 0,
                network_interfaces: 0,
                gpus: 0,
            },
        }
    }

    /// Whether the room kept for daemons is another now.
    fn reserve_at(&mut self, place: usize) -> bool {
        let Some(slot) = self.slots[place].as_mut() else {
            return false;
        };
        if self.daemons.is_empty() && !slot.keeps_room() {
            return false;
        }
        let awaited: Vec<&Request> = self
            .daemons
            .values()
            .map(|daemon| &**daemon)
            .filter(|daemon| {
                slot.group(&daemon.group).live == 0 && crate::daemon::belongs(slot, daemon)
            })
            .collect();
        slot.reserve(awaited.into_iter())
    }

    fn note(&mut self, place: usize) {
        self.log.push_back(place);
        let most = MIN_LOGGED.max(self.slots.len() * LOGGED_PER_INSTANCE);
        while self.log.len() > most {
            self.log.pop_front();
            self.forgotten += 1;
        }
    }

    /// The class of the request, up to date, taken out of the index; give it back with
    /// [`Index::return_class`].
    pub(crate) fn borrow_class(&mut self, request: &Arc<Request>) -> Class {
        let known = self
            .classes
            .iter()
            .position(|class| Arc::ptr_eq(&class.request, request) || class.request == *request);
        let mut class = match known {
            Some(at) => self.classes.swap_remove(at),
            None => Class::new(Arc::clone(request)),
        };
        let end = self.forgotten + self.log.len() as u64;
        let behind = usize::try_from(end - class.synced.min(end)).unwrap_or(usize::MAX);
        let lost = class.synced < self.forgotten || known.is_none();
        if lost || behind > self.slots.len() {
            class.load(&self.slots);
        } else {
            for place in self.log.range(self.log.len() - behind..) {
                class.learn(*place, self.slots[*place].as_ref());
            }
        }
        class.synced = end;
        class
    }

    /// Takes a class back that has learned every change since it was borrowed.
    pub(crate) fn return_class(&mut self, mut class: Class) {
        self.uses += 1;
        class.used = self.uses;
        class.synced = self.forgotten + self.log.len() as u64;
        self.classes.push(class);
        while self.classes.iter().map(Class::len).sum::<usize>() > MAX_RECORDS
            && self.classes.len() > 1
        {
            let oldest = self.classes.iter().enumerate().min_by_key(|(_, c)| c.used);
            let Some(at) = oldest.map(|(at, _)| at) else {
                return;
            };
            self.classes.swap_remove(at);
        }
    }

    /// Why no instance can take a task of this class.
    pub(crate) fn unplaced(&self, class: &Class) -> Unplaced {
        let mut unplaced = Unplaced::default();
        let mut failing: Vec<_> = class.failing().collect();
        // The closest first.
        failing.sort_by_key(|(check, _)| Reverse(*check));
        for (check, count) in failing {
            let room = MAX_NAMED_REJECTIONS - unplaced.rejections.len();
            let mut named = 0;
            let mut reason = None;
            for place in class.failing_at(check, room.max(1)) {
                let Some(slot) = &self.slots[place] else {
                    continue;
                };
                let rejection = filter::rejection(slot, &class.request, check);
                reason.get_or_insert_with(|| rejection.ecs_reason());
                if room > 0 {
                    unplaced.rejections.insert(slot.id(), rejection);
                    named += 1;
                }
            }
            if let (Some(reason), true) = (reason, count > named) {
                *unplaced.others.entry(reason.to_owned()).or_default() += count - named;
            }
        }
        unplaced
    }
}
