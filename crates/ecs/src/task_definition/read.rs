//! From a RegisterTaskDefinition request to a [`TaskDefinition`], all faults at once.

use std::collections::{BTreeMap, BTreeSet};

use longshore_door::ApiError;
use longshore_door::{Faults, Violations, fault};
use longshore_model::task_definition::{
    ContainerDefinition, HostEntry, NetworkMode, PortMapping, TaskDefinition, TaskDefinitionStatus,
    Ulimit,
};
use longshore_model::unit::Protocol;
use longshore_model::{CpuUnits, Family, Mib, Port, Timestamp};
use longshore_proto::ecs;

use super::{fargate, image};
use crate::amount;
use crate::exception;
use crate::placement::read_definition_constraints;
use crate::wire::{read_tags, record, to_json};

/// Longest request, in bytes of JSON (ECS service quotas: task definition size).
const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// Names of resource limits that Docker can set (ECS API reference, `Ulimit`).
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// A definition whose revision is still to be given: 0.
///
/// The request, in its normal form, is kept with it; Describe shows that. The typed members are
/// read from the same normal form and neither is changed later, so the two cannot disagree.
///
/// Errors: every fault found, with ClientException; with InvalidParameterException for tags alone.
pub fn read(
    mut request: ecs::RegisterTaskDefinitionRequest,
    registered_by: &str,
    now: Timestamp,
) -> Result<TaskDefinition, ApiError> {
    let mut violations = Violations::default();
    let parsed = parse(&mut request, &mut violations);
    if let Some((kind, message)) = violations.into_parts() {
        return Err(ApiError::new(kind, message));
    }
    // It is there where nothing is wrong.
    let mut definition = parsed.ok_or_else(ApiError::internal)?;
    definition.registered_at = now;
    registered_by.clone_into(&mut definition.registered_by);
    definition.recorded = record(&request)?;
    Ok(definition)
}

/// What is wrong with a request, for those who look at more than that.
pub(crate) fn violations(
    mut request: ecs::RegisterTaskDefinitionRequest,
    violations: &mut Violations,
) {
    parse(&mut request, violations);
}

/// Takes the tags out of a request and puts the rest into its normal form. The definition is absent
/// only where something is wrong.
fn parse(
    request: &mut ecs::RegisterTaskDefinitionRequest,
    violations: &mut Violations,
) -> Option<TaskDefinition> {
    let family = family(request.family.as_deref(), violations);
    let tags = read_tags(std::mem::take(&mut request.tags))
        .map_err(|error| violations.add(error.kind, format_args!("{}", error.message)))
        .ok();
    let size = to_json(request).ok()?.len();
    if size > MAX_REQUEST_BYTES {
        violations.add(
            exception::CLIENT,
            format_args!(
                "Task definition is too large. It has {size} bytes; at most {MAX_REQUEST_BYTES} are allowed: shorten commands, environment or labels."
            ),
        );
        return None;
    }
    let mut faults = Faults::default();
    // Under any name, so that what else is wrong is told too.
    let named = family.clone().or_else(|| "unnamed".parse().ok())?;
    let mut definition = read_members(request, named, &mut faults);
    for fault in definition.faults() {
        faults.add(format_args!("{fault}"));
    }
    violations.append(exception::CLIENT, faults);
    definition.family = family?;
    definition.tags = tags?;
    Some(definition)
}

fn family(given: Option<&str>, violations: &mut Violations) -> Option<Family> {
    let Some(text) = given.filter(|text| !text.is_empty()) else {
        violations.add(
            exception::CLIENT,
            format_args!("Family can not be blank. Name the family of the task definition."),
        );
        return None;
    };
    text.parse()
        .map_err(|error| {
            violations.add(
                exception::CLIENT,
                format_args!("Family contains invalid characters. The {error}."),
            );
        })
        .ok()
}

