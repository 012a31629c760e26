//! What Docker is asked to create.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, PortBinding, PortMap, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};
use longshore_model::InstanceId;
use longshore_model::assignment::Assignment;
use longshore_model::task_definition::{ContainerDefinition, NetworkMode, PortMapping};

use crate::runtime::labels;

/// Least CPU shares the kernel knows; what a container without `cpu` gets (ECS API reference).
const MIN_CPU_SHARES: u32 = 2;
/// Most CPU shares the kernel knows.
const MAX_CPU_SHARES: u32 = 262_144;
/// Kept output of one container: three files of 10 MB. Without a bound a chatty container fills
/// the disk.
const LOG_OPTIONS: [(&str, &str); 2] = [("max-size", "10m"), ("max-file", "3")];

/// The body of the create call for the container at this place of the task.
pub(super) fn body(
    task: &Assignment,
    container: usize,
    instance: InstanceId,
    cgroup_parent: Option<&str>,
    pids_limit: Option<i64>,
) -> ContainerCreateBody {
    let Some(definition) = task.containers.get(container) else {
        return ContainerCreateBody::default();
    };
    let list = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    let mapped = match task.network_mode {
        NetworkMode::Bridge => definition.port_mappings.as_slice(),
        NetworkMode::Host | NetworkMode::None => &[],
    };
    ContainerCreateBody {
        image: Some(definition.image.clone()),
        entrypoint: list(&definition.entry_point),
        cmd: list(&definition.command),
        env: Some(environment(task, definition)),
        labels: Some(labels(task, container, instance).into_iter().collect()),
        exposed_ports: (!mapped.is_empty()).then(|| mapped.iter().map(port_key).collect()),
        working_dir: definition.working_directory.clone(),
        user: definition.user.clone(),
        hostname: definition.hostname.clone(),
        tty: Some(definition.pseudo_terminal),
        open_stdin: Some(definition.interactive),
        host_config: Some(HostConfig {
            network_mode: Some(task.network_mode.as_str().to_owned()),
            port_bindings: (!mapped.is_empty()).then(|| port_bindings(mapped)),
            memory: definition.memory.map(|mib| i64::from(mib.0) << 20),
            memory_reservation: definition
                .memory_reservation
                .map(|mib| i64::from(mib.0) << 20),
            cpu_shares: Some(i64::from(
                definition.cpu.0.clamp(MIN_CPU_SHARES, MAX_CPU_SHARES),
            )),
            cgroup_parent: cgroup_parent.map(str::to_owned),
            pids_limit,
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(HashMap::from(
                    LOG_OPTIONS.map(|(name, value)| (name.to_owned(), value.to_owned())),
                )),
            }),
            ulimits: ulimits(definition),
            dns: list(&definition.dns_servers),
            dns_search: list(&definition.dns_search_domains),
            extra_hosts: extra_hosts(definition),
            readonly_rootfs: Some(definition.readonly_root_filesystem),
            init: definition.init_process_enabled.then_some(true),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// The definition's variables, and the region where the definition says nothing of it.
fn environment(task: &Assignment, definition: &ContainerDefinition) -> Vec<String> {
    const REGION: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    let given = definition.environment.iter();
    let mut environment: Vec<_> = given
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let says_region = REGION
        .iter()
        .any(|name| definition.environment.contains_key(*name));
    // arn:PARTITION:ecs:REGION:ACCOUNT:task/…
    if let Some(region) = task.task_arn.split(':').nth(3)
        && !says_region
        && !region.is_empty()
    {
        environment.extend(REGION.map(|name| format!("{name}={region}")));
    }
    environment
}

fn port_key(mapping: &PortMapping) -> String {
    format!("{}/{}", mapping.container_port, mapping.protocol.as_str())
}

fn port_bindings(mappings: &[PortMapping]) -> PortMap {
    let mut bindings = PortMap::new();
    for mapping in mappings {
        let binding = PortBinding {
            host_ip: None,
            // An empty port lets Docker choose.
            host_port: Some(match mapping.host_port {
                0 => String::new(),
                port => port.to_string(),
            }),
        };
        let list = bindings
            .entry(port_key(mapping))
            .or_insert_with(|| Some(Vec::new()));
        if let Some(list) = list {
            list.push(binding);
        }
    }
    bindings
}

fn ulimits(definition: &ContainerDefinition) -> Option<Vec<ResourcesUlimits>> {
    let limits = definition.ulimits.iter().map(|ulimit| ResourcesUlimits {
        name: Some(ulimit.name.clone()),
        soft: Some(ulimit.soft_limit),
        hard: Some(ulimit.hard_limit),
    });
    (!definition.ulimits.is_empty()).then(|| limits.collect())
}

fn extra_hosts(definition: &ContainerDefinition) -> Option<Vec<String>> {
    let entries = definition.extra_hosts.iter();
    let lines = entries.map(|entry| format!("{}:{}", entry.hostname, entry.ip_address));
    (!definition.extra_hosts.is_empty()).then(|| lines.collect())
}
