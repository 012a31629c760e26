use longshore_model::task::TaskStatus;
use serde_json::json;

use super::*;
use crate::fixture::{Fixture, arn};
use crate::task::RunTask;
use crate::task_definition::RegisterTaskDefinition;

const ONE: &str = "00000000000000000000000000000001";
const TWO: &str = "00000000000000000000000000000002";
const INVALID: &str = "InvalidParameterException";

fn naming(id: &str) -> String {
    json!({ "containerInstances": [id] }).to_string()
}

#[tokio::test]
async fn an_instance_is_shown_with_what_is_left() {
    let fixture = Fixture::with_instance().await;
    let port = r#"{"family":"port","containerDefinitions":[{"name":"a","image":"busybox",
        "memory":24,"cpu":24,"portMappings":[{"containerPort":80,"hostPort":8080},
        {"containerPort":53,"hostPort":53,"protocol":"udp"}]}]}"#;
    fixture.ok::<RegisterTaskDefinition>(port).await;
    fixture.ok::<RunTask>(r#"{"taskDefinition":"port"}"#).await;
    let output = fixture.ok::<DescribeContainerInstances>(&naming(ONE)).await;
    let resource = |name: &str, value: u32| {
        json!({"name": name, "type": "INTEGER", "doubleValue": 0.0, "longValue": 0,
            "integerValue": value, "stringSetValue": []})
    };
    let ports = |name: &str, ports: &[&str]| {
        json!({"name": name, "type": "STRINGSET", "doubleValue": 0.0,
            "longValue": 0, "integerValue": 0, "stringSetValue": ports})
    };
    let shown = &output["containerInstances"][0];
    let wanted = json!({
        "containerInstanceArn": arn(&format!("container-instance/default/{ONE}")),
        "ec2InstanceId": "mi-00000000000000000",
        "version": 2,
        "versionInfo": {"agentVersion": "0.1.0", "dockerVersion": "DockerVersion: 20.10.24"},
        "remainingResources": [
            resource("CPU", 1000),
            resource("MEMORY", 1000),
            ports("PORTS", &["22", "8080"]),
            ports("PORTS_UDP", &["53"]),
        ],
        "registeredResources": [
            resource("CPU", 1024),
            resource("MEMORY", 1024),
            ports("PORTS", &["22"]),
            ports("PORTS_UDP", &[]),
        ],
        "status": "ACTIVE",
        "agentConnected": true,
        "runningTasksCount": 0,
        "pendingTasksCount": 1,
        "attributes": [
            {"name": "ecs.availability-zone", "value": "zone-a"},
            {"name": "ecs.capability.task-cpu-mem-limit"},
        ],
        "registeredAt": 1_700_000_000,
        "attachments": [],
        "tags": [],
    });
    assert_eq!(*shown, wanted);
    fixture
        .report(fixture.only_task().id, TaskStatus::Running)
        .await;
    let input = json!({"containerInstances": [ONE, arn(&format!("container-instance/default/{TWO}"))],
        "include": ["CONTAINER_INSTANCE_HEALTH"]});
    let output = fixture
        .ok::<DescribeContainerInstances>(&input.to_string())
        .await;
    let shown = &output["containerInstances"][0];
    assert_eq!(
        (&shown["runningTasksCount"], &shown["pendingTasksCount"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(shown["healthStatus"]["overallStatus"], "INSUFFICIENT_DATA");
    let missing = arn(&format!("container-instance/default/{TWO}"));
    assert_eq!(
        output["failures"],
        json!([{"arn": missing, "reason": "MISSING"}])
    );
}

#[tokio::test]
async fn instances_are_listed_by_status() {
    let fixture = Fixture::with_instance().await;
    fixture.add_instance(2).await;
    fixture.add_instance(3).await;
    let drain = json!({"containerInstances": [TWO], "status": "DRAINING"}).to_string();
    fixture.ok::<UpdateContainerInstancesState>(&drain).await;
    let remove = json!({"containerInstance": format!("{:032x}", 3)}).to_string();
    fixture.ok::<DeregisterContainerInstance>(&remove).await;
    let arns = |ids: &[u32]| -> serde_json::Value {
        ids.iter()
            .map(|id| json!(arn(&format!("container-instance/default/{id:032x}"))))
            .collect()
    };
    for (input, wanted) in [
        ("{}", arns(&[1, 2])),
        (r#"{"status":"ACTIVE"}"#, arns(&[1])),
        (r#"{"status":"DRAINING"}"#, arns(&[2])),
        (r#"{"status":"INACTIVE"}"#, arns(&[3])),
        (r#"{"status":"REGISTERING"}"#, arns(&[])),
    ] {
        let output = fixture.ok::<ListContainerInstances>(input).await;
        assert_eq!(
            output,
            json!({ "containerInstanceArns": wanted }),
            "{input}"
        );
    }
    let page = fixture
        .ok::<ListContainerInstances>(r#"{"maxResults":1}"#)
        .await;
    assert_eq!(page["containerInstanceArns"], arns(&[1]));
    assert!(page["nextToken"].is_string());
    fixture
        .check::<ListContainerInstances>(&[
            (
                r#"{"cluster":"no"}"#,
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
            (r#"{"status":"GONE"}"#, INVALID, "status \"GONE\""),
        ])
        .await;
}

#[tokio::test]
async fn a_filter_asks_what_instances_are() {
    let fixture = Fixture::with_instance().await;
    fixture.advance(std::time::Duration::from_secs(60));
    fixture.add_instance(2).await;
    let mut away = fixture.instance(2);
    away.agent_version = "0.10.0".to_owned();
    away.connection = longshore_model::instance::Connection::Disconnected(fixture.now());
    away.custom_attributes
        .insert("disk".to_owned(), Some("ssd".to_owned()));
    fixture.write(&away).await;
    fixture
        .ok::<RunTask>(r#"{"taskDefinition":"web","group":"batch"}"#)
        .await;
    let task = fixture.only_task().id;
    let list = async |input: serde_json::Value| {
        let output = fixture
            .ok::<ListContainerInstances>(&input.to_string())
            .await;
        let arns = output["containerInstanceArns"].as_array().unwrap().clone();
        let last = |arn: &serde_json::Value| arn.as_str().unwrap().chars().last().unwrap();
        arns.iter().map(last).collect::<String>()
    };
    for (filter, wanted) in [
        ("", "12"),
        ("attribute:disk == ssd", "2"),
        ("attribute:disk != hdd", "2"),
        ("not(attribute:disk exists)", "1"),
        ("attribute:ecs.availability-zone in [zone-a, zone-b]", "12"),
        ("agentConnected == true", "1"),
        ("agentVersion > 0.9.0", "2"),
        ("registeredAt > 2023-11-14T22:13:30Z", "2"),
        ("ec2InstanceId =~ i-.*", ""),
        ("runningTasksCount == 0", "12"),
        ("task:group == batch", "1"),
        ("!(task:group == batch) || runningTasksCount > 0", "2"),
    ] {
        assert_eq!(list(json!({ "filter": filter })).await, wanted, "{filter}");
    }
    fixture.report(task, TaskStatus::Running).await;
    let running = json!({"filter": "runningTasksCount >= 1"});
    assert_eq!(list(running.clone()).await, "1");
    let draining = json!({"filter": "runningTasksCount >= 1", "status": "DRAINING"});
    assert_eq!(list(draining).await, "");
    fixture.report(task, TaskStatus::Stopped).await;
    assert_eq!(list(running).await, "");
    assert_eq!(list(json!({"filter": "task:group == batch"})).await, "");
}

#[tokio::test]
async fn a_page_is_of_its_filter_and_a_wrong_filter_names_the_column() {
    let fixture = Fixture::with_instance().await;
    fixture.add_instance(2).await;
    let filter = "attribute:ecs.availability-zone == zone-a";
    let input = json!({"filter": filter, "status": "ACTIVE", "maxResults": 1});
    let first = fixture
        .ok::<ListContainerInstances>(&input.to_string())
        .await;
    let token = &first["nextToken"];
    let next = |filter: &str, status: Option<&str>| {
        json!({"filter": filter, "status": status, "nextToken": token}).to_string()
    };
    let second = fixture
        .ok::<ListContainerInstances>(&next(filter, Some("ACTIVE")))
        .await;
    let second = second["containerInstanceArns"].as_array().unwrap();
    assert_eq!(second.len(), 1);
    assert_ne!(second[0], first["containerInstanceArns"][0]);
    let other = "nextToken is not valid: it was made with other filters";
    let with = |filter: &str| json!({ "filter": filter }).to_string();
    let long = format!("attribute:a == {}", "x".repeat(2000));
    fixture
        .check::<ListContainerInstances>(&[
            (&next(filter, None), INVALID, other),
            (
                &next("agentConnected == true", Some("ACTIVE")),
                INVALID,
                other,
            ),
            (&next("", Some("ACTIVE")), INVALID, other),
            (
                &with("attribute:a == "),
                INVALID,
                "filter is not valid: column 16: expected",
            ),
            (
                &with("zone == a"),
                INVALID,
                "filter is not valid: column 1: expected a subject",
            ),
            (
                &with("(agentConnected == true"),
                INVALID,
                "filter is not valid: column 24: expected",
            ),
            (
                &with("runningTasksCount == many"),
                INVALID,
                "filter is not valid: column 22",
            ),
            (&with(&long), INVALID, "2015 characters; at most 2000"),
        ])
        .await;
}

#[tokio::test]
async fn draining_goes_both_ways() {
    let fixture = Fixture::with_instance().await;
    fixture.add_instance(2).await;
    let mut inactive = fixture.instance(2);
    inactive.status = InstanceStatus::Inactive;
    fixture.write(&inactive).await;
    let three = "0".repeat(31) + "3";
    for status in ["DRAINING", "DRAINING", "ACTIVE"] {
        let input = json!({"containerInstances": [ONE, TWO, three], "status": status});
        let output = fixture
            .ok::<UpdateContainerInstancesState>(&input.to_string())
            .await;
        assert_eq!(output["containerInstances"][0]["status"], status);
        assert_eq!(output["containerInstances"].as_array().unwrap().len(), 1);
        assert_eq!(output["failures"][0]["reason"], "INACTIVE");
        assert_eq!(output["failures"][1]["reason"], "MISSING");
        assert_eq!(fixture.instance(1).status.as_str(), status);
    }
    let eleven = json!({"containerInstances": vec![ONE; 11], "status": "ACTIVE"}).to_string();
    let invalid = json!({"containerInstances": [ONE], "status": "INACTIVE"}).to_string();
    let elsewhere = json!({"containerInstances": [ONE], "status": "ACTIVE", "cluster": "no"});
    fixture
        .check::<UpdateContainerInstancesState>(&[
            (&naming(ONE), INVALID, "Status can not be blank"),
            (
                &invalid,
                INVALID,
                "status \"INACTIVE\" is not valid. Use ACTIVE or DRAINING.",
            ),
            (&eleven, INVALID, "instanceIds can have at most 10 items."),
            (
                r#"{"status":"ACTIVE"}"#,
                INVALID,
                "Container instance cannot be empty.",
            ),
            (
                &elsewhere.to_string(),
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
        ])
        .await;
}

#[tokio::test]
async fn deregistering_by_force_gives_up_the_tasks() {
    let fixture = Fixture::with_instance().await;
    fixture.ok::<RunTask>(r#"{"taskDefinition":"web"}"#).await;
    let input = json!({ "containerInstance": ONE }).to_string();
    let message = "Found running tasks on the instance.";
    fixture
        .refused::<DeregisterContainerInstance>(&input, INVALID, message)
        .await;
    let force = json!({"containerInstance": ONE, "force": true}).to_string();
    let output = fixture.ok::<DeregisterContainerInstance>(&force).await;
    let shown = &output["containerInstance"];
    assert_eq!(shown["status"], "INACTIVE");
    assert_eq!(shown["pendingTasksCount"], 0);
    assert_eq!(shown["remainingResources"], shown["registeredResources"]);
    let task = fixture.only_task();
    assert!(!task.is_live());
    assert_eq!(task.stopped_reason.as_deref(), Some(DEREGISTERED));
    fixture.ok::<DeregisterContainerInstance>(&input).await;
    let described = fixture.ok::<DescribeContainerInstances>(&naming(ONE)).await;
    assert_eq!(described["containerInstances"][0]["status"], "INACTIVE");
    let unknown = json!({ "containerInstance": TWO }).to_string();
    fixture
        .check::<DeregisterContainerInstance>(&[
            ("{}", INVALID, "Container instance cannot be empty."),
            (&unknown, "ClientException", "Referenced container instance"),
            (
                r#"{"containerInstance":"x"}"#,
                INVALID,
                "instanceId length should be one of [32,36]",
            ),
        ])
        .await;
}

#[tokio::test]
async fn more_tasks_than_one_commit_holds_are_given_up_in_turn() {
    let fixture = Fixture::with_instance().await;
    let tiny = r#"{"family":"tiny","containerDefinitions":[
        {"name":"a","image":"busybox","memoryReservation":6}]}"#;
    fixture.ok::<RegisterTaskDefinition>(tiny).await;
    let mut large = fixture.instance(1);
    large.registered.memory = longshore_model::Mib(100_000);
    fixture.write(&large).await;
    for _ in 0..(MAX_GIVEN_UP / 10 + 1) {
        fixture
            .ok::<RunTask>(r#"{"taskDefinition":"tiny","count":10}"#)
            .await;
    }
    let force = json!({"containerInstance": ONE, "force": true}).to_string();
    fixture.ok::<DeregisterContainerInstance>(&force).await;
    let view = fixture.ecs.db.view();
    assert!(view.tasks.len() > MAX_GIVEN_UP);
    assert!(view.tasks.iter().all(|(_, task)| !task.is_live()));
}
