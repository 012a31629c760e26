//! Who waits for room, and what each lacks.
//!
//! A service whose task fits nowhere waits, in the order in which it began to, with its [`Lack`].
//! What an instance gains is offered to those it may be enough for, in that order, until it is
//! used up: each offer wakes only as many services as could use it, and is made again to others
//! once these have decided and left something. So ten thousand services that wait cost one freed
//! slot one or two decisions, and none is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use longshore_model::InstanceId;
use longshore_reconcile::Key;
use longshore_scheduler::{Delta, Lack};

/// Services that one offer wakes at a time. Bounds it where what they ask for is next to nothing.
const MAX_WOKEN: usize = 64;

/// Whether one more task of a request would fit on an instance now.
pub(super) type Fits<'a> = &'a dyn Fn(InstanceId, &Lack) -> bool;

/// The services of one cluster that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By when they began to wait.
    order: BTreeMap<u64, Waiter>,
    places: BTreeMap<Key, u64>,
    next: u64,
    /// How many ask for so much, of CPU and of memory: what is left below the least is no offer.
    cpu: BTreeMap<u32, usize>,
    memory: BTreeMap<u32, usize>,
    /// How many can be helped by a change that frees nothing, since an expression of theirs reads
    /// the tasks of an instance.
    readers: usize,
    /// What is offered now.
    offers: BTreeMap<InstanceId, Offer>,
    /// Offers to be made again.
    again: BTreeSet<InstanceId>,
}

#[derive(Debug)]
struct Waiter {
    key: Key,
    lack: Lack,
    /// Tasks that wait.
    count: u32,
    /// Offers it is deciding about.
    offered: BTreeSet<InstanceId>,
}

#[derive(Debug)]
struct Offer {
    /// The instance as it was last seen.
    delta: Delta,
    /// Services that were woken for it and have not decided yet.
    deciding: BTreeSet<Key>,
    /// Services that were woken for it.
    tried: BTreeSet<Key>,
}

impl Waiting {
    /// How many services wait.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Takes over that a service has decided and that `count` of its tasks wait for what they
    /// lack; `None` if none does. One that waits already keeps its place.
    pub(super) fn settle(&mut self, key: &Key, waits: Option<(Lack, u32)>) {
        let place = self.leave(key);
        let Some((lack, count)) = waits else {
            self.places.remove(key);
            return;
        };
        let place = place.unwrap_or_else(|| {
            self.next += 1;
            self.next
        });
        let demand = &lack.request.demand;
        *self.cpu.entry(demand.cpu.0).or_default() += 1;
        *self.memory.entry(demand.memory.0).or_default() += 1;
        self.readers += usize::from(lack.reads_tasks());
        let waiter = Waiter {
            key: key.clone(),
            lack,
            count,
            offered: BTreeSet::new(),
        };
        self.order.insert(place, waiter);
        self.places.insert(key.clone(), place);
    }

