//! What an agent is sent. The input is an encoded `ControlMessage`.

use longshore_agent::node::{Effect, Input, Node, Settings};
use longshore_agent::runtime::{container_name, labels};
use longshore_agent::wire::{self, Assignments};
use longshore_model::assignment::Assignment;
use longshore_model::task_definition::ContainerDefinition;
use longshore_model::{InstanceId, Timestamp};
use longshore_proto::agent::control_message::Body;
use longshore_proto::agent::{self, ControlMessage};
use prost::Message as _;

/// When the targets are.
const NOW: Timestamp = Timestamp::from_millis(1_440_938_160_000);
/// Steps in which the agent's core must have done what it can without a runtime.
const STEPS: usize = 8;

/// Reads a message and acts on it as the agent does.
pub fn run(data: &[u8]) {
    let Ok(message) = ControlMessage::decode(data) else {
        return;
    };
    let written = message.encode_to_vec();
    let again = ControlMessage::decode(written.as_slice());
    assert_eq!(again.as_ref(), Ok(&message));
    match message.body {
        Some(Body::Assignments(set)) => {
            if let Ok(set) = wire::assignments(set) {
                round_trip(&set);
                name(&set);
                hold(set);
            }
        }
        Some(Body::ReportsAck(ack)) => {
            let ids: Result<Vec<_>, _> = wire::task_ids(&ack.unread_task_ids);
            if let Ok(ids) = ids {
                assert!(ids.iter().map(ToString::to_string).eq(ack.unread_task_ids));
            }
        }
        Some(Body::LogRequest(request)) => {
            let _ = wire::task_id(&request.task_id);
        }
        Some(Body::Welcome(_) | Body::Heartbeat(_) | Body::LogCancel(_)) | None => {}
    }
}

/// What the agent understood is all of what was said: written down again, it is read as the same.
fn round_trip(set: &Assignments) {
    let message = agent::Assignments {
        generation: set.generation,
        complete: set.complete,
        tasks: set.tasks.iter().map(assignment).collect(),
        removed: set.removed.iter().map(ToString::to_string).collect(),
        revision: set.revision,
    };
    let again = wire::assignments(message).expect("what was written can be read");
    assert_eq!(again, *set);
}

fn assignment(assignment: &Assignment) -> agent::TaskAssignment {
    agent::TaskAssignment {
        task_id: assignment.task.to_string(),
        desired_status: assignment.desired_status.as_str().to_owned(),
        cluster: assignment.cluster.to_string(),
        task_arn: assignment.task_arn.clone(),
        family: assignment.family.to_string(),
        revision: assignment.revision,
        network_mode: assignment.network_mode.as_str().to_owned(),
        cpu: assignment.cpu.map(|cpu| cpu.0),
        memory: assignment.memory.map(|memory| memory.0),
        containers: assignment.containers.iter().map(container).collect(),
    }
}

fn container(container: &ContainerDefinition) -> agent::ContainerSpec {
    let ports = container.port_mappings.iter();
    let hosts = container.extra_hosts.iter();
    let ulimits = container.ulimits.iter();
    let c = container.clone();
    agent::ContainerSpec {
        name: c.name,
        image: c.image,
        cpu: c.cpu.0,
        memory: c.memory.map(|memory| memory.0),
        memory_reservation: c.memory_reservation.map(|memory| memory.0),
        essential: c.essential,
        entry_point: c.entry_point,
        command: c.command,
        environment: c.environment.into_iter().collect(),
        port_mappings: ports
            .map(|port| agent::PortMapping {
                container_port: port.container_port.into(),
                host_port: port.host_port.into(),
                protocol: port.protocol.as_str().to_owned(),
            })
            .collect(),
        working_directory: c.working_directory,
        user: c.user,
        hostname: c.hostname,
        docker_labels: c.docker_labels.into_iter().collect(),
        readonly_root_filesystem: c.readonly_root_filesystem,
        interactive: c.interactive,
        pseudo_terminal: c.pseudo_terminal,
        dns_servers: c.dns_servers,
        dns_search_domains: c.dns_search_domains,
        extra_hosts: hosts
            .map(|host| agent::HostEntry {
                hostname: host.hostname.clone(),
                ip_address: host.ip_address.clone(),
            })
            .collect(),
        ulimits: ulimits
            .map(|ulimit| agent::Ulimit {
                name: ulimit.name.clone(),
                soft_limit: ulimit.soft_limit,
                hard_limit: ulimit.hard_limit,
            })
            .collect(),
        stop_timeout: c.stop_timeout,
        init_process_enabled: c.init_process_enabled,
    }
}

/// Docker takes names of letters, digits and `_.-` that begin with a letter or digit.
fn name(set: &Assignments) {
    for task in &set.tasks {
        for place in 0..task.containers.len() {
            let name = container_name(task, place);
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)),
                "{name}"
            );
            let labels = labels(task, place, InstanceId::new(0xcd));
            assert!(labels.len() >= 7);
        }
    }
}

/// The agent's core takes the set: it ends in a state that holds no more than it was given.
fn hold(set: Assignments) {
    let most = set.tasks.len();
    let mut node = Node::new(Settings::default(), Vec::new());
    let mut inputs = vec![
        Input::SessionOpened,
        Input::Listed(Vec::new()),
        Input::Assigned(set),
    ];
    for _ in 0..STEPS {
        let effects = node.step_all(NOW, inputs);
        inputs = effects
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Journal { sequence, .. } => Some(Input::Journaled { sequence }),
                Effect::RemoveOrphan { runtime_id } => Some(Input::OrphanRemoved { runtime_id }),
                Effect::Release { task } => Some(Input::Released {
                    task,
                    outcome: Ok(()),
                }),
                _ => None,
            })
            .collect();
        if inputs.is_empty() {
            break;
        }
    }
    assert!(node.len() <= most);
}
