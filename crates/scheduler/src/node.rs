//! An instance as placement sees it.

use std::collections::BTreeMap;

use longshore_model::instance::Resources;
use longshore_model::{CpuUnits, InstanceId, Mib};

/// An instance as placement sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Which instance.
    pub id: InstanceId,
    /// Whether its status is ACTIVE.
    pub active: bool,
    /// Whether its agent is connected.
    pub connected: bool,
    /// What it offers; ports here are not looked at.
    pub registered: Resources,
    /// What tasks that are not STOPPED take of it, reserved ports included.
    pub taken: Resources,
    /// Attribute name to value.
    pub attributes: BTreeMap<String, Option<String>>,
    /// The zone it is in, or the empty string.
    pub zone: String,
    /// Tasks of the request's group on it that are to run; spreading counts them.
    pub group_tasks: u32,
}

impl Node {
    /// CPU units that no task takes.
    pub fn left_cpu(&self) -> CpuUnits {
        self.registered.cpu.less(self.taken.cpu)
    }

    /// Memory that no task takes.
    pub fn left_memory(&self) -> Mib {
        self.registered.memory.less(self.taken.memory)
    }

    /// Puts one more task of the group on it.
    pub fn take(&mut self, demand: &Resources) {
        self.taken.add(demand);
        self.group_tasks += 1;
    }
}
