//! Constraints and strategies of CreateService and UpdateService.

use serde_json::{Value, json};

use super::{INVALID, described};
use crate::fixture::Fixture;
use crate::service::{CreateService, UpdateService};
use crate::task_definition::RegisterTaskDefinition;

fn member(expression: &str) -> Value {
    json!({"type": "memberOf", "expression": expression})
}

fn create(more: Value) -> String {
    with(
        json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 2}),
        more,
    )
}

fn update(more: Value) -> String {
    with(json!({"service": "web"}), more)
}

fn with(mut input: Value, more: Value) -> String {
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    input.to_string()
}

/// The placement members of the service, and how many deployments it has.
async fn shown(fixture: &Fixture) -> (Value, Value, usize) {
    let mut service = described(fixture).await;
    (
        service["placementConstraints"].take(),
        service["placementStrategy"].take(),
        service["deployments"].as_array().map_or(0, Vec::len),
    )
}

#[tokio::test]
async fn placement_is_kept_changed_and_cleared_without_a_deployment() {
    let fixture = Fixture::with_cluster().await;
    let constraints = json!([member("attribute:disk == ssd"), {"type": "distinctInstance"}]);
    let strategy = json!([
        {"type": "spread", "field": "attribute:ecs.availability-zone"},
        {"type": "binpack", "field": "MEMORY"},
    ]);
    let input = json!({"placementConstraints": constraints, "placementStrategy": strategy.clone()});
    fixture.ok::<CreateService>(&create(input.clone())).await;
    assert_eq!(
        shown(&fixture).await,
        (constraints.clone(), strategy.clone(), 1)
    );
    // The same request in other words makes nothing new.
    let mut same = input;
    same["placementStrategy"][1]["field"] = json!("memory");
    fixture.ok::<CreateService>(&create(same.clone())).await;
    same["placementStrategy"] = json!([]);
    fixture
        .refused::<CreateService>(&create(same), INVALID, "was not idempotent")
        .await;

    fixture
        .ok::<UpdateService>(&update(json!({"desiredCount": 3})))
        .await;
    assert_eq!(
        shown(&fixture).await,
        (constraints, strategy.clone(), 1),
        "what is left out stays"
    );
    let other = json!([member("runningTasksCount < 9")]);
    fixture
        .ok::<UpdateService>(&update(json!({ "placementConstraints": other })))
        .await;
    assert_eq!(shown(&fixture).await, (other, strategy.clone(), 1));
    fixture
        .ok::<UpdateService>(&update(json!({"placementConstraints": []})))
        .await;
    assert_eq!(shown(&fixture).await, (json!([]), strategy.clone(), 1));
    for nothing in [json!([]), json!([{}])] {
        fixture
            .ok::<UpdateService>(&update(json!({ "placementStrategy": nothing })))
            .await;
        assert_eq!(shown(&fixture).await, (json!([]), json!([]), 1));
        fixture
            .ok::<UpdateService>(&update(json!({ "placementStrategy": strategy })))
            .await;
    }
}

#[tokio::test]
async fn refused_placements_change_nothing() {
    let fixture = Fixture::with_cluster().await;
    let long = "x".repeat(2001);
    let cases = [
        (
            json!({"placementConstraints": [member("attribute:a ==")]}),
            "placementConstraints[0].expression is not valid: column 15",
        ),
        (
            json!({"placementConstraints": [member(&long)]}),
            "2001 characters; at most 2000",
        ),
        (
            json!({"placementConstraints": [{"type": "distinctInstance", "expression": "x"}]}),
            "takes no expression",
        ),
        (
            json!({"placementConstraints": vec![member("attribute:a exists"); 11]}),
            "placementConstraints has 11 entries",
        ),
        (
            json!({"placementStrategy": vec![json!({"type": "random"}); 6]}),
            "placementStrategy has 6 entries",
        ),
        (
            json!({"placementStrategy": [{"type": "random"}, {}]}),
            "placementStrategy[1].type is not valid",
        ),
        (
            json!({"placementStrategy": [{"type": "binpack", "field": "disk"}]}),
            "use cpu or memory",
        ),
    ];
    for (more, message) in &cases {
        let input = create(more.clone());
        fixture
            .refused::<CreateService>(&input, INVALID, message)
            .await;
    }
    let random = json!([{"type": "random"}]);
    let daemon = json!({"schedulingStrategy": "DAEMON", "placementStrategy": random});
    let fargate = json!({"launchType": "FARGATE", "placementStrategy": random});
    for (more, message) in [
        (
            daemon,
            "placementStrategy can not be used with schedulingStrategy DAEMON",
        ),
        (
            fargate,
            "placementStrategy can not be used with launchType FARGATE",
        ),
    ] {
        fixture
            .refused::<CreateService>(&create(more), INVALID, message)
            .await;
    }
    fixture.ok::<CreateService>(&create(json!({}))).await;
    for (more, message) in &cases {
        let input = update(more.clone());
        fixture
            .refused::<UpdateService>(&input, INVALID, message)
            .await;
    }
}

#[tokio::test]
async fn constraints_of_service_and_definition_are_ten_together() {
    let fixture = Fixture::with_cluster().await;
    let bound = json!({
        "family": "bound",
        "placementConstraints": vec![member("attribute:a exists"); 5],
        "containerDefinitions": [{"name": "app", "image": "busybox", "memory": 64}],
    });
    fixture
        .ok::<RegisterTaskDefinition>(&bound.to_string())
        .await;
    let of =
        |count: usize| json!({"placementConstraints": vec![member("attribute:b exists"); count]});
    let too_many =
        "placementConstraints has 6 entries and task definition bound:1 has 5, 11 together";
    let mut input = of(6);
    input["taskDefinition"] = json!("bound");
    fixture
        .refused::<CreateService>(&create(input.clone()), INVALID, too_many)
        .await;
    fixture.ok::<CreateService>(&create(of(6))).await;
    fixture
        .refused::<UpdateService>(
            &update(json!({"taskDefinition": "bound"})),
            INVALID,
            too_many,
        )
        .await;
    let mut fewer = of(5);
    fewer["taskDefinition"] = json!("bound");
    fixture.ok::<UpdateService>(&update(fewer)).await;
    fixture
        .refused::<UpdateService>(&update(of(6)), INVALID, too_many)
        .await;
    fixture
        .ok::<UpdateService>(&update(json!({"desiredCount": 1})))
        .await;
}
