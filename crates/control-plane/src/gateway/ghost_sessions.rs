//! Ghost sessions: an instance's record says that its agent is connected through this control plane,
//! and there is no session. So it is when the end of a session could not be noted, since the store did
//! not answer. Only the control plane itself can know, so each looks for its own.

use std::collections::BTreeSet;

use longshore_model::instance::Connection;
use longshore_model::{ClusterName, InstanceId, ReplicaId, Timestamp};
use longshore_store::View;

/// A session by name, and since when it is said to be open.
pub(super) type Session = (ClusterName, InstanceId, Timestamp);

/// Sessions that are noted as being with this control plane and are not there.
#[derive(Debug, Default)]
pub(super) struct GhostSessions {
    suspects: BTreeSet<Session>,
}

impl GhostSessions {
    /// Looks at every instance. Returns the sessions that were missing at the previous look as
    /// well: one that is just being opened is noted a moment before it is there.
    pub(super) fn look(
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
    use longshore_model::instance::Instance;

    use super::*;
    use crate::testing;

    const HERE: ReplicaId = ReplicaId::new(1);
    const THERE: ReplicaId = ReplicaId::new(2);
    const NODE: InstanceId = InstanceId::new(7);

    fn connected(view: &mut View, replica: Option<ReplicaId>, at: i64) {
        let since = Timestamp::from_millis(at);
        let instance = Instance {
            replica,
            ..testing::instance(NODE, Connection::Connected(since))
        };
        testing::put(view, &instance);
    }

    #[test]
    fn a_session_is_a_ghost_at_the_second_look_only() {
        let mut view = View::default();
        let mut ghosts = GhostSessions::default();
        connected(&mut view, Some(HERE), 5);
        let none = |_: &ClusterName, _| false;
        assert!(ghosts.look(&view, HERE, none).is_empty());
        // Registered anew between the looks, and just being opened.
        connected(&mut view, Some(HERE), 6);
        assert!(ghosts.look(&view, HERE, none).is_empty());
        let found = ghosts.look(&view, HERE, none);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].2, Timestamp::from_millis(6));
        // Of another control plane, or there after all.
        assert!(ghosts.look(&view, THERE, none).is_empty());
        assert!(ghosts.look(&view, HERE, |_, _| true).is_empty());
    }
}
