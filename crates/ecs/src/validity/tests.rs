use longshore_door::auth::Verified;
use longshore_door::service::bind;
use longshore_door::wire::Wire;
use longshore_model::service::{Service, ServiceStatus};
use serde_json::{Value, json};

use super::*;
use crate::fixture::{Fixture, arn};
use crate::service::CreateService;
use crate::table::{API, TABLE};
use crate::task_definition::DeregisterTaskDefinition;

const CLIENT: &str = "ClientException";
const BAD: &str = "InvalidParameterException";

/// An installation with one of each, and one of each that is gone.
async fn installation() -> Fixture {
    let fixture = Fixture::with_instance().await;
    fixture.register("old").await;
    let old = r#"{"taskDefinition":"old:1"}"#;
    fixture.ok::<DeregisterTaskDefinition>(old).await;
    for name in ["empty", "gone"] {
        let cluster = json!({ "clusterName": name }).to_string();
        fixture.ok::<crate::cluster::CreateCluster>(&cluster).await;
    }
    let gone = r#"{"cluster":"gone"}"#;
    fixture.ok::<crate::cluster::DeleteCluster>(gone).await;
    for name in ["web", "leaving"] {
        let service = json!({"serviceName": name, "taskDefinition": "web", "desiredCount": 1});
        fixture.ok::<CreateService>(&service.to_string()).await;
    }
    let leaving = {
        let view = fixture.ecs.db.view();
        let mut services = view.services.values();
        let found = services.find(|service| service.name.as_str() == "leaving");
        Service {
            status: ServiceStatus::Draining,
            ..Service::clone(found.unwrap())
        }
    };
    fixture.write(&leaving).await;
    fixture
}

fn many(member: &str, count: usize) -> Value {
    json!({ member: vec!["0".repeat(32); count] })
}

fn with(mut input: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    input.as_object_mut().unwrap().extend(more);
    input
}

fn definition(change: Value) -> Value {
    let container = with(
        json!({"name": "a", "image": "busybox", "memory": 16}),
        change,
    );
    json!({"family": "a", "containerDefinitions": [container]})
}

