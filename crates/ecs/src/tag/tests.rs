use serde_json::{Value, json};

use super::*;
use crate::cluster::DeleteCluster;
use crate::fixture::{Fixture, arn};
use crate::service::{CreateService, DeleteService};
use crate::task::RunTask;

const ONE: &str = "00000000000000000000000000000001";
const INVALID: &str = "InvalidParameterException";

async fn tags(fixture: &Fixture, arn: &str) -> Value {
    let input = json!({ "resourceArn": arn }).to_string();
    fixture.ok::<ListTagsForResource>(&input).await["tags"].clone()
}

#[tokio::test]
async fn every_resource_takes_tags() {
    let fixture = Fixture::with_instance().await;
    let service = r#"{"serviceName":"web","taskDefinition":"web","desiredCount":1}"#;
    fixture.ok::<CreateService>(service).await;
    fixture
        .ok::<RunTask>(r#"{"taskDefinition":"web","enableECSManagedTags":true}"#)
        .await;
    let task = format!("task/default/{}", fixture.only_task().id);
    let instance = format!("container-instance/default/{ONE}");
    let managed = json!({"key": "aws:ecs:clusterName", "value": "default"});
    for resource in [
        "cluster/default",
        "service/default/web",
        &instance,
        "task-definition/web:1",
        &task,
    ] {
        let arn = arn(resource);
        let add = json!({"resourceArn": arn, "tags": [
            {"key": "a", "value": "1"}, {"key": "b", "value": "2"}]});
        assert_eq!(fixture.ok::<TagResource>(&add.to_string()).await, json!({}));
        let change = json!({"resourceArn": arn, "tags": [{"key": "a", "value": "3"}]});
        fixture.ok::<TagResource>(&change.to_string()).await;
        let remove = json!({"resourceArn": arn, "tagKeys": ["b", "never"]});
        assert_eq!(
            fixture.ok::<UntagResource>(&remove.to_string()).await,
            json!({})
        );
        let mut wanted = vec![json!({"key": "a", "value": "3"})];
        if resource == task {
            wanted.push(managed.clone());
        }
        assert_eq!(tags(&fixture, &arn).await, json!(wanted), "{resource}");
    }
}

#[tokio::test]
async fn bad_tags_change_nothing() {
    let fixture = Fixture::with_cluster().await;
    let cluster = arn("cluster/default");
    let with =
        |resource: &str, tags: Value| json!({"resourceArn": resource, "tags": tags}).to_string();
    let one = || json!([{"key": "a", "value": "1"}]);
    let many: Value = (0..51)
        .map(|i| json!({"key": format!("k{i}"), "value": ""}))
        .collect();
    let not_found = "ResourceNotFoundException";
    fixture
        .check::<TagResource>(&[
            ("{}", INVALID, "ResourceArn can not be blank"),
            (&with("default", one()), INVALID, "is not an ARN"),
            (
                &with(&arn("service/web"), one()),
                INVALID,
                "Long arn format must be used",
            ),
            (
                &with(&arn("service/default/web"), one()),
                not_found,
                "was not found",
            ),
            (
                &with(&arn("task-definition/web:9"), one()),
                not_found,
                "was not found",
            ),
            (
                &with(&arn("cluster/none"), one()),
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
            (
                &with(&cluster, json!([{"key": "AWS:a", "value": ""}])),
                INVALID,
                "reserved",
            ),
            (
                &with(&cluster, json!([{"value": ""}])),
                INVALID,
                "tag key \"\"",
            ),
            (&with(&cluster, many), INVALID, "51 tags are too many"),
        ])
        .await;
    let reserved = json!({"resourceArn": cluster, "tagKeys": ["aws:ecs:clusterName"]}).to_string();
    fixture
        .refused::<UntagResource>(&reserved, INVALID, "reserved")
        .await;
    let unknown = json!({ "resourceArn": arn(&format!("task/default/{ONE}")) }).to_string();
    fixture
        .refused::<ListTagsForResource>(&unknown, INVALID, "was not found")
        .await;
}

#[tokio::test]
async fn what_was_deleted_takes_no_tags() {
    let fixture = Fixture::with_cluster().await;
    let service = r#"{"serviceName":"web","taskDefinition":"web","desiredCount":0}"#;
    fixture.ok::<CreateService>(service).await;
    fixture.ok::<DeleteService>(r#"{"service":"web"}"#).await;
    let input =
        json!({"resourceArn": arn("service/default/web"), "tags": [{"key": "a"}]}).to_string();
    fixture
        .refused::<TagResource>(&input, INVALID, "resource is inactive")
        .await;
    fixture
        .ok::<DeleteCluster>(r#"{"cluster":"default"}"#)
        .await;
    let input = json!({"resourceArn": arn("cluster/default"), "tags": [{"key": "a"}]}).to_string();
    let inactive = "The referenced cluster was inactive.";
    fixture
        .refused::<TagResource>(&input, "ClusterNotFoundException", inactive)
        .await;
}
