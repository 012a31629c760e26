//! What one control-plane process does, counted: how long keys wait (L6), how much is decided and
//! committed in a while (L7), and how long its queues are (S15).

use std::collections::{BTreeMap, BTreeSet};

use longshore_reconcile::Key;
use longshore_store::Change;

use crate::cluster::Cluster;
use crate::invariant::Invariant;

/// The longest that a named key may wait for its decision, in ms: one reconcile period.
const PERIOD: i64 = 10_000;
/// Decisions under way at once.
const MOST_IN_FLIGHT: usize = 64;
/// What a process may decide in one period: so often for each change and each of the keys that there
/// were when they were most, and `ALLOWANCE` besides. The README says what share of it was needed.
const DECISIONS_PER_KEY: u64 = 9;
/// What a process may ask of the store in one period: so often for each key, whatever changes, or
/// changes that lead to changes would never be too many.
const COMMITS_PER_KEY: u64 = 9;
/// What either may be besides.
const ALLOWANCE: u64 = 90;
/// Sessions of a node that may be open at once: one that ends, and those that dialled since.
const SESSIONS_PER_NODE: usize = 8;
/// Reports of one session that may wait: as many as its agent may send unacknowledged.
const MOST_REPORTS: usize = 64;

/// The counts of one process.
#[derive(Debug)]
pub(crate) struct Work {
    since: i64,
    decisions: u64,
    commits: u64,
    changes: u64,
    /// The most keys that there were at a time; by the end many may have been reaped.
    keys: usize,
    /// Services that were named, since when they wait, and how long decisions had stalled then.
    waiting: BTreeMap<Key, (i64, i64)>,
    in_flight: BTreeSet<Key>,
    /// Named while a decision about them is under way.
    again: BTreeSet<Key>,
    blocked_until: i64,
    /// Commits of service decisions after which the view has to move, whose answers are on their
    /// way.
    behind: BTreeSet<u64>,
    /// Since when such an answer waits for the view, and how long that took so far. What it takes is
    /// the simulation's doing; after a conflict 100 ms would end it, which never pass here.
    stalled_since: Option<i64>,
    stalled: i64,
}

impl Work {
    /// Nothing yet.
    pub(crate) fn new(now: i64) -> Self {
        Self {
            since: now,
            decisions: 0,
            commits: 0,
            changes: 0,
            keys: 0,
            waiting: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            again: BTreeSet::new(),
            blocked_until: 0,
            behind: BTreeSet::new(),
            stalled_since: None,
            stalled: 0,
        }
    }

    /// Takes note of what a change names.
    pub(crate) fn note(&mut self, change: &Change, now: i64) {
        self.changes += 1;
        let (Change::Service(cluster, name)
        | Change::Task {
            cluster,
            service: Some(name),
            ..
        }) = change
        else {
            return;
        };
        let key = Key::Service((cluster.clone(), name.clone()));
        if self.in_flight.contains(&key) {
            self.again.insert(key);
        } else {
            let stalled = self.stalled_by(now);
            self.waiting.entry(key).or_insert((now, stalled));
        }
    }

    /// How long decisions have stalled up to now.
    fn stalled_by(&self, now: i64) -> i64 {
        self.stalled + self.stalled_since.map_or(0, |since| now - since)
    }

    /// A commit of decisions about services was made or met a conflict; its answer is on its way,
    /// and then waits for the view to show what happened.
    pub(crate) fn waits_for_view(&mut self, ticket: u64) {
        self.behind.insert(ticket);
    }

    /// An answer arrives.
    pub(crate) fn hears(&mut self, ticket: u64, now: i64) {
        if self.behind.remove(&ticket) {
            self.stalled_since.get_or_insert(now);
        }
    }

    /// A turn of services is over.
    pub(crate) fn turn_ends(&mut self, now: i64) {
        self.stalled = self.stalled_by(now);
        self.stalled_since = None;
    }

    /// So many keys are there now.
    pub(crate) fn sees(&mut self, keys: usize) {
        self.keys = self.keys.max(keys);
    }

    /// A decision begins. Returns how long its key has waited, where that is known.
    pub(crate) fn begins(&mut self, key: &Key, now: i64) -> Option<i64> {
        self.decisions += 1;
        if !matches!(key, Key::Service(..)) {
            return None;
        }
        self.in_flight.insert(key.clone());
        let (since, stalled) = self.waiting.remove(key)?;
        Some(now - since - (self.stalled_by(now) - stalled))
    }

    /// A decision is over.
    pub(crate) fn ends(&mut self, key: &Key, now: i64) {
        self.in_flight.remove(key);
        if self.again.remove(key) {
            let stalled = self.stalled_by(now);
            self.waiting.insert(key.clone(), (now, stalled));
        }
    }

    /// Something is asked of the store.
    pub(crate) fn commits(&mut self) {
        self.commits += 1;
    }

    /// Nothing is decided for a while, for a mutant.
    pub(crate) fn block(&mut self, now: i64) {
        self.blocked_until = now + 30_000;
    }

    /// Whether that is so.
    pub(crate) fn is_blocked(&self, now: i64) -> bool {
        now < self.blocked_until
    }
}

impl Cluster {
    /// Judges how long a key has waited while another one is refused whatever is tried.
    pub(crate) fn judge_wait(&mut self, key: &Key, waited: Option<i64>) {
        if let Some(waited) = waited.filter(|_| self.poison.as_ref().is_some_and(|p| p != key)) {
            let now = self.now;
            let waited = waited.min(now - self.poison_since);
            self.oracle.check(Invariant::L6, now, waited <= PERIOD, || {
                format!("{key:?} waits for {waited} ms while another is refused")
            });
        }
    }