/// Puts the request into its normal form and reads the typed members from that.
fn read_members(
    request: &mut ecs::RegisterTaskDefinitionRequest,
    family: Family,
    faults: &mut Faults,
) -> TaskDefinition {
    let network_mode = read_network_mode(request.network_mode.as_deref(), faults);
    let cpu = request.cpu.as_deref().and_then(|text| {
        let cpu = amount::cpu(text);
        if cpu.is_none() {
            fault!(
                faults,
                "Invalid 'cpu' setting for task. \"{text}\" is not a number: give CPU units, for example 256, or vCPU, for example \".25 vCPU\"."
            );
        }
        cpu
    });
    let memory = request.memory.as_deref().and_then(|text| {
        let memory = amount::memory(text).filter(|memory| memory.0 > 0);
        if memory.is_none() {
            fault!(
                faults,
                "Invalid 'memory' setting for task. \"{text}\" is not an amount: give MiB, for example 512, or GB, for example \"0.5 GB\"."
            );
            // The definition is refused; this only keeps containers from being blamed as well.
            return Some(Mib(u32::MAX));
        }
        memory
    });
    request.cpu = cpu.map(|cpu| cpu.0.to_string());
    request.memory = memory.map(|memory| memory.0.to_string());
    let requires_compatibilities: BTreeSet<String> =
        request.requires_compatibilities.iter().cloned().collect();
    check_compatibilities(&requires_compatibilities, cpu, memory, faults);
    let mode = network_mode.unwrap_or_default();
    let containers: Vec<ContainerDefinition> = request
        .container_definitions
        .iter_mut()
        .map(|container| read_container(container, mode, faults))
        .collect();
    let requires_attributes = required_attributes(cpu, memory, &containers);
    let placement_constraints = read_definition_constraints(&request.placement_constraints, faults);
    if requires_compatibilities.contains("FARGATE") && !request.placement_constraints.is_empty() {
        fault!(
            faults,
            "placementConstraints can not be used with requiresCompatibilities FARGATE: leave them out, or use EC2 or EXTERNAL."
        );
    }
    TaskDefinition {
        family,
        revision: 0,
        status: TaskDefinitionStatus::Active,
        network_mode,
        cpu,
        memory,
        containers,
        requires_compatibilities,
        requires_attributes,
        placement_constraints,
        registered_at: Timestamp::default(),
        registered_by: String::new(),
        deregistered_at: None,
        tags: BTreeMap::new(),
        recorded: longshore_model::recorded::Recorded::default(),
    }
}

fn read_network_mode(given: Option<&str>, faults: &mut Faults) -> Option<NetworkMode> {
    let text = given?;
    let mode = text.parse().ok();
    if mode.is_none() {
        let why = if text == "awsvpc" {
            "There are no VPC network interfaces here"
        } else {
            "It does not exist"
        };
        fault!(
            faults,
            "Invalid 'networkMode' setting for task: '{text}'. {why}: use bridge (the default), host or none."
        );
    }
    mode
}

fn check_compatibilities(
    required: &BTreeSet<String>,
    cpu: Option<CpuUnits>,
    memory: Option<Mib>,
    faults: &mut Faults,
) {
    for launch_type in required {
        match launch_type.as_str() {
            "EC2" | "EXTERNAL" => {}
            "FARGATE" => {
                if !fargate::has_size(cpu, memory) {
                    fault!(faults, "No Fargate configuration exists for given values.");
                }
                fault!(
                    faults,
                    "Fargate only supports network mode 'awsvpc', which does not exist here: take FARGATE out of requiresCompatibilities, or use EC2 or EXTERNAL."
                );
            }
            other => fault!(
                faults,
                "Invalid 'requiresCompatibilities' setting for task: '{other}'. Use EC2 or EXTERNAL, or leave it out."
            ),
        }
    }
}

