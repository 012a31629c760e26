//! Which sessions there really are. An instance's record says through which control plane its
//! agent is connected; both sides of that can be wrong after a crash, and are put right here.
//!
//! | what the record says | what is so | who puts it right |
//! |---|---|---|
//! | connected through a control plane | it is gone | [`Absences`], at the leader |
//! | connected through this control plane | there is no session | [`Strays`], at each for itself |

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use longshore_model::instance::{Connection, Instance};
use longshore_model::replica::Replica;
use longshore_model::{ClusterName, InstanceId, ReplicaId, Timestamp};
use longshore_store::{Stored, Txn, View};

/// How long after a control plane is gone its agents count as connected. They move by themselves,
/// at once where the connection broke; where it merely fell silent they notice after 15 s.
pub const GRACE: Duration = Duration::from_secs(20);
/// Records that one look writes; the next goes on.
const BATCH: usize = 500;

/// The control planes that instances name and that are gone, and since when.
#[derive(Debug, Default)]
pub struct Absences {
    since: BTreeMap<Option<ReplicaId>, Duration>,
}

impl Absences {
    /// Looks at every instance. Returns the transaction that notes that agents of control planes
    /// gone for [`GRACE`] are away; empty if there are none. `elapsed` is a clock that never
    /// jumps; `now` goes into the records.
    pub fn look(&mut self, view: &View, elapsed: Duration, now: Timestamp) -> Txn {
        let orphans = || view.instances.values().filter(|i| is_orphan(view, i));
        let gone: BTreeSet<_> = orphans().map(|instance| instance.replica).collect();
        self.since.retain(|replica, _| gone.contains(replica));
        for replica in gone {
            self.since.entry(replica).or_insert(elapsed);
        }
        let due = |replica: &Option<ReplicaId>| {
            let since = self.since.get(replica);
            since.is_some_and(|since| elapsed >= *since + GRACE)
        };
        let mut txn = Txn::new();
        for read in orphans().filter(|i| due(&i.replica)).take(BATCH) {
            let mut instance = Instance::clone(read);
            instance.connection = Connection::Disconnected(now);
            txn.replace(read, &instance);
        }
        txn
    }
}

/// Whether the record says connected and the control plane it names is not there. A damaged
/// record of a control plane is no proof of its end.
fn is_orphan(view: &View, instance: &Stored<Instance>) -> bool {
    let is_gone = match instance.replica {
        Some(id) => !view.replicas.contains_key(&id) && !view.is_set_aside::<Replica>(id),
        None => true,
    };
    instance.connection.is_connected() && is_gone
}

/// A session by name, and since when it is said to be open.
pub type Session = (ClusterName, InstanceId, Timestamp);

/// Sessions that are noted as being with this control plane and are not.
#[derive(Debug, Default)]
pub struct Strays {
    suspects: BTreeSet<Session>,
}

impl Strays {
    /// Looks at every instance. Returns the sessions that were missing at the previous look as
    /// well: one that is just being opened is noted a moment before it is there.
    pub fn look(
        &mut self,
        view: &View,
        own: ReplicaId,
        open: impl Fn(&ClusterName, InstanceId) -> bool,
    ) -> Vec<Session> {
        let missing = view.instances.values().filter_map(|instance| {
            let Connection::Connected(since) = instance.connection else {
                return None;
            };
            let is_missing = instance.replica == Some(own) && !open(&instance.cluster, instance.id);
            is_missing.then(|| (instance.cluster.clone(), instance.id, since))
        });
        let missing: BTreeSet<Session> = missing.collect();
        let before = std::mem::replace(&mut self.suspects, missing);
        self.suspects.intersection(&before).cloned().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing;

    const HERE: ReplicaId = ReplicaId::new(1);
    const THERE: ReplicaId = ReplicaId::new(2);
    const NODE: InstanceId = InstanceId::new(7);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn connected(view: &mut View, replica: Option<ReplicaId>, at: i64) {
        let since = Timestamp::from_millis(at);
        let instance = Instance {
            replica,
            ..testing::instance(NODE, Connection::Connected(since))
        };
        testing::put(view, &instance);
    }

    #[test]
    fn agents_of_a_control_plane_that_lives_are_left_alone() {
        let mut view = View::default();
        connected(&mut view, Some(HERE), 5);
        testing::put(&mut view, &testing::replica(HERE));
        let mut absences = Absences::default();
        for second in [0, 100] {
            let txn = absences.look(&view, seconds(second), Timestamp::default());
            assert!(txn.is_empty());
        }
    }

    #[test]
    fn agents_of_one_that_is_gone_have_time_to_move() {
        let mut view = View::default();
        connected(&mut view, Some(THERE), 5);
        let mut absences = Absences::default();
        let mut look = |view: &View, second| {
            let txn = absences.look(view, seconds(second), Timestamp::default());
            txn.len()
        };
        assert_eq!(look(&view, 100), 0);
        assert_eq!(look(&view, 119), 0);
        assert_eq!(look(&view, 120), 1);
        // It moved: the time of another begins anew.
        connected(&mut view, None, 6);
        assert_eq!(look(&view, 121), 0);
        assert_eq!(look(&view, 141), 1);
    }

    #[test]
    fn one_that_came_back_begins_anew() {
        let mut view = View::default();
        connected(&mut view, Some(THERE), 5);
        let mut absences = Absences::default();
        let now = Timestamp::default();
        assert!(absences.look(&view, seconds(0), now).is_empty());
        testing::put(&mut view, &testing::replica(THERE));
        assert!(absences.look(&view, seconds(10), now).is_empty());
        testing::remove(&mut view, &testing::replica(THERE));
        assert!(absences.look(&view, seconds(25), now).is_empty());
        assert_eq!(absences.look(&view, seconds(45), now).len(), 1);
    }

    #[test]
    fn a_damaged_record_of_a_control_plane_ends_no_session() {
        let mut view = View::default();
        connected(&mut view, Some(THERE), 5);
        testing::damage(&mut view, &testing::replica(THERE));
        let mut absences = Absences::default();
        for second in [0, 100] {
            let txn = absences.look(&view, seconds(second), Timestamp::default());
            assert!(txn.is_empty());
        }
    }

    #[test]
    fn a_session_is_a_stray_at_the_second_look_only() {
        let mut view = View::default();
        let mut strays = Strays::default();
        connected(&mut view, Some(HERE), 5);
        let none = |_: &ClusterName, _| false;
        assert!(strays.look(&view, HERE, none).is_empty());
        // Registered anew between the looks, and just being opened.
        connected(&mut view, Some(HERE), 6);
        assert!(strays.look(&view, HERE, none).is_empty());
        let found = strays.look(&view, HERE, none);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].2, Timestamp::from_millis(6));
        // Of another control plane, or there after all.
        assert!(strays.look(&view, THERE, none).is_empty());
        assert!(strays.look(&view, HERE, |_, _| true).is_empty());
    }
}