/// What scripts match: the exception, and the message from its first letter.
#[tokio::test]
#[allow(clippy::too_many_lines)]
async fn texts_begin_as_those_of_ecs() {
    let fixture = installation().await;
    let service = bind(&API, std::sync::Arc::clone(&fixture.ecs));
    let run = json!({"taskDefinition": "web"});
    let create = json!({"serviceName": "new", "taskDefinition": "web", "desiredCount": 1});
    let ones = json!({"containerInstances": ["0".repeat(32)]});
    let strategy = json!({"launchType": "EC2", "capacityProviderStrategy": [
        {"capacityProvider": "x"}]});
    let launch_type = "launch type should be one of [EC2,FARGATE,EXTERNAL]";
    let both = "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.";
    let elsewhere = arn(&format!("task/other/{}", "0".repeat(32)));
    let cases: Vec<(&str, Value, &str, &str)> = vec![
        ("DescribeTasks", json!({}), BAD, "Tasks cannot be empty."),
        (
            "DescribeTasks",
            json!({"tasks": []}),
            BAD,
            "Tasks cannot be empty.",
        ),
        (
            "DescribeTasks",
            many("tasks", 101),
            BAD,
            "taskIds can have at most 100 items.",
        ),
        (
            "DescribeTasks",
            json!({"tasks": ["None"]}),
            BAD,
            "taskId length should be one of [32,36]",
        ),
        (
            "DescribeTasks",
            json!({"tasks": [elsewhere]}),
            BAD,
            "Invalid identifier: Identifier is for cluster other. Your cluster is default",
        ),
        (
            "DescribeTasks",
            json!({"tasks": ["arn:aws:ecs:x"]}),
            BAD,
            "Invalid identifier: Unexpected number of separators",
        ),
        (
            "DescribeTasks",
            json!({"tasks": ["0".repeat(32)], "cluster": "web "}),
            BAD,
            r"Cluster must match ^[a-zA-Z0-9\-_]{1,255}$, but was web ",
        ),
        (
            "DescribeTasks",
            json!({"tasks": ["0".repeat(32)], "cluster": "none"}),
            "ClusterNotFoundException",
            "Cluster not found.",
        ),
        (
            "StopTask",
            json!({"task": "None"}),
            BAD,
            "task length should be one of [32,36]",
        ),
        (
            "StopTask",
            json!({"task": "0".repeat(32)}),
            BAD,
            "The referenced task was not found.",
        ),
        (
            "DescribeContainerInstances",
            json!({}),
            BAD,
            "Container instance cannot be empty.",
        ),
        (
            "DescribeContainerInstances",
            many("containerInstances", 101),
            BAD,
            "instanceIds can have at most 100 items.",
        ),
        (
            "DescribeContainerInstances",
            json!({"containerInstances": ["None"]}),
            BAD,
            "instanceId length should be one of [32,36]",
        ),
        (
            "UpdateContainerInstancesState",
            json!({"status": "ACTIVE"}),
            BAD,
            "Container instance cannot be empty.",
        ),
        (
            "UpdateContainerInstancesState",
            with(many("containerInstances", 11), json!({"status": "ACTIVE"})),
            BAD,
            "instanceIds can have at most 10 items.",
        ),
        (
            "UpdateContainerInstancesState",
            with(ones, json!({"status": "GONE"})),
            BAD,
            "Container instance status should be one of [ACTIVE, DRAINING]",
        ),
        (
            "StartTask",
            run.clone(),
            CLIENT,
            "Container Instances cannot be empty.",
        ),
        (
            "DescribeServices",
            json!({}),
            BAD,
            "Services cannot be empty.",
        ),
        (
            "DescribeServices",
            many("services", 11),
            BAD,
            "service names can have at most 10 items.",
        ),
        (
            "DescribeClusters",
            json!({"clusters": [""]}),
            BAD,
            "Clusters can not be blank.",
        ),
        (
            "RunTask",
            with(run.clone(), json!({"launchType": "MOON"})),
            BAD,
            launch_type,
        ),
        (
            "CreateService",
            with(create.clone(), json!({"launchType": "MOON"})),
            BAD,
            launch_type,
        ),
        ("ListTasks", json!({"launchType": "MOON"}), BAD, launch_type),
        (
            "ListServices",
            json!({"launchType": "MOON"}),
            BAD,
            launch_type,
        ),
        ("RunTask", with(run.clone(), strategy.clone()), BAD, both),
        ("CreateService", with(create.clone(), strategy), BAD, both),
        (
            "CreateService",
            json!({"serviceName": "new", "desiredCount": 1}),
            BAD,
            "TaskDefinition can not be blank.",
        ),
        (
            "CreateService",
            with(create.clone(), json!({"taskDefinition": "none"})),
            CLIENT,
            "TaskDefinition not found.",
        ),
        (
            "CreateService",
            with(
                create.clone(),
                json!({"serviceName": "web", "desiredCount": 7}),
            ),
            BAD,
            "Creation of service was not idempotent.",
        ),
        (
            "CreateService",
            with(create, json!({"serviceName": "leaving"})),
            BAD,
            "Unable to Start a service that is still Draining.",
        ),
        (
            "UpdateService",
            json!({"service": "none"}),
            "ServiceNotFoundException",
            "Service not found.",
        ),
        (
            "UpdateService",
            json!({"service": "leaving"}),
            "ServiceNotActiveException",
            "Service was not ACTIVE.",
        ),
        (
            "UpdateService",
            json!({"service": "web", "taskDefinition": "old:1"}),
            CLIENT,
            "TaskDefinition is inactive",
        ),
        (
            "DeleteService",
            json!({"service": "web"}),
            BAD,
            "The service cannot be stopped while it is scaled above 0.",
        ),
        (
            "RunTask",
            json!({"taskDefinition": "none"}),
            CLIENT,
            "TaskDefinition not found.",
        ),
        (
            "RunTask",
            json!({"taskDefinition": "old:1"}),
            BAD,
            "TaskDefinition is inactive",
        ),
        (
            "RunTask",
            with(run.clone(), json!({"cluster": "empty"})),
            BAD,
            "No Container Instances were found in your cluster.",
        ),
        (
            "RunTask",
            with(run.clone(), json!({"cluster": "gone"})),
            "ClusterNotFoundException",
            "The referenced cluster was inactive.",
        ),
        (
            "RunTask",
            with(run.clone(), json!({"startedBy": "x".repeat(129)})),
            BAD,
            "startedBy longer than 128.",
        ),
        (
            "ListTasks",
            json!({"startedBy": "x".repeat(129)}),
            BAD,
            "startedBy longer than 128.",
        ),
        (
            "RunTask",
            with(
                run.clone(),
                json!({"networkConfiguration": {"awsvpcConfiguration":
            {"subnets": ["subnet-1"]}}}),
            ),
            BAD,
            "Network Configuration is not valid for the given networkMode of this task definition.",
        ),
        (
            "RunTask",
            with(
                run,
                json!({"overrides": {"containerOverrides": [
            {"name": "app", "command": ["x".repeat(9000)]}]}}),
            ),
            BAD,
            "Container Overrides length must be at most 8192",
        ),
        (
            "DescribeTaskDefinition",
            json!({"taskDefinition": "none"}),
            CLIENT,
            "Unable to describe task definition.",
        ),
        (
            "DeregisterTaskDefinition",
            json!({"taskDefinition": "web"}),
            CLIENT,
            "Revision is missing.",
        ),
        (
            "DeregisterTaskDefinition",
            json!({"taskDefinition": arn("task-definition/web")}),
            CLIENT,
            "Revision is missing.",
        ),
        (
            "RegisterTaskDefinition",
            json!({}),
            CLIENT,
            "Family can not be blank.",
        ),
        (
            "RegisterTaskDefinition",
            with(definition(json!({})), json!({"family": "web "})),
            CLIENT,
            "Family contains invalid characters.",
        ),
        (
            "RegisterTaskDefinition",
            definition(json!({"image": ""})),
            CLIENT,
            "Container.image should not be null or empty.",
        ),
        (
            "RegisterTaskDefinition",
            definition(json!({"name": ""})),
            CLIENT,
            "Container.name should not be null or empty.",
        ),
        (
            "RegisterTaskDefinition",
            definition(json!({"memory": null})),
            CLIENT,
            "Invalid setting for container 'a'. At least one of 'memory' or 'memoryReservation' must be specified.",
        ),
        (
            "RegisterTaskDefinition",
            with(definition(json!({})), json!({"cpu": "lots"})),
            CLIENT,
            "Invalid 'cpu' setting for task.",
        ),
        (
            "RegisterTaskDefinition",
            with(
                definition(json!({})),
                json!({"requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "300"}),
            ),
            CLIENT,
            "No Fargate configuration exists for given values.",
        ),
        (
            "DeleteCluster",
            json!({"cluster": "default"}),
            "ClusterContainsContainerInstancesException",
            "The Cluster cannot be deleted while Container Instances are active",
        ),
    ];
    for (operation, input, kind, text) in cases {
        let body = input.to_string();
        let call = service.call(operation, Wire::AwsJson, Verified::for_test(), body.into());
        let error = match call.await {
            Ok(answer) => panic!("{operation} {input} was not refused: {:?}", answer.body),
            Err(error) => error,
        };
        assert_eq!(error.kind.name(), kind, "{operation} {input}: {error}");
        assert!(
            error.message.starts_with(text),
            "{operation} {input}: {error}"
        );
    }
}

#[test]
fn a_request_that_ecs_refuses_is_refused_as_ecs_does() {
    let input = r#"{"launchType":"EC2","capacityProviderStrategy":[{"weight":1001}],
        "enableExecuteCommand":true}"#;
    let error = API.check("RunTask", Wire::AwsJson, input.as_bytes());
    let error = error.unwrap_err();
    assert_eq!(error.kind.name(), BAD);
    for told in [
        "TaskDefinition can not be blank.",
        "CapacityProviderStrategy[0].capacityProvider can not be blank.",
        "capacityProviderStrategy[0].weight is 1001. Use 0 to 1000.",
        "Specifying both a launch type and capacity provider strategy is not supported.",
        "enableExecuteCommand is not supported.",
        "capacityProviderStrategy is not supported.",
    ] {
        assert_eq!(error.message.matches(told).count(), 1, "{told}: {error}");
    }
}

#[test]
fn all_faults_of_a_definition_are_told_at_once() {
    let input = json!({"family": "a b", "pidMode": "mine", "networkMode": "mesh",
        "containerDefinitions": [
            {"name": "a", "privileged": true, "memory": 16, "secrets": [{"name": "s"}]},
            {"name": "b", "image": "busybox"}]});
    let error = API.check(
        "RegisterTaskDefinition",
        Wire::AwsJson,
        input.to_string().as_bytes(),
    );
    let error = error.unwrap_err();
    assert_eq!(error.kind.name(), CLIENT);
    for told in [
        "ContainerDefinitions[0].secrets[0].valueFrom can not be blank.",
        "pidMode \"mine\" is not valid. Use host or task.",
        "Family contains invalid characters.",
        "Invalid 'networkMode' setting for task: 'mesh'.",
        "Container.image should not be null or empty. Name an image for container 'a'.",
        "Invalid setting for container 'b'. At least one of",
        "containerDefinitions[0].privileged is not supported.",
        "containerDefinitions[0].secrets is not supported.",
        "pidMode is not supported.",
    ] {
        assert_eq!(error.message.matches(told).count(), 1, "{told}: {error}");
    }
}

/// An input where `value` stands at `path`, and nothing else. An object on the way gets a member
/// of no meaning, since an empty one says nothing.
fn at(path: &str, value: Option<Value>) -> Value {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let inner = match (rest, value) {
        ("", value) => value,
        (rest, value) => Some(at(rest, value)),
    };
    let mut object = json!({"-": true});
    if let Some(inner) = inner {
        match first.strip_suffix("[]") {
            Some(name) => object[name] = json!([inner]),
            None => object[first] = inner,
        }
    }
    object
}

fn refused(operation: &str, input: &Value) -> (&'static str, String) {
    match check(operation, input).into_parts() {
        Some((kind, message)) => (kind.name(), message),
        None => panic!("{operation} {input} is valid"),
    }
}

fn supported() -> impl Iterator<Item = &'static str> {
    let served = TABLE.iter().filter(|entry| entry.is_supported());
    served.map(|entry| entry.name)
}

