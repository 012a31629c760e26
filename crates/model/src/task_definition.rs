//! Task definitions: what a task runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::instance::Resources;
use crate::name::{self, Family};
use crate::placement::PlacementConstraint;
use crate::recorded::Recorded;
use crate::tag::Tags;
use crate::time::Timestamp;
use crate::unit::{CpuUnits, Mib, Port, Protocol};

/// Most containers in one task definition (ECS service quotas).
pub const MAX_CONTAINERS: usize = 10;
/// Longest `stopTimeout`, in seconds. ECS caps it at 120 on Fargate only; a day is our bound.
pub const MAX_STOP_TIMEOUT: u32 = 86_400;
/// Largest revision of a family (ECS service quotas).
pub const MAX_REVISION: u32 = 1_000_000;
/// Least memory a container can be limited to; Docker refuses less (ECS API reference).
pub const MIN_CONTAINER_MEMORY: Mib = Mib(6);
/// TCP ports that a node keeps for itself: SSH, Docker, the agent (ECS API reference).
pub const RESERVED_TCP_PORTS: [Port; 6] = [22, 2375, 2376, 51678, 51679, 51680];

/// One revision of a family. Immutable but for its status and tags.
/// Writer of every field: the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// With `revision`, its name.
    pub family: Family,
    /// From 1, never used again.
    pub revision: u32,
    /// Whether new tasks may use it.
    pub status: TaskDefinitionStatus,
    /// `None` where the definition names none: then bridge.
    pub network_mode: Option<NetworkMode>,
    /// Task-level CPU: reserved on the instance and enforced over all containers.
    pub cpu: Option<CpuUnits>,
    /// Task-level memory, likewise.
    pub memory: Option<Mib>,
    /// At least one, names unique, at least one essential.
    pub containers: Vec<ContainerDefinition>,
    /// Launch types it was checked for; empty where none was named.
    pub requires_compatibilities: BTreeSet<String>,
    /// Attributes an instance must have. Computed when registered.
    pub requires_attributes: BTreeSet<String>,
    /// What binds every task of it, `memberOf` only, beside what the request or service says.
    #[serde(default)]
    pub placement_constraints: Vec<PlacementConstraint>,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// ARN of who registered it.
    pub registered_by: String,
    /// When it became INACTIVE.
    pub deregistered_at: Option<Timestamp>,
    /// What users put on it.
    pub tags: Tags,
    /// Members that have no effect yet.
    pub recorded: Recorded,
}

/// Whether new tasks may use a task definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskDefinitionStatus {
    /// Usable.
    Active,
    /// Deregistered: services that use it keep running and scaling, nothing new starts from it.
    Inactive,
}

impl TaskDefinitionStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// How the containers of a task reach the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// Docker's bridge; ports are mapped.
    #[default]
    Bridge,
    /// The node's own network.
    Host,
    /// Loopback only.
    None,
}

impl NetworkMode {
    /// The word on the wire and in Docker.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::None => "none",
        }
    }
}

impl std::str::FromStr for NetworkMode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "bridge" => Ok(Self::Bridge),
            "host" => Ok(Self::Host),
            "none" => Ok(Self::None),
            _ => Err(()),
        }
    }
}

/// One container of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContainerDefinition {
    /// Unique in the task definition.
    pub name: String,
    /// Image reference as Docker understands it.
    pub image: String,
    /// Share of the CPU under contention, and what placement reserves where the task sets none.
    pub cpu: CpuUnits,
    /// Hard limit: beyond it the container is killed.
    pub memory: Option<Mib>,
    /// Soft limit, and what placement reserves in place of `memory`.
    pub memory_reservation: Option<Mib>,
    /// When it stops, the task stops.
    pub essential: bool,
    /// Empty: the image's.
    pub entry_point: Vec<String>,
    /// Empty: the image's.
    pub command: Vec<String>,
    /// Variables by name.
    pub environment: BTreeMap<String, String>,
    /// Ports to reach it on.
    pub port_mappings: Vec<PortMapping>,
    /// `None`: the image's.
    pub working_directory: Option<String>,
    /// `None`: the image's. Forms: user, user:group, uid, uid:gid, user:gid, uid:group.
    pub user: Option<String>,
    /// Host name inside.
    pub hostname: Option<String>,
    /// Labels on the Docker container.
    pub docker_labels: BTreeMap<String, String>,
    /// Whether its root file system is read only.
    pub readonly_root_filesystem: bool,
    /// Keeps stdin open.
    pub interactive: bool,
    /// Gives it a terminal.
    pub pseudo_terminal: bool,
    /// Name servers, in order.
    pub dns_servers: Vec<String>,
    /// Search domains, in order.
    pub dns_search_domains: Vec<String>,
    /// Lines for /etc/hosts.
    pub extra_hosts: Vec<HostEntry>,
    /// Resource limits of its processes.
    pub ulimits: Vec<Ulimit>,
    /// Seconds between the stop signal and SIGKILL; `None`: the agent's default, 30.
    pub stop_timeout: Option<u32>,
    /// Runs an init process as PID 1.
    pub init_process_enabled: bool,
}

