use longshore_model::task::TaskStatus;
use serde_json::json;

use super::*;
use crate::ecs::fixture::{Fixture, arn};
use crate::ecs::task::RunTask;
use crate::ecs::task_definition::RegisterTaskDefinition;

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
            "integerValue": value})
    };
    let ports = |name: &str, ports: &[&str]| {
        let mut resource = json!({"name": name, "type": "STRINGSET", "doubleValue": 0.0,
            "longValue": 0, "integerValue": 0});
        if !ports.is_empty() {
            resource["stringSetValue"] = json!(ports);
        }
        resource
    };
    let shown = &output["containerInstances"][0];
    let wanted = json!({
        "containerInstanceArn": arn(&format!("container-instance/default/{ONE}")),
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
            (
                r#"{"filter":"runningTasksCount == 1"}"#,
                INVALID,
                "filter is not supported yet",
            ),
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
            (&naming(ONE), INVALID, "status can not be blank"),
            (
                &invalid,
                INVALID,
                "status \"INACTIVE\" is not valid. Use ACTIVE or DRAINING.",
            ),
            (&eleven, INVALID, "containerInstances has 11 entries"),
            (
                r#"{"status":"ACTIVE"}"#,
                INVALID,
                "containerInstances cannot be empty.",
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
            ("{}", INVALID, "containerInstance can not be blank"),
            (&unknown, "ClientException", "Referenced container instance"),
            (
                r#"{"containerInstance":"x"}"#,
                INVALID,
                "expected 32 lowercase hex digits",
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
    assert!(view.tasks.values().all(|task| !task.is_live()));
}
