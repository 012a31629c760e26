use longshore_model::task::TaskStatus;
use serde_json::json;

use super::*;
use crate::fixture::{Fixture, arn};
use crate::instance::DeregisterContainerInstance;
use crate::service::{CreateService, DeleteService};
use crate::task::{RunTask, StopTask};

#[tokio::test]
async fn a_new_cluster_has_the_defaults() {
    let fixture = Fixture::new().await;
    let input = r#"{"clusterName":"prod","tags":[{"key":"team","value":"a"}],
        "settings":[{"name":"containerInsights","value":"enabled"}]}"#;
    let output = fixture.ok::<CreateCluster>(input).await;
    let wanted = json!({"cluster": {
        "clusterArn": arn("cluster/prod"),
        "clusterName": "prod",
        "status": "ACTIVE",
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": 0,
        "pendingTasksCount": 0,
        "activeServicesCount": 0,
        "statistics": [],
        "tags": [{"key": "team", "value": "a"}],
        "settings": [{"name": "containerInsights", "value": "enabled"}],
        "capacityProviders": [],
        "defaultCapacityProviderStrategy": [],
    }});
    assert_eq!(output, wanted);
    // The same name again, whatever else is said, is the cluster that exists.
    let again = fixture
        .ok::<CreateCluster>(r#"{"clusterName":"prod"}"#)
        .await;
    assert_eq!(again, wanted);
}