/// What is valid in the inputs of operations that are served.
fn served() -> impl Iterator<Item = &'static longshore_shapes::Input> {
    let all = longshore_shapes::ecs::INPUTS.iter();
    all.filter(|input| supported().any(|name| name == input.operation))
}

/// Generated from the model: each required member left out, each enumeration and each range
/// violated, one at a time.
#[test]
fn whatever_the_model_does_not_allow_is_refused_by_name() {
    let mut cases = 0;
    for input in served() {
        for Constraint { path, rule } in input.constraints {
            let wrong = match rule {
                // Below the top an empty list is allowed, and looks absent.
                Rule::RequiredList if path.contains(['.', '[']) => continue,
                Rule::Required | Rule::RequiredList => vec![at(path, None)],
                Rule::OneOf(_) => vec![at(path, Some(json!("no-such-word")))],
                Rule::Range(least, most) => [least.checked_sub(1), most.checked_add(1)]
                    .into_iter()
                    .flatten()
                    .map(|number| at(path, Some(json!(number))))
                    .collect(),
            };
            for value in wrong {
                cases += 1;
                let (kind, message) = refused(input.operation, &value);
                // StartTask says so of instances that are not named, which no other input does.
                let expected = match input.operation {
                    "RegisterTaskDefinition" => CLIENT,
                    "StartTask" if !is_set(value.get("containerInstances")) => CLIENT,
                    _ => BAD,
                };
                assert_eq!(kind, expected, "{} {path}: {message}", input.operation);
                assert!(
                    API.check_tree(input.operation, &value).is_err(),
                    "{} {path}",
                    input.operation
                );
                // Other faults of the same input may come first; what is asked for is among them.
                let place = path.replace("[]", "[0]").to_lowercase();
                let last = path.trim_end_matches("[]").rsplit('.').next().unwrap();
                let named = message.to_lowercase().contains(&place)
                    || OF_DEFINITIONS.contains(path) && names_part(&message, path, last);
                assert!(named, "{} {path}: {message}", input.operation);
            }
        }
    }
    assert!(cases > 250, "{cases}");
}

