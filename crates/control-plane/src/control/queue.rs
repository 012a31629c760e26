//! What is to be looked at, and when.
//!
//! Most keys are looked at one by one. Those that place take turns by cluster: whoever's turn it is
//! gets as many of its keys as one transaction may hold, so that what is placed in one cluster is
//! decided one after the other and committed together, and no two placements of ours ever want the
//! same instance at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use longshore_model::{ClusterName, Timestamp};
use longshore_reconcile::{Key, Pace};
use longshore_store::{Change, View};

/// Keys that one turn takes, at most. By eye: a decision that changes nothing takes some ten
/// microseconds, and the view is held meanwhile.
const MAX_TURN: usize = 64;

/// Services of which no more is new than that tasks of theirs have started are looked at together,
/// and then not again for a millisecond per so many tasks that they have. A look at a task takes
/// some hundred nanoseconds, so that reports cost a twentieth of one processor at most, and a
/// service of a few hundred tasks is looked at with every report.
const LOOKS_PER_MILLISECOND: usize = 500;
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// How long a service that was made or changed waits for others, so that services which a user makes
/// together are decided about in one turn: an instance that they place on is written once then, and
/// its agent is told once. Short beside what it takes to start a container.
const GATHER: Duration = Duration::from_millis(3);

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    /// One that shares it with nobody.
    One(Key),
    /// Those that place in a cluster.
    Cluster(ClusterName),
}

/// What is to be looked at, and when.
#[derive(Debug, Default)]
pub struct Queue {
    turns: VecDeque<Turn>,
    queued: BTreeSet<Key>,
    /// Those that take turns, in order, by cluster.
    sharing: BTreeMap<ClusterName, VecDeque<Key>>,
    /// Clusters in which a turn is being decided about.
    busy: BTreeSet<ClusterName>,
    /// Keys that share no transaction the next time: with others they met trouble.
    alone: BTreeSet<Key>,
    /// Keys whose plans cannot be written: room alone does not wake them, and they go alone.
    resting: BTreeSet<Key>,
    /// Services with tasks that have started since they were looked at, and how many tasks these
    /// services have.
    started: BTreeSet<Key>,
    started_tasks: usize,
    /// When they are looked at.
    started_due: Timestamp,
    /// Services that were made or changed, and when they are looked at.
    changed: BTreeSet<Key>,
    changed_due: Option<Timestamp>,
    timers: BTreeSet<(Timestamp, Key)>,
    wakes: BTreeMap<Key, Timestamp>,
}

