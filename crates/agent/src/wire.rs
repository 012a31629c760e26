//! The agent protocol's messages and what they mean. What the control plane sends is checked here
//! and nowhere else.

use longshore_model::assignment::Assignment;
use longshore_model::report::{ContainerReport, TaskReport};
use longshore_model::task::{DesiredStatus, NetworkBinding};
use longshore_model::task_definition::{ContainerDefinition, HostEntry, PortMapping, Ulimit};
use longshore_model::{CpuUnits, Mib, TaskId, Timestamp};
use longshore_proto::agent as proto;

/// Most tasks that are taken from one set. A node runs some hundreds; this bounds the damage of a
/// faulty control plane.
pub const MAX_TASKS: usize = 10_000;

/// What an agent is told, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignments {
    /// Only grows within a session.
    pub generation: u64,
    /// Whether `tasks` is everything.
    pub complete: bool,
    /// Added or replaced by id.
    pub tasks: Vec<Assignment>,
    /// To be forgotten.
    pub removed: Vec<TaskId>,
    /// Of the store that it was made from.
    pub revision: u64,
    /// What the revisions of that store belong to; empty where nobody said.
    pub history: String,
    /// Whether that store was put back to an earlier state than one that was applied before.
    pub is_put_back: bool,
}

/// A message of the control plane that cannot be understood. The session is ended and tried anew,
/// since acting on a part of it would be worse.
#[derive(Debug, thiserror::Error)]
#[error(
    "the control plane sent {field} \"{value}\"; expected {expected}: run an agent and a control plane of the same version"
)]
pub struct WireError {
    /// The field of the protocol.
    pub field: &'static str,
    /// What it held.
    pub value: String,
    /// What it may hold.
    pub expected: &'static str,
}

fn invalid(field: &'static str, value: impl Into<String>, expected: &'static str) -> WireError {
    WireError {
        field,
        value: value.into(),
        expected,
    }
}

/// Reads a set of assignments.
///
/// # Errors
/// Names the first field that does not hold what it should.
pub fn assignments(message: proto::Assignments) -> Result<Assignments, WireError> {
    if message.tasks.len() > MAX_TASKS {
        return Err(invalid(
            "tasks",
            message.tasks.len().to_string(),
            "at most 10000 tasks",
        ));
    }
    Ok(Assignments {
        generation: message.generation,
        complete: message.complete,
        removed: task_ids(&message.removed)?,
        revision: message.revision,
        history: String::new(),
        is_put_back: false,
        tasks: message
            .tasks
            .into_iter()
            .map(assignment)
            .collect::<Result<_, _>>()?,
    })
}

/// Reads a task id.
///
/// # Errors
/// When it is not 32 lowercase hex digits.
pub fn task_id(text: &str) -> Result<TaskId, WireError> {
    text.parse()
        .map_err(|_| invalid("task_id", text, "32 lowercase hex digits"))
}

/// Reads task ids.
///
/// # Errors
/// When one is not 32 lowercase hex digits.
pub fn task_ids<C: FromIterator<TaskId>>(texts: &[String]) -> Result<C, WireError> {
    texts.iter().map(|id| task_id(id)).collect()
}

fn assignment(task: proto::TaskAssignment) -> Result<Assignment, WireError> {
    let desired_status = match task.desired_status.as_str() {
        "RUNNING" => DesiredStatus::Running,
        "STOPPED" => DesiredStatus::Stopped,
        other => return Err(invalid("desired_status", other, "RUNNING or STOPPED")),
    };
    let network_mode = task
        .network_mode
        .parse()
        .map_err(|()| invalid("network_mode", &task.network_mode, "bridge, host or none"))?;
    let name = "1 to 255 letters, digits, hyphens and underscores";
    Ok(Assignment {
        task: task_id(&task.task_id)?,
        desired_status,
        cluster: task
            .cluster
            .parse()
            .map_err(|_| invalid("cluster", &task.cluster, name))?,
        family: task
            .family
            .parse()
            .map_err(|_| invalid("family", &task.family, name))?,
        task_arn: task.task_arn,
        revision: task.revision,
        network_mode,
        cpu: task.cpu.map(CpuUnits),
        memory: task.memory.map(Mib),
        containers: task
            .containers
            .into_iter()
            .map(container)
            .collect::<Result<_, _>>()?,
    })
}

