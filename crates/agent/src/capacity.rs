//! What this node offers: CPU, memory, ports and attributes.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{IpAddr, UdpSocket};
use std::sync::OnceLock;

use aws_lc_rs::digest;
use longshore_model::instance::ZONE_ATTRIBUTE;
use longshore_model::task_definition::RESERVED_TCP_PORTS;
use longshore_model::{Mib, Timestamp};
use longshore_proto::agent::{Capacity, Hello, Incarnation};

use crate::runtime::docker::Engine;

/// CPU units of a core.
const UNITS_PER_CORE: u32 = 1024;
/// Kept for the system unless set otherwise: this, or a tenth of a small node.
const RESERVED_MEMORY: Mib = Mib(256);
/// The oldest Docker API version that task definitions ask for.
const OLDEST_API_MINOR: u32 = 17;

/// What an operator may set.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    /// CPU units; `None`: all cores.
    pub cpu: Option<u32>,
    /// MiB for tasks; `None`: all memory less what is reserved.
    pub memory: Option<u32>,
    /// MiB kept for the system; `None`: 256, or a tenth where that is less.
    pub reserved_memory: Option<u32>,
    /// Zone that the node is in.
    pub zone: String,
    /// The node's address towards the control plane, where it is known.
    pub address: Option<IpAddr>,
    /// Attributes of the operator's choice.
    pub attributes: BTreeMap<String, String>,
}

/// The first message of every session of this life.
pub fn hello(
    offer: &Offer,
    engine: &Engine,
    limits_tasks: bool,
    hostname: &str,
    (boot_id, began): (&str, Timestamp),
) -> Hello {
    let cores = engine.info.ncpu.and_then(|n| u32::try_from(n).ok());
    let total = engine.info.mem_total.map_or(0, |bytes| bytes >> 20);
    let total = u32::try_from(total).unwrap_or(u32::MAX);
    let reserved = offer
        .reserved_memory
        .unwrap_or_else(|| RESERVED_MEMORY.0.min(total / 10));
    Hello {
        incarnation: Some(Incarnation {
            boot_id: boot_id.to_owned(),
            agent_started_at: began.millis(),
        }),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        agent_hash: program_hash().unwrap_or_default(),
        docker_version: engine.version.version.clone().unwrap_or_default(),
        hostname: hostname.to_owned(),
        capacity: Some(Capacity {
            cpu: offer
                .cpu
                .unwrap_or_else(|| cores.unwrap_or(1).saturating_mul(UNITS_PER_CORE)),
            memory: offer
                .memory
                .unwrap_or_else(|| total.saturating_sub(reserved)),
            reserved_tcp_ports: RESERVED_TCP_PORTS.map(u32::from).to_vec(),
            reserved_udp_ports: Vec::new(),
        }),
        attributes: attributes(
            offer,
            hostname,
            engine.version.api_version.as_deref(),
            limits_tasks,
        ),
    }
}

/// The address that this node has towards a control plane, as `HOST:PORT`: whoever reaches the
/// control plane most likely reaches the node by it. Sends nothing.
pub fn address_towards(control_plane: &str) -> Option<IpAddr> {
    ["0.0.0.0:0", "[::]:0"].into_iter().find_map(|any| {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(control_plane).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

/// The first eight hex digits of the SHA-256 of this program, as the ECS agent shows the commit
/// that it was built from. Read once: the program of a running process does not change.
fn program_hash() -> Option<String> {
    static HASH: OnceLock<Option<String>> = OnceLock::new();
    let hash = HASH.get_or_init(|| {
        let mut program = std::fs::File::open("/proc/self/exe").ok()?;
        let mut context = digest::Context::new(&digest::SHA256);
        let mut part = vec![0; 64 * 1024];
        loop {
            match program.read(&mut part).ok()? {
                0 => break,
                read => context.update(&part[..read]),
            }
        }
        Some(hex::encode(&context.finish().as_ref()[..4]))
    });
    hash.clone()
}

/// Attributes as the ECS agent names them; a capability has an empty value.
fn attributes(
    offer: &Offer,
    hostname: &str,
    api_version: Option<&str>,
    limits_tasks: bool,
) -> BTreeMap<String, String> {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    let valued = [
        (ZONE_ATTRIBUTE, offer.zone.as_str()),
        ("ecs.os-type", "linux"),
        ("ecs.os-family", "LINUX"),
        ("ecs.cpu-architecture", architecture),
        ("ecs.instance-type", "external"),
        ("ecs.capability.external", ""),
        ("com.amazonaws.ecs.capability.logging-driver.json-file", ""),
        ("com.amazonaws.ecs.capability.logging-driver.none", ""),
    ];
    let valued = valued.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut attributes = BTreeMap::from(valued);
    // Which machine it is, for people.
    attributes.insert("longshore.host-name".to_owned(), hostname.to_owned());
    if let Some(address) = offer.address {
        attributes.insert("longshore.address".to_owned(), address.to_string());
    }
    if limits_tasks {
        let name = "ecs.capability.task-cpu-mem-limit";
        attributes.insert(name.to_owned(), String::new());
    }
    let minor = api_version.and_then(|version| version.strip_prefix("1."));
    let newest = minor.and_then(|minor| minor.parse().ok()).unwrap_or(0);
    for minor in OLDEST_API_MINOR..=newest {
        let name = format!("com.amazonaws.ecs.capability.docker-remote-api.1.{minor}");
        attributes.insert(name, String::new());
    }
    attributes.extend(offer.attributes.clone());
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_follow_the_engine() {
        let offer = Offer {
            zone: "z1".to_owned(),
            attributes: BTreeMap::from([("disk".to_owned(), "ssd".to_owned())]),
            ..Offer::default()
        };
        let with = attributes(&offer, "host-1", Some("1.41"), true);
        let has = |name: &str| with.contains_key(name);
        assert_eq!(with.get(ZONE_ATTRIBUTE).map(String::as_str), Some("z1"));
        assert_eq!(with.get("disk").map(String::as_str), Some("ssd"));
        assert!(has("com.amazonaws.ecs.capability.docker-remote-api.1.17"));
        assert!(has("com.amazonaws.ecs.capability.docker-remote-api.1.41"));
        assert!(!has("com.amazonaws.ecs.capability.docker-remote-api.1.42"));
        assert!(has("ecs.capability.task-cpu-mem-limit"));
        let without = attributes(&offer, "host-1", None, false);
        assert!(!without.contains_key("ecs.capability.task-cpu-mem-limit"));
        assert_eq!(without["longshore.host-name"], "host-1");
        assert!(!without.contains_key("longshore.address"));
    }

    #[test]
    fn a_node_on_loopback_is_reached_there() {
        for (control_plane, address) in [("127.0.0.1:7401", Some("127.0.0.1")), ("no port", None)] {
            let found = address_towards(control_plane).map(|address| address.to_string());
            assert_eq!(found.as_deref(), address, "{control_plane}");
        }
    }
}
