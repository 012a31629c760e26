//! Container instances: nodes that joined a cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::InstanceId;
use crate::name::ClusterName;
use crate::tag::Tags;
use crate::time::Timestamp;
use crate::unit::{CpuUnits, Mib, Port};

/// A container instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Given when it joined. Writer: the gateway.
    pub id: InstanceId,
    /// The cluster its join token named. Writer: the gateway.
    pub cluster: ClusterName,
    /// Writer: the gateway at registration, then the API.
    pub status: InstanceStatus,
    /// Why it is in this status, where there is something to say. Writer: as `status`.
    pub status_reason: Option<String>,
    /// What it offers to tasks. Writer: the gateway.
    pub registered: Resources,
    /// Attribute name to value; capabilities have none. Writer: the gateway.
    pub attributes: BTreeMap<String, Option<String>>,
    /// Host name the agent reported. Writer: the gateway.
    pub hostname: String,
    /// Writer: the gateway.
    pub agent_version: String,
    /// Writer: the gateway.
    pub docker_version: String,
    /// The latest life of its agent. Writer: the gateway.
    pub incarnation: Incarnation,
    /// Whether its agent is connected, and since when that is so. Writer: the gateway; once the
    /// instance is lost, the instance controller.
    pub connection: Connection,
    /// When it first registered. Writer: the gateway.
    pub registered_at: Timestamp,
    /// Grows with every placement on it, so that two placements made at once cannot both stand.
    /// Writer: whoever places.
    pub version: u64,
    /// What users put on it. Writer: the API.
    pub tags: Tags,
}

/// Whether tasks may be placed on an instance. ECS developer guide, "container instance lifecycle".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InstanceStatus {
    /// Takes tasks.
    Active,
    /// Takes no new tasks; service tasks move away.
    Draining,
    /// Deregistered: described, not listed, never used again.
    Inactive,
}

impl InstanceStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// One life of one agent on one boot of one node. Later is greater where the boot id is the same;
/// across boots the agent start decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incarnation {
    /// The kernel's boot id.
    pub boot_id: String,
    /// When the agent process started, by the node's clock.
    pub agent_started_at: Timestamp,
}

/// The state of the link to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "since")]
pub enum Connection {
    /// A session is open.
    Connected(Timestamp),
    /// No session; tasks go on running there as far as anyone knows.
    Disconnected(Timestamp),
    /// Away for longer than the cluster waits: its tasks were given up and replaced.
    Lost(Timestamp),
}

impl Connection {
    /// Whether a session is open.
    pub const fn is_connected(self) -> bool {
        matches!(self, Self::Connected(_))
    }
}

/// An amount of everything that is scheduled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// CPU units.
    pub cpu: CpuUnits,
    /// MiB.
    pub memory: Mib,
    /// TCP host ports: of an instance those reserved, of a task those it takes.
    pub tcp_ports: BTreeSet<Port>,
    /// UDP host ports, likewise.
    pub udp_ports: BTreeSet<Port>,
}

impl Resources {
    /// Takes `other` as well.
    pub fn add(&mut self, other: &Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.tcp_ports.extend(&other.tcp_ports);
        self.udp_ports.extend(&other.udp_ports);
    }
}

/// The attribute with the zone an instance is in; spreading looks at it.
pub const ZONE_ATTRIBUTE: &str = "ecs.availability-zone";

impl Instance {
    /// The zone it is in, or the empty string.
    pub fn zone(&self) -> &str {
        self.attributes
            .get(ZONE_ATTRIBUTE)
            .and_then(|zone| zone.as_deref())
            .unwrap_or_default()
    }
}
