//! What an inspection says.

use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, PortMap};
use longshore_model::InstanceId;
use longshore_model::task::NetworkBinding;
use longshore_model::task_definition::PortMapping;
use longshore_supervisor::{Exit, Sighting};

use crate::runtime::{Look, label};

/// The address that host-mode containers are reached on.
const ANY_ADDRESS: &str = "0.0.0.0";
/// What a process killed by SIGKILL leaves; assumed where Docker gives no exit code.
const KILLED: i32 = 137;

/// Whether the container is this agent's.
pub(super) fn is_labelled(found: &ContainerInspectResponse, instance: InstanceId) -> bool {
    let labels = found
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref());
    let owner = labels.and_then(|labels| labels.get(label::INSTANCE));
    owner.is_some_and(|owner| *owner == instance.to_string())
}

/// The look that an inspection amounts to.
pub fn at(found: &ContainerInspectResponse) -> Look {
    let state = found.state.clone().unwrap_or_default();
    let up = state.running == Some(true) || state.restarting == Some(true);
    // A start that failed leaves "created", with an error and an exit code that no process gave.
    let never_ran = state.status == Some(ContainerStateStatusEnum::CREATED);
    let sighting = if up {
        Sighting::Running
    } else if never_ran {
        Sighting::Created
    } else {
        Sighting::Exited(Exit {
            code: state
                .exit_code
                .map_or(KILLED, |code| i32::try_from(code).unwrap_or(KILLED)),
            oom_killed: state.oom_killed == Some(true),
            error: state.error.unwrap_or_default(),
        })
    };
    let ports = found
        .network_settings
        .as_ref()
        .and_then(|n| n.ports.as_ref());
    Look {
        network_bindings: match sighting {
            Sighting::Running => Some(ports.map(bindings).unwrap_or_default()),
            // A stopped container has no ports; those it had are known already.
            Sighting::Missing | Sighting::Created | Sighting::Exited(_) => None,
        },
        sighting,
        runtime_id: found.id.clone(),
        image_digest: None,
    }
}

/// Docker lists each port once per address family; the IPv6 line is left out where there is an
/// IPv4 line for the same container port.
fn bindings(ports: &PortMap) -> Vec<NetworkBinding> {
    let mut all = Vec::new();
    for (key, hosts) in ports {
        let Some((port, protocol)) = key.split_once('/') else {
            continue;
        };
        let (Ok(container_port), Ok(protocol)) = (port.parse(), protocol.parse()) else {
            continue;
        };
        let hosts = hosts.as_deref().unwrap_or_default();
        let is_v6 = |ip: &Option<String>| ip.as_ref().is_some_and(|ip| ip.contains(':'));
        let has_v4 = hosts.iter().any(|host| !is_v6(&host.host_ip));
        for host in hosts {
            let host_port = host.host_port.as_ref().and_then(|port| port.parse().ok());
            if let Some(host_port) = host_port
                && !(has_v4 && is_v6(&host.host_ip))
            {
                all.push(NetworkBinding {
                    bind_ip: host
                        .host_ip
                        .clone()
                        .unwrap_or_else(|| ANY_ADDRESS.to_owned()),
                    container_port,
                    host_port,
                    protocol,
                });
            }
        }
    }
    all.sort();
    all
}

/// In host mode a container is reached on the ports it listens on.
pub(super) fn host_binding(mapping: &PortMapping) -> NetworkBinding {
    NetworkBinding {
        bind_ip: ANY_ADDRESS.to_owned(),
        container_port: mapping.container_port,
        host_port: mapping.container_port,
        protocol: mapping.protocol,
    }
}
