//! The validator of task definitions. The input is the body of a RegisterTaskDefinition request.

use std::sync::LazyLock;

use longshore_door::wire::Wire;
use longshore_door::wire::aws_json;
use longshore_ecs::table::API;
use longshore_ecs::task_definition::{read, show};
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{Realm, Timestamp};
use longshore_proto::ecs::{self, RegisterTaskDefinitionRequest};
use longshore_store::table::{self as records, Record as _};

use crate::{assert_bounded, realm};

static REALM: LazyLock<Realm> = LazyLock::new(realm);
/// When the targets are.
const NOW: Timestamp = Timestamp::from_millis(1_440_938_160_000);
/// Who registers.
const CALLER: &str = "arn:aws:iam::000000000000:user/fuzz";

/// Checks a request as the operation does.
pub fn run(data: &[u8]) {
    let Ok(request) = aws_json::decode::<RegisterTaskDefinitionRequest>(data) else {
        return;
    };
    let definition = match read(request, CALLER, NOW) {
        Ok(definition) => definition,
        Err(error) => return assert_bounded(&error.message, data),
    };
    assert!(definition.faults().is_empty(), "{:?}", definition.faults());
    let mut first = definition.clone();
    first.revision = 1;
    keep(&first);
    let again = anew(&first);
    // The door hands on only what the ledger lets through; the validator must stand more.
    if API
        .check("RegisterTaskDefinition", Wire::AwsJson, data)
        .is_ok()
    {
        let again = read(again, CALLER, NOW);
        assert_eq!(
            again.as_ref(),
            Ok(&definition),
            "the normal form is not one"
        );
    }
}

/// The store takes it and gives it back.
fn keep(definition: &TaskDefinition) {
    assert!(definition.key().as_str().starts_with("task-definition/"));
    let value = records::encode(definition).expect("a definition can be written");
    let read = records::decode_at::<TaskDefinition>(&definition.key(), &value);
    assert_eq!(read.ok().as_ref(), Some(definition));
}

/// The request that registers what Describe shows.
fn anew(definition: &TaskDefinition) -> RegisterTaskDefinitionRequest {
    let shown = show(&REALM, definition).expect("what was registered can be shown");
    let json = serde_json::to_vec(&shown).expect("what is shown can be written");
    let shown: ecs::TaskDefinition = aws_json::decode(&json).expect("what is shown can be read");
    let tags = definition.tags.iter().map(|(key, value)| ecs::Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    });
    RegisterTaskDefinitionRequest {
        family: shown.family,
        task_role_arn: shown.task_role_arn,
        execution_role_arn: shown.execution_role_arn,
        network_mode: shown.network_mode,
        container_definitions: shown.container_definitions,
        volumes: shown.volumes,
        placement_constraints: shown.placement_constraints,
        requires_compatibilities: shown.requires_compatibilities,
        cpu: shown.cpu,
        memory: shown.memory,
        tags: tags.collect(),
        pid_mode: shown.pid_mode,
        ipc_mode: shown.ipc_mode,
        proxy_configuration: shown.proxy_configuration,
        inference_accelerators: shown.inference_accelerators,
        ephemeral_storage: shown.ephemeral_storage,
        runtime_platform: shown.runtime_platform,
        enable_fault_injection: shown.enable_fault_injection,
        trusted_execution_configuration: shown.trusted_execution_configuration,
    }
}
