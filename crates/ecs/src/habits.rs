//! What tools and scripts in the field send and read, one test for each habit.

use serde_json::{Value, json};

use crate::attribute::{DeleteAttributes, PutAttributes};
use crate::fixture::{Fixture, arn};
use crate::instance::{
    DeregisterContainerInstance, DescribeContainerInstances, ListContainerInstances,
    UpdateContainerInstancesState,
};
use crate::service::{CreateService, DescribeServices, UpdateService};
use crate::tag::{ListTagsForResource, TagResource};
use crate::task::{DescribeTasks, ListTasks, RunTask, StartTask, StopTask};
use crate::task_definition::{
    DeregisterTaskDefinition, DescribeTaskDefinition, RegisterTaskDefinition,
};

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

/// Ids had 36 characters once; a script that holds such a one is told that nothing is there, in
/// every operation that takes one, and of ARNs too.
#[tokio::test]
async fn ids_with_hyphens_are_looked_up() {
    let fixture = Fixture::with_instance().await;
    let old = "01234567-89ab-cdef-0123-456789abcdef";
    let task = arn(&format!("task/default/{old}"));
    let instance = arn(&format!("container-instance/default/{old}"));
    let missing = |arn: &str| json!([{"arn": arn, "reason": "MISSING"}]);
    for given in [old.to_owned(), arn(&format!("task/{old}")), task.clone()] {
        let tasks = json!({ "tasks": [given] }).to_string();
        let described = fixture.ok::<DescribeTasks>(&tasks).await;
        assert_eq!(described["failures"], missing(&task));
        let stop = json!({ "task": given }).to_string();
        let words = "The referenced task was not found.";
        fixture.refused::<StopTask>(&stop, INVALID, words).await;
    }
    let short = arn(&format!("container-instance/{old}"));
    for given in [old.to_owned(), short, instance.clone()] {
        let named = json!({ "containerInstances": [given] });
        let with = |member: &str, value: &str| {
            let mut input = named.clone();
            input[member] = json!(value);
            input.to_string()
        };
        let described = fixture
            .ok::<DescribeContainerInstances>(&named.to_string())
            .await;
        assert_eq!(described["failures"], missing(&instance));
        let drained = fixture
            .ok::<UpdateContainerInstancesState>(&with("status", "DRAINING"))
            .await;
        assert_eq!(drained["failures"], missing(&instance));
        let started = fixture
            .ok::<StartTask>(&with("taskDefinition", "web"))
            .await;
        assert_eq!(started["failures"], missing(&instance));
        let words = format!("Referenced container instance {old} not found.");
        let one = json!({ "containerInstance": given }).to_string();
        fixture
            .refused::<DeregisterContainerInstance>(&one, "ClientException", &words)
            .await;
        fixture.refused::<ListTasks>(&one, INVALID, &words).await;
        let put = json!({"attributes": [
            {"name": "a", "targetId": given, "targetType": "container-instance"}]});
        let words = "The specified target was not found.";
        let kind = "TargetNotFoundException";
        fixture
            .refused::<PutAttributes>(&put.to_string(), kind, words)
            .await;
        fixture
            .refused::<DeleteAttributes>(&put.to_string(), kind, words)
            .await;
    }
    let words = "The specified resource was not found.";
    for resource in [&task, &instance] {
        let of = json!({"resourceArn": resource}).to_string();
        fixture
            .refused::<ListTagsForResource>(&of, INVALID, words)
            .await;
        let tag = json!({"resourceArn": resource, "tags": [{"key": "a"}]}).to_string();
        fixture
            .refused::<TagResource>(&tag, "ResourceNotFoundException", words)
            .await;
    }
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
    let by_id = json!({"filter": format!("ec2InstanceId == {id}")}).to_string();
    let found = fixture.ok::<ListContainerInstances>(&by_id).await;
    assert_eq!(
        found["containerInstanceArns"],
        json!([shown["containerInstanceArn"]])
    );

    // On a machine of EC2 its agent says which.
    let said = Some("i-0abcdef0123456789".to_owned());
    let name = longshore_model::instance::MACHINE_ATTRIBUTE.to_owned();
    instance.attributes.insert(name, said);
    fixture.write(&instance).await;
    let shown = fixture.ok::<DescribeContainerInstances>(&input).await;
    let shown = &shown["containerInstances"][0];
    assert_eq!(shown["ec2InstanceId"], "i-0abcdef0123456789");
    let by_id = r#"{"filter":"ec2InstanceId =~ i-.*"}"#;
    let found = fixture.ok::<ListContainerInstances>(by_id).await;
    assert_eq!(found["containerInstanceArns"].as_array().unwrap().len(), 1);
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
    let tag = json!({"resourceArn": family, "tags": [{"key": "a", "value": "b"}]}).to_string();
    fixture.ok::<TagResource>(&tag).await;
    let tags = json!({"resourceArn": newest}).to_string();
    let tags = fixture.ok::<ListTagsForResource>(&tags).await;
    assert_eq!(tags["tags"], json!([{"key": "a", "value": "b"}]));

    // The newest ACTIVE one, which is an older one after this.
    let gone = json!({"taskDefinition": newest}).to_string();
    fixture.ok::<DeregisterTaskDefinition>(&gone).await;
    let update = json!({"service": "s", "taskDefinition": family}).to_string();
    let updated = fixture.ok::<UpdateService>(&update).await;
    let second = arn("task-definition/web:2");
    assert_eq!(updated["service"]["taskDefinition"], second);
    let shown = fixture
        .ok::<DescribeTaskDefinition>(&input.to_string())
        .await;
    assert_eq!(shown["taskDefinition"]["taskDefinitionArn"], second);
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
    let words = "Specifying both a launch type and capacity provider strategy";
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
    let words = "Family contains invalid characters. The task definition family \"web \" is not valid: it ends with a blank;";
    fixture
        .refused::<RegisterTaskDefinition>(family, "ClientException", words)
        .await;
    let service = r#"{"services":[" web"]}"#;
    fixture
        .refused::<DescribeServices>(service, INVALID, "it begins with a blank;")
        .await;
}