fn container(spec: proto::ContainerSpec) -> Result<ContainerDefinition, WireError> {
    Ok(ContainerDefinition {
        name: spec.name,
        image: spec.image,
        cpu: CpuUnits(spec.cpu),
        memory: spec.memory.map(Mib),
        memory_reservation: spec.memory_reservation.map(Mib),
        essential: spec.essential,
        entry_point: spec.entry_point,
        command: spec.command,
        environment: spec.environment,
        port_mappings: spec
            .port_mappings
            .iter()
            .map(port_mapping)
            .collect::<Result<_, _>>()?,
        working_directory: spec.working_directory,
        user: spec.user,
        hostname: spec.hostname,
        docker_labels: spec.docker_labels,
        readonly_root_filesystem: spec.readonly_root_filesystem,
        interactive: spec.interactive,
        pseudo_terminal: spec.pseudo_terminal,
        dns_servers: spec.dns_servers,
        dns_search_domains: spec.dns_search_domains,
        extra_hosts: spec
            .extra_hosts
            .into_iter()
            .map(|entry| HostEntry {
                hostname: entry.hostname,
                ip_address: entry.ip_address,
            })
            .collect(),
        ulimits: spec
            .ulimits
            .into_iter()
            .map(|ulimit| Ulimit {
                name: ulimit.name,
                soft_limit: ulimit.soft_limit,
                hard_limit: ulimit.hard_limit,
            })
            .collect(),
        stop_timeout: spec.stop_timeout,
        init_process_enabled: spec.init_process_enabled,
    })
}

fn port_mapping(mapping: &proto::PortMapping) -> Result<PortMapping, WireError> {
    let port = |field, value: u32| {
        u16::try_from(value).map_err(|_| invalid(field, value.to_string(), "0 to 65535"))
    };
    Ok(PortMapping {
        container_port: port("container_port", mapping.container_port)?,
        host_port: port("host_port", mapping.host_port)?,
        protocol: mapping
            .protocol
            .parse()
            .map_err(|()| invalid("protocol", &mapping.protocol, "tcp or udp"))?,
    })
}

/// Writes a batch of reports.
pub fn reports(sequence: u64, tasks: &[TaskReport]) -> proto::Reports {
    proto::Reports {
        sequence,
        tasks: tasks.iter().map(report).collect(),
    }
}

fn report(report: &TaskReport) -> proto::TaskReport {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
    proto::TaskReport {
        task_id: report.task.to_string(),
        last_status: report.last_status.as_str().to_owned(),
        containers: report.containers.iter().map(container_report).collect(),
        pull_started_at: millis(report.pull_started_at),
        pull_stopped_at: millis(report.pull_stopped_at),
        started_at: millis(report.started_at),
        execution_stopped_at: millis(report.execution_stopped_at),
        stopped_at: millis(report.stopped_at),
        stop_code: report
            .stop_code
            .map(|code| code.as_str().to_owned())
            .unwrap_or_default(),
        stopped_reason: report.stopped_reason.clone().unwrap_or_default(),
    }
}

fn container_report(report: &ContainerReport) -> proto::ContainerReport {
    proto::ContainerReport {
        name: report.name.clone(),
        last_status: report.last_status.as_str().to_owned(),
        runtime_id: report.runtime_id.clone().unwrap_or_default(),
        exit_code: report.exit_code,
        reason: report.reason.clone().unwrap_or_default(),
        network_bindings: report.network_bindings.iter().map(binding).collect(),
        image_digest: report.image_digest.clone().unwrap_or_default(),
    }
}

fn binding(binding: &NetworkBinding) -> proto::NetworkBinding {
    proto::NetworkBinding {
        bind_ip: binding.bind_ip.clone(),
        container_port: u32::from(binding.container_port),
        host_port: u32::from(binding.host_port),
        protocol: binding.protocol.as_str().to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn task() -> proto::TaskAssignment {
        proto::TaskAssignment {
            task_id: TaskId::new(7).to_string(),
            desired_status: "RUNNING".into(),
            cluster: "default".into(),
            task_arn: "arn".into(),
            family: "web".into(),
            revision: 3,
            network_mode: "bridge".into(),
            cpu: Some(256),
            memory: None,
            containers: vec![proto::ContainerSpec {
                name: "main".into(),
                port_mappings: vec![proto::PortMapping {
                    container_port: 80,
                    host_port: 0,
                    protocol: "tcp".into(),
                }],
                ..proto::ContainerSpec::default()
            }],
        }
    }

    fn read(task: proto::TaskAssignment) -> Result<Assignments, WireError> {
        assignments(proto::Assignments {
            generation: 1,
            complete: true,
            tasks: vec![task],
            removed: vec![],
            revision: 1,
        })
    }

    #[test]
    fn an_assignment_is_read_whole() {
        let read = read(task()).unwrap();
        assert_eq!(read.tasks[0].task, TaskId::new(7));
        assert_eq!(read.tasks[0].cpu, Some(CpuUnits(256)));
        assert_eq!(
            read.tasks[0].containers[0].port_mappings[0].container_port,
            80
        );
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        type Spoil = fn(&mut proto::TaskAssignment);
        let cases: [(&str, Spoil); 6] = [
            ("task_id", |t| t.task_id = "x".into()),
            ("desired_status", |t| t.desired_status = "PAUSED".into()),
            ("network_mode", |t| t.network_mode = "awsvpc".into()),
            ("family", |t| t.family = String::new()),
            ("host_port", |t| {
                t.containers[0].port_mappings[0].host_port = 70_000
            }),
            ("protocol", |t| {
                t.containers[0].port_mappings[0].protocol = "sctp".into()
            }),
        ];
        for (field, spoil) in cases {
            let mut task = task();
            spoil(&mut task);
            assert_eq!(read(task).unwrap_err().field, field);
        }
    }
}
