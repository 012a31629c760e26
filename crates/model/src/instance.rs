//! Container instances: nodes that joined a cluster.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::{InstanceId, ReplicaId};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// What it offers to tasks. Writer: the gateway.
    pub registered: Resources,
    /// What its agent says: attribute name to value; capabilities have none. Replaced whole when
    /// the agent registers again. Writer: the gateway.
    pub attributes: BTreeMap<String, Option<String>>,
    /// What users put on it, at most [`MAX_CUSTOM_ATTRIBUTES`]. No registration changes it, and
    /// where the agent says something of the same name, this counts. Writer: the API.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_attributes: BTreeMap<String, Option<String>>,
    /// Host name the agent reported. Writer: the gateway.
    pub hostname: String,
    /// Writer: the gateway.
    pub agent_version: String,
    /// Of the agent's program, where it says so. Writer: the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_hash: Option<String>,
    /// Writer: the gateway.
    pub docker_version: String,
    /// The latest life of its agent. Writer: the gateway.
    pub incarnation: Incarnation,
    /// Whether its agent is connected, and since when that is so. Writer: the gateway; the leader
    /// where its control plane is gone; once the instance is lost, the instance controller.
    pub connection: Connection,
    /// The control plane that its session is with, or was. A connection through one that is not
    /// announced any more is none. Absent in records of before there were several. Writer: the
    /// gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<ReplicaId>,
    /// When it first registered. Writer: the gateway.
    pub registered_at: Timestamp,
    /// Grows with every placement on it, so that two placements made at once cannot both stand.
    /// Writer: whoever places.
    pub version: u64,
    /// What users put on it. Writer: the API.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
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
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tcp_ports: BTreeSet<Port>,
    /// UDP host ports, likewise.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub udp_ports: BTreeSet<Port>,
    /// Network interfaces for tasks: of an instance how many it can attach, of a task how many it
    /// has to itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub network_interfaces: u32,
    /// Ids of GPU devices: of an instance those it has, of a task those it was given.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub gpus: BTreeSet<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Resources {
    /// Takes `other` as well.
    pub fn add(&mut self, other: &Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.tcp_ports.extend(&other.tcp_ports);
        self.udp_ports.extend(&other.udp_ports);
        self.network_interfaces = self
            .network_interfaces
            .saturating_add(other.network_interfaces);
        self.gpus.extend(other.gpus.iter().cloned());
    }
}

/// Attributes that users may put on one instance (ECS API reference, `PutAttributes`).
pub const MAX_CUSTOM_ATTRIBUTES: usize = 10;
/// The attribute with the zone an instance is in; spreading looks at it.
pub const ZONE_ATTRIBUTE: &str = "ecs.availability-zone";

/// The attribute in which an agent on a machine of EC2 says that machine's id.
pub const MACHINE_ATTRIBUTE: &str = "ecs.ec2-instance-id";

/// The id by which EC2, or Systems Manager for machines elsewhere, knows the machine of an instance:
/// what [`MACHINE_ATTRIBUTE`] says if it looks like one, else a name made of the instance's id.
pub fn machine_name(id: InstanceId, said: Option<&str>) -> Cow<'_, str> {
    match said.filter(|said| said.starts_with("i-") || said.starts_with("mi-")) {
        Some(said) => Cow::Borrowed(said),
        None => Cow::Owned(id.managed_name()),
    }
}

impl Instance {
    /// See [`machine_name`].
    pub fn machine_name(&self) -> Cow<'_, str> {
        machine_name(self.id, self.attribute(MACHINE_ATTRIBUTE).flatten())
    }

    /// The zone it is in, or the empty string.
    pub fn zone(&self) -> &str {
        self.attribute(ZONE_ATTRIBUTE).flatten().unwrap_or_default()
    }

    /// The attribute that counts under this name, for placement and for readers. The outer `None`:
    /// it has none; the inner: it has one without a value.
    pub fn attribute(&self, name: &str) -> Option<Option<&str>> {
        let given = self.custom_attributes.get(name);
        given
            .or_else(|| self.attributes.get(name))
            .map(Option::as_deref)
    }

    /// All attributes that count, by name: what users put before what the agent says.
    pub fn all_attributes(&self) -> BTreeMap<String, Option<String>> {
        let mut all = self.attributes.clone();
        all.extend(self.custom_attributes.clone());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Instance {
        let pairs = |pairs: &[(&str, Option<&str>)]| {
            let owned = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)));
            owned.collect::<BTreeMap<_, _>>()
        };
        Instance {
            id: InstanceId::new(1),
            cluster: ClusterName::default_cluster(),
            status: InstanceStatus::Active,
            status_reason: None,
            registered: Resources::default(),
            attributes: pairs(&[
                (ZONE_ATTRIBUTE, Some("a")),
                ("disk", Some("hdd")),
                ("gpu", None),
            ]),
            custom_attributes: pairs(&[("disk", Some("ssd")), ("stack", None)]),
            hostname: String::new(),
            agent_version: String::new(),
            agent_hash: None,
            docker_version: String::new(),
            incarnation: Incarnation {
                boot_id: String::new(),
                agent_started_at: Timestamp::default(),
            },
            connection: Connection::Connected(Timestamp::default()),
            replica: None,
            registered_at: Timestamp::default(),
            version: 1,
            tags: Tags::new(),
        }
    }

    #[test]
    fn what_users_put_counts_before_what_the_agent_says() {
        let instance = instance();
        for (name, wanted) in [
            (ZONE_ATTRIBUTE, Some(Some("a"))),
            ("disk", Some(Some("ssd"))),
            ("gpu", Some(None)),
            ("stack", Some(None)),
            ("none", None),
        ] {
            assert_eq!(instance.attribute(name), wanted, "{name}");
            let all = instance.all_attributes();
            assert_eq!(all.get(name).map(Option::as_deref), wanted, "{name}");
        }
        assert_eq!(instance.zone(), "a");
    }
}