    /// Judges what a process has done since the last time.
    pub(crate) fn judge_work(&mut self, id: usize) {
        let now = self.now;
        let Some(control) = &mut self.controls[id] else {
            return;
        };
        let now_there = control.keys();
        let work = &mut control.work;
        work.sees(now_there);
        let keys = std::mem::replace(&mut work.keys, now_there);
        let done = (work.decisions, work.commits);
        // A process that stood still does in one period what it did not do in those before.
        let periods = u64::try_from((now - work.since) / PERIOD)
            .unwrap_or(0)
            .max(1);
        let (keys_there, named) = (
            keys as u64 * periods,
            (keys as u64 + work.changes) * periods,
        );
        (work.decisions, work.commits, work.changes) = (0, 0, 0);
        work.since = now;
        let most = (
            DECISIONS_PER_KEY * named + ALLOWANCE,
            COMMITS_PER_KEY * keys_there + ALLOWANCE,
        );
        for (share, (done, most)) in self
            .oracle
            .busiest
            .iter_mut()
            .zip([(done.0, most.0), (done.1, most.1)])
        {
            *share = (*share).max(done * 1000 / most);
        }
        let within = done.0 <= most.0 && done.1 <= most.1;
        self.oracle.check(Invariant::L7, now, within, || {
            format!("control plane {id} makes {done:?} decisions and commits in a period, at most {most:?}")
        });
        self.judge_sizes(id, now_there);
    }

    /// Judges what a process and the agents hold.
    fn judge_sizes(&mut self, id: usize, keys: usize) {
        let now = self.now;
        let Some(control) = &self.controls[id] else {
            return;
        };
        let sizes = control.rounds.sizes();
        let [queued, in_flight, timers] = sizes;
        // What has gone is named once more.
        let most = keys + self.oracle.ever.len() + MOST_IN_FLIGHT;
        let sessions = control.sessions.len();
        let reports = control.sessions.values().map(|s| s.reports.len()).max();
        let bounded = queued <= most
            && timers <= most
            && in_flight <= most
            && sessions <= SESSIONS_PER_NODE * self.hosts.len()
            && reports.unwrap_or(0) <= MOST_REPORTS;
        self.oracle.check(Invariant::S15, now, bounded, || {
            format!("control plane {id} holds {sizes:?} keys of {keys}, {sessions} sessions, {reports:?} reports")
        });
        for host in 0..self.hosts.len() {
            let instance = self.hosts[host].instance;
            let held = self.hosts[host].journal.len();
            let placed = self.oracle.ever.values().filter(|(_, on)| *on == instance);
            let most = placed.count();
            self.oracle.check(Invariant::S15, now, held <= most, || {
                format!("the journal of host {host} holds {held} tasks of {most} that it was told")
            });
        }
    }

    /// What is held although nothing needs it any more, once all is as wanted.
    pub(crate) fn sizes_amiss(&self) -> Option<(Invariant, String)> {
        let what = |what: String| Some((Invariant::S15, what));
        for control in self.controls.iter().flatten() {
            let connected = self.hosts.iter().filter(|host| host.conn.is_some()).count();
            let sessions = control.sessions.len();
            if sessions > connected || control.places.len() > connected {
                return what(format!("{sessions} sessions are kept of {connected}"));
            }
            let [queued, in_flight, _] = control.rounds.sizes();
            if queued + in_flight > 0 {
                return what(format!("{queued} keys wait and {in_flight} are looked at"));
            }
            let aside = control.db.view().quarantined.len();
            if aside > 0 {
                return what(format!("{aside} records are set aside that were mended"));
            }
            for session in control.sessions.values() {
                let (told, live) = (
                    session.assignments.len(),
                    self.oracle.live_on(session.instance),
                );
                if told > live || !session.reports.is_empty() || !session.kept.is_empty() {
                    let name = session.instance.value();
                    return what(format!(
                        "the session of {name} holds {told} of {live} tasks"
                    ));
                }
            }
        }
        for (index, host) in self.hosts.iter().enumerate() {
            let (written, held) = (host.journal.len(), host.held_tasks());
            if host.is_up() && written > held {
                return what(format!(
                    "the journal of host {index} holds {written} tasks and its agent {held}"
                ));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named() -> (Change, Key) {
        let cluster = longshore_model::ClusterName::default_cluster();
        let Ok(name) = "web".parse::<longshore_model::ServiceName>() else {
            unreachable!("a legal name")
        };
        let change = Change::Service(cluster.clone(), name.clone());
        (change, Key::Service((cluster, name)))
    }

    #[test]
    fn what_a_view_that_is_behind_holds_up_is_not_waiting() {
        let (change, key) = named();
        let mut work = Work::new(0);
        work.note(&change, 1000);
        work.waits_for_view(7);
        // On its way, it is the store that takes long.
        work.hears(6, 2000);
        work.hears(7, 3000);
        work.turn_ends(20_000);
        assert_eq!(work.begins(&key, 20_500), Some(2500));
    }

    #[test]
    fn what_nothing_holds_up_is() {
        let (change, key) = named();
        let mut work = Work::new(0);
        work.note(&change, 1000);
        work.turn_ends(15_000);
        assert_eq!(work.begins(&key, 15_000), Some(14_000));
    }

    #[test]
    fn the_most_keys_of_a_period_count() {
        let mut work = Work::new(0);
        work.sees(2);
        work.sees(300);
        work.sees(4);
        assert_eq!(work.keys, 300);
    }
}
