//! The JSON wire of the public messages, and that protobuf carries the same values.
#![allow(clippy::unwrap_used, missing_docs)]

use longshore_proto::ecs::{
    Cluster, ContainerDefinition, CreateClusterRequest, CreateServiceRequest,
    DeploymentLifecycleHook, DescribeServicesResponse, ListTasksResponse, LoadBalancerList,
    RegisterTaskDefinitionRequest, UpdateServiceRequest,
};
use longshore_proto::{Kind, Timestamp};
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const REGISTER: &str = include_str!("samples/register_task_definition_request.json");
const DESCRIBE: &str = include_str!("samples/describe_services_response.json");

fn read<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_str(&json.to_string()).unwrap()
}

fn write<T: Serialize>(message: &T) -> Value {
    serde_json::from_str(&serde_json::to_string(message).unwrap()).unwrap()
}

/// The path and the words of the error that reading this JSON gives.
fn refusal<T: DeserializeOwned + std::fmt::Debug>(json: Value) -> (String, String) {
    let text = json.to_string();
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let error = serde_path_to_error::deserialize::<_, T>(&mut deserializer).unwrap_err();
    (error.path().to_string(), error.inner().to_string())
}

/// JSON to message to protobuf to message to JSON.
fn round_trip<T: DeserializeOwned + Serialize + Message + Default + PartialEq + std::fmt::Debug>(
    json: &str,
) {
    let message: T = serde_json::from_str(json).unwrap();
    let decoded = T::decode(message.encode_to_vec().as_slice()).unwrap();
    assert_eq!(message, decoded);
    assert_eq!(
        write(&decoded),
        serde_json::from_str::<Value>(json).unwrap()
    );
}

#[test]
fn a_request_survives_both_wires() {
    round_trip::<RegisterTaskDefinitionRequest>(REGISTER);
    let request: RegisterTaskDefinitionRequest = serde_json::from_str(REGISTER).unwrap();
    let web = &request.container_definitions[0];
    assert_eq!(web.cpu, Some(256));
    assert_eq!(web.docker_labels["team"], "harbour");
    assert_eq!(
        web.log_configuration.as_ref().unwrap().options["max-size"],
        "10m"
    );
    assert_eq!(
        request.volumes[0]
            .host
            .as_ref()
            .unwrap()
            .source_path
            .as_deref(),
        Some("/srv")
    );
}

#[test]
fn a_response_survives_both_wires() {
    round_trip::<DescribeServicesResponse>(DESCRIBE);
    let response: DescribeServicesResponse = serde_json::from_str(DESCRIBE).unwrap();
    let service = &response.services[0];
    assert_eq!(
        service.created_at,
        Some(Timestamp::from_millis(1_699_999_999_123))
    );
    assert_eq!(service.enable_ecs_managed_tags, Some(true));
    assert_eq!(
        service.deployments[0].updated_at.unwrap().millis(),
        1_700_000_000_000
    );
}

#[test]
fn times_are_numbers_without_exponent() {
    let response: DescribeServicesResponse = serde_json::from_str(DESCRIBE).unwrap();
    let text = serde_json::to_string(&response).unwrap();
    assert!(text.contains("\"createdAt\":1699999999.123,"), "{text}");
    assert!(text.contains("\"updatedAt\":1700000000,"), "{text}");
}

#[test]
fn null_is_absent_everywhere() {
    let request: RegisterTaskDefinitionRequest = read(json!({
        "family": null,
        "containerDefinitions": [{
            "name": "web", "cpu": null, "command": null, "dockerLabels": null,
            "healthCheck": null, "essential": null
        }],
        "volumes": null,
        "ephemeralStorage": null
    }));
    let expected = RegisterTaskDefinitionRequest {
        container_definitions: vec![ContainerDefinition {
            name: Some("web".to_owned()),
            ..ContainerDefinition::default()
        }],
        ..RegisterTaskDefinitionRequest::default()
    };
    assert_eq!(request, expected);
}

#[test]
fn absent_members_stay_absent_and_zero_values_stay_present() {
    assert_eq!(write(&CreateClusterRequest::default()), json!({}));
    let request: CreateServiceRequest =
        read(json!({"desiredCount": 0, "enableECSManagedTags": false, "role": ""}));
    assert_eq!(request.desired_count, Some(0));
    assert_eq!(
        write(&request),
        json!({"desiredCount": 0, "enableECSManagedTags": false, "role": ""})
    );
}

#[test]
fn lists_that_ecs_always_shows_are_shown_empty() {
    assert_eq!(
        write(&ListTasksResponse::default()),
        json!({"taskArns": []})
    );
    assert_eq!(
        write(&Cluster::default()),
        json!({
            "statistics": [], "tags": [], "settings": [], "capacityProviders": [],
            "defaultCapacityProviderStrategy": []
        })
    );
}

