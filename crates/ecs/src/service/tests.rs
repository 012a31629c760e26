mod placement;

use longshore_model::service::ServiceStatus;
use longshore_model::task::TaskStatus;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{Fixture, arn};
use crate::task::RunTask;
use crate::task_definition::DeregisterTaskDefinition;

const INVALID: &str = "InvalidParameterException";
const CREATE: &str = r#"{"serviceName":"web","taskDefinition":"web","desiredCount":2}"#;

fn stored(fixture: &Fixture) -> Service {
    let key = ("default".parse().unwrap(), "web".parse().unwrap());
    Service::clone(&fixture.ecs.db.view().services[&key])
}

async fn described(fixture: &Fixture) -> Value {
    let output = fixture
        .ok::<DescribeServices>(r#"{"services":["web"]}"#)
        .await;
    output["services"][0].clone()
}

#[tokio::test]
async fn a_new_service_has_the_defaults() {
    let fixture = Fixture::with_cluster().await;
    let output = fixture.ok::<CreateService>(CREATE).await;
    let id = stored(&fixture).primary().unwrap().id.to_string();
    let wanted = json!({"service": {
        "serviceArn": arn("service/default/web"),
        "serviceName": "web",
        "clusterArn": arn("cluster/default"),
        "loadBalancers": [],
        "serviceRegistries": [],
        "status": "ACTIVE",
        "desiredCount": 2,
        "runningCount": 0,
        "pendingCount": 0,
        "launchType": "EC2",
        "taskDefinition": arn("task-definition/web:1"),
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {"enable": false, "rollback": false},
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
            "strategy": "ROLLING",
        },
        "deployments": [{
            "id": id,
            "status": "PRIMARY",
            "taskDefinition": arn("task-definition/web:1"),
            "desiredCount": 2,
            "pendingCount": 0,
            "runningCount": 0,
            "failedTasks": 0,
            "createdAt": 1_700_000_000,
            "updatedAt": 1_700_000_000,
            "launchType": "EC2",
            "rolloutState": "IN_PROGRESS",
            "rolloutStateReason": format!("ECS deployment {id} in progress."),
        }],
        "events": [],
        "createdAt": 1_700_000_000,
        "placementConstraints": [],
        "placementStrategy": [],
        "healthCheckGracePeriodSeconds": 0,
        "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"},
        "createdBy": "arn:aws:iam::000000000000:user/test",
        "enableECSManagedTags": false,
        "propagateTags": "NONE",
        "enableExecuteCommand": false,
        "availabilityZoneRebalancing": "DISABLED",
    }});
    assert_eq!(output, wanted);
    assert_eq!(described(&fixture).await, wanted["service"]);
}

#[tokio::test]
async fn members_without_effect_come_back() {
    let fixture = Fixture::with_cluster().await;
    let kept = json!({
        "availabilityZoneRebalancing": "ENABLED",
        "healthCheckGracePeriodSeconds": 60,
        "deploymentConfiguration": {
            "maximumPercent": 150,
            "minimumHealthyPercent": 50,
            "alarms": {"alarmNames": ["a"], "enable": false, "rollback": true},
            "deploymentCircuitBreaker": {"enable": false, "rollback": true},
            "strategy": "ROLLING",
        },
    });
    let mut input: Value = serde_json::from_str(CREATE).unwrap();
    input
        .as_object_mut()
        .unwrap()
        .extend(kept.as_object().unwrap().clone());
    fixture.ok::<CreateService>(&input.to_string()).await;
    let shown = described(&fixture).await;
    for (member, value) in kept.as_object().unwrap() {
        assert_eq!(&shown[member], value, "{member}");
    }
    let update = r#"{"service":"web","healthCheckGracePeriodSeconds":5,
        "deploymentConfiguration":{"maximumPercent":120}}"#;
    fixture.ok::<UpdateService>(update).await;
    let shown = described(&fixture).await;
    assert_eq!(shown["healthCheckGracePeriodSeconds"], 5);
    assert_eq!(shown["availabilityZoneRebalancing"], "ENABLED");
    let configuration = &shown["deploymentConfiguration"];
    assert_eq!(configuration["maximumPercent"], 120);
    assert_eq!(configuration["minimumHealthyPercent"], 50);
    assert_eq!(
        configuration["alarms"],
        kept["deploymentConfiguration"]["alarms"]
    );
}