/// The attributes an instance must have to run it: task limits, and the version of the Docker API
/// that first had each feature (ECS agent capabilities).
fn required_attributes(
    cpu: Option<CpuUnits>,
    memory: Option<Mib>,
    containers: &[ContainerDefinition],
) -> BTreeSet<String> {
    let any = |test: fn(&ContainerDefinition) -> bool| containers.iter().any(test);
    let docker_api = |minor| format!("com.amazonaws.ecs.capability.docker-remote-api.1.{minor}");
    [
        (
            cpu.or(memory.map(|_| CpuUnits(0))).is_some(),
            "ecs.capability.task-cpu-mem-limit".to_owned(),
        ),
        (any(|c| c.memory_reservation.is_some()), docker_api(21)),
        (any(|c| c.init_process_enabled), docker_api(25)),
    ]
    .into_iter()
    .filter_map(|(needed, attribute)| needed.then_some(attribute))
    .collect()
}

/// Fills in what ECS fills in, then reads.
fn read_container(
    wire: &mut ecs::ContainerDefinition,
    mode: NetworkMode,
    faults: &mut Faults,
) -> ContainerDefinition {
    let name = wire.name.clone().unwrap_or_default();
    wire.cpu.get_or_insert(0);
    wire.essential.get_or_insert(true);
    let image = wire.image.clone().unwrap_or_default();
    if !image.is_empty() && !image::is_valid(&image) {
        fault!(
            faults,
            "Invalid setting for container '{name}'. 'image' \"{image}\" is not an image reference: use [REGISTRY/]NAME[:TAG] or [REGISTRY/]NAME@sha256:DIGEST."
        );
    }
    let mut amount = |member: &str, value: Option<i32>| {
        value.and_then(|value| {
            let amount = u32::try_from(value).ok();
            if amount.is_none() {
                fault!(
                    faults,
                    "Invalid setting for container '{name}'. '{member}' is {value}; it must not be negative."
                );
            }
            amount
        })
    };
    let cpu = CpuUnits(amount("cpu", wire.cpu).unwrap_or_default());
    let memory = amount("memory", wire.memory).map(Mib);
    let memory_reservation = amount("memoryReservation", wire.memory_reservation).map(Mib);
    let stop_timeout = amount("stopTimeout", wire.stop_timeout);
    let port_mappings = wire
        .port_mappings
        .iter_mut()
        .filter_map(|mapping| read_port_mapping(&name, mapping, mode, faults))
        .collect();
    let environment = read_environment(&format!("container '{name}'"), &wire.environment, faults);
    ContainerDefinition {
        image,
        cpu,
        memory,
        memory_reservation,
        essential: wire.essential.unwrap_or(true),
        entry_point: wire.entry_point.clone(),
        command: wire.command.clone(),
        environment,
        port_mappings,
        working_directory: wire.working_directory.clone(),
        user: wire.user.clone(),
        hostname: wire.hostname.clone(),
        docker_labels: wire.docker_labels.clone(),
        readonly_root_filesystem: wire.readonly_root_filesystem.unwrap_or_default(),
        interactive: wire.interactive.unwrap_or_default(),
        pseudo_terminal: wire.pseudo_terminal.unwrap_or_default(),
        dns_servers: wire.dns_servers.clone(),
        dns_search_domains: wire.dns_search_domains.clone(),
        extra_hosts: read_extra_hosts(&name, &wire.extra_hosts, faults),
        ulimits: read_ulimits(&name, &wire.ulimits, faults),
        stop_timeout,
        init_process_enabled: wire
            .linux_parameters
            .as_ref()
            .and_then(|parameters| parameters.init_process_enabled)
            .unwrap_or_default(),
        name,
    }
}

/// Variables by name; of a name given twice the last value counts, as in ECS.
pub(crate) fn read_environment(
    whose: &str,
    wire: &[ecs::KeyValuePair],
    faults: &mut Faults,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for variable in wire {
        let name = variable.name.clone().unwrap_or_default();
        if name.is_empty() || name.contains(['=', '\0']) {
            fault!(
                faults,
                "Invalid setting for {whose}. 'environment' has a variable named \"{name}\": give each a name without '='."
            );
        }
        environment.insert(name, variable.value.clone().unwrap_or_default());
    }
    environment
}

