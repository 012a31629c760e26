//! Amazon EventBridge Scheduler: ListScheduleGroups.
//!
//! Made by scripts/generate-schema from published service models. Do not edit.

#![allow(unused_imports)]

use serde::{Deserialize, Serialize};

use crate::{Error, Location, Member, Operation, Protocol, Service, Shape, TimeFormat};

/// `ListScheduleGroups`.
pub static LIST_SCHEDULE_GROUPS: Operation = Operation {
    name: "ListScheduleGroups",
    method: "GET",
    uri: "/schedule-groups",
    input: Some(&LIST_SCHEDULE_GROUPS_INPUT_SHAPE),
    output: Some(&LIST_SCHEDULE_GROUPS_OUTPUT_SHAPE),
    result_wrapper: None,
    errors: &[
        Error {
            name: "ValidationException",
            query_code: "ValidationException",
            status: 400,
            is_ours: false,
        },
        Error {
            name: "InternalServerException",
            query_code: "InternalServerException",
            status: 500,
            is_ours: true,
        },
        Error {
            name: "ThrottlingException",
            query_code: "ThrottlingException",
            status: 429,
            is_ours: false,
        },
    ],
};

/// The service.
pub static SERVICE: Service = Service {
    name: "scheduler",
    title: "Amazon EventBridge Scheduler",
    signing_name: "scheduler",
    version: "2021-06-30",
    protocols: &[Protocol::RestJson],
    target_prefix: None,
    json_version: None,
    xml_namespace: None,
    query_compatible: false,
    operations: &[&LIST_SCHEDULE_GROUPS],
};

/// `ListScheduleGroupsInput` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListScheduleGroupsInput {
    /// `NamePrefix`.
    #[serde(rename = "NamePrefix", skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<String>,
    /// `NextToken`.
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    /// `MaxResults`.
    #[serde(rename = "MaxResults", skip_serializing_if = "Option::is_none")]
    pub max_results: Option<i32>,
}

/// `ListScheduleGroupsOutput` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListScheduleGroupsOutput {
    /// `NextToken`.
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    /// `ScheduleGroups`.
    #[serde(rename = "ScheduleGroups", skip_serializing_if = "Option::is_none")]
    pub schedule_groups: Option<Vec<ScheduleGroupSummary>>,
}

/// `ScheduleGroupSummary` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScheduleGroupSummary {
    /// `Arn`.
    #[serde(rename = "Arn", skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// `Name`.
    #[serde(rename = "Name", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `State`.
    #[serde(rename = "State", skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `CreationDate`.
    #[serde(rename = "CreationDate", skip_serializing_if = "Option::is_none")]
    pub creation_date: Option<f64>,
    /// `LastModificationDate`.
    #[serde(
        rename = "LastModificationDate",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_modification_date: Option<f64>,
}

static CREATION_DATE_SHAPE: Shape = Shape::Timestamp(None);

static LAST_MODIFICATION_DATE_SHAPE: Shape = Shape::Timestamp(None);

static LIST_SCHEDULE_GROUPS_INPUT_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "NamePrefix",
            shape: &SCHEDULE_GROUP_NAME_PREFIX_SHAPE,
            location: Location::Query,
            location_name: Some("NamePrefix"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "NextToken",
            shape: &NEXT_TOKEN_SHAPE,
            location: Location::Query,
            location_name: Some("NextToken"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "MaxResults",
            shape: &MAX_RESULTS_SHAPE,
            location: Location::Query,
            location_name: Some("MaxResults"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static LIST_SCHEDULE_GROUPS_OUTPUT_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "NextToken",
            shape: &NEXT_TOKEN_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "ScheduleGroups",
            shape: &SCHEDULE_GROUP_LIST_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
    ],
};

static MAX_RESULTS_SHAPE: Shape = Shape::Integer;

static NEXT_TOKEN_SHAPE: Shape = Shape::String { values: &[] };

static SCHEDULE_GROUP_ARN_SHAPE: Shape = Shape::String { values: &[] };

static SCHEDULE_GROUP_LIST_SHAPE: Shape = Shape::List {
    member: &SCHEDULE_GROUP_SUMMARY_SHAPE,
    location_name: None,
    is_flattened: false,
};

static SCHEDULE_GROUP_NAME_SHAPE: Shape = Shape::String { values: &[] };

static SCHEDULE_GROUP_NAME_PREFIX_SHAPE: Shape = Shape::String { values: &[] };

static SCHEDULE_GROUP_STATE_SHAPE: Shape = Shape::String {
    values: &["ACTIVE", "DELETING"],
};

static SCHEDULE_GROUP_SUMMARY_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "Arn",
            shape: &SCHEDULE_GROUP_ARN_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "Name",
            shape: &SCHEDULE_GROUP_NAME_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "State",
            shape: &SCHEDULE_GROUP_STATE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "CreationDate",
            shape: &CREATION_DATE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "LastModificationDate",
            shape: &LAST_MODIFICATION_DATE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};