/// A container port and the host port it is reached on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortMapping {
    /// 1 to 65535.
    pub container_port: Port,
    /// 0: the node picks a free port (bridge only).
    pub host_port: Port,
    /// tcp or udp.
    pub protocol: Protocol,
}

/// A line of /etc/hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEntry {
    /// Name that resolves to the address.
    pub hostname: String,
    /// IPv4 or IPv6 address.
    pub ip_address: String,
}

/// A resource limit, as setrlimit(2) names it in lower case without `RLIMIT_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// For example `nofile`.
    pub name: String,
    /// -1 means unlimited.
    pub soft_limit: i64,
    /// -1 means unlimited.
    pub hard_limit: i64,
}

/// One thing that is wrong with a task definition; all are found at once.
/// The message names the field, the value and the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! fault {
    ($faults:ident, $($arg:tt)*) => { $faults.push(Fault(format!($($arg)*))) };
}

impl TaskDefinition {
    /// The mode its tasks run in.
    pub fn effective_network_mode(&self) -> NetworkMode {
        self.network_mode.unwrap_or_default()
    }

    /// `FAMILY:REVISION`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.family, self.revision)
    }

    /// What is wrong with it; empty when it can be registered.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.containers.is_empty() {
            fault!(
                faults,
                "Container list cannot be empty. Give containerDefinitions at least one container."
            );
        }
        if self.containers.len() > MAX_CONTAINERS {
            fault!(
                faults,
                "Too many containers: {} were given, at most {MAX_CONTAINERS} are allowed.",
                self.containers.len()
            );
        }
        if !self.containers.is_empty() && !self.containers.iter().any(|c| c.essential) {
            fault!(
                faults,
                "Task definition does not have any essential containers. Set essential to true on at least one."
            );
        }
        if let Some(cpu) = self.cpu
            && !(128..=196_608).contains(&cpu.0)
        {
            fault!(
                faults,
                "Invalid 'cpu' setting for task. {} is not between 128 and 196608 CPU units.",
                cpu.0
            );
        }
        let mut names = BTreeSet::new();
        for container in &self.containers {
            if !names.insert(container.name.as_str()) {
                fault!(
                    faults,
                    "Container names must be unique: '{}' is used twice.",
                    container.name
                );
            }
            container.add_faults(self, &mut faults);
        }
        if let (Some(limit), sum) = (
            self.cpu,
            self.containers.iter().map(|c| c.cpu).sum::<CpuUnits>(),
        ) && sum > limit
        {
            fault!(
                faults,
                "Invalid 'cpu' setting for task. The containers ask for {} CPU units together, the task has {}.",
                sum.0,
                limit.0
            );
        }
        if let Some(limit) = self.memory {
            let sum: Mib = self
                .containers
                .iter()
                .filter_map(ContainerDefinition::reserved_memory)
                .sum();
            if sum > limit {
                fault!(
                    faults,
                    "Invalid 'memory' setting for task. The containers ask for {} MiB together, the task has {}.",
                    sum.0,
                    limit.0
                );
            }
        }
        self.add_port_faults(&mut faults);
        faults
    }

    /// Two containers must not claim one host port, nor one port in host mode.
    fn add_port_faults(&self, faults: &mut Vec<Fault>) {
        let mut taken = BTreeSet::new();
        for container in self.containers.iter().filter(|c| name::is_valid(&c.name)) {
            for mapping in &container.port_mappings {
                let host = self.host_port(mapping);
                if host != 0 && !taken.insert((host, mapping.protocol)) {
                    fault!(
                        faults,
                        "Invalid setting for container '{}'. Host port {host}/{} is mapped twice in the task definition.",
                        container.name,
                        mapping.protocol.as_str()
                    );
                }
            }
        }
    }

    /// The host port a mapping takes; 0 when the node picks one.
    pub fn host_port(&self, mapping: &PortMapping) -> Port {
        match self.effective_network_mode() {
            NetworkMode::Bridge => mapping.host_port,
            NetworkMode::Host => mapping.container_port,
            NetworkMode::None => 0,
        }
    }

    /// What placement reserves for a task: the task-level values where set, else the sum over the
    /// containers (ECS developer guide, "how task placement works").
    pub fn demand(&self) -> Resources {
        let mut demand = Resources {
            cpu: self
                .cpu
                .unwrap_or_else(|| self.containers.iter().map(|c| c.cpu).sum()),
            memory: self.memory.unwrap_or_else(|| {
                self.containers
                    .iter()
                    .filter_map(ContainerDefinition::reserved_memory)
                    .sum()
            }),
            ..Resources::default()
        };
        for mapping in self.containers.iter().flat_map(|c| &c.port_mappings) {
            let port = self.host_port(mapping);
            if port != 0 {
                match mapping.protocol {
                    Protocol::Tcp => demand.tcp_ports.insert(port),
                    Protocol::Udp => demand.udp_ports.insert(port),
                };
            }
        }
        demand
    }
}

