//! What is to be looked at, and when.
//!
//! Tasks and instances are looked at one by one. Services take turns by cluster: whoever's turn
//! it is gets as many of its services as one transaction may hold, so that what is placed in one
//! cluster is decided one after the other and committed together, and no two placements of ours
//! ever want the same instance at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use longshore_model::instance::InstanceStatus;
use longshore_model::{ClusterName, InstanceId, ServiceName, Timestamp};
use longshore_store::{Change, View};

use crate::controller::Key;

/// Services that one turn takes, at most. By eye: a decision that changes nothing takes some ten
/// microseconds, and the view is held meanwhile.
const MAX_TURN: usize = 64;

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    /// One task or instance.
    One(Key),
    /// The services of a cluster.
    Services(ClusterName),
}

/// What is to be looked at, and when.
#[derive(Debug, Default)]
pub struct Queue {
    turns: VecDeque<Turn>,
    queued: BTreeSet<Key>,
    /// Services to be looked at, in order, by cluster.
    services: BTreeMap<ClusterName, VecDeque<ServiceName>>,
    /// Clusters whose services are being decided about.
    busy: BTreeSet<ClusterName>,
    /// Services that share no transaction the next time: with others they met trouble.
    alone: BTreeSet<Key>,
    /// Keys whose plans the store refuses: room alone does not wake them, and they go alone.
    resting: BTreeSet<Key>,
    timers: BTreeSet<(Timestamp, Key)>,
    wakes: BTreeMap<Key, Timestamp>,
    /// What was last seen of each instance, so that a placement, which only counts its version up,
    /// has nothing looked at again.
    instances: BTreeMap<(ClusterName, InstanceId), (InstanceStatus, bool)>,
}

impl Queue {
    /// Puts a key at the end, once.
    pub fn push(&mut self, key: Key) {
        if !self.queued.insert(key.clone()) {
            return;
        }
        match key {
            Key::Service(cluster, name) => {
                let services = self.services.entry(cluster.clone()).or_default();
                services.push_back(name);
                if services.len() == 1 && !self.busy.contains(&cluster) {
                    self.turns.push_back(Turn::Services(cluster));
                }
            }
            one => self.turns.push_back(Turn::One(one)),
        }
    }

    /// As [`Queue::push`], and the key shares no transaction the next time.
    pub fn push_alone(&mut self, key: Key) {
        self.alone.insert(key.clone());
        self.push(key);
    }

    /// As [`Queue::push`], for room that a service may use; nothing for one that rests.
    pub fn wake(&mut self, key: Key) {
        if !self.resting.contains(&key) {
            self.push(key);
        }
    }

