//! Each operation with its resource and its condition keys, as the service authorization reference
//! of ECS has them.

use std::collections::BTreeSet;

use longshore_door::Operation;
use serde_json::{Value, json};

use super::*;
use crate::account_setting::{
    DeleteAccountSetting, ListAccountSettings, PutAccountSetting, PutAccountSettingDefault,
};
use crate::attribute::{DeleteAttributes, ListAttributes, PutAttributes};
use crate::cluster::{CreateCluster, DeleteCluster, DescribeClusters, ListClusters};
use crate::fixture::Fixture;
use crate::instance::{
    DeregisterContainerInstance, DescribeContainerInstances, ListContainerInstances,
    UpdateContainerInstancesState,
};
use crate::service::{CreateService, DeleteService, DescribeServices, ListServices, UpdateService};
use crate::table::TABLE;
use crate::tag::{ListTagsForResource, TagResource, UntagResource};
use crate::task::{DescribeTasks, ListTasks, RunTask, StartTask, StopTask};
use crate::task_definition::{
    DeregisterTaskDefinition, DescribeTaskDefinition, ListTaskDefinitionFamilies,
    ListTaskDefinitions, RegisterTaskDefinition,
};

/// `service/default/web` for its ARN.
const PREFIX: &str = "arn:aws:ecs:us-east-1:000000000000:";
const DEFAULT: &str = "ecs:cluster=cluster/default";
const ONE: &str = "00000000000000000000000000000001";
const TEAM: &str = "aws:ResourceTag/team=a ecs:ResourceTag/team=a";

/// What an input touches, a line for each resource: its ARN and its conditions, in order.
fn lines(resources: &[Touched]) -> Vec<String> {
    resources
        .iter()
        .map(|resource| {
            let conditions = resource.conditions.iter();
            let mut all: Vec<String> = conditions
                .map(|(key, value)| format!(" {key}={}", value.replace(PREFIX, "")))
                .collect();
            all.sort();
            format!("{}{}", resource.arn.replace(PREFIX, ""), all.concat())
        })
        .collect()
}

struct Cases {
    fixture: Fixture,
    seen: BTreeSet<&'static str>,
}

impl Cases {
    /// Holds what an input touches against lines of ARN and conditions.
    fn check<T: Operation<Context = Ecs>>(&mut self, input: Value, wanted: &[&str]) {
        self.seen.insert(T::NAME);
        let read: T::Input = serde_json::from_value(input.clone()).unwrap();
        let ecs = &self.fixture.ecs;
        let found = lines(&T::resources(ecs, &ecs.db.view(), &read));
        assert_eq!(found, wanted, "{} {input}", T::NAME);
    }
}

async fn tag(fixture: &Fixture, resource: &str) {
    let tag = json!({"resourceArn": format!("{PREFIX}{resource}"),
        "tags": [{"key": "team", "value": "a"}]});
    fixture.ok::<TagResource>(&tag.to_string()).await;
}

