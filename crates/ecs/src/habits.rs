//! What tools and scripts in the field send and read, one test for each habit.

use serde_json::{Value, json};

use crate::fixture::{Fixture, arn};
use crate::instance::DescribeContainerInstances;
use crate::service::{CreateService, DescribeServices};
use crate::task::{DescribeTasks, RunTask, StartTask, StopTask};
use crate::task_definition::{DescribeTaskDefinition, RegisterTaskDefinition};

const INVALID: &str = "InvalidParameterException";
const WEB: &str = r#"{"family":"web","containerDefinitions":[
    {"name":"a","image":"busybox","memory":16}]}"#;

/// A deployment tool of many pipelines starts its tasks so.
#[tokio::test]
async fn started_by_may_hold_a_blank() {
    let fixture = Fixture::with_instance().await;
    let input = json!({"taskDefinition": "web", "startedBy": "ECS Deploy"}).to_string();
    let started = fixture.ok::<RunTask>(&input).await;
    assert_eq!(started["tasks"][0]["startedBy"], "ECS Deploy");
}

/// Ids had 36 characters once; a script that holds such a one is told that nothing is there.
#[tokio::test]
async fn ids_with_hyphens_are_looked_up() {
    let fixture = Fixture::with_instance().await;
    let old = "01234567-89ab-cdef-0123-456789abcdef";
    let tasks = json!({"tasks": [old, arn(&format!("task/{old}"))]}).to_string();
    let described = fixture.ok::<DescribeTasks>(&tasks).await;
    let reasons: Vec<_> = described["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| failure["reason"].clone())
        .collect();
    assert_eq!(reasons, [json!("MISSING"), json!("MISSING")]);
    let instances = json!({"containerInstances": [old]}).to_string();
    let described = fixture.ok::<DescribeContainerInstances>(&instances).await;
    assert_eq!(described["failures"][0]["reason"], "MISSING");
    // Its own id with hyphens is itself.
    let own = "00000000-0000-0000-0000-000000000001";
    let own = json!({"containerInstances": [own]}).to_string();
    let described = fixture.ok::<DescribeContainerInstances>(&own).await;
    assert_eq!(described["containerInstances"].as_array().unwrap().len(), 1);
    let bad = "0123456789ab-cdef-0123-456789abcdef-";
    let stop = json!({"task": bad}).to_string();
    fixture.refused::<StopTask>(&stop, INVALID, "").await;
}

/// Templates index into it without asking.
#[tokio::test]
async fn a_container_without_ports_has_an_empty_list_of_bindings() {
    let fixture = Fixture::with_instance().await;
    fixture.ok::<RegisterTaskDefinition>(WEB).await;
    let started = fixture.ok::<RunTask>(r#"{"taskDefinition":"web"}"#).await;
    let container = &started["tasks"][0]["containers"][0];
    assert_eq!(container["networkBindings"], json!([]));
}

/// Tools join instances with EC2's by this id, and compare versions of agents by the hash.
#[tokio::test]
async fn an_instance_has_the_id_of_a_managed_machine() {
    let fixture = Fixture::with_instance().await;
    let mut instance = fixture.instance(1);
    instance.agent_hash = Some("0badcafe".to_owned());
    fixture.write(&instance).await;
    let input = json!({"containerInstances": [format!("{:032x}", 1)]}).to_string();
    let shown = fixture.ok::<DescribeContainerInstances>(&input).await;
    let shown = &shown["containerInstances"][0];
    let id = shown["ec2InstanceId"].as_str().unwrap();
    assert!(id.starts_with("mi-") && id.len() == 20, "{id}");
    assert_eq!(shown["versionInfo"]["agentHash"], "0badcafe");
}

/// Schedulers send the ARN of a family where they mean its newest revision.
#[tokio::test]
async fn an_arn_without_a_revision_means_the_newest() {
    let fixture = Fixture::with_instance().await;
    fixture.ok::<RegisterTaskDefinition>(WEB).await;
    let newest = fixture.ok::<RegisterTaskDefinition>(WEB).await;
    let newest = newest["taskDefinition"]["taskDefinitionArn"].clone();
    let family = arn("task-definition/web");
    let input = json!({"taskDefinition": family});
    let shown = fixture
        .ok::<DescribeTaskDefinition>(&input.to_string())
        .await;
    assert_eq!(shown["taskDefinition"]["taskDefinitionArn"], newest);
    let started = fixture.ok::<RunTask>(&input.to_string()).await;
    assert_eq!(started["tasks"][0]["taskDefinitionArn"], newest);
    let start = json!({"taskDefinition": family, "containerInstances": [format!("{:032x}", 1)]});
    let started = fixture.ok::<StartTask>(&start.to_string()).await;
    assert_eq!(started["tasks"][0]["taskDefinitionArn"], newest);
    let service = json!({"serviceName": "s", "taskDefinition": family, "desiredCount": 0});
    let made = fixture.ok::<CreateService>(&service.to_string()).await;
    assert_eq!(made["service"]["taskDefinition"], newest);
    for bad in [
        "task-definition/we b",
        "task-definition/",
        "task-definition/web:x",
    ] {
        let input = json!({"taskDefinition": arn(bad)}).to_string();
        fixture.refused::<RunTask>(&input, INVALID, "").await;
    }
}

/// The exclusion is the model's, whatever of it is offered here.
#[tokio::test]
async fn a_launch_type_and_a_strategy_exclude_each_other_first() {
    let both = |mut input: Value| {
        input["launchType"] = json!("EC2");
        input["capacityProviderStrategy"] = json!([{"capacityProvider": "x"}]);
        input.to_string()
    };
    let words = "specifying both a launch type and capacity provider strategy";
    for (operation, input) in [
        ("RunTask", json!({"taskDefinition": "web"})),
        (
            "CreateService",
            json!({"serviceName": "s", "taskDefinition": "web"}),
        ),
    ] {
        let checked = crate::table::API.check(
            operation,
            longshore_door::wire::Wire::AwsJson,
            both(input).as_bytes(),
        );
        let error = checked.unwrap_err();
        assert_eq!(error.kind.name(), INVALID, "{operation}");
        assert!(error.message.starts_with(words), "{operation}: {error}");
    }
}

/// A blank at an end is easily missed, so it is named.
#[tokio::test]
async fn a_blank_at_the_end_of_a_name_is_named() {
    let fixture = Fixture::new().await;
    let family = r#"{"family":"web ","containerDefinitions":[
        {"name":"a","image":"busybox","memory":16}]}"#;
    let words = "character 4 is a blank";
    fixture
        .refused::<RegisterTaskDefinition>(family, "ClientException", words)
        .await;
    let service = r#"{"services":[" web"]}"#;
    fixture
        .refused::<DescribeServices>(service, INVALID, "character 1 is a blank")
        .await;
}
