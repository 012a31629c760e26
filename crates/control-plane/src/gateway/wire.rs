//! Between the agent protocol and the nouns.

use longshore_model::report::{ContainerReport, TaskReport};
use longshore_model::task::{NetworkBinding, Task};
use longshore_model::task_definition::{ContainerDefinition, TaskDefinition};
use longshore_model::{Realm, Timestamp};
use longshore_proto::agent;

/// A message from an agent that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} \"{value}\" of a report is not valid")]
pub struct InvalidReport {
    field: &'static str,
    value: String,
}

fn parse<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, InvalidReport> {
    text.parse().map_err(|_| InvalidReport {
        field,
        value: text.to_owned(),
    })
}

fn narrow<T: TryFrom<u32>>(field: &'static str, value: u32) -> Result<T, InvalidReport> {
    T::try_from(value).map_err(|_| InvalidReport {
        field,
        value: value.to_string(),
    })
}

/// An empty string on the wire is an absent value here.
fn present(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Writes what an agent is to hold of one task. `definition` has the task's overrides applied.
pub fn assignment(
    realm: &Realm,
    task: &Task,
    definition: &TaskDefinition,
) -> agent::TaskAssignment {
    agent::TaskAssignment {
        task_id: task.id.to_string(),
        desired_status: task.desired_status.as_str().to_owned(),
        cluster: task.cluster.to_string(),
        task_arn: realm.task(&task.cluster, task.id),
        family: task.family.to_string(),
        revision: task.revision,
        network_mode: task.network_mode.as_str().to_owned(),
        cpu: task.cpu.map(|cpu| cpu.0),
        memory: task.memory.map(|memory| memory.0),
        containers: definition.containers.iter().map(container).collect(),
    }
}

fn container(definition: &ContainerDefinition) -> agent::ContainerSpec {
    agent::ContainerSpec {
        name: definition.name.clone(),
        image: definition.image.clone(),
        cpu: definition.cpu.0,
        memory: definition.memory.map(|memory| memory.0),
        memory_reservation: definition.memory_reservation.map(|memory| memory.0),
        essential: definition.essential,
        entry_point: definition.entry_point.clone(),
        command: definition.command.clone(),
        environment: definition.environment.clone().into_iter().collect(),
        port_mappings: definition
            .port_mappings
            .iter()
            .map(|mapping| agent::PortMapping {
                container_port: mapping.container_port.into(),
                host_port: mapping.host_port.into(),
                protocol: mapping.protocol.as_str().to_owned(),
            })
            .collect(),
        working_directory: definition.working_directory.clone(),
        user: definition.user.clone(),
        hostname: definition.hostname.clone(),
        docker_labels: definition.docker_labels.clone().into_iter().collect(),
        readonly_root_filesystem: definition.readonly_root_filesystem,
        interactive: definition.interactive,
        pseudo_terminal: definition.pseudo_terminal,
        dns_servers: definition.dns_servers.clone(),
        dns_search_domains: definition.dns_search_domains.clone(),
        extra_hosts: definition
            .extra_hosts
            .iter()
            .map(|entry| agent::HostEntry {
                hostname: entry.hostname.clone(),
                ip_address: entry.ip_address.clone(),
            })
            .collect(),
        ulimits: definition
            .ulimits
            .iter()
            .map(|ulimit| agent::Ulimit {
                name: ulimit.name.clone(),
                soft_limit: ulimit.soft_limit,
                hard_limit: ulimit.hard_limit,
            })
            .collect(),
        stop_timeout: definition.stop_timeout,
        init_process_enabled: definition.init_process_enabled,
    }
}

/// Reads the report on one task.
///
/// # Errors
/// Names the first field that makes no sense.
pub fn report(report: agent::TaskReport) -> Result<TaskReport, InvalidReport> {
    let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    let stop_code = present(report.stop_code);
    Ok(TaskReport {
        task: parse("task_id", &report.task_id)?,
        last_status: parse("last_status", &report.last_status)?,
        containers: report
            .containers
            .into_iter()
            .map(container_report)
            .collect::<Result<_, _>>()?,
        pull_started_at: time(report.pull_started_at),
        pull_stopped_at: time(report.pull_stopped_at),
        started_at: time(report.started_at),
        execution_stopped_at: time(report.execution_stopped_at),
        stopped_at: time(report.stopped_at),
        stop_code: stop_code
            .map(|code| parse("stop_code", &code))
            .transpose()?,
        stopped_reason: present(report.stopped_reason),
    })
}

fn container_report(report: agent::ContainerReport) -> Result<ContainerReport, InvalidReport> {
    Ok(ContainerReport {
        name: report.name,
        last_status: parse("container last_status", &report.last_status)?,
        runtime_id: present(report.runtime_id),
        exit_code: report.exit_code,
        reason: present(report.reason),
        network_bindings: report
            .network_bindings
            .into_iter()
            .map(|binding| {
                Ok(NetworkBinding {
                    bind_ip: binding.bind_ip,
                    container_port: narrow("container_port", binding.container_port)?,
                    host_port: narrow("host_port", binding.host_port)?,
                    protocol: parse("protocol", &binding.protocol)?,
                })
            })
            .collect::<Result<_, InvalidReport>>()?,
        image_digest: present(report.image_digest),
    })
}