#[tokio::test]
#[allow(clippy::too_many_lines)]
async fn operations_touch_what_the_reference_says() {
    let fixture = Fixture::with_instance().await;
    let sized = r#"{"family":"sized","cpu":"1 vCPU","memory":"0.5 GB","containerDefinitions":[
        {"name":"app","image":"busybox"}]}"#;
    fixture.ok::<RegisterTaskDefinition>(sized).await;
    let service = r#"{"serviceName":"web","taskDefinition":"web","desiredCount":0}"#;
    fixture.ok::<CreateService>(service).await;
    fixture.ok::<RunTask>(r#"{"taskDefinition":"web"}"#).await;
    let task = fixture.only_task().id.to_string();
    for resource in [
        "cluster/default",
        "service/default/web",
        "task-definition/web:1",
    ] {
        tag(&fixture, resource).await;
    }
    tag(&fixture, &format!("task/default/{task}")).await;
    tag(&fixture, &format!("container-instance/default/{ONE}")).await;
    let mut cases = Cases {
        fixture,
        seen: BTreeSet::new(),
    };
    let cases = &mut cases;

    let cluster = format!("cluster/default {TEAM}");
    let cluster = cluster.as_str();
    let new_tags = json!([{"key": "k", "value": "v"}]);
    cases.check::<CreateCluster>(json!({}), &["cluster/default"]);
    cases.check::<CreateCluster>(
        json!({"clusterName": "new", "tags": new_tags, "capacityProviders": ["p"],
            "configuration": {"managedStorageConfiguration": {
                "fargateEphemeralStorageKmsKeyId": "key"}}}),
        &["cluster/new aws:RequestTag/k=v aws:TagKeys=k ecs:capacity-provider=capacity-provider/p ecs:fargate-ephemeral-storage-kms-key=key"],
    );
    cases.check::<CreateCluster>(json!({"clusterName": "a b"}), &["*"]);
    cases.check::<DescribeClusters>(json!({}), &[cluster]);
    cases.check::<DescribeClusters>(
        json!({"clusters": ["default", "none", "a b"]}),
        &[cluster, "cluster/none", "*"],
    );
    cases.check::<DeleteCluster>(json!({"cluster": "default"}), &[cluster]);
    cases.check::<ListAttributes>(json!({"targetType": "container-instance"}), &[cluster]);
    cases.check::<ListContainerInstances>(json!({}), &[cluster]);
    cases.check::<DeregisterContainerInstance>(json!({"containerInstance": ONE}), &[cluster]);

    // Without a resource of their own.
    cases.check::<ListClusters>(json!({}), &["*"]);
    cases.check::<ListTaskDefinitions>(json!({"familyPrefix": "web"}), &["*"]);
    cases.check::<ListTaskDefinitionFamilies>(json!({}), &["*"]);
    cases.check::<DescribeTaskDefinition>(json!({"taskDefinition": "web"}), &["*"]);
    cases.check::<DeregisterTaskDefinition>(json!({"taskDefinition": "web:1"}), &["*"]);
    let all = &[&*format!("* {DEFAULT}")];
    cases.check::<ListServices>(json!({}), all);
    let setting = json!({"name": "containerInsights", "value": "enabled"});
    let named = &["* ecs:account-setting=containerInsights"];
    cases.check::<PutAccountSetting>(setting.clone(), named);
    cases.check::<PutAccountSettingDefault>(setting.clone(), named);
    cases.check::<DeleteAccountSetting>(setting, named);
    cases.check::<ListAccountSettings>(json!({}), &["*"]);

    let instance = format!("container-instance/default/{ONE} {TEAM} {DEFAULT}");
    let instances = &[instance.as_str()];
    let named = json!({"containerInstances": [ONE], "status": "ACTIVE"});
    cases.check::<DescribeContainerInstances>(named.clone(), instances);
    cases.check::<UpdateContainerInstancesState>(named, instances);
    let attributes = json!({"attributes": [
        {"name": "a", "targetId": ONE, "targetType": "container-instance"},
        {"name": "b", "targetId": format!("{PREFIX}container-instance/{ONE}")}]});
    let twice = &[instance.as_str(), instance.as_str()];
    cases.check::<PutAttributes>(attributes.clone(), twice);
    cases.check::<DeleteAttributes>(attributes, twice);
    cases.check::<ListTasks>(json!({"containerInstance": ONE}), instances);
    cases.check::<ListTasks>(
        json!({"cluster": "other"}),
        &["container-instance/other/* ecs:cluster=cluster/other"],
    );

    let shown = format!("task/default/{task} {TEAM} {DEFAULT}");
    let none = format!("task/default/{ONE} {DEFAULT}");
    cases.check::<DescribeTasks>(json!({"tasks": [task, ONE]}), &[&shown, &none]);
    cases.check::<StopTask>(json!({"task": format!("{PREFIX}task/{task}")}), &[&shown]);

    let web = format!("service/default/web {TEAM} {DEFAULT}");
    cases.check::<DescribeServices>(json!({"services": ["web"]}), &[&web]);
    cases.check::<DeleteService>(json!({"service": "web"}), &[&web]);
    cases.check::<CreateService>(
        json!({"serviceName": "new", "desiredCount": 0, "taskDefinition": "sized"}),
        &[&format!(
            "service/default/new {DEFAULT} ecs:task-cpu=1024 ecs:task-definition=task-definition/sized:1 ecs:task-memory=512"
        )],
    );
    let members = json!({"enableExecuteCommand": true, "enableECSManagedTags": false,
        "propagateTags": "SERVICE",
        "capacityProviderStrategy": [{"capacityProvider": "p"}],
        "networkConfiguration": {"awsvpcConfiguration": {
            "subnets": ["s-1", "s-2"], "assignPublicIp": "ENABLED"}},
        "volumeConfigurations": [{"name": "v", "managedEBSVolume": {"roleArn": "r"}}],
        "serviceConnectConfiguration": {"enabled": true, "namespace": "ns"},
        "vpcLatticeConfigurations": [
            {"roleArn": "r", "targetGroupArn": "t", "portName": "p"}]});
    let with = |more: Value| {
        let mut input = members.as_object().unwrap().clone();
        input.extend(more.as_object().unwrap().clone());
        Value::Object(input)
    };
    let keys = "ecs:auto-assign-public-ip=true ecs:capacity-provider=capacity-provider/p ecs:cluster=cluster/default ecs:enable-ebs-volumes=true ecs:enable-ecs-managed-tags=false ecs:enable-execute-command=true ecs:enable-service-connect=true ecs:enable-vpc-lattice=true ecs:namespace=ns ecs:propagate-tags=SERVICE ecs:subnet=s-1 ecs:subnet=s-2";
    cases.check::<CreateService>(
        with(json!({"serviceName": "new", "tags": new_tags})),
        &[&format!(
            "service/default/new aws:RequestTag/k=v aws:TagKeys=k {keys}"
        )],
    );
    cases.check::<UpdateService>(
        with(json!({"service": "none"})),
        &[&format!("service/default/none {keys}")],
    );
    cases.check::<UpdateService>(json!({"service": "web", "desiredCount": 1}), &[&web]);

    cases.check::<RegisterTaskDefinition>(
        json!({"family": "new", "requiresCompatibilities": ["EC2", "EXTERNAL"],
            "cpu": ".25 vCPU", "memory": "1 GB", "tags": new_tags,
            "containerDefinitions": [{"privileged": false}, {"privileged": true}]}),
        &["task-definition/new:* aws:RequestTag/k=v aws:TagKeys=k ecs:compute-compatibility=EC2 ecs:compute-compatibility=EXTERNAL ecs:privileged=true ecs:task-cpu=256 ecs:task-memory=1024"],
    );
    // What nobody says is absent, so that Null conditions work.
    cases.check::<RegisterTaskDefinition>(
        json!({"family": "new", "containerDefinitions": [{}]}),
        &["task-definition/new:*"],
    );
    let run = json!({"taskDefinition": "web", "tags": new_tags, "enableExecuteCommand": false,
        "volumeConfigurations": [{"name": "v", "managedEBSVolume": {"roleArn": "r"}}]});
    cases.check::<RunTask>(
        run.clone(),
        &["task-definition/web:1 aws:RequestTag/k=v aws:ResourceTag/team=a aws:TagKeys=k ecs:ResourceTag/team=a ecs:cluster=cluster/default ecs:enable-ebs-volumes=true ecs:enable-execute-command=false"],
    );
    cases.check::<RunTask>(
        json!({"taskDefinition": "none", "cluster": "other",
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}),
        &["task-definition/none:* ecs:capacity-provider=capacity-provider/FARGATE ecs:cluster=cluster/other"],
    );
    cases.check::<RunTask>(
        json!({"taskDefinition": format!("{PREFIX}task-definition/web")}),
        &["task-definition/web:1 aws:ResourceTag/team=a ecs:ResourceTag/team=a ecs:cluster=cluster/default"],
    );
    let mut start = run;
    start["containerInstances"] = json!([ONE, format!("{PREFIX}container-instance/{ONE}")]);
    cases.check::<StartTask>(
        start,
        &[&format!("task-definition/web:1 aws:RequestTag/k=v aws:ResourceTag/team=a aws:TagKeys=k ecs:ResourceTag/team=a ecs:cluster=cluster/default ecs:container-instances=container-instance/default/{ONE} ecs:container-instances=container-instance/default/{ONE} ecs:enable-ebs-volumes=true ecs:enable-execute-command=false")],
    );

    let resource = |name: &str| {
        json!({"resourceArn": format!("{PREFIX}{name}"),
        "tags": new_tags, "tagKeys": ["x", "y"]})
    };
    cases.check::<TagResource>(
        resource("task-definition/web"),
        &["task-definition/web:1 aws:RequestTag/k=v aws:ResourceTag/team=a aws:TagKeys=k ecs:ResourceTag/team=a"],
    );
    cases.check::<UntagResource>(
        resource("service/default/web"),
        &["service/default/web aws:ResourceTag/team=a aws:TagKeys=x aws:TagKeys=y ecs:ResourceTag/team=a"],
    );
    cases.check::<ListTagsForResource>(resource("cluster/default"), &[cluster]);
    cases.check::<ListTagsForResource>(resource("cluster/none"), &["cluster/none"]);
    cases.check::<ListTagsForResource>(json!({"resourceArn": "web"}), &["*"]);

    let served = TABLE.iter().filter(|entry| entry.is_supported());
    let served: BTreeSet<&str> = served.map(|entry| entry.name).collect();
    assert_eq!(cases.seen, served);
}
