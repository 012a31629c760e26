//! What is asked of the scheduler: the step the service controller, RunTask and whoever explains a
//! placement share, so that all of them mean the same by it.

use longshore_model::placement::{PlacementConstraint, PlacementStrategy};
use longshore_model::service::Service;
use longshore_model::task_definition::TaskDefinition;
use longshore_scheduler::{Kind, Request};

/// The request for the next task of a service: the constraints of the definition bind first, then
/// those of the service.
pub fn of_service(service: &Service, definition: &TaskDefinition) -> Request {
    let own = service.placement_constraints.iter();
    let constraints = definition.placement_constraints.iter().chain(own);
    Request {
        constraints: constraints.cloned().collect(),
        strategies: service.placement_strategy.clone(),
        ..Request::new(Kind::Service, service.group(), definition)
    }
}

/// The request for standalone tasks of a definition with overrides applied. `constraints` are all
/// that bind, those of the definition among them.
pub fn of_standalone(
    group: &str,
    definition: &TaskDefinition,
    constraints: &[PlacementConstraint],
    strategies: &[PlacementStrategy],
) -> Request {
    Request {
        constraints: constraints.to_vec(),
        strategies: strategies.to_vec(),
        ..Request::new(Kind::Standalone, group.to_owned(), definition)
    }
}

/// The request for a task on an instance that the caller names (StartTask).
pub fn of_start(group: &str, definition: &TaskDefinition) -> Request {
    Request::new(Kind::Start, group.to_owned(), definition)
}
