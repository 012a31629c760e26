//! What the schema promises as a whole: the operations, and descriptors fit for reflection.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;

use longshore_proto::{FILE_DESCRIPTOR_SET, OPERATIONS, OperationInfo, Timestamp, Value};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};

fn pool() -> DescriptorPool {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap()
}

#[test]
fn every_operation_is_listed_once_and_in_order() {
    assert_eq!(OPERATIONS.len(), 88);
    assert!(OPERATIONS.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn an_operation_knows_its_messages_and_errors() {
    let operation = OperationInfo::find("DescribeServices").unwrap();
    assert_eq!(operation.input, "DescribeServicesRequest");
    assert_eq!(operation.output, "DescribeServicesResponse");
    assert!(operation.errors.contains(&"ClusterNotFoundException"));
    assert_eq!(OperationInfo::find("describeServices"), None);
    for operation in OPERATIONS {
        assert!(!operation.errors.is_empty(), "{}", operation.name);
        assert!(operation.errors.is_sorted(), "{}", operation.name);
        assert!(
            operation
                .errors
                .iter()
                .all(|error| error.ends_with("Exception"))
        );
    }
}

#[test]
fn the_descriptors_resolve_on_their_own() {
    let pool = pool();
    let files: BTreeSet<_> = pool.files().map(|file| file.name().to_owned()).collect();
    for file in [
        "google/protobuf/descriptor.proto",
        "google/protobuf/struct.proto",
        "google/protobuf/timestamp.proto",
        "longshore/agent/v1/agent.proto",
        "longshore/ecs/v1/ecs.proto",
        "longshore/node/v1/node.proto",
        "longshore/options/v1/options.proto",
    ] {
        assert!(files.contains(file), "{file}");
    }
    let emit_empty = pool
        .get_extension_by_name("longshore.options.v1.emit_empty")
        .unwrap();
    let tasks = pool
        .get_message_by_name("longshore.ecs.v1.ListTasksResponse")
        .and_then(|message| message.get_field_by_name("task_arns"))
        .unwrap();
    assert_eq!(
        tasks.options().get_extension(&emit_empty).as_bool(),
        Some(true)
    );
}

#[test]
fn json_names_are_the_names_on_the_ecs_wire() {
    let request = pool()
        .get_message_by_name("longshore.ecs.v1.CreateServiceRequest")
        .unwrap();
    let field = request
        .get_field_by_json_name("enableECSManagedTags")
        .unwrap();
    assert_eq!(field.name(), "enable_ecs_managed_tags");
}

/// Our types for times and free-form JSON are read by anyone who knows only Google's.
#[test]
fn own_types_are_google_types_in_protobuf() {
    let dynamic = |name: &str, bytes: Vec<u8>| {
        let message = pool().get_message_by_name(name).unwrap();
        serde_json::to_value(DynamicMessage::decode(message, bytes.as_slice()).unwrap()).unwrap()
    };
    let timestamp = Timestamp::from_millis(1_699_999_999_123);
    assert_eq!(
        dynamic("google.protobuf.Timestamp", timestamp.encode_to_vec()),
        "2023-11-14T22:13:19.123Z"
    );
    let json = serde_json::json!({"a": [1.0, "b", null, true], "c": {}});
    let value: Value = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(
        dynamic("google.protobuf.Value", value.encode_to_vec()),
        json
    );
}
