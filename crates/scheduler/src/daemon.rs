//! DAEMON services: one task on every ACTIVE instance that meets the constraints and could hold it
//! (ECS developer guide, "daemon scheduling strategy").

use longshore_model::placement::Rejection;
use longshore_model::{InstanceId, TaskId};

use crate::filter::{self, Statics};
use crate::index::Index;
use crate::request::{Kind, Request};
use crate::slot::Slot;

/// Whether one task of the daemon belongs on the instance: ACTIVE, with the attributes, the zone
/// and the constraints, and large enough if nothing else were there. The agent need not be
/// connected: the room is kept until it is.
pub(crate) fn belongs(slot: &Slot, daemon: &Request) -> bool {
    let registered = &slot.state.registered;
    let demand = &daemon.demand;
    let statics = Statics::fresh(slot, daemon);
    let large = demand.cpu <= registered.cpu
        && demand.memory <= registered.memory
        && demand.network_interfaces <= registered.network_interfaces
        && daemon.gpus as usize <= registered.gpus.len()
        && demand.tcp_ports.is_disjoint(&registered.tcp_ports)
        && demand.udp_ports.is_disjoint(&registered.udp_ports);
    slot.is_active() && large && filter::belongs(slot, daemon, &statics)
}

/// Where the tasks of a daemon are and should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DaemonSet {
    /// Instances that it belongs on: the desired count is their number.
    pub belongs: Vec<InstanceId>,
    /// Of those, the ones with no task of it where one fits now.
    pub missing: Vec<InstanceId>,
    /// Of those, the ones with no task of it where none fits now, and why.
    pub blocked: Vec<(InstanceId, Rejection)>,
    /// Tasks of it that are wanted on instances that it does not belong on.
    pub misplaced: Vec<(InstanceId, TaskId)>,
}

impl Index {
    /// Where the tasks of a daemon are and should be. Looks at every instance.
    pub fn daemon_set(&self, daemon: &Request) -> DaemonSet {
        let mut set = DaemonSet::default();
        let request = Request {
            kind: Kind::Daemon,
            ..daemon.clone()
        };
        for slot in self.by_id() {
            if !belongs(slot, daemon) {
                let of_group = slot
                    .tasks
                    .iter()
                    .filter(|(_, held)| held.wanted && *held.group == *daemon.group);
                set.misplaced
                    .extend(of_group.map(|(task, _)| (slot.id(), *task)));
                continue;
            }
            set.belongs.push(slot.id());
            if slot.group(&daemon.group).live > 0 {
                continue;
            }
            match self.rejection(slot.id(), &request) {
                None => set.missing.push(slot.id()),
                Some(rejection) => set.blocked.push((slot.id(), rejection)),
            }
        }
        set
    }
}
