//! What a request that found no room waits for, and what may bring it.

use std::sync::Arc;

use longshore_model::InstanceId;

use crate::Request;

/// What one change of an instance means to those who wait for room. Made by the [`Index`] as it
/// takes the change over.
///
/// [`Index`]: crate::Index
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// Which instance changed; a change of daemon services names each instance it touches.
    pub instance: InstanceId,
    /// Whether it takes tasks now: ACTIVE and connected.
    pub takes: bool,
    /// Whether it offers something that it did not before: something was freed, or the instance
    /// itself is new or another.
    pub gained: bool,
    /// CPU units left now, the room kept for daemons included.
    pub cpu: u32,
    /// MiB left now, likewise.
    pub memory: u32,
    /// Network interfaces left now.
    pub network_interfaces: u32,
    /// GPU devices free now.
    pub gpus: u32,
}

/// What an unplaced request lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The request; [`Index::can_take`] on the instance that changed tells exactly whether one
    /// more task would fit now.
    ///
    /// [`Index::can_take`]: crate::Index::can_take
    pub request: Arc<Request>,
    reads_tasks: bool,
}

impl Lack {
    /// What this request lacks once an attempt to place it has failed.
    pub fn new(request: Arc<Request>) -> Self {
        let reads_tasks = request.binding().iter().any(|constraint| {
            constraint
                .expression()
                .is_some_and(|expression| expression.reads().tasks)
        });
        Self {
            request,
            reads_tasks,
        }
    }

    /// Whether a change that frees nothing may help, since a constraint reads which tasks there are.
    pub fn reads_tasks(&self) -> bool {
        self.reads_tasks
    }

    /// Whether the change may let one more task be placed. True too often, never false wrongly:
    /// a request that could not be placed before the change and can be after it is always named.
    pub fn may_be_met_by(&self, delta: &Delta) -> bool {
        let demand = &self.request.demand;
        delta.takes
            && (delta.gained || self.reads_tasks)
            && demand.cpu.0 <= delta.cpu
            && demand.memory.0 <= delta.memory
            && demand.network_interfaces <= delta.network_interfaces
            && self.request.gpus <= delta.gpus
    }
}