#[tokio::test]
async fn bad_clusters_are_refused() {
    let fixture = Fixture::new().await;
    let invalid = "InvalidParameterException";
    fixture
        .check::<CreateCluster>(&[
            (
                r#"{"clusterName":"a b"}"#,
                invalid,
                "cluster name \"a b\" is not valid",
            ),
            (r#"{"clusterName":""}"#, invalid, "is not valid"),
            (
                r#"{"tags":[{"key":"aws:x","value":"1"}]}"#,
                invalid,
                "prefix aws: is reserved",
            ),
            (
                r#"{"tags":[{"key":"a","value":"1"},{"key":"a","value":"2"}]}"#,
                invalid,
                "given twice",
            ),
            (
                r#"{"settings":[{"name":"x","value":"1"}]}"#,
                invalid,
                "settings[0].name \"x\"",
            ),
            (
                r#"{"settings":[{"name":"containerInsights","value":"on"}]}"#,
                invalid,
                "settings[].value \"on\"",
            ),
        ])
        .await;
    fixture
        .check::<DeleteCluster>(&[
            ("{}", invalid, "Cluster can not be blank"),
            (
                r#"{"cluster":"no"}"#,
                "ClusterNotFoundException",
                "Cluster not found.",
            ),
            (r#"{"cluster":"arn:aws:ecs:x"}"#, invalid, "is not an ARN"),
        ])
        .await;
    let too_many: Vec<String> = (0..101).map(|i| format!("c{i}")).collect();
    let too_many = json!({ "clusters": too_many }).to_string();
    fixture
        .check::<DescribeClusters>(&[
            (&too_many, invalid, "clusters can have at most 100 items."),
            (
                r#"{"include":["EVERYTHING"]}"#,
                invalid,
                "include[0] \"EVERYTHING\"",
            ),
        ])
        .await;
    fixture
        .check::<ListClusters>(&[
            (r#"{"maxResults":0}"#, invalid, "maxResults is 0"),
            (r#"{"nextToken":"x"}"#, invalid, "nextToken is not valid"),
        ])
        .await;
}

#[tokio::test]
async fn describing_tells_the_missing_from_the_deleted() {
    let fixture = Fixture::with_instance().await;
    fixture
        .ok::<CreateCluster>(r#"{"clusterName":"old"}"#)
        .await;
    fixture.ok::<DeleteCluster>(r#"{"cluster":"old"}"#).await;
    fixture.ok::<RunTask>(r#"{"taskDefinition":"web"}"#).await;
    let input = json!({
        "clusters": ["default", arn("cluster/old"), "none"],
        "include": ["STATISTICS", "TAGS", "SETTINGS"],
    });
    let output = fixture.ok::<DescribeClusters>(&input.to_string()).await;
    assert_eq!(
        output["clusters"][0]["registeredContainerInstancesCount"],
        1
    );
    assert_eq!(output["clusters"][0]["pendingTasksCount"], 1);
    let pending = json!({"name": "pendingEC2TasksCount", "value": "1"});
    assert!(
        output["clusters"][0]["statistics"]
            .as_array()
            .unwrap()
            .contains(&pending)
    );
    assert_eq!(output["clusters"][1]["status"], "INACTIVE");
    let missing = json!([{"arn": arn("cluster/none"), "reason": "MISSING"}]);
    assert_eq!(output["failures"], missing);
    let default = fixture.ok::<DescribeClusters>("{}").await;
    assert_eq!(default["clusters"][0]["clusterName"], "default");
    assert_eq!(
        default["clusters"][0]["statistics"],
        json!([]),
        "only on demand"
    );
}

#[tokio::test]
async fn clusters_are_listed_oldest_first_in_pages() {
    let fixture = Fixture::new().await;
    for name in ["c", "a", "b"] {
        fixture
            .ok::<CreateCluster>(&json!({ "clusterName": name }).to_string())
            .await;
        fixture.advance(std::time::Duration::from_secs(1));
    }
    fixture.ok::<DeleteCluster>(r#"{"cluster":"a"}"#).await;
    let first = fixture.ok::<ListClusters>(r#"{"maxResults":1}"#).await;
    assert_eq!(first["clusterArns"], json!([arn("cluster/c")]));
    let input = json!({ "nextToken": first["nextToken"] }).to_string();
    let second = fixture.ok::<ListClusters>(&input).await;
    assert_eq!(second, json!({ "clusterArns": [arn("cluster/b")] }));
}

#[tokio::test]
async fn a_cluster_is_deleted_only_when_empty() {
    let fixture = Fixture::with_instance().await;
    let delete = r#"{"cluster":"default"}"#;
    let service = r#"{"serviceName":"web","taskDefinition":"web","desiredCount":0}"#;
    fixture.ok::<CreateService>(service).await;
    fixture.ok::<RunTask>(r#"{"taskDefinition":"web"}"#).await;
    let instances = "The Cluster cannot be deleted while Container Instances are active";
    let kind = "ClusterContainsContainerInstancesException";
    fixture
        .refused::<DeleteCluster>(delete, kind, instances)
        .await;
    // By force the instance's task is given up as well, so another one is started elsewhere.
    fixture.add_instance(2).await;
    let deregister = json!({"containerInstance": format!("{:032x}", 1), "force": true});
    fixture
        .ok::<DeregisterContainerInstance>(&deregister.to_string())
        .await;
    let deregister = json!({"containerInstance": format!("{:032x}", 2)});
    fixture
        .ok::<DeregisterContainerInstance>(&deregister.to_string())
        .await;
    let services = "The Cluster cannot be deleted while Services are active.";
    fixture
        .refused::<DeleteCluster>(delete, "ClusterContainsServicesException", services)
        .await;
    fixture.ok::<DeleteService>(r#"{"service":"web"}"#).await;
    let output = fixture.ok::<DeleteCluster>(delete).await;
    assert_eq!(output["cluster"]["status"], "INACTIVE");
    let inactive = "The referenced cluster was inactive.";
    fixture
        .refused::<DeleteCluster>(delete, "ClusterNotFoundException", inactive)
        .await;
    let anew = fixture.ok::<CreateCluster>("{}").await;
    assert_eq!(anew["cluster"]["status"], "ACTIVE");
    assert_eq!(anew["cluster"]["clusterArn"], arn("cluster/default"));
}

#[tokio::test]
async fn a_cluster_with_a_task_that_still_stops_is_kept() {
    let fixture = Fixture::with_instance().await;
    fixture.ok::<RunTask>(r#"{"taskDefinition":"web"}"#).await;
    let mut task = fixture.only_task();
    // As when the instance went away without its task.
    let mut gone = fixture.instance(1);
    gone.status = InstanceStatus::Inactive;
    fixture.write(&gone).await;
    let stop = json!({ "task": task.id.to_string() }).to_string();
    fixture.ok::<StopTask>(&stop).await;
    let delete = r#"{"cluster":"default"}"#;
    let tasks = "The Cluster cannot be deleted while Tasks are active.";
    fixture
        .refused::<DeleteCluster>(delete, "ClusterContainsTasksException", tasks)
        .await;
    fixture.report(task.id, TaskStatus::Stopped).await;
    task = fixture.only_task();
    assert!(!task.is_live());
    fixture.ok::<DeleteCluster>(delete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_in_a_cluster_that_is_being_deleted() {
    for _ in 0..50 {
        let fixture = Fixture::with_cluster().await;
        let create = r#"{"serviceName":"web","taskDefinition":"web","desiredCount":1}"#;
        let created = fixture.spawn::<CreateService>(create);
        let deleted = fixture.spawn::<DeleteCluster>(r#"{"cluster":"default"}"#);
        let (created, deleted) = (created.await.unwrap(), deleted.await.unwrap());
        assert_ne!(created.is_ok(), deleted.is_ok(), "{created:?} {deleted:?}");
    }
}