fn read_port_mapping(
    container: &str,
    wire: &mut ecs::PortMapping,
    mode: NetworkMode,
    faults: &mut Faults,
) -> Option<PortMapping> {
    wire.protocol
        .get_or_insert_with(|| Protocol::Tcp.as_str().to_owned());
    let default_host_port = match mode {
        NetworkMode::Host => wire.container_port,
        NetworkMode::Bridge | NetworkMode::None => None,
    };
    wire.host_port.get_or_insert(default_host_port.unwrap_or(0));
    if mode == NetworkMode::Host && wire.host_port == Some(0) {
        wire.host_port = wire.container_port;
    }
    let mut port = |member: &str, least: i32, value: Option<i32>| {
        let value = value.unwrap_or(0);
        let port = Port::try_from(value)
            .ok()
            .filter(|port| i32::from(*port) >= least);
        if port.is_none() {
            fault!(
                faults,
                "Invalid setting for container '{container}'. '{member}' is {value}; it must be between {least} and 65535."
            );
        }
        port
    };
    let container_port = port("containerPort", 1, wire.container_port);
    let host_port = port("hostPort", 0, wire.host_port);
    let protocol = wire.protocol.as_deref().unwrap_or_default();
    let read_protocol = protocol.parse::<Protocol>().ok();
    if read_protocol.is_none() {
        fault!(
            faults,
            "Invalid setting for container '{container}'. 'protocol' is '{protocol}'; use tcp or udp."
        );
    }
    Some(PortMapping {
        container_port: container_port?,
        host_port: host_port?,
        protocol: read_protocol?,
    })
}

fn read_extra_hosts(
    container: &str,
    wire: &[ecs::HostEntry],
    faults: &mut Faults,
) -> Vec<HostEntry> {
    wire.iter()
        .map(|entry| {
            let hostname = entry.hostname.clone().unwrap_or_default();
            let ip_address = entry.ip_address.clone().unwrap_or_default();
            if hostname.is_empty() {
                fault!(
                    faults,
                    "Invalid setting for container '{container}'. An entry of 'extraHosts' has no hostname; name the host."
                );
            }
            if ip_address.parse::<std::net::IpAddr>().is_err() {
                fault!(
                    faults,
                    "Invalid setting for container '{container}'. 'extraHosts' has \"{ip_address}\" for {hostname}; give an IPv4 or IPv6 address."
                );
            }
            HostEntry { hostname, ip_address }
        })
        .collect()
}

fn read_ulimits(container: &str, wire: &[ecs::Ulimit], faults: &mut Faults) -> Vec<Ulimit> {
    let mut names = BTreeSet::new();
    wire.iter()
        .map(|ulimit| {
            let name = ulimit.name.clone().unwrap_or_default();
            if !ULIMITS.contains(&name.as_str()) {
                fault!(
                    faults,
                    "Invalid setting for container '{container}'. Ulimit name '{name}' is not valid; use one of {}.",
                    ULIMITS.join(", ")
                );
            } else if !names.insert(name.clone()) {
                fault!(
                    faults,
                    "Invalid setting for container '{container}'. Ulimit '{name}' is given twice; keep one."
                );
            }
            let mut limit = |member: &str, value: Option<i32>| {
                let value = value.unwrap_or_else(|| {
                    fault!(
                        faults,
                        "Invalid setting for container '{container}'. Ulimit '{name}' has no {member}; set it."
                    );
                    0
                });
                if value < -1 {
                    fault!(
                        faults,
                        "Invalid setting for container '{container}'. The {member} of ulimit '{name}' is {value}; use -1 for unlimited, or more."
                    );
                }
                i64::from(value)
            };
            let soft_limit = limit("softLimit", ulimit.soft_limit);
            let hard_limit = limit("hardLimit", ulimit.hard_limit);
            Ulimit { name, soft_limit, hard_limit }
        })
        .collect()
}
