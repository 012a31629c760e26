//! Constraints, strategies and groups of RunTask and StartTask.

use serde_json::{Value, json};

use super::{INVALID, ONE};
use crate::attribute::PutAttributes;
use crate::fixture::{Fixture, arn};
use crate::task::{RunTask, StartTask};
use crate::task_definition::RegisterTaskDefinition;

const TWO: &str = "00000000000000000000000000000002";

/// Two instances, the second with attribute `disk` = `ssd`.
async fn two_instances() -> Fixture {
    let fixture = Fixture::with_instance().await;
    fixture.add_instance(2).await;
    let input = json!({"attributes": [
        {"name": "disk", "value": "ssd", "targetType": "container-instance", "targetId": TWO}]});
    fixture.ok::<PutAttributes>(&input.to_string()).await;
    fixture
}

/// Registers family `bound`, whose tasks go to instances with a disk only.
async fn register_bound(fixture: &Fixture, constraints: usize) {
    let constraint = json!({"type": "memberOf", "expression": "attribute:disk exists"});
    let input = json!({
        "family": "bound",
        "placementConstraints": vec![constraint; constraints],
        "containerDefinitions": [{"name": "app", "image": "busybox", "memory": 64}],
    });
    fixture
        .ok::<RegisterTaskDefinition>(&input.to_string())
        .await;
}

fn member(expression: &str) -> Value {
    json!({"type": "memberOf", "expression": expression})
}

fn instance(id: &str) -> String {
    arn(&format!("container-instance/default/{id}"))
}

#[tokio::test]
async fn constraints_of_definition_and_request_bind_together() {
    let fixture = two_instances().await;
    register_bound(&fixture, 1).await;
    let run = |constraints: Value| {
        json!({"taskDefinition": "bound", "placementConstraints": constraints,
            "placementStrategy": [{"type": "binpack", "field": "cpu"}, {"type": "random"}]})
        .to_string()
    };
    let output = fixture.ok::<RunTask>(&run(json!([]))).await;
    assert_eq!(output["tasks"][0]["containerInstanceArn"], instance(TWO));
    let output = fixture
        .ok::<RunTask>(&run(json!([member("attribute:disk == hdd")])))
        .await;
    assert_eq!(output["tasks"], json!([]));
    assert_eq!(
        fixture.asked(),
        [
            "memberOf(attribute:disk exists), binpack(CPU), random",
            "memberOf(attribute:disk exists), memberOf(attribute:disk == hdd), binpack(CPU), random",
        ]
    );
}

#[tokio::test]
async fn failures_name_the_reasons_and_how_many_there_are() {
    let fixture = two_instances().await;
    let input = json!({"taskDefinition": "web", "count": 3, "placementConstraints": [
        member("attribute:disk == ssd"), {"type": "distinctInstance"}]});
    let output = fixture.ok::<RunTask>(&input.to_string()).await;
    let tasks = output["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0]["containerInstanceArn"], instance(TWO));
    let counts = "of 2 instances: 1 DistinctInstance placement constraint unsatisfied, 1 MemberOf placement constraint unsatisfied";
    assert_eq!(
        output["failures"],
        json!([
            {
                "arn": instance(TWO),
                "reason": "DistinctInstance placement constraint unsatisfied.",
                "detail": format!("it holds a task of the same group; {counts}"),
            },
            {
                "arn": instance(ONE),
                "reason": "MemberOf placement constraint unsatisfied.",
                "detail": format!("it does not meet attribute:disk == ssd; {counts}"),
            },
        ])
    );
}

#[tokio::test]
async fn distinct_instance_is_about_the_group() {
    let fixture = two_instances().await;
    let run = |group: &str| {
        json!({"taskDefinition": "web", "group": group, "count": 2,
            "placementConstraints": [{"type": "distinctInstance"}]})
        .to_string()
    };
    let placed = async |group: &str| {
        let output = fixture.ok::<RunTask>(&run(group)).await;
        output["tasks"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(placed("a").await, 2);
    assert_eq!(placed("a").await, 0);
    assert_eq!(placed("b").await, 2);
    let near = json!({"taskDefinition": "web", "placementConstraints": [
        member("task:group == a and not(task:group == c)")]});
    let output = fixture.ok::<RunTask>(&near.to_string()).await;
    assert_eq!(output["failures"], json!([]));
}

#[tokio::test]
async fn start_task_is_not_constrained() {
    let fixture = two_instances().await;
    register_bound(&fixture, 1).await;
    let input = json!({"taskDefinition": "bound", "containerInstances": [ONE]});
    let output = fixture.ok::<StartTask>(&input.to_string()).await;
    assert_eq!(output["tasks"][0]["containerInstanceArn"], instance(ONE));
    assert_eq!(fixture.asked(), [""]);
}

#[tokio::test]
async fn refused_placements_start_nothing() {
    let fixture = two_instances().await;
    register_bound(&fixture, 5).await;
    let run = |more: Value| {
        let mut input = json!({"taskDefinition": "bound"});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input.to_string()
    };
    let six = vec![member("attribute:disk exists"); 6];
    let five = vec![member("attribute:disk exists"); 5];
    let cases = [
        (
            run(json!({ "placementConstraints": six })),
            "placementConstraints has 6 entries and task definition bound:1 has 5, 11 together. At most 10",
        ),
        (
            run(json!({"placementConstraints": [member("attribute:disk = ssd")]})),
            "placementConstraints[0].expression is not valid: column 16",
        ),
        (
            run(json!({"placementStrategy": [{"type": "spread"}]})),
            "placementStrategy[0].field is not valid",
        ),
        (
            run(
                json!({"launchType": "FARGATE", "placementConstraints": [{"type": "distinctInstance"}]}),
            ),
            "placementConstraints can not be used with launchType FARGATE",
        ),
        (
            run(json!({"launchType": "FARGATE", "placementStrategy": [{"type": "random"}]})),
            "placementStrategy can not be used with launchType FARGATE",
        ),
    ];
    for (input, message) in &cases {
        fixture.refused::<RunTask>(input, INVALID, message).await;
    }
    fixture
        .ok::<RunTask>(&run(json!({ "placementConstraints": five })))
        .await;
}
