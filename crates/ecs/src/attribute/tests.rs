use longshore_model::instance::ZONE_ATTRIBUTE;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{Fixture, arn};
use crate::instance::{DeregisterContainerInstance, DescribeContainerInstances};

const ONE: &str = "00000000000000000000000000000001";
const TWO: &str = "00000000000000000000000000000002";
const INVALID: &str = "InvalidParameterException";

fn on(id: &str, name: &str, value: &str) -> Value {
    json!({"name": name, "value": value, "targetType": TARGET_TYPE, "targetId": id})
}

fn call(attributes: &[Value]) -> String {
    json!({ "attributes": attributes }).to_string()
}

/// A Delete takes no values.
fn naming(names: &[&str]) -> String {
    let named = names
        .iter()
        .map(|name| json!({"name": name, "targetType": TARGET_TYPE, "targetId": ONE}));
    json!({ "attributes": named.collect::<Vec<_>>() }).to_string()
}

fn shown(id: &str, name: &str, value: &str) -> Value {
    on(
        &arn(&format!("container-instance/default/{id}")),
        name,
        value,
    )
}

#[tokio::test]
async fn attributes_are_put_shown_and_taken_away() {
    let fixture = Fixture::with_instance().await;
    let full = arn(&format!("container-instance/default/{ONE}"));
    let bare = json!({"name": "gpu", "targetId": full});
    let input = call(&[on(ONE, "stack", "prod: a@b"), bare]);
    let output = fixture.ok::<PutAttributes>(&input).await;
    let gpu = json!({"name": "gpu", "targetType": TARGET_TYPE, "targetId": full});
    assert_eq!(
        output,
        json!({"attributes": [shown(ONE, "stack", "prod: a@b"), gpu]})
    );
    let described = fixture
        .ok::<DescribeContainerInstances>(&json!({"containerInstances": [ONE]}).to_string())
        .await;
    assert_eq!(
        described["containerInstances"][0]["attributes"],
        json!([
            {"name": ZONE_ATTRIBUTE, "value": "zone-a"},
            {"name": "ecs.capability.task-cpu-mem-limit"},
            {"name": "gpu"},
            {"name": "stack", "value": "prod: a@b"},
        ])
    );
    fixture
        .ok::<PutAttributes>(&call(&[on(ONE, "stack", "test")]))
        .await;
    assert_eq!(fixture.instance(1).attribute("stack"), Some(Some("test")));

    let output = fixture
        .ok::<DeleteAttributes>(&naming(&["stack", "never-there"]))
        .await;
    assert_eq!(output["attributes"][0]["name"], "stack");
    assert_eq!(output["attributes"][0]["targetId"], full);
    assert_eq!(fixture.instance(1).attribute("stack"), None);
    assert_eq!(fixture.instance(1).attribute("gpu"), Some(None));
}

#[tokio::test]
async fn what_users_put_hides_what_the_agent_says() {
    let fixture = Fixture::with_instance().await;
    let mut instance = fixture.instance(1);
    instance
        .attributes
        .insert("disk".to_owned(), Some("hdd".to_owned()));
    fixture.write(&instance).await;
    fixture
        .refused::<DeleteAttributes>(
            &naming(&["disk"]),
            INVALID,
            "Attribute disk of container instance 00000000000000000000000000000001 is set by its agent.",
        )
        .await;
    fixture
        .ok::<PutAttributes>(&call(&[on(ONE, "disk", "ssd")]))
        .await;
    assert_eq!(fixture.instance(1).attribute("disk"), Some(Some("ssd")));
    fixture.ok::<DeleteAttributes>(&naming(&["disk"])).await;
    assert_eq!(fixture.instance(1).attribute("disk"), Some(Some("hdd")));
}