    /// Takes a service out; what it was deciding about is offered again. Returns its place.
    fn leave(&mut self, key: &Key) -> Option<u64> {
        let place = *self.places.get(key)?;
        let waiter = self.order.remove(&place)?;
        self.readers -= usize::from(waiter.lack.reads_tasks());
        let demand = &waiter.lack.request.demand;
        for (counts, amount) in [
            (&mut self.cpu, demand.cpu.0),
            (&mut self.memory, demand.memory.0),
        ] {
            if let Some(count) = counts.get_mut(&amount) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&amount);
                }
            }
        }
        for instance in waiter.offered {
            if let Some(offer) = self.offers.get_mut(&instance) {
                offer.deciding.remove(key);
                if offer.deciding.is_empty() {
                    self.again.insert(instance);
                }
            }
        }
        Some(place)
    }

    /// Takes over how an instance has changed.
    pub(super) fn note(&mut self, delta: Delta) {
        let instance = delta.instance;
        let offered = self.offers.contains_key(&instance);
        if self.order.is_empty() || !(delta.gained || self.readers > 0 || offered) {
            return;
        }
        match self.offers.get_mut(&instance) {
            Some(offer) => {
                if delta.gained {
                    // Who found it too small before may not now.
                    offer.tried.clone_from(&offer.deciding);
                    self.again.insert(instance);
                }
                let gained = offer.delta.gained || delta.gained;
                offer.delta = Delta { gained, ..delta };
            }
            None => {
                let offer = Offer {
                    delta,
                    deciding: BTreeSet::new(),
                    tried: BTreeSet::new(),
                };
                self.offers.insert(instance, offer);
                self.again.insert(instance);
            }
        }
    }

    /// Makes the offers that are to be made, and returns whom to wake, in order.
    pub(super) fn wake(&mut self, fits: Fits<'_>) -> Vec<Key> {
        let mut woken = Vec::new();
        for instance in std::mem::take(&mut self.again) {
            let Some(mut offer) = self.offers.remove(&instance) else {
                continue;
            };
            self.offer(&mut offer, fits, &mut woken);
            if !offer.deciding.is_empty() {
                self.offers.insert(instance, offer);
            }
        }
        woken
    }

    fn offer(&mut self, offer: &mut Offer, fits: Fits<'_>, woken: &mut Vec<Key>) {
        let mut left = offer.delta.clone();
        for waiter in self.order.values_mut() {
            let least = |counts: &BTreeMap<u32, usize>| counts.keys().next().copied();
            let nothing = !left.takes
                || least(&self.cpu).is_some_and(|least| left.cpu < least)
                || least(&self.memory).is_some_and(|least| left.memory < least);
            if nothing || offer.deciding.len() >= MAX_WOKEN {
                return;
            }
            let satisfied = waiter.offered.len() >= waiter.count as usize;
            if satisfied
                || offer.tried.contains(&waiter.key)
                || !waiter.lack.may_be_met_by(&left)
                || !fits(left.instance, &waiter.lack)
            {
                continue;
            }
            let request = &waiter.lack.request;
            left.cpu -= request.demand.cpu.0;
            left.memory -= request.demand.memory.0;
            left.network_interfaces -= request.demand.network_interfaces;
            left.gpus -= request.gpus;
            if waiter.offered.is_empty() {
                woken.push(waiter.key.clone());
            }
            waiter.offered.insert(left.instance);
            offer.tried.insert(waiter.key.clone());
            offer.deciding.insert(waiter.key.clone());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use longshore_model::instance::Resources;
    use longshore_model::{ClusterName, CpuUnits, Mib};
    use longshore_scheduler::{Kind, Request};

    use super::*;

    fn lack(cpu: u32) -> Lack {
        Lack::new(Arc::new(Request {
            kind: Kind::Service,
            group: String::new(),
            demand: Resources {
                cpu: CpuUnits(cpu),
                memory: Mib(1),
                ..Resources::default()
            },
            gpus: 0,
            attributes: BTreeMap::new(),
            zones: BTreeSet::new(),
            constraints: Vec::new(),
            strategies: Vec::new(),
        }))
    }

    fn key(number: usize) -> Key {
        let name = format!("s{number}").parse().unwrap();
        Key::Service((ClusterName::default_cluster(), name))
    }

    fn freed(instance: u128, cpu: u32) -> Delta {
        Delta {
            instance: InstanceId::new(instance),
            takes: true,
            gained: true,
            cpu,
            memory: 1000,
            network_interfaces: 0,
            gpus: 0,
        }
    }

    /// Services that wait for one task of this much CPU each.
    fn waiting(cpus: &[u32]) -> Waiting {
        let mut waiting = Waiting::default();
        for (number, cpu) in cpus.iter().enumerate() {
            waiting.settle(&key(number), Some((lack(*cpu), 1)));
        }
        waiting
    }

    fn wake(waiting: &mut Waiting) -> Vec<Key> {
        waiting.wake(&|_, _| true)
    }

    #[test]
    fn one_slot_wakes_one_of_ten_thousand_and_the_next_slot_the_next() {
        let mut waiting = waiting(&vec![100; 10_000]);
        waiting.note(freed(1, 100));
        assert_eq!(wake(&mut waiting), [key(0)]);
        assert_eq!(wake(&mut waiting), []);
        waiting.note(freed(2, 199));
        assert_eq!(wake(&mut waiting), [key(1)]);
        // The first has placed its task, which leaves nothing.
        waiting.note(Delta {
            gained: false,
            ..freed(1, 0)
        });
        waiting.settle(&key(0), None);
        assert_eq!(wake(&mut waiting), []);
        assert_eq!(waiting.len(), 9_999);
    }

    #[test]
    fn room_goes_to_those_it_is_enough_for_in_order_until_it_is_gone() {
        let mut waiting = waiting(&[800, 300, 900, 600, 100]);
        waiting.note(freed(1, 1000));
        assert_eq!(wake(&mut waiting), [key(0), key(4)]);
    }

    #[test]
    fn what_one_leaves_is_offered_to_the_others() {
        let mut waiting = waiting(&[100, 100, 100]);
        waiting.note(freed(1, 100));
        assert_eq!(wake(&mut waiting), [key(0)]);
        // It found something better, or waits for another reason.
        waiting.settle(&key(0), Some((lack(100), 1)));
        assert_eq!(wake(&mut waiting), [key(1)]);
        waiting.settle(&key(1), None);
        assert_eq!(wake(&mut waiting), [key(2)]);
        waiting.settle(&key(2), None);
        assert_eq!(wake(&mut waiting), []);
        // All have been asked, so only a further change offers it again.
        waiting.note(freed(1, 100));
        assert_eq!(wake(&mut waiting), [key(0)]);
    }

    #[test]
    fn many_slots_wake_many_at_once_and_each_waits_for_as_many_as_it_lacks() {
        let mut waiting = waiting(&[100, 100]);
        waiting.settle(&key(0), Some((lack(100), 2)));
        for instance in 1..=4 {
            waiting.note(freed(instance, 100));
        }
        assert_eq!(wake(&mut waiting), [key(0), key(1)]);
    }

    #[test]
    fn what_takes_no_tasks_or_frees_nothing_wakes_nobody() {
        let mut waiting = waiting(&[100]);
        waiting.note(Delta {
            takes: false,
            ..freed(1, 500)
        });
        waiting.note(Delta {
            gained: false,
            ..freed(2, 500)
        });
        waiting.note(freed(3, 99));
        assert_eq!(wake(&mut waiting), []);
        assert!(waiting.offers.is_empty());
        waiting.note(freed(4, 500));
        assert_eq!(waiting.wake(&|_, _| false), []);
    }
}
