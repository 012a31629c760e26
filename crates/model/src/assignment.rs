//! What an agent is told to hold.

use serde::{Deserialize, Serialize};

use crate::id::TaskId;
use crate::name::{ClusterName, Family};
use crate::task::DesiredStatus;
use crate::task_definition::{ContainerDefinition, NetworkMode};
use crate::unit::{CpuUnits, Mib};

/// One task, complete: an agent needs nothing else to run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Which task.
    pub task: TaskId,
    /// RUNNING or STOPPED; never back.
    pub desired_status: DesiredStatus,
    /// For labels and metadata.
    pub cluster: ClusterName,
    /// For labels and metadata.
    pub task_arn: String,
    /// For names and labels.
    pub family: Family,
    /// For names and labels.
    pub revision: u32,
    /// How its containers reach the network.
    pub network_mode: NetworkMode,
    /// Limit over all containers.
    pub cpu: Option<CpuUnits>,
    /// Limit over all containers.
    pub memory: Option<Mib>,
    /// Overrides already applied.
    pub containers: Vec<ContainerDefinition>,
}
