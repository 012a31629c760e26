mod placement;

use std::time::Duration;

use bytes::Bytes;
use longshore_model::instance::{Instance, InstanceStatus};
use longshore_model::task::TaskStatus;
use longshore_store::table;
use longshore_store::{Commit, Store as _, Write};
use serde_json::{Value, json};

use super::*;
use crate::cluster::CreateCluster;
use crate::fixture::{Fixture, arn};
use crate::service::CreateService;
use crate::task_definition::{DeregisterTaskDefinition, RegisterTaskDefinition};

const ONE: &str = "00000000000000000000000000000001";
const INVALID: &str = "InvalidParameterException";

#[tokio::test]
async fn a_task_is_shown_complete() {
    let fixture = Fixture::with_instance().await;
    let input = r#"{"taskDefinition":"web","startedBy":"me","tags":[{"key":"a","value":"b"}],
        "enableECSManagedTags":true,"overrides":{"memory":"128","containerOverrides":[
            {"name":"app","command":["true"],"environment":[{"name":"A","value":"1"}],"cpu":7}]}}"#;
    let output = fixture.ok::<RunTask>(input).await;
    let task = fixture.only_task();
    let id = task.id.to_string();
    let container = fixture.ecs.realm.container(&task.cluster, task.id, 0);
    let shown = json!({
        "attachments": [],
        "attributes": [],
        "availabilityZone": "zone-a",
        "clusterArn": arn("cluster/default"),
        "connectivity": "CONNECTED",
        "connectivityAt": 1_700_000_000,
        "containerInstanceArn": arn(&format!("container-instance/default/{ONE}")),
        "containers": [{
            "containerArn": container,
            "taskArn": arn(&format!("task/default/{id}")),
            "name": "app",
            "image": "busybox",
            "lastStatus": "PENDING",
            "networkBindings": [],
            "networkInterfaces": [],
            "healthStatus": "UNKNOWN",
            "cpu": "7",
            "memory": "64",
        }],
        "cpu": "7",
        "createdAt": 1_700_000_000,
        "desiredStatus": "RUNNING",
        "enableExecuteCommand": false,
        "group": "family:web",
        "healthStatus": "UNKNOWN",
        "inferenceAccelerators": [],
        "lastStatus": "PENDING",
        "launchType": "EC2",
        "memory": "128",
        "overrides": {
            "containerOverrides": [{
                "name": "app",
                "command": ["true"],
                "environment": [{"name": "A", "value": "1"}],
                "cpu": 7,
            }],
            "inferenceAcceleratorOverrides": [],
            "memory": "128",
        },
        "startedBy": "me",
        "tags": [
            {"key": "a", "value": "b"},
            {"key": "aws:ecs:clusterName", "value": "default"},
        ],
        "taskArn": arn(&format!("task/default/{id}")),
        "taskDefinitionArn": arn("task-definition/web:1"),
        "version": 1,
    });
    assert_eq!(output, json!({"tasks": [shown], "failures": []}));
    assert_eq!(
        fixture.instance(1).version,
        2,
        "a placement raises the instance's version"
    );
    let unknown = "0".repeat(32);
    let input = json!({"tasks": [id, unknown], "include": ["TAGS"]}).to_string();
    let described = fixture.ok::<DescribeTasks>(&input).await;
    let missing = json!([{"arn": arn(&format!("task/default/{unknown}")), "reason": "MISSING"}]);
    assert_eq!(described, json!({"tasks": [shown], "failures": missing}));
    fixture.report(task.id, TaskStatus::Running).await;
    let input = json!({"tasks": [arn(&format!("task/default/{id}"))]}).to_string();
    let running = fixture.ok::<DescribeTasks>(&input).await;
    assert_eq!(running["tasks"][0]["lastStatus"], "RUNNING");
    assert_eq!(running["tasks"][0]["startedAt"], 1_700_000_000);
    assert_eq!(running["tasks"][0]["tags"], json!([]), "only on demand");
}