#[tokio::test]
async fn an_instance_holds_ten() {
    let fixture = Fixture::with_instance().await;
    let many: Vec<Value> = (0..10).map(|i| on(ONE, &format!("a{i}"), "x")).collect();
    fixture.ok::<PutAttributes>(&call(&many)).await;
    fixture
        .ok::<PutAttributes>(&call(&[on(ONE, "a3", "y")]))
        .await;
    fixture
        .refused::<PutAttributes>(
            &call(&[on(ONE, "a3", "z"), on(ONE, "b", "x")]),
            "AttributeLimitExceededException",
            "would have 11 custom attributes. At most 10",
        )
        .await;
    assert_eq!(fixture.instance(1).attribute("a3"), Some(Some("y")));
}

#[tokio::test]
async fn bad_attributes_are_refused_and_nothing_is_put() {
    let fixture = Fixture::with_instance().await;
    let long = "x".repeat(129);
    let good = on(ONE, "good", "x");
    let with = |bad: Value| call(&[good.clone(), bad]);
    let eleven: Vec<Value> = (0..11).map(|i| on(ONE, &format!("a{i}"), "x")).collect();
    let other = arn(&format!("container-instance/other/{ONE}"));
    let name_rule = "attributes[1].name";
    let value_rule = "attributes[1].value";
    let cases: Vec<(String, &str, &str)> = vec![
        (call(&[]), INVALID, "Attributes cannot be empty."),
        (
            call(&eleven),
            INVALID,
            "attributes can have at most 10 items.",
        ),
        (
            with(json!({})),
            INVALID,
            "Attributes[1].name can not be blank",
        ),
        (with(on(ONE, &long, "x")), INVALID, name_rule),
        (with(on(ONE, "a b", "x")), INVALID, name_rule),
        (with(on(ONE, "é", "x")), INVALID, name_rule),
        (with(on(ONE, "a", "")), INVALID, value_rule),
        (with(on(ONE, "a", &long)), INVALID, value_rule),
        (with(on(ONE, "a", "x,y")), INVALID, value_rule),
        (
            with(on(ONE, "a", " x")),
            INVALID,
            "Take away the space at its start or end",
        ),
        (with(on(ONE, "a", "x ")), INVALID, "space"),
        (
            with(on(ONE, "good", "y")),
            INVALID,
            "names good twice for one target",
        ),
        (
            with(on(ONE, "ecs.availability-zone", "b")),
            INVALID,
            "names that begin with ecs. are set by Longshore",
        ),
        (with(on(ONE, "ECS.x", "b")), INVALID, "begin with ecs."),
        (
            with(on(ONE, "com.amazonaws.ecs.capability.x", "b")),
            INVALID,
            "begin with com.amazonaws.ecs.",
        ),
        (
            with(json!({"name": "a", "targetId": ONE})),
            INVALID,
            "attributes[1].targetType can not be blank where targetId is not an ARN",
        ),
        (
            with(json!({"name": "a", "targetId": ONE, "targetType": "task"})),
            INVALID,
            "attributes[1].targetType \"task\" is not valid. Use container-instance.",
        ),
        (
            with(json!({"name": "a", "targetType": TARGET_TYPE})),
            INVALID,
            "Attributes[1].targetId can not be blank",
        ),
        (
            with(on("i-123", "a", "x")),
            INVALID,
            "attributes[1].targetId length should be one of [32,36].",
        ),
        (with(on(&arn("task/default/1"), "a", "x")), INVALID, ""),
        (
            with(on(&other, "a", "x")),
            INVALID,
            "Identifier is for cluster other. Your cluster is default.",
        ),
        (
            with(on(TWO, "a", "x")),
            "TargetNotFoundException",
            "The specified target was not found. Cluster default has no container instance",
        ),
        (
            json!({"cluster": "none", "attributes": [good]}).to_string(),
            "ClusterNotFoundException",
            "Cluster not found.",
        ),
    ];
    for (input, kind, message) in &cases {
        fixture.refused::<PutAttributes>(input, kind, message).await;
    }
    for (input, kind, message) in [
        (call(&[]), INVALID, "Attributes cannot be empty."),
        (
            call(std::slice::from_ref(&good)),
            INVALID,
            "attributes[0].value can not be given",
        ),
        (
            naming(&[ZONE_ATTRIBUTE]),
            INVALID,
            "Attribute ecs.availability-zone can not be changed",
        ),
        (
            json!({"attributes": [{"name": "a", "targetType": TARGET_TYPE, "targetId": TWO}]})
                .to_string(),
            "TargetNotFoundException",
            "see ListContainerInstances",
        ),
    ] {
        fixture
            .refused::<DeleteAttributes>(&input, kind, message)
            .await;
    }
    fixture
        .ok::<DeregisterContainerInstance>(&json!({"containerInstance": ONE}).to_string())
        .await;
    fixture
        .refused::<PutAttributes>(
            &call(&[good]),
            "TargetNotFoundException",
            "was deregistered",
        )
        .await;
}

