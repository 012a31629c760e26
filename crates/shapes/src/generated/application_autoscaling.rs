//! Application Auto Scaling: DescribeScalableTargets.
//!
//! Made by scripts/generate-schema from published service models. Do not edit.

#![allow(unused_imports)]

use serde::{Deserialize, Serialize};

use crate::{Error, Location, Member, Operation, Protocol, Service, Shape, TimeFormat};

/// `DescribeScalableTargets`.
pub static DESCRIBE_SCALABLE_TARGETS: Operation = Operation {
    name: "DescribeScalableTargets",
    method: "POST",
    uri: "/",
    input: Some(&DESCRIBE_SCALABLE_TARGETS_REQUEST_SHAPE),
    output: Some(&DESCRIBE_SCALABLE_TARGETS_RESPONSE_SHAPE),
    result_wrapper: None,
    errors: &[
        Error {
            name: "ValidationException",
            query_code: "ValidationException",
            status: 400,
            is_ours: false,
        },
        Error {
            name: "InvalidNextTokenException",
            query_code: "InvalidNextTokenException",
            status: 400,
            is_ours: false,
        },
        Error {
            name: "ConcurrentUpdateException",
            query_code: "ConcurrentUpdateException",
            status: 400,
            is_ours: false,
        },
        Error {
            name: "InternalServiceException",
            query_code: "InternalServiceException",
            status: 400,
            is_ours: false,
        },
    ],
};

/// The service.
pub static SERVICE: Service = Service {
    name: "application-autoscaling",
    title: "Application Auto Scaling",
    signing_name: "application-autoscaling",
    version: "2016-02-06",
    protocols: &[Protocol::AwsJson],
    target_prefix: Some("AnyScaleFrontendService"),
    json_version: Some("1.1"),
    xml_namespace: None,
    query_compatible: false,
    operations: &[&DESCRIBE_SCALABLE_TARGETS],
};

/// `DescribeScalableTargetsRequest` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DescribeScalableTargetsRequest {
    /// `ServiceNamespace`.
    #[serde(rename = "ServiceNamespace", skip_serializing_if = "Option::is_none")]
    pub service_namespace: Option<String>,
    /// `ResourceIds`.
    #[serde(rename = "ResourceIds", skip_serializing_if = "Option::is_none")]
    pub resource_ids: Option<Vec<String>>,
    /// `ScalableDimension`.
    #[serde(rename = "ScalableDimension", skip_serializing_if = "Option::is_none")]
    pub scalable_dimension: Option<String>,
    /// `MaxResults`.
    #[serde(rename = "MaxResults", skip_serializing_if = "Option::is_none")]
    pub max_results: Option<i32>,
    /// `NextToken`.
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `DescribeScalableTargetsResponse` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DescribeScalableTargetsResponse {
    /// `ScalableTargets`.
    #[serde(rename = "ScalableTargets", skip_serializing_if = "Option::is_none")]
    pub scalable_targets: Option<Vec<ScalableTarget>>,
    /// `NextToken`.
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// `ScalableTarget` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScalableTarget {
    /// `ServiceNamespace`.
    #[serde(rename = "ServiceNamespace", skip_serializing_if = "Option::is_none")]
    pub service_namespace: Option<String>,
    /// `ResourceId`.
    #[serde(rename = "ResourceId", skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// `ScalableDimension`.
    #[serde(rename = "ScalableDimension", skip_serializing_if = "Option::is_none")]
    pub scalable_dimension: Option<String>,
    /// `MinCapacity`.
    #[serde(rename = "MinCapacity", skip_serializing_if = "Option::is_none")]
    pub min_capacity: Option<i32>,
    /// `MaxCapacity`.
    #[serde(rename = "MaxCapacity", skip_serializing_if = "Option::is_none")]
    pub max_capacity: Option<i32>,
    /// `PredictedCapacity`.
    #[serde(rename = "PredictedCapacity", skip_serializing_if = "Option::is_none")]
    pub predicted_capacity: Option<i32>,
    /// `RoleARN`.
    #[serde(rename = "RoleARN", skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// `CreationTime`.
    #[serde(rename = "CreationTime", skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<f64>,
    /// `SuspendedState`.
    #[serde(rename = "SuspendedState", skip_serializing_if = "Option::is_none")]
    pub suspended_state: Option<SuspendedState>,
    /// `ScalableTargetARN`.
    #[serde(rename = "ScalableTargetARN", skip_serializing_if = "Option::is_none")]
    pub scalable_target_arn: Option<String>,
}

/// `SuspendedState` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SuspendedState {
    /// `DynamicScalingInSuspended`.
    #[serde(
        rename = "DynamicScalingInSuspended",
        skip_serializing_if = "Option::is_none"
    )]
    pub dynamic_scaling_in_suspended: Option<bool>,
    /// `DynamicScalingOutSuspended`.
    #[serde(
        rename = "DynamicScalingOutSuspended",
        skip_serializing_if = "Option::is_none"
    )]
    pub dynamic_scaling_out_suspended: Option<bool>,
    /// `ScheduledScalingSuspended`.
    #[serde(
        rename = "ScheduledScalingSuspended",
        skip_serializing_if = "Option::is_none"
    )]
    pub scheduled_scaling_suspended: Option<bool>,
}