#[tokio::test]
async fn bad_requests_start_nothing() {
    let fixture = Fixture::with_instance().await;
    fixture.register("old").await;
    fixture
        .ok::<DeregisterTaskDefinition>(r#"{"taskDefinition":"old:1"}"#)
        .await;
    let client = "ClientException";
    let long = "x".repeat(9000);
    let override_of = |change: Value| {
        json!({"taskDefinition": "web", "overrides": {"containerOverrides": [change]}}).to_string()
    };
    let twice = json!({"taskDefinition": "web", "overrides": {
        "containerOverrides": [{"name": "app"}, {"name": "app"}]}});
    let service_group = r#"{"taskDefinition":"web","group":"service:web"}"#;
    fixture
        .check::<RunTask>(&[
            ("{}", INVALID, "TaskDefinition can not be blank"),
            (
                r#"{"taskDefinition":"none"}"#,
                client,
                "TaskDefinition not found.",
            ),
            (
                r#"{"taskDefinition":"old"}"#,
                client,
                "TaskDefinition not found.",
            ),
            (
                r#"{"taskDefinition":"old:1"}"#,
                INVALID,
                "TaskDefinition is inactive",
            ),
            (
                r#"{"taskDefinition":"web","cluster":"none"}"#,
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
            (
                r#"{"taskDefinition":"web","count":0}"#,
                INVALID,
                "count is 0. Use 1 to 10",
            ),
            (
                r#"{"taskDefinition":"web","count":11}"#,
                INVALID,
                "count is 11",
            ),
            (
                r#"{"taskDefinition":"web","launchType":"FARGATE"}"#,
                INVALID,
                "Task definition does not support launch_type FARGATE.",
            ),
            (
                r#"{"taskDefinition":"web","launchType":"X"}"#,
                INVALID,
                "launch type should be one of [EC2,FARGATE,EXTERNAL]",
            ),
            (
                r#"{"taskDefinition":"web","networkConfiguration":{}}"#,
                INVALID,
                "Network Configuration is not valid for the given networkMode",
            ),
            (
                r#"{"taskDefinition":"web","clientToken":"a b"}"#,
                INVALID,
                "clientToken",
            ),
            (service_group, INVALID, "belong to services"),
            (
                r#"{"taskDefinition":"web","group":""}"#,
                INVALID,
                "group is not valid",
            ),
            (
                r#"{"taskDefinition":"web","startedBy":"a\u0007b"}"#,
                INVALID,
                "startedBy",
            ),
            (
                r#"{"taskDefinition":"web","propagateTags":"SERVICE"}"#,
                INVALID,
                "SERVICE is for",
            ),
            (
                r#"{"taskDefinition":"web","propagateTags":"X"}"#,
                INVALID,
                "propagateTags \"X\"",
            ),
            (
                r#"{"taskDefinition":"web","tags":[{"key":"aws:a","value":""}]}"#,
                INVALID,
                "reserved",
            ),
            (
                &override_of(json!({"name": "db"})),
                INVALID,
                "Override for container named db is not a container in the TaskDefinition.",
            ),
            (&override_of(json!({})), INVALID, "name can not be blank."),
            (
                &override_of(json!({"name": "app", "cpu": -1})),
                INVALID,
                "cpu for container app is -1",
            ),
            (
                &override_of(json!({"name": "app", "memory": 1})),
                INVALID,
                "The overrides do not fit web:1.",
            ),
            (
                &override_of(json!({"name": "app", "command": [long]})),
                INVALID,
                "8192",
            ),
            (&twice.to_string(), INVALID, "names container app twice"),
            (
                r#"{"taskDefinition":"web","overrides":{"cpu":"many"}}"#,
                INVALID,
                "overrides.cpu \"many\"",
            ),
        ])
        .await;
    assert_eq!(fixture.instance(1).version, 1);
}

#[tokio::test]
async fn a_cluster_of_damaged_instances_is_told_apart_from_an_empty_one() {
    let fixture = Fixture::with_cluster().await;
    let put = Write::Put {
        key: table::key::<Instance>("default/00000000000000000000000000000001"),
        value: Bytes::from_static(b"\x01????{}"),
    };
    let commit = Commit {
        guards: Vec::new(),
        writes: vec![put],
    };
    fixture.store.commit(commit).await.unwrap();
    fixture.ecs.db.barrier().await.unwrap();
    let input = r#"{"taskDefinition":"web"}"#;
    let damaged = "the records of 1 are damaged";
    fixture
        .refused::<RunTask>(input, "ServerException", damaged)
        .await;
}

#[tokio::test]
async fn an_empty_cluster_is_told_apart_from_a_full_one() {
    let fixture = Fixture::with_cluster().await;
    let input = r#"{"taskDefinition":"web","clientToken":"t"}"#;
    let none = "No Container Instances were found in your cluster.";
    fixture.refused::<RunTask>(input, INVALID, none).await;
    fixture.add_instance(1).await;
    let mut draining = fixture.instance(1);
    draining.status = InstanceStatus::Draining;
    fixture.write(&draining).await;
    fixture.add_instance(2).await;
    let big = r#"{"family":"big","containerDefinitions":[
        {"name":"a","image":"busybox","memory":500,"cpu":10}]}"#;
    fixture.ok::<RegisterTaskDefinition>(big).await;
    let output = fixture
        .ok::<RunTask>(r#"{"taskDefinition":"big","count":3}"#)
        .await;
    assert_eq!(
        output["tasks"].as_array().unwrap().len(),
        2,
        "each sees what the others took"
    );
    let instance = |id: u32| arn(&format!("container-instance/default/{id:032x}"));
    let counts = "of 2 instances: 1 INACTIVE, 1 RESOURCE:MEMORY";
    let failures = json!([
        {"arn": instance(2), "reason": "RESOURCE:MEMORY",
            "detail": format!("wants 500 MiB, 24 left; {counts}")},
        {"arn": instance(1), "reason": "INACTIVE",
            "detail": format!("the instance is not ACTIVE; {counts}")},
    ]);
    assert_eq!(output["failures"], failures);
    // Nothing placed at all is still an answer, and writes nothing.
    let before = fixture.store.list("").await.unwrap();
    let output = fixture
        .ok::<RunTask>(r#"{"taskDefinition":"big","clientToken":"u"}"#)
        .await;
    assert_eq!(output, json!({"tasks": [], "failures": failures}));
    assert_eq!(fixture.store.list("").await.unwrap(), before);
}

#[tokio::test]
async fn a_client_token_makes_things_once() {
    let fixture = Fixture::with_instance().await;
    let input = r#"{"taskDefinition":"web","count":2,"clientToken":"once"}"#;
    let first = fixture.ok::<RunTask>(input).await;
    // The cluster in other words is the same request.
    let arn_input = json!({"taskDefinition": "web", "count": 2, "clientToken": "once",
        "cluster": arn("cluster/default")});
    assert_eq!(fixture.ok::<RunTask>(&arn_input.to_string()).await, first);
    let other = r#"{"taskDefinition":"web","count":1,"clientToken":"once"}"#;
    fixture
        .refused::<RunTask>(other, "ConflictException", "used before with other")
        .await;
    let error = fixture.call::<RunTask>(other).await.unwrap_err();
    let made: Vec<Value> = first["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["taskArn"].clone())
        .collect();
    assert_eq!(json!(error.members), json!([["resourceIds", made]]));
    // In another cluster the token is another one.
    fixture.ok::<CreateCluster>(r#"{"clusterName":"b"}"#).await;
    let elsewhere = r#"{"taskDefinition":"web","cluster":"b","clientToken":"once"}"#;
    fixture
        .refused::<RunTask>(elsewhere, INVALID, "No Container Instances")
        .await;
    // After a day it is new.
    fixture.advance(Duration::from_secs(24 * 60 * 60));
    let later = fixture.ok::<RunTask>(other).await;
    assert!(!made.contains(&later["tasks"][0]["taskArn"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn placements_at_once_never_take_a_port_twice() {
    let fixture = Fixture::with_instance().await;
    let port = r#"{"family":"port","containerDefinitions":[{"name":"a","image":"busybox",
        "memory":10,"portMappings":[{"containerPort":80,"hostPort":8080}]}]}"#;
    fixture.ok::<RegisterTaskDefinition>(port).await;
    let calls = (0..8).map(|_| fixture.spawn::<RunTask>(r#"{"taskDefinition":"port"}"#));
    let all = futures::future::join_all(calls.collect::<Vec<_>>()).await;
    let all: Vec<Value> = all
        .into_iter()
        .map(|output| output.unwrap().unwrap())
        .collect();
    assert_eq!(
        all.iter()
            .filter(|output| !output["tasks"][0].is_null())
            .count(),
        1
    );
    let refused = all.iter().map(|output| &output["failures"][0]["reason"]);
    assert_eq!(
        refused
            .filter(|reason| **reason == "RESOURCE:PORTS")
            .count(),
        7
    );
}

#[tokio::test]
async fn tags_come_from_where_they_are_asked_from() {
    let fixture = Fixture::with_instance().await;
    let tagged = r#"{"family":"tagged","containerDefinitions":[{"name":"a","image":"busybox",
        "memory":10}],"tags":[{"key":"a","value":"definition"},{"key":"b","value":"2"}]}"#;
    fixture.ok::<RegisterTaskDefinition>(tagged).await;
    for (extra, wanted) in [
        (json!({}), json!([{"key": "a", "value": "request"}])),
        (
            json!({"propagateTags": "TASK_DEFINITION"}),
            json!([{"key": "a", "value": "request"}, {"key": "b", "value": "2"}]),
        ),
    ] {
        let mut input = json!({"taskDefinition": "tagged",
            "tags": [{"key": "a", "value": "request"}]});
        input
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let output = fixture.ok::<RunTask>(&input.to_string()).await;
        assert_eq!(output["tasks"][0]["tags"], wanted, "{input}");
    }
}

#[tokio::test]
async fn start_task_goes_where_it_is_told() {
    let fixture = Fixture::with_instance().await;
    fixture.add_instance(2).await;
    fixture.add_instance(3).await;
    let mut gone = fixture.instance(2);
    gone.status = InstanceStatus::Inactive;
    fixture.write(&gone).await;
    let mut away = fixture.instance(3);
    away.connection = Connection::Disconnected(fixture.now());
    fixture.write(&away).await;
    let id = |n: u32| format!("{n:032x}");
    let input = json!({"taskDefinition": "web",
        "containerInstances": [id(1), id(2), id(3), arn(&format!("container-instance/default/{}", id(4)))]});
    let output = fixture.ok::<StartTask>(&input.to_string()).await;
    assert_eq!(output["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(
        output["tasks"][0]["containerInstanceArn"],
        arn(&format!("container-instance/default/{ONE}"))
    );
    let reasons: Vec<&Value> = output["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| &failure["reason"])
        .collect();
    assert_eq!(reasons, ["INACTIVE", "AGENT", "MISSING"]);
    let eleven =
        json!({"taskDefinition": "web", "containerInstances": (0..11).map(id).collect::<Vec<_>>()});
    let twice = json!({"taskDefinition": "web", "containerInstances": [id(1), id(1)]});
    let elsewhere = json!({"taskDefinition": "web",
        "containerInstances": [arn(&format!("container-instance/other/{ONE}"))]});
    fixture
        .check::<StartTask>(&[
            (
                r#"{"taskDefinition":"web"}"#,
                "ClientException",
                "Container Instances cannot be empty.",
            ),
            (
                &eleven.to_string(),
                INVALID,
                "instanceIds can have at most 10 items.",
            ),
            (&twice.to_string(), INVALID, "twice"),
            (&elsewhere.to_string(), INVALID, "Your cluster is default."),
            (
                r#"{"taskDefinition":"web","containerInstances":["x"]}"#,
                INVALID,
                "instanceId length should be one of [32,36].",
            ),
        ])
        .await;
}

#[tokio::test]
async fn stopping_is_said_once() {
    let fixture = Fixture::with_instance().await;
    fixture.ok::<RunTask>(r#"{"taskDefinition":"web"}"#).await;
    let id = fixture.only_task().id;
    fixture.report(id, TaskStatus::Running).await;
    let input = json!({ "task": id.to_string() }).to_string();
    let output = fixture.ok::<StopTask>(&input).await;
    let task = &output["task"];
    assert_eq!(task["desiredStatus"], "STOPPED");
    assert_eq!(task["lastStatus"], "STOPPING");
    assert_eq!(task["stopCode"], "UserInitiated");
    assert_eq!(task["stoppedReason"], "Task stopped by user");
    assert_eq!(task["stoppingAt"], 1_700_000_000);
    let again = json!({ "task": id.to_string(), "reason": "because" }).to_string();
    assert_eq!(
        fixture.ok::<StopTask>(&again).await,
        output,
        "the first reason stands"
    );
    fixture
        .check::<StopTask>(&[
            ("{}", INVALID, "Task can not be blank"),
            (
                r#"{"task":"x"}"#,
                INVALID,
                "task length should be one of [32,36].",
            ),
            (
                &json!({ "task": ONE }).to_string(),
                INVALID,
                "The referenced task was not found.",
            ),
            (r#"{"task":"x","cluster":"none"}"#, INVALID, "32"),
            (
                &json!({"task": ONE, "cluster": "none"}).to_string(),
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
        ])
        .await;
}

#[tokio::test]
async fn tasks_are_listed_by_what_is_asked() {
    let fixture = Fixture::with_instance().await;
    fixture.register("other").await;
    let service = r#"{"serviceName":"web","taskDefinition":"web","desiredCount":1}"#;
    fixture.ok::<CreateService>(service).await;
    let of_service = fixture.add_service_task("web").await;
    fixture.advance(Duration::from_secs(1));
    let run = async |input: &str| {
        let output = fixture.ok::<RunTask>(input).await;
        fixture.advance(Duration::from_secs(1));
        output["tasks"][0]["taskArn"].as_str().unwrap().to_owned()
    };
    let service_task = arn(&format!("task/default/{of_service}"));
    let other = run(r#"{"taskDefinition":"other","startedBy":"me"}"#).await;
    let external = run(r#"{"taskDefinition":"web","launchType":"EXTERNAL"}"#).await;
    let stopped = run(r#"{"taskDefinition":"web"}"#).await;
    fixture
        .ok::<StopTask>(&json!({ "task": stopped }).to_string())
        .await;
    let on_instance = json!({ "containerInstance": ONE }).to_string();
    for (input, wanted) in [
        ("{}", json!([service_task, other, external])),
        (r#"{"desiredStatus":"STOPPED"}"#, json!([stopped])),
        (r#"{"desiredStatus":"PENDING"}"#, json!([])),
        (r#"{"family":"other"}"#, json!([other])),
        (r#"{"serviceName":"web"}"#, json!([service_task])),
        (r#"{"startedBy":"me"}"#, json!([other])),
        (r#"{"launchType":"EXTERNAL"}"#, json!([external])),
        (r#"{"launchType":"FARGATE"}"#, json!([])),
        (&on_instance, json!([service_task, other, external])),
    ] {
        assert_eq!(
            fixture.ok::<ListTasks>(input).await,
            json!({ "taskArns": wanted }),
            "{input}"
        );
    }
    let first = fixture.ok::<ListTasks>(r#"{"maxResults":2}"#).await;
    assert_eq!(first["taskArns"], json!([service_task, other]));
    let next = json!({ "nextToken": first["nextToken"] }).to_string();
    assert_eq!(
        fixture.ok::<ListTasks>(&next).await,
        json!({ "taskArns": [external] })
    );
    let unknown = json!({ "containerInstance": "f".repeat(32) }).to_string();
    fixture
        .check::<ListTasks>(&[
            (
                r#"{"cluster":"none"}"#,
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
            (
                r#"{"serviceName":"none"}"#,
                "ServiceNotFoundException",
                "Service not found.",
            ),
            (&unknown, INVALID, "not found"),
            (
                r#"{"startedBy":"me","family":"web"}"#,
                INVALID,
                "Leave family out",
            ),
            (
                r#"{"desiredStatus":"GONE"}"#,
                INVALID,
                "desiredStatus \"GONE\"",
            ),
            (
                r#"{"launchType":"MOON"}"#,
                INVALID,
                "launch type should be one of [EC2,FARGATE,EXTERNAL]",
            ),
        ])
        .await;
}

#[tokio::test]
async fn describing_checks_what_it_is_given() {
    let fixture = Fixture::with_instance().await;
    let many = json!({ "tasks": vec![ONE; 101] }).to_string();
    let elsewhere = json!({ "tasks": [arn(&format!("task/other/{ONE}"))] }).to_string();
    fixture
        .check::<DescribeTasks>(&[
            ("{}", INVALID, "Tasks cannot be empty."),
            (&many, INVALID, "taskIds can have at most 100 items."),
            (&elsewhere, INVALID, "Identifier is for cluster other."),
            (
                &json!({"tasks": [ONE], "cluster": "none"}).to_string(),
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
        ])
        .await;
}