impl Queue {
    /// Puts a key at the end, once.
    pub fn push(&mut self, key: Key) {
        if !self.queued.insert(key.clone()) {
            return;
        }
        let Some(cluster) = key.turn().cloned() else {
            self.turns.push_back(Turn::One(key));
            return;
        };
        let sharing = self.sharing.entry(cluster.clone()).or_default();
        sharing.push_back(key);
        if sharing.len() == 1 && !self.busy.contains(&cluster) {
            self.turns.push_back(Turn::Cluster(cluster));
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

    /// Lets a key rest whose plan cannot be written. It is decided about again at that time, or
    /// when a change names it, and by itself, so that it spoils no transaction of others.
    pub fn rest(&mut self, key: &Key, until: Timestamp) {
        self.settle(key, Some(until));
        self.resting.insert(key.clone());
        self.alone.insert(key.clone());
    }

    /// Names everything there is.
    pub fn push_all(&mut self, view: &View) {
        Key::all(view, &mut |key| self.push(key));
    }

    /// Names what a change may matter to.
    pub fn note(&mut self, change: &Change, view: &View, now: Timestamp) {
        Key::wakes(change, view, &mut |key, pace| match pace {
            Pace::Now => self.push(key),
            Pace::Together => {
                self.changed.insert(key);
                self.changed_due.get_or_insert(now.after(GATHER));
            }
            Pace::Seldom if self.started.contains(&key) => {}
            Pace::Seldom => {
                self.started_tasks += key.weight(view);
                self.started.insert(key);
            }
        });
    }

    /// Queues the services with tasks that have started, if it is time.
    fn push_started(&mut self, now: Timestamp) {
        // A clock that was set back must not hold them up.
        let late = self.started_due.since(now) > LONGEST_PAUSE;
        if self.started.is_empty() || (now < self.started_due && !late) {
            return;
        }
        let looks = u64::try_from(self.started_tasks / LOOKS_PER_MILLISECOND).unwrap_or(u64::MAX);
        let pause = Duration::from_millis(looks).min(LONGEST_PAUSE);
        self.started_due = now.after(pause);
        self.started_tasks = 0;
        for key in std::mem::take(&mut self.started) {
            self.push(key);
        }
    }

    /// Queues the services that were made or changed, if it is time.
    fn push_changed(&mut self, now: Timestamp) {
        // A clock that was set back must not hold them up.
        let is_due = |due: Timestamp| due <= now || due.since(now) > GATHER;
        if self.changed_due.is_some_and(is_due) {
            self.changed_due = None;
            for key in std::mem::take(&mut self.changed) {
                self.push(key);
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

    /// What to look at next: one key, or those that take turns in one cluster, which is busy then
    /// until [`Queue::done`].
    pub fn pop(&mut self, now: Timestamp) -> Option<Vec<Key>> {
        while let Some((at, key)) = self.timers.first().cloned().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, key.clone()));
            self.wakes.remove(&key);
            self.push(key);
        }
        self.push_started(now);
        self.push_changed(now);
        match self.turns.pop_front()? {
            Turn::One(key) => {
                self.queued.remove(&key);
                Some(vec![key])
            }
            Turn::Cluster(cluster) => Some(self.turn(cluster)),
        }
    }

    fn turn(&mut self, cluster: ClusterName) -> Vec<Key> {
        let mut keys = Vec::new();
        let sharing = self.sharing.entry(cluster.clone()).or_default();
        while keys.len() < MAX_TURN
            && let Some(key) = sharing.pop_front()
        {
            let alone = self.alone.contains(&key);
            if alone && !keys.is_empty() {
                sharing.push_front(key);
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

    /// The turn in this cluster is decided about; others of it may be now.
    pub fn done(&mut self, cluster: &ClusterName) {
        self.busy.remove(cluster);
        if self
            .sharing
            .get(cluster)
            .is_some_and(|keys| !keys.is_empty())
        {
            self.turns.push_back(Turn::Cluster(cluster.clone()));
        } else {
            self.sharing.remove(cluster);
        }
    }

    /// How many keys wait, and how many have a timer.
    pub fn sizes(&self) -> [usize; 2] {
        let waiting = self.queued.len() + self.started.len() + self.changed.len();
        [waiting, self.timers.len()]
    }

    /// When the next timer is due.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let started = (!self.started.is_empty()).then_some(self.started_due);
        timer
            .into_iter()
            .chain(started)
            .chain(self.changed_due)
            .min()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use longshore_model::task::{DesiredStatus, TaskStatus};

    use super::*;
    use crate::testing::{put, service_task};

    fn key(name: &str) -> Key {
        Key::Service((ClusterName::default_cluster(), name.parse().unwrap()))
    }

    fn other(name: &str) -> Key {
        Key::Service(("other".parse().unwrap(), name.parse().unwrap()))
    }

    fn task(id: u128) -> Key {
        Key::Task((
            ClusterName::default_cluster(),
            longshore_model::TaskId::new(id),
        ))
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

    /// So many tasks of `web`, of which the first has changed.
    fn changed(tasks: u128, status: TaskStatus, desired: DesiredStatus) -> (View, Change) {
        let mut view = View::default();
        let mut task = service_task();
        for number in 2..=tasks {
            task.id = longshore_model::TaskId::new(number);
            put(&mut view, &task);
        }
        task.id = longshore_model::TaskId::new(1);
        task.last_status = status;
        task.desired_status = desired;
        put(&mut view, &task);
        let change = Change::Task {
            cluster: task.cluster,
            id: task.id,
            instance: task.instance,
            service: task.service.map(|service| service.name),
            for_agent: true,
        };
        (view, change)
    }

    #[test]
    fn tasks_that_start_have_a_large_service_looked_at_now_and_then() {
        let (view, change) = changed(2000, TaskStatus::Running, DesiredStatus::Running);
        let mut queue = Queue::default();
        let look = |queue: &mut Queue, millis| {
            let keys = queue.pop(at(millis));
            queue.done(&ClusterName::default_cluster());
            keys
        };
        queue.note(&change, &view, at(1000));
        assert_eq!(queue.sizes(), [1, 0]);
        assert_eq!(look(&mut queue, 1000), Some(vec![key("web")]));
        // 2,000 tasks are four milliseconds' worth.
        queue.note(&change, &view, at(1000));
        queue.note(&change, &view, at(1000));
        assert_eq!(queue.next_wake(), Some(at(1004)));
        assert_eq!(look(&mut queue, 1003), None);
        assert_eq!(look(&mut queue, 1004), Some(vec![key("web")]));
        assert_eq!(queue.next_wake(), None);
        // A clock that is set back does not hold it up.
        queue.note(&change, &view, at(1000));
        assert_eq!(look(&mut queue, 5), Some(vec![key("web")]));
    }

    #[test]
    fn services_that_are_made_together_are_looked_at_together() {
        let mut queue = Queue::default();
        let note = |queue: &mut Queue, name: &str, millis| {
            let change = Change::Service(ClusterName::default_cluster(), name.parse().unwrap());
            queue.note(&change, &View::default(), at(millis));
        };
        note(&mut queue, "a", 10);
        assert_eq!((queue.pop(at(12)), queue.sizes()), (None, [1, 0]));
        note(&mut queue, "b", 12);
        assert_eq!(queue.next_wake(), Some(at(13)));
        assert_eq!(queue.pop(at(13)), Some(vec![key("a"), key("b")]));
        queue.done(&ClusterName::default_cluster());
        assert_eq!(queue.next_wake(), None);
        // A clock that is set back does not hold it up.
        note(&mut queue, "a", 1000);
        assert_eq!(queue.pop(at(5)), Some(vec![key("a")]));
    }

    #[test]
    fn a_task_that_is_made_or_stops_has_its_service_looked_at_at_once() {
        for (status, desired) in [
            (TaskStatus::Pending, DesiredStatus::Running),
            (TaskStatus::Running, DesiredStatus::Stopped),
            (TaskStatus::Stopped, DesiredStatus::Stopped),
        ] {
            let (view, change) = changed(1, status, desired);
            let mut queue = Queue::default();
            for _ in 0..2 {
                queue.note(&change, &view, at(1000));
                assert_eq!(queue.pop(at(1000)), Some(vec![key("web")]), "{status}");
                queue.done(&ClusterName::default_cluster());
                while queue.pop(at(1000)).is_some() {}
            }
        }
    }
}