/// What is told of a definition names the member, or the list that it is in.
fn names_part(message: &str, path: &str, last: &str) -> bool {
    let message = message.to_lowercase();
    let above = path
        .rsplit('.')
        .nth(1)
        .unwrap_or(path)
        .trim_end_matches("[]");
    [last, above]
        .iter()
        .any(|name| message.contains(&name.to_lowercase()))
}

#[test]
fn whatever_the_model_allows_is_valid() {
    for input in longshore_shapes::ecs::INPUTS {
        for Constraint { path, rule } in input.constraints {
            let right: Vec<Value> = match rule {
                Rule::OneOf(words) => words.iter().map(|word| json!(word)).collect(),
                Rule::Range(least, most) => vec![json!(least), json!(most)],
                Rule::Required | Rule::RequiredList => continue,
            };
            for value in right {
                let place = path.replace("[]", "[0]");
                let told = match check(input.operation, &at(path, Some(value))).into_parts() {
                    Some((_, message)) => message,
                    None => continue,
                };
                assert!(
                    !told.contains(&format!("{place} \""))
                        && !told.contains(&format!("{place} is")),
                    "{} {path}: {told}",
                    input.operation
                );
            }
        }
    }
}

#[test]
fn every_operation_that_is_served_is_checked() {
    let served: Vec<&str> = supported().collect();
    let checked: Vec<&str> = longshore_shapes::ecs::INPUTS
        .iter()
        .map(|input| input.operation)
        .collect();
    for operation in &served {
        assert!(
            checked.contains(operation),
            "{operation} has no table of what is valid"
        );
    }
    let of_texts = TEXTS.iter().flat_map(|text| text.operations);
    let of_ranges = RANGES.iter().flat_map(|row| row.0);
    let of_batches = BATCHES.iter().map(|row| &row.0);
    for operation in of_texts.chain(of_ranges).chain(of_batches) {
        assert!(served.contains(operation), "{operation}");
    }
}
