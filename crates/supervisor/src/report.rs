//! The task as the control plane is told.

use longshore_model::assignment::Assignment;
use longshore_model::report::{ContainerReport, TaskReport};
use longshore_model::task::{ContainerStatus, StopCode, TaskStatus};

use crate::observed::{Ending, Observed, ObservedContainer, Phase};

/// What an essential container's own exit is called (ECS developer guide, "stopped tasks").
const ESSENTIAL_EXITED: &str = "Essential container in task exited";
/// What Docker's OOM kill is called (ECS developer guide, "stopped tasks").
const OUT_OF_MEMORY: &str = "OutOfMemoryError: Container killed due to memory usage";
const VANISHED: &str =
    "ContainerVanishedError: The container was removed from the node; nothing more is known of it";

/// The report on one task. [`crate::settle`] must have seen the same observation.
pub fn report(assignment: &Assignment, observed: &Observed) -> TaskReport {
    let both = assignment.containers.iter().zip(&observed.containers);
    let containers = both
        .map(|(definition, container)| ContainerReport {
            name: definition.name.clone(),
            last_status: container_status(observed, container),
            runtime_id: container.runtime_id.clone(),
            exit_code: match &container.phase {
                Phase::Exited(exit) => Some(exit.code),
                Phase::NotCreated | Phase::Created | Phase::Running | Phase::Gone => None,
            },
            reason: container_reason(container),
            network_bindings: container.network_bindings.clone(),
            image_digest: container.image_digest.clone(),
        })
        .collect();
    let (stop_code, stopped_reason) = match observed.ending {
        None | Some(Ending::Told) => (None, None),
        Some(Ending::Exited) => (
            Some(StopCode::EssentialContainerExited),
            Some(ESSENTIAL_EXITED.to_owned()),
        ),
        Some(Ending::Failed { container }) => (
            Some(StopCode::TaskFailedToStart),
            observed
                .containers
                .get(container)
                .and_then(container_reason),
        ),
    };
    TaskReport {
        task: assignment.task,
        last_status: observed.last_status,
        containers,
        pull_started_at: observed.pull_started_at,
        pull_stopped_at: observed.pull_stopped_at,
        started_at: observed.started_at,
        execution_stopped_at: observed.execution_stopped_at,
        stopped_at: observed.stopped_at,
        stop_code,
        stopped_reason,
    }
}

fn container_status(observed: &Observed, container: &ObservedContainer) -> ContainerStatus {
    let over = observed.ending.is_some() && container.is_at_rest();
    // One that failed or exited and runs nevertheless is being stopped; what was said stands.
    let was_over =
        container.failure.is_some() || matches!(container.phase, Phase::Exited(_) | Phase::Gone);
    if observed.last_status == TaskStatus::Stopped || over || was_over {
        ContainerStatus::Stopped
    } else if container.phase == Phase::Running {
        ContainerStatus::Running
    } else {
        ContainerStatus::Pending
    }
}

fn container_reason(container: &ObservedContainer) -> Option<String> {
    if let Some(failure) = &container.failure {
        return Some(format!("{}: {}", failure.name, failure.detail));
    }
    match &container.phase {
        Phase::Exited(exit) if exit.oom_killed => Some(OUT_OF_MEMORY.to_owned()),
        Phase::Exited(exit) if !exit.error.is_empty() => {
            Some(format!("DockerStateError: {}", exit.error))
        }
        Phase::Gone => Some(VANISHED.to_owned()),
        Phase::NotCreated | Phase::Created | Phase::Running | Phase::Exited(_) => None,
    }
}