impl ContainerDefinition {
    /// What placement reserves for it: the soft limit if there is one.
    pub fn reserved_memory(&self) -> Option<Mib> {
        self.memory_reservation.or(self.memory)
    }

    fn add_faults(&self, task: &TaskDefinition, faults: &mut Vec<Fault>) {
        if self.name.is_empty() {
            fault!(faults, "Container.name should not be null or empty.");
            return;
        }
        let name = &self.name;
        if !name::is_valid(name) {
            fault!(
                faults,
                "Invalid container name '{name}': {}use 1 to 255 letters, digits, hyphens and underscores.",
                name::wrong(name)
            );
            // Such a name has no bound, and each of the other faults would quote it.
            return;
        }
        if self.image.is_empty() {
            fault!(
                faults,
                "Container.image should not be null or empty. Name an image for container '{name}'."
            );
        }
        match (self.memory, self.memory_reservation) {
            (None, None) if task.memory.is_none() => {
                fault!(
                    faults,
                    "Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be specified."
                );
            }
            (Some(hard), Some(soft)) if soft > hard => {
                fault!(
                    faults,
                    "Invalid setting for container '{name}'. 'memory' ({}) must not be less than 'memoryReservation' ({}).",
                    hard.0,
                    soft.0
                );
            }
            _ => {}
        }
        for (field, amount) in [
            ("memory", self.memory),
            ("memoryReservation", self.memory_reservation),
        ] {
            if let Some(amount) = amount.filter(|amount| *amount < MIN_CONTAINER_MEMORY) {
                fault!(
                    faults,
                    "Invalid setting for container '{name}'. '{field}' is {}; the least is {}.",
                    amount.0,
                    MIN_CONTAINER_MEMORY
                );
            }
        }
        if let (Some(own), Some(all)) = (self.memory, task.memory)
            && own > all
        {
            fault!(
                faults,
                "Invalid setting for container '{name}'. 'memory' ({}) must not be more than the task's ({}).",
                own.0,
                all.0
            );
        }
        if let Some(seconds) = self.stop_timeout.filter(|s| *s > MAX_STOP_TIMEOUT) {
            fault!(
                faults,
                "Invalid setting for container '{name}'. 'stopTimeout' is {seconds}; at most {MAX_STOP_TIMEOUT} seconds are allowed."
            );
        }
        self.add_network_faults(task, faults);
    }