#[test]
fn unknown_members_are_ignored() {
    let request: CreateClusterRequest =
        read(json!({"clusterName": "a", "futureThing": {"deep": [1, {"x": null}]}}));
    assert_eq!(request.cluster_name.as_deref(), Some("a"));
}

#[test]
fn of_a_repeated_member_the_last_counts() {
    let request: CreateClusterRequest =
        serde_json::from_str(r#"{"clusterName":"a","clusterName":"b"}"#).unwrap();
    assert_eq!(request.cluster_name.as_deref(), Some("b"));
}

#[test]
fn escaped_member_names_are_understood() {
    let request: CreateClusterRequest =
        serde_json::from_str(r#"{"cluster\u004eame":"a"}"#).unwrap();
    assert_eq!(request.cluster_name.as_deref(), Some("a"));
}

#[test]
fn a_wrong_type_is_refused_and_its_place_is_named() {
    type Case = (Value, &'static str, &'static str);
    let container = |member: &str, value: Value| json!({"containerDefinitions": [{"name": "ok"}, {member: value}]});
    let cases: Vec<Case> = vec![
        (
            container("cpu", json!("99")),
            "containerDefinitions[1].cpu",
            "string \"99\"",
        ),
        (
            container("cpu", json!(1.0)),
            "containerDefinitions[1].cpu",
            "floating point `1.0`",
        ),
        (
            container("cpu", json!(3_000_000_000_u32)),
            "containerDefinitions[1].cpu",
            "i32",
        ),
        (
            container("cpu", json!(true)),
            "containerDefinitions[1].cpu",
            "boolean",
        ),
        (
            container("essential", json!("true")),
            "containerDefinitions[1].essential",
            "a boolean",
        ),
        (
            container("essential", json!(1)),
            "containerDefinitions[1].essential",
            "a boolean",
        ),
        (
            container("name", json!(7)),
            "containerDefinitions[1].name",
            "a string",
        ),
        (
            container("command", json!("ls")),
            "containerDefinitions[1].command",
            "a sequence",
        ),
        (
            container("command", json!([1])),
            "containerDefinitions[1].command[0]",
            "a string",
        ),
        (
            container("dockerLabels", json!({"a": 1})),
            "containerDefinitions[1].dockerLabels.a",
            "a string",
        ),
        (
            container("healthCheck", json!([])),
            "containerDefinitions[1].healthCheck",
            "an object (HealthCheck)",
        ),
        (
            json!({"containerDefinitions": {}}),
            "containerDefinitions",
            "a sequence",
        ),
        (
            json!({"containerDefinitions": [[]]}),
            "containerDefinitions[0]",
            "an object",
        ),
        (json!([]), ".", "an object (RegisterTaskDefinitionRequest)"),
        (
            json!(null),
            ".",
            "an object (RegisterTaskDefinitionRequest)",
        ),
    ];
    for (json, path, words) in cases {
        let shown = json.to_string();
        let (found, message) = refusal::<RegisterTaskDefinitionRequest>(json);
        assert_eq!(found, path, "{shown}");
        assert!(message.contains(words), "{shown}: {message}");
    }
}

#[test]
fn a_transparent_list_tells_absent_from_empty() {
    let absent: UpdateServiceRequest = read(json!({"service": "web", "placementStrategy": null}));
    assert_eq!(absent.load_balancers, None);
    assert_eq!(absent.placement_strategy, None);
    assert_eq!(write(&absent), json!({"service": "web"}));

    let empty: UpdateServiceRequest = read(json!({"service": "web", "loadBalancers": []}));
    assert_eq!(empty.load_balancers, Some(LoadBalancerList::default()));
    assert_eq!(
        write(&empty),
        json!({"service": "web", "loadBalancers": []})
    );
    let decoded = UpdateServiceRequest::decode(empty.encode_to_vec().as_slice()).unwrap();
    assert_eq!(decoded, empty);

    let json = json!({"loadBalancers": [{"containerName": "web", "containerPort": 80}]});
    let full: UpdateServiceRequest = read(json.clone());
    assert_eq!(full.load_balancers.as_ref().unwrap().items.len(), 1);
    assert_eq!(write(&full), json);

    let (path, _) =
        refusal::<UpdateServiceRequest>(json!({"loadBalancers": [{"containerPort": "80"}]}));
    assert_eq!(path, "loadBalancers[0].containerPort");
}

#[test]
fn free_form_json_passes_through() {
    let json = json!({"hookDetails": {"retries": 3, "names": ["a", null], "on": true}});
    let hook: DeploymentLifecycleHook = read(json.clone());
    assert!(matches!(
        hook.hook_details
            .as_ref()
            .and_then(|value| value.kind.as_ref()),
        Some(Kind::Struct(_))
    ));
    assert_eq!(write(&hook), json);
}