static DESCRIBE_SCALABLE_TARGETS_REQUEST_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "ServiceNamespace",
            shape: &SERVICE_NAMESPACE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
        Member {
            name: "ResourceIds",
            shape: &RESOURCE_IDS_MAX_LEN1600_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "ScalableDimension",
            shape: &SCALABLE_DIMENSION_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "MaxResults",
            shape: &MAX_RESULTS_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "NextToken",
            shape: &XML_STRING_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static DESCRIBE_SCALABLE_TARGETS_RESPONSE_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "ScalableTargets",
            shape: &SCALABLE_TARGETS_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "NextToken",
            shape: &XML_STRING_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static MAX_RESULTS_SHAPE: Shape = Shape::Integer;

static RESOURCE_CAPACITY_SHAPE: Shape = Shape::Integer;

static RESOURCE_ID_MAX_LEN1600_SHAPE: Shape = Shape::String { values: &[] };

static RESOURCE_IDS_MAX_LEN1600_SHAPE: Shape = Shape::List {
    member: &RESOURCE_ID_MAX_LEN1600_SHAPE,
    location_name: None,
    is_flattened: false,
};

static SCALABLE_DIMENSION_SHAPE: Shape = Shape::String {
    values: &[
        "ecs:service:DesiredCount",
        "ec2:spot-fleet-request:TargetCapacity",
        "elasticmapreduce:instancegroup:InstanceCount",
        "appstream:fleet:DesiredCapacity",
        "dynamodb:table:ReadCapacityUnits",
        "dynamodb:table:WriteCapacityUnits",
        "dynamodb:index:ReadCapacityUnits",
        "dynamodb:index:WriteCapacityUnits",
        "rds:cluster:ReadReplicaCount",
        "sagemaker:variant:DesiredInstanceCount",
        "custom-resource:ResourceType:Property",
        "comprehend:document-classifier-endpoint:DesiredInferenceUnits",
        "comprehend:entity-recognizer-endpoint:DesiredInferenceUnits",
        "lambda:function:ProvisionedConcurrency",
        "cassandra:table:ReadCapacityUnits",
        "cassandra:table:WriteCapacityUnits",
        "kafka:broker-storage:VolumeSize",
        "elasticache:cache-cluster:Nodes",
        "elasticache:replication-group:NodeGroups",
        "elasticache:replication-group:Replicas",
        "neptune:cluster:ReadReplicaCount",
        "sagemaker:variant:DesiredProvisionedConcurrency",
        "sagemaker:inference-component:DesiredCopyCount",
        "workspaces:workspacespool:DesiredUserSessions",
    ],
};

static SCALABLE_TARGET_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "ServiceNamespace",
            shape: &SERVICE_NAMESPACE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
        Member {
            name: "ResourceId",
            shape: &RESOURCE_ID_MAX_LEN1600_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
        Member {
            name: "ScalableDimension",
            shape: &SCALABLE_DIMENSION_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
        Member {
            name: "MinCapacity",
            shape: &RESOURCE_CAPACITY_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
        Member {
            name: "MaxCapacity",
            shape: &RESOURCE_CAPACITY_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
        Member {
            name: "PredictedCapacity",
            shape: &RESOURCE_CAPACITY_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "RoleARN",
            shape: &RESOURCE_ID_MAX_LEN1600_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
        Member {
            name: "CreationTime",
            shape: &TIMESTAMP_TYPE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
        Member {
            name: "SuspendedState",
            shape: &SUSPENDED_STATE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "ScalableTargetARN",
            shape: &XML_STRING_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static SCALABLE_TARGETS_SHAPE: Shape = Shape::List {
    member: &SCALABLE_TARGET_SHAPE,
    location_name: None,
    is_flattened: false,
};

static SCALING_SUSPENDED_SHAPE: Shape = Shape::Boolean;

static SERVICE_NAMESPACE_SHAPE: Shape = Shape::String {
    values: &[
        "ecs",
        "elasticmapreduce",
        "ec2",
        "appstream",
        "dynamodb",
        "rds",
        "sagemaker",
        "custom-resource",
        "comprehend",
        "lambda",
        "cassandra",
        "kafka",
        "elasticache",
        "neptune",
        "workspaces",
    ],
};

static SUSPENDED_STATE_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "DynamicScalingInSuspended",
            shape: &SCALING_SUSPENDED_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "DynamicScalingOutSuspended",
            shape: &SCALING_SUSPENDED_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "ScheduledScalingSuspended",
            shape: &SCALING_SUSPENDED_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static TIMESTAMP_TYPE_SHAPE: Shape = Shape::Timestamp(None);

static XML_STRING_SHAPE: Shape = Shape::String { values: &[] };
