//! Launch types whose rules a definition satisfies, whichever ones it asks for.

use longshore_model::task_definition::{NetworkMode, TaskDefinition};

use super::fargate;

/// In the order in which ECS shows them (ECS API reference, `TaskDefinition`, `compatibilities`).
pub(super) fn of(definition: &TaskDefinition) -> Vec<String> {
    // Machines of one's own take every definition; those outside of a cloud have no network
    // interfaces for tasks, which are all that Fargate has.
    let own_interface = match definition.effective_network_mode() {
        NetworkMode::Bridge | NetworkMode::Host | NetworkMode::None => false,
    };
    let rules = [
        ("EXTERNAL", !own_interface),
        ("EC2", true),
        (
            "FARGATE",
            own_interface && fargate::has_size(definition.cpu, definition.memory),
        ),
    ];
    rules
        .into_iter()
        .filter(|(_, satisfied)| *satisfied)
        .map(|(launch_type, _)| launch_type.to_owned())
        .collect()
}