#[tokio::test]
async fn attributes_are_listed_by_name_and_value_in_pages() {
    let fixture = Fixture::with_instance().await;
    fixture.advance(std::time::Duration::from_secs(1));
    fixture.add_instance(2).await;
    fixture
        .ok::<PutAttributes>(&call(&[
            on(ONE, "stack", "prod"),
            on(TWO, "stack", "test"),
            on(TWO, "team", "a"),
        ]))
        .await;
    let list = |more: Value| {
        let mut input = json!({ "targetType": TARGET_TYPE });
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input.to_string()
    };
    for (filter, wanted) in [
        (
            json!({"attributeName": "stack"}),
            json!([shown(ONE, "stack", "prod"), shown(TWO, "stack", "test")]),
        ),
        (
            json!({"attributeName": "stack", "attributeValue": "test"}),
            json!([shown(TWO, "stack", "test")]),
        ),
        (
            json!({"attributeName": ZONE_ATTRIBUTE, "attributeValue": "zone-a"}),
            json!([
                shown(ONE, ZONE_ATTRIBUTE, "zone-a"),
                shown(TWO, ZONE_ATTRIBUTE, "zone-a")
            ]),
        ),
        (json!({"attributeName": "none"}), json!([])),
    ] {
        let output = fixture.ok::<ListAttributes>(&list(filter)).await;
        assert_eq!(output, json!({ "attributes": wanted }));
    }
    let (mut names, mut token) = (Vec::new(), Value::Null);
    loop {
        let input = list(json!({"maxResults": 2, "nextToken": token}));
        let mut page = fixture.ok::<ListAttributes>(&input).await;
        for attribute in page["attributes"].as_array().unwrap() {
            names.push(attribute["name"].as_str().unwrap().to_owned());
        }
        token = page["nextToken"].take();
        if token.is_null() {
            break;
        }
        let narrowed = list(json!({"attributeName": "stack", "nextToken": token}));
        fixture
            .refused::<ListAttributes>(&narrowed, INVALID, "made with other filters")
            .await;
    }
    let capability = "ecs.capability.task-cpu-mem-limit";
    assert_eq!(
        names,
        [
            ZONE_ATTRIBUTE,
            capability,
            "stack",
            ZONE_ATTRIBUTE,
            capability,
            "stack",
            "team"
        ]
    );
    fixture
        .check::<ListAttributes>(&[
            ("{}", INVALID, "TargetType can not be blank"),
            (r#"{"targetType":"task"}"#, INVALID, "targetType \"task\""),
            (
                r#"{"targetType":"container-instance","attributeValue":"x"}"#,
                INVALID,
                "attributeValue needs attributeName",
            ),
            (
                r#"{"targetType":"container-instance","attributeName":"a b"}"#,
                INVALID,
                "attributeName \"a b\" is not valid",
            ),
            (
                r#"{"targetType":"container-instance","maxResults":101}"#,
                INVALID,
                "Use 1 to 100",
            ),
            (
                r#"{"targetType":"container-instance","cluster":"none"}"#,
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
        ])
        .await;
}