    /// Lets a key rest whose plan the store refuses. It is decided about again at that time, or
    /// when a change names it, and by itself, so that it spoils no transaction of others.
    pub fn rest(&mut self, key: &Key, until: Timestamp) {
        self.settle(key, Some(until));
        self.resting.insert(key.clone());
        self.alone.insert(key.clone());
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
                let task = view.tasks.get(&(cluster.clone(), *id));
                if !task.is_some_and(|t| t.is_live()) {
                    self.push(Key::Task(cluster.clone(), *id));
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
    }

    /// Takes over when a decision asks to be made again. Who waits for room is kept beside the
    /// index, which knows when there is some.
    pub fn settle(&mut self, key: &Key, wake_at: Option<Timestamp>) {
        self.alone.remove(key);
        self.resting.remove(key);
        if let Some(old) = self.wakes.remove(key) {
            self.timers.remove(&(old, key.clone()));
        }
        if let Some(at) = wake_at {
            self.wakes.insert(key.clone(), at);
            self.timers.insert((at, key.clone()));
        }
    }

    /// What to look at next: one task or instance, or services of one cluster, which is busy then
    /// until [`Queue::done`].
    pub fn pop(&mut self, now: Timestamp) -> Option<Vec<Key>> {
        while let Some((at, key)) = self.timers.first().cloned().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, key.clone()));
            self.wakes.remove(&key);
            self.push(key);
        }
        match self.turns.pop_front()? {
            Turn::One(key) => {
                self.queued.remove(&key);
                Some(vec![key])
            }
            Turn::Services(cluster) => Some(self.turn(cluster)),
        }
    }

    fn turn(&mut self, cluster: ClusterName) -> Vec<Key> {
        let mut keys = Vec::new();
        let services = self.services.entry(cluster.clone()).or_default();
        while keys.len() < MAX_TURN
            && let Some(name) = services.pop_front()
        {
            let key = Key::Service(cluster.clone(), name.clone());
            let alone = self.alone.contains(&key);
            if alone && !keys.is_empty() {
                services.push_front(name);
                break;
            }
            self.queued.remove(&key);
            keys.push(key);
            if alone {
                break;
            }
        }
        self.busy.insert(cluster);
        keys
    }

    /// The services of this cluster are decided about; others of it may be now.
    pub fn done(&mut self, cluster: &ClusterName) {
        self.busy.remove(cluster);
        if self.services.get(cluster).is_some_and(|s| !s.is_empty()) {
            self.turns.push_back(Turn::Services(cluster.clone()));
        } else {
            self.services.remove(cluster);
        }
    }

    /// How many keys wait, and how many have a timer.
    pub fn sizes(&self) -> [usize; 2] {
        [self.queued.len(), self.timers.len()]
    }

    /// When the next timer is due.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::Service(ClusterName::default_cluster(), name.parse().unwrap())
    }

    fn other(name: &str) -> Key {
        Key::Service("other".parse().unwrap(), name.parse().unwrap())
    }

    fn task(id: u128) -> Key {
        Key::Task(
            ClusterName::default_cluster(),
            longshore_model::TaskId::new(id),
        )
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn services_of_a_cluster_go_together_and_one_turn_at_a_time() {
        let mut queue = Queue::default();
        for key in [key("a"), task(1), key("b"), key("a"), other("c")] {
            queue.push(key);
        }
        assert_eq!(queue.pop(at(0)), Some(vec![key("a"), key("b")]));
        queue.push(key("a"));
        assert_eq!(queue.pop(at(0)), Some(vec![task(1)]));
        assert_eq!(queue.pop(at(0)), Some(vec![other("c")]));
        assert_eq!(queue.pop(at(0)), None);
        queue.done(&ClusterName::default_cluster());
        assert_eq!(queue.pop(at(0)), Some(vec![key("a")]));
        queue.done(&ClusterName::default_cluster());
        assert_eq!(queue.pop(at(0)), None);
        queue.push(key("d"));
        assert_eq!(queue.pop(at(0)), Some(vec![key("d")]));
    }

    #[test]
    fn a_turn_is_bounded_and_others_come_in_between() {
        let mut queue = Queue::default();
        for number in 0..MAX_TURN + 1 {
            queue.push(key(&format!("s{number}")));
        }
        assert_eq!(queue.pop(at(0)).unwrap().len(), MAX_TURN);
        queue.push(task(1));
        queue.done(&ClusterName::default_cluster());
        assert_eq!(queue.pop(at(0)), Some(vec![task(1)]));
        assert_eq!(queue.pop(at(0)).unwrap().len(), 1);
    }

    #[test]
    fn who_met_trouble_goes_alone_once() {
        let mut queue = Queue::default();
        queue.push(key("a"));
        queue.push_alone(key("b"));
        queue.push(key("c"));
        let mut turns = Vec::new();
        while let Some(turn) = queue.pop(at(0)) {
            turns.push(turn);
            queue.done(&ClusterName::default_cluster());
        }
        assert_eq!(turns, [vec![key("a")], vec![key("b")], vec![key("c")]]);
        queue.settle(&key("b"), None);
        queue.push(key("b"));
        queue.push(key("c"));
        assert_eq!(queue.pop(at(0)).unwrap().len(), 2);
    }

    #[test]
    fn who_is_refused_rests_and_goes_alone() {
        let mut queue = Queue::default();
        queue.rest(&key("a"), at(30));
        queue.wake(key("a"));
        queue.wake(key("b"));
        assert_eq!(queue.pop(at(10)), Some(vec![key("b")]));
        queue.done(&ClusterName::default_cluster());
        assert_eq!(queue.pop(at(10)), None);
        queue.push(key("b"));
        assert_eq!(queue.pop(at(30)), Some(vec![key("b")]));
        queue.done(&ClusterName::default_cluster());
        assert_eq!(queue.pop(at(30)), Some(vec![key("a")]));
        queue.settle(&key("a"), None);
        queue.wake(key("a"));
        queue.wake(key("b"));
        queue.done(&ClusterName::default_cluster());
        assert_eq!(queue.pop(at(30)), Some(vec![key("a"), key("b")]));
    }

    #[test]
    fn the_newest_wake_counts() {
        let mut queue = Queue::default();
        queue.settle(&key("a"), Some(at(10)));
        queue.settle(&key("a"), Some(at(20)));
        assert_eq!(queue.next_wake(), Some(at(20)));
        assert_eq!(queue.pop(at(15)), None);
        assert_eq!(queue.pop(at(20)), Some(vec![key("a")]));
        queue.settle(&key("a"), None);
        assert_eq!(queue.next_wake(), None);
    }
}