#[tokio::test]
async fn bad_services_are_refused() {
    let fixture = Fixture::with_cluster().await;
    fixture.register("old").await;
    fixture
        .ok::<DeregisterTaskDefinition>(r#"{"taskDefinition":"old:1"}"#)
        .await;
    let (client, unsupported) = ("ClientException", "UnsupportedFeatureException");
    let cases = [
        (
            json!({"serviceName": null}),
            INVALID,
            "ServiceName can not be blank",
        ),
        (
            json!({"serviceName": "a b"}),
            INVALID,
            "service name \"a b\" is not valid",
        ),
        (
            json!({"taskDefinition": null}),
            INVALID,
            "TaskDefinition can not be blank",
        ),
        (
            json!({"taskDefinition": "none"}),
            client,
            "TaskDefinition not found.",
        ),
        (
            json!({"taskDefinition": "old:1"}),
            client,
            "TaskDefinition is inactive",
        ),
        (
            json!({"cluster": "none"}),
            "ClusterNotFoundException",
            "Cluster not found.",
        ),
        (
            json!({"desiredCount": null}),
            INVALID,
            "desiredCount is required",
        ),
        (
            json!({"desiredCount": -1}),
            INVALID,
            "desiredCount is -1. Use 0 to 5000.",
        ),
        (
            json!({"desiredCount": 5001}),
            INVALID,
            "desiredCount is 5001",
        ),
        (
            json!({"schedulingStrategy": "DAEMON"}),
            unsupported,
            "DAEMON is not supported yet",
        ),
        (
            json!({"schedulingStrategy": "X"}),
            INVALID,
            "schedulingStrategy \"X\"",
        ),
        (
            json!({"launchType": "FARGATE"}),
            INVALID,
            "Task definition does not support launch_type FARGATE.",
        ),
        (
            json!({"deploymentController": {"type": "CODE_DEPLOY"}}),
            unsupported,
            "deploymentController CODE_DEPLOY is not supported",
        ),
        (
            json!({"networkConfiguration": {}}),
            INVALID,
            "Network Configuration is not valid",
        ),
        (
            json!({"deploymentConfiguration": {"maximumPercent": 99}}),
            INVALID,
            "deploymentConfiguration.maximumPercent is 99. Use 100 to 1000.",
        ),
        (
            json!({"deploymentConfiguration": {"minimumHealthyPercent": 101}}),
            INVALID,
            "minimumHealthyPercent is 101",
        ),
        (
            json!({"propagateTags": "ALL"}),
            INVALID,
            "propagateTags \"ALL\"",
        ),
        (
            json!({"clientToken": "x".repeat(37)}),
            INVALID,
            "clientToken is not valid",
        ),
        (
            json!({"tags": [{"key": "aws:x", "value": ""}]}),
            INVALID,
            "reserved",
        ),
        (
            json!({"healthCheckGracePeriodSeconds": -1}),
            INVALID,
            "healthCheckGracePeriodSeconds is -1. Use 0 or more.",
        ),
        (
            json!({"availabilityZoneRebalancing": "X"}),
            INVALID,
            "availabilityZoneRebalancing \"X\"",
        ),
    ];
    for (change, kind, message) in cases {
        let mut input: Value = serde_json::from_str(CREATE).unwrap();
        input
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        fixture
            .refused::<CreateService>(&input.to_string(), kind, message)
            .await;
    }
}

#[tokio::test]
async fn the_same_request_makes_one_service() {
    let fixture = Fixture::with_cluster().await;
    let first = fixture.ok::<CreateService>(CREATE).await;
    assert_eq!(fixture.ok::<CreateService>(CREATE).await, first);
    // With the defaults written out it is the same request.
    let explicit = json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 2,
        "cluster": arn("cluster/default"), "launchType": "EC2", "schedulingStrategy": "REPLICA",
        "deploymentController": {"type": "ECS"}, "propagateTags": "NONE",
        "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100}});
    assert_eq!(
        fixture.ok::<CreateService>(&explicit.to_string()).await,
        first
    );
    let other = r#"{"serviceName":"web","taskDefinition":"web","desiredCount":3}"#;
    let message = "Creation of service was not idempotent.";
    fixture
        .refused::<CreateService>(other, INVALID, message)
        .await;
    // Once it was changed, the old request no longer describes it.
    fixture
        .ok::<UpdateService>(r#"{"service":"web","desiredCount":3}"#)
        .await;
    fixture
        .refused::<CreateService>(CREATE, INVALID, message)
        .await;
    // Unless a token says that it is the very same call.
    let token = r#"{"serviceName":"t","taskDefinition":"web","desiredCount":2,"clientToken":"t"}"#;
    fixture.ok::<CreateService>(token).await;
    fixture
        .ok::<UpdateService>(r#"{"service":"t","desiredCount":1}"#)
        .await;
    let again = fixture.ok::<CreateService>(token).await;
    assert_eq!(again["service"]["desiredCount"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_services_made_at_once_one_wins() {
    let fixture = Fixture::with_cluster().await;
    let calls = (1..=8).map(|count| {
        let input = json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": count});
        fixture.spawn::<CreateService>(&input.to_string())
    });
    let all = futures::future::join_all(calls.collect::<Vec<_>>()).await;
    assert_eq!(
        all.iter()
            .filter(|output| output.as_ref().unwrap().is_ok())
            .count(),
        1
    );
}

#[tokio::test]
async fn only_what_tasks_run_makes_a_deployment() {
    let fixture = Fixture::with_instance().await;
    fixture.ok::<CreateService>(CREATE).await;
    fixture.register("web").await;
    let first = stored(&fixture).primary().unwrap().id;
    let task = fixture.add_service_task("web").await;
    fixture.report(task, TaskStatus::Running).await;
    for (input, deployments) in [
        (r#"{"service":"web","desiredCount":1}"#, 1),
        (r#"{"service":"web","taskDefinition":"web:1"}"#, 1),
        (
            r#"{"service":"web","deploymentConfiguration":{"minimumHealthyPercent":0}}"#,
            1,
        ),
        (
            r#"{"service":"web","propagateTags":"SERVICE","enableECSManagedTags":true}"#,
            1,
        ),
        (r#"{"service":"web","taskDefinition":"web"}"#, 2),
        (r#"{"service":"web","taskDefinition":"web:2"}"#, 2),
        (r#"{"service":"web","forceNewDeployment":true}"#, 3),
    ] {
        let output = fixture.ok::<UpdateService>(input).await;
        let shown = output["service"]["deployments"].as_array().unwrap();
        assert_eq!(shown.len(), deployments, "{input}");
        assert_eq!(shown[0]["status"], "PRIMARY");
    }
    let shown = described(&fixture).await;
    assert_eq!(shown["taskDefinition"], arn("task-definition/web:2"));
    assert_eq!(
        (&shown["runningCount"], &shown["pendingCount"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(shown["propagateTags"], "SERVICE");
    let oldest = &shown["deployments"][2];
    assert_eq!(oldest["id"], first.to_string());
    assert_eq!(oldest["status"], "ACTIVE");
    assert_eq!(oldest["runningCount"], 1);
    assert_eq!(oldest["desiredCount"], 1, "its tasks still wanted");
    assert_eq!(shown["deployments"][0]["desiredCount"], 1, "the service's");
    assert_eq!(shown["deployments"][0]["runningCount"], 0);
}

#[tokio::test]
async fn a_service_keeps_its_inactive_definition_but_takes_no_new_one() {
    let fixture = Fixture::with_cluster().await;
    fixture.ok::<CreateService>(CREATE).await;
    fixture.register("web").await;
    for revision in ["web:1", "web:2"] {
        let input = json!({ "taskDefinition": revision }).to_string();
        fixture.ok::<DeregisterTaskDefinition>(&input).await;
    }
    fixture
        .ok::<UpdateService>(r#"{"service":"web","desiredCount":5}"#)
        .await;
    let force = r#"{"service":"web","taskDefinition":"web:1","forceNewDeployment":true}"#;
    let output = fixture.ok::<UpdateService>(force).await;
    assert_eq!(
        output["service"]["deployments"].as_array().unwrap().len(),
        2
    );
    let (client, draining) = ("ClientException", "ServiceNotActiveException");
    fixture
        .check::<UpdateService>(&[
            (
                r#"{"service":"web","taskDefinition":"web:2"}"#,
                client,
                "TaskDefinition is inactive",
            ),
            (
                r#"{"service":"web","taskDefinition":"web"}"#,
                client,
                "TaskDefinition not found.",
            ),
            ("{}", INVALID, "Service can not be blank"),
            (
                r#"{"service":"no"}"#,
                "ServiceNotFoundException",
                "Service not found.",
            ),
            (
                r#"{"service":"no","cluster":"no"}"#,
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
            (
                r#"{"service":"web","desiredCount":-1}"#,
                INVALID,
                "desiredCount is -1",
            ),
            (
                r#"{"service":"web","networkConfiguration":{}}"#,
                INVALID,
                "Network Configuration",
            ),
            (
                r#"{"service":"web","deploymentController":{"type":"EXTERNAL"}}"#,
                "UnsupportedFeatureException",
                "Use ECS",
            ),
        ])
        .await;
    fixture
        .ok::<DeleteService>(r#"{"service":"web","force":true}"#)
        .await;
    fixture
        .refused::<UpdateService>(force, draining, "Service was not ACTIVE.")
        .await;
}

#[tokio::test]
async fn deployments_in_flight_are_bounded() {
    let fixture = Fixture::with_cluster().await;
    fixture.ok::<CreateService>(CREATE).await;
    let force = r#"{"service":"web","forceNewDeployment":true}"#;
    for _ in 0..49 {
        fixture.ok::<UpdateService>(force).await;
    }
    fixture
        .refused::<UpdateService>(force, "ThrottlingException", "50 deployments")
        .await;
}

#[tokio::test]
async fn deleting_drains_first() {
    let fixture = Fixture::with_instance().await;
    fixture.ok::<CreateService>(CREATE).await;
    let task = fixture.add_service_task("web").await;
    let delete = r#"{"service":"web"}"#;
    let scaled = "The service cannot be stopped while it is scaled above 0.";
    fixture
        .refused::<DeleteService>(delete, INVALID, scaled)
        .await;
    let output = fixture
        .ok::<DeleteService>(r#"{"service":"web","force":true}"#)
        .await;
    assert_eq!(output["service"]["status"], "DRAINING");
    assert_eq!(output["service"]["desiredCount"], 0);
    assert_eq!(
        fixture.ok::<DeleteService>(delete).await,
        output,
        "again is the same"
    );
    let draining = "Unable to Start a service that is still Draining.";
    fixture
        .refused::<CreateService>(CREATE, INVALID, draining)
        .await;
    assert_eq!(
        fixture.ok::<ListServices>("{}").await,
        json!({ "serviceArns": [] })
    );
    // As the service controller ends it.
    fixture.report(task, TaskStatus::Stopped).await;
    let mut ended = stored(&fixture);
    ended.status = ServiceStatus::Inactive;
    ended.deployments.clear();
    fixture.write(&ended).await;
    let shown = described(&fixture).await;
    assert_eq!(shown["status"], "INACTIVE");
    assert_eq!(shown["taskDefinition"], arn("task-definition/web:1"));
    fixture
        .refused::<DeleteService>(delete, "ServiceNotFoundException", "Service not found.")
        .await;
    let anew = fixture.ok::<CreateService>(CREATE).await;
    assert_eq!(anew["service"]["status"], "ACTIVE");
    assert_eq!(anew["service"]["deployments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_tasks_a_service_is_gone_at_once() {
    let fixture = Fixture::with_cluster().await;
    fixture.ok::<CreateService>(CREATE).await;
    fixture
        .ok::<UpdateService>(r#"{"service":"web","desiredCount":0}"#)
        .await;
    let output = fixture.ok::<DeleteService>(r#"{"service":"web"}"#).await;
    assert_eq!(output["service"]["status"], "INACTIVE");
    assert_eq!(output["service"]["deployments"], json!([]));
    assert_eq!(
        described(&fixture).await["status"],
        "INACTIVE",
        "still described"
    );
    fixture
        .check::<DeleteService>(&[
            ("{}", INVALID, "Service can not be blank"),
            (
                r#"{"service":"no"}"#,
                "ServiceNotFoundException",
                "Service not found.",
            ),
            (
                r#"{"service":"no","cluster":"no"}"#,
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
        ])
        .await;
}

#[tokio::test]
async fn services_are_listed_and_described() {
    let fixture = Fixture::with_cluster().await;
    for index in (0..11).rev() {
        let launch_type = if index == 0 { "EXTERNAL" } else { "EC2" };
        let input = json!({"serviceName": format!("s{index:02}"), "taskDefinition": "web",
            "desiredCount": 0, "launchType": launch_type, "tags": [{"key": "a", "value": "b"}]});
        fixture.ok::<CreateService>(&input.to_string()).await;
        fixture.advance(std::time::Duration::from_secs(1));
    }
    let first = fixture.ok::<ListServices>("{}").await;
    assert_eq!(
        first["serviceArns"].as_array().unwrap().len(),
        10,
        "the default page"
    );
    assert_eq!(
        first["serviceArns"][0],
        arn("service/default/s10"),
        "oldest first"
    );
    let next = json!({ "nextToken": first["nextToken"] }).to_string();
    let external = json!({ "serviceArns": [arn("service/default/s00")] });
    assert_eq!(fixture.ok::<ListServices>(&next).await, external);
    assert_eq!(
        fixture
            .ok::<ListServices>(r#"{"launchType":"EXTERNAL"}"#)
            .await,
        external
    );
    let none = json!({ "serviceArns": [] });
    assert_eq!(
        fixture
            .ok::<ListServices>(r#"{"schedulingStrategy":"DAEMON"}"#)
            .await,
        none
    );
    let input = json!({"services": [arn("service/default/s01"), "none"], "include": ["TAGS"]});
    let output = fixture.ok::<DescribeServices>(&input.to_string()).await;
    assert_eq!(output["services"][0]["serviceName"], "s01");
    assert_eq!(
        output["services"][0]["tags"],
        json!([{"key": "a", "value": "b"}])
    );
    let missing = json!([{"arn": arn("service/none"), "reason": "MISSING"}]);
    assert_eq!(output["failures"], missing);
    let eleven = json!({ "services": vec!["s"; 11] }).to_string();
    let elsewhere = json!({ "services": [arn("service/other/web")] }).to_string();
    fixture
        .check::<DescribeServices>(&[
            ("{}", INVALID, "Services cannot be empty."),
            (&eleven, INVALID, "service names can have at most 10 items."),
            (&elsewhere, INVALID, "Identifier is for cluster other."),
            (
                r#"{"services":["a"],"cluster":"no"}"#,
                "ClusterNotFoundException",
                "Cluster not",
            ),
            (
                r#"{"services":["a"],"include":["X"]}"#,
                INVALID,
                "include[0] \"X\"",
            ),
        ])
        .await;
    fixture
        .check::<ListServices>(&[
            (
                r#"{"cluster":"no"}"#,
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
            (r#"{"maxResults":101}"#, INVALID, "maxResults is 101"),
            (
                r#"{"launchType":"X"}"#,
                INVALID,
                "launch type should be one of [EC2,FARGATE,EXTERNAL]",
            ),
        ])
        .await;
}

#[tokio::test]
async fn standalone_tasks_are_not_counted() {
    let fixture = Fixture::with_instance().await;
    fixture.ok::<CreateService>(CREATE).await;
    fixture.ok::<RunTask>(r#"{"taskDefinition":"web"}"#).await;
    let task = fixture.add_service_task("web").await;
    let shown = described(&fixture).await;
    assert_eq!(
        (&shown["runningCount"], &shown["pendingCount"]),
        (&json!(0), &json!(1))
    );
    fixture.report(task, TaskStatus::Activating).await;
    assert_eq!(
        described(&fixture).await["deployments"][0]["pendingCount"],
        1
    );
}
