//! Which operation each container needs now.

use std::time::Duration;

use longshore_model::Timestamp;
use longshore_model::assignment::Assignment;
use longshore_model::plan::Plan;
use longshore_model::task::DesiredStatus;
use longshore_model::task_definition::ContainerDefinition;

use crate::DEFAULT_STOP_TIMEOUT;
use crate::observed::{Observed, ObservedContainer, Operation, Phase};

/// An operation on one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// Its place in the assignment.
    pub container: usize,
    /// What to do with it.
    pub operation: Operation,
}

/// What to do next for one task. Containers do not wait for each other: they are pulled, created,
/// started and stopped side by side. [`crate::settle`] must have seen the same observation.
pub fn supervise(assignment: &Assignment, observed: &Observed, now: Timestamp) -> Plan<Action> {
    let ending = observed.ending.is_some() || assignment.desired_status == DesiredStatus::Stopped;
    let mut plan = Plan::default();
    let both = assignment.containers.iter().zip(&observed.containers);
    for (index, (definition, container)) in both.enumerate() {
        if container.in_flight.is_some() {
            continue;
        }
        if let Some(at) = container.start_given_up_at().filter(|at| *at > now) {
            plan.wake(at);
        }
        let Some(operation) = next(definition, container, ending, observed.discard) else {
            continue;
        };
        match container.retry_at.filter(|at| *at > now) {
            Some(at) => plan.wake(at),
            None => plan.actions.push(Action {
                container: index,
                operation,
            }),
        }
    }
    plan
}

fn next(
    definition: &ContainerDefinition,
    container: &ObservedContainer,
    ending: bool,
    discard: bool,
) -> Option<Operation> {
    if container.look_due {
        return Some(Operation::Inspect);
    }
    let over = ending || container.is_finished() || container.failure.is_some();
    if (container.is_up() || container.start_request.is_some()) && (over || container.revived) {
        return Some(Operation::Stop {
            timeout: stop_timeout(definition),
        });
    }
    match container.phase {
        Phase::NotCreated if over => None,
        Phase::NotCreated if container.image_present => Some(Operation::Create),
        Phase::NotCreated => Some(Operation::Pull),
        Phase::Created if !over && container.start_request.is_none() => Some(Operation::Start),
        Phase::Created if !over => None,
        Phase::Running => None,
        Phase::Created | Phase::Exited(_) | Phase::Gone => {
            (discard && container.exists()).then_some(Operation::Remove)
        }
    }
}

fn stop_timeout(definition: &ContainerDefinition) -> Duration {
    definition
        .stop_timeout
        .map_or(DEFAULT_STOP_TIMEOUT, |seconds| {
            Duration::from_secs(u64::from(seconds))
        })
}
