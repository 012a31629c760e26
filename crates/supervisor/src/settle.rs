//! What has come about: the ending, the times, the status.

use longshore_model::Timestamp;
use longshore_model::assignment::Assignment;
use longshore_model::task::{DesiredStatus, TaskStatus};

use crate::observed::{Ending, Failure, Observed, ObservedContainer, Phase};

/// Stamps what has come about since the last call. Each stamp is set once, so calling it again
/// changes nothing.
pub fn settle(assignment: &Assignment, observed: &mut Observed, now: Timestamp) {
    for container in &mut observed.containers {
        // The request stands: it is over only once the container was stopped and looked at.
        if container.start_given_up_at().is_some_and(|at| at <= now) {
            container.failure.get_or_insert_with(|| Failure {
                name: "DockerTimeoutError".to_owned(),
                detail: "Could not transition to running; timed out after waiting 3m0s".to_owned(),
            });
        }
    }
    if observed.ending.is_none() {
        observed.ending = ending(assignment, observed);
    }
    let essential_stopped = essential(assignment, observed)
        .any(|(_, container)| container.is_finished() || is_over(observed, container));
    if essential_stopped {
        observed.execution_stopped_at.get_or_insert(now);
    }
    let status = status(assignment, observed);
    if status <= observed.last_status {
        return;
    }
    observed.last_status = status;
    match status {
        TaskStatus::Running => observed.started_at = Some(now),
        TaskStatus::Stopped => observed.stopped_at = Some(now),
        TaskStatus::Pending | TaskStatus::Activating | TaskStatus::Stopping => {}
    }
}

fn ending(assignment: &Assignment, observed: &Observed) -> Option<Ending> {
    if assignment.desired_status == DesiredStatus::Stopped {
        return Some(Ending::Told);
    }
    let own = essential(assignment, observed).find(|(_, container)| container.is_finished());
    match own {
        Some((index, container)) if !container.has_run() => {
            Some(Ending::Failed { container: index })
        }
        Some(_) => Some(Ending::Exited),
        None if observed
            .containers
            .iter()
            .all(ObservedContainer::is_finished) =>
        {
            Some(Ending::Exited)
        }
        None => None,
    }
}

fn essential<'a>(
    assignment: &'a Assignment,
    observed: &'a Observed,
) -> impl Iterator<Item = (usize, &'a ObservedContainer)> {
    let both = assignment.containers.iter().zip(&observed.containers);
    both.enumerate()
        .filter(|(_, (definition, _))| definition.essential)
        .map(|(index, (_, container))| (index, container))
}

fn is_over(observed: &Observed, container: &ObservedContainer) -> bool {
    observed.ending.is_some() && container.is_at_rest()
}

fn status(assignment: &Assignment, observed: &Observed) -> TaskStatus {
    let containers = &observed.containers;
    if observed.ending.is_some() {
        return if containers.iter().all(ObservedContainer::is_at_rest) {
            TaskStatus::Stopped
        } else {
            TaskStatus::Stopping
        };
    }
    let started = |c: &ObservedContainer| c.has_run() || c.is_finished();
    let taken_up = |c: &ObservedContainer| {
        c.in_flight.is_some() || c.image_present || c.phase != Phase::NotCreated
    };
    if !assignment.containers.is_empty() && containers.iter().all(started) {
        TaskStatus::Running
    } else if observed.pull_started_at.is_some() || containers.iter().any(taken_up) {
        TaskStatus::Activating
    } else {
        TaskStatus::Pending
    }
}