    fn add_network_faults(&self, task: &TaskDefinition, faults: &mut Vec<Fault>) {
        let name = &self.name;
        let mode = task.effective_network_mode();
        if mode == NetworkMode::None && !self.port_mappings.is_empty() {
            fault!(
                faults,
                "Invalid setting for container '{name}'. 'portMappings' cannot be used with networkMode 'none'; remove them."
            );
        }
        if mode == NetworkMode::Host && self.hostname.is_some() {
            fault!(
                faults,
                "Invalid setting for container '{name}'. 'hostname' cannot be used with networkMode 'host'; remove it."
            );
        }
        for mapping in &self.port_mappings {
            if mapping.container_port == 0 {
                fault!(
                    faults,
                    "Invalid setting for container '{name}'. 'containerPort' must be between 1 and 65535."
                );
            }
            if mode == NetworkMode::Host
                && mapping.host_port != 0
                && mapping.host_port != mapping.container_port
            {
                fault!(
                    faults,
                    "Invalid setting for container '{name}'. With networkMode 'host', 'hostPort' ({}) must be left out or equal 'containerPort' ({}).",
                    mapping.host_port,
                    mapping.container_port
                );
            }
            let host = task.host_port(mapping);
            if mapping.protocol == Protocol::Tcp && RESERVED_TCP_PORTS.contains(&host) {
                fault!(
                    faults,
                    "Invalid setting for container '{name}'. Host port {host} is reserved on every instance; choose another."
                );
            }
        }
        for ulimit in &self.ulimits {
            let unlimited = |limit: i64| if limit < 0 { i64::MAX } else { limit };
            if unlimited(ulimit.soft_limit) > unlimited(ulimit.hard_limit) {
                fault!(
                    faults,
                    "Invalid setting for container '{name}'. The softLimit of ulimit '{}' ({}) must not be more than its hardLimit ({}).",
                    ulimit.name,
                    ulimit.soft_limit,
                    ulimit.hard_limit
                );
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn container(name: &str) -> ContainerDefinition {
        ContainerDefinition {
            name: name.into(),
            image: "busybox".into(),
            memory: Some(Mib(64)),
            essential: true,
            ..ContainerDefinition::default()
        }
    }

    fn definition(containers: Vec<ContainerDefinition>) -> TaskDefinition {
        TaskDefinition {
            family: "web".parse().unwrap(),
            revision: 1,
            status: TaskDefinitionStatus::Active,
            network_mode: None,
            cpu: None,
            memory: None,
            containers,
            requires_compatibilities: BTreeSet::new(),
            requires_attributes: BTreeSet::new(),
            placement_constraints: Vec::new(),
            registered_at: Timestamp::default(),
            registered_by: String::new(),
            deregistered_at: None,
            tags: Tags::new(),
            recorded: Recorded::default(),
        }
    }

    fn mapping(container_port: Port, host_port: Port) -> PortMapping {
        PortMapping {
            container_port,
            host_port,
            protocol: Protocol::Tcp,
        }
    }

    #[test]
    fn faults_name_the_field_and_the_fix() {
        type Change = fn(&mut TaskDefinition);
        let cases: &[(Change, &str)] = &[
            (|_| {}, ""),
            (|t| t.containers.clear(), "Container list cannot be empty"),
            (
                |t| t.containers[0].name.clear(),
                "Container.name should not be null or empty",
            ),
            (
                |t| t.containers[0].image.clear(),
                "Container.image should not be null or empty",
            ),
            (|t| t.containers.push(container("a")), "'a' is used twice"),
            (
                |t| t.containers[0].essential = false,
                "any essential containers",
            ),
            (
                |t| t.containers[0].memory = None,
                "At least one of 'memory' or 'memoryReservation'",
            ),
            (
                |t| t.containers[0].memory = Some(Mib(1)),
                "the least is 6 MiB",
            ),
            (
                |t| t.containers[0].memory_reservation = Some(Mib(65)),
                "must not be less than",
            ),
            (
                |t| t.memory = Some(Mib(32)),
                "'memory' (64) must not be more than the task's (32)",
            ),
            (
                |t| t.cpu = Some(CpuUnits(1)),
                "Invalid 'cpu' setting for task",
            ),
            (
                |t| t.containers[0].port_mappings = vec![mapping(0, 80)],
                "'containerPort' must be between 1",
            ),
            (
                |t| t.containers[0].port_mappings = vec![mapping(80, 22)],
                "Host port 22 is reserved",
            ),
            (
                |t| t.containers[0].port_mappings = vec![mapping(80, 8080), mapping(81, 8080)],
                "8080/tcp is mapped twice",
            ),
            (
                |t| {
                    t.network_mode = Some(NetworkMode::Host);
                    t.containers[0].port_mappings = vec![mapping(80, 81)];
                },
                "'hostPort' (81) must be left out or equal",
            ),
            (
                |t| {
                    t.network_mode = Some(NetworkMode::None);
                    t.containers[0].port_mappings = vec![mapping(80, 0)];
                },
                "cannot be used with networkMode 'none'",
            ),
            (
                |t| t.containers[0].stop_timeout = Some(90_000),
                "at most 86400 seconds",
            ),
        ];
        for (change, wanted) in cases {
            let mut definition = definition(vec![container("a")]);
            change(&mut definition);
            let faults = definition.faults();
            if wanted.is_empty() {
                assert_eq!(faults, []);
            } else {
                assert!(
                    faults.iter().any(|f| f.0.contains(wanted)),
                    "{wanted}: {faults:?}"
                );
            }
        }
    }

    #[test]
    fn demand_prefers_task_values_then_soft_limits() {
        let mut definition = definition(vec![container("a"), container("b")]);
        definition.containers[0].cpu = CpuUnits(100);
        definition.containers[1].memory_reservation = Some(Mib(10));
        definition.containers[1].port_mappings = vec![mapping(80, 8080), mapping(81, 0)];
        let demand = definition.demand();
        assert_eq!((demand.cpu, demand.memory), (CpuUnits(100), Mib(74)));
        assert_eq!(demand.tcp_ports, BTreeSet::from([8080]));
        definition.cpu = Some(CpuUnits(512));
        definition.memory = Some(Mib(1024));
        let demand = definition.demand();
        assert_eq!((demand.cpu, demand.memory), (CpuUnits(512), Mib(1024)));
    }

    #[test]
    fn host_mode_takes_the_container_ports() {
        let mut definition = definition(vec![container("a")]);
        definition.network_mode = Some(NetworkMode::Host);
        definition.containers[0].port_mappings = vec![mapping(80, 0)];
        assert_eq!(definition.demand().tcp_ports, BTreeSet::from([80]));
    }
}
