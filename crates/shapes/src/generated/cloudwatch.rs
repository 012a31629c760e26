//! CloudWatch: ListMetrics.
//!
//! Made by scripts/generate-schema from published service models. Do not edit.

#![allow(unused_imports)]

use serde::{Deserialize, Serialize};

use crate::{Error, Location, Member, Operation, Protocol, Service, Shape, TimeFormat};

/// `ListMetrics`.
pub static LIST_METRICS: Operation = Operation {
    name: "ListMetrics",
    method: "POST",
    uri: "/",
    input: Some(&LIST_METRICS_INPUT_SHAPE),
    output: Some(&LIST_METRICS_OUTPUT_SHAPE),
    result_wrapper: Some("ListMetricsResult"),
    errors: &[
        Error {
            name: "InternalServiceFault",
            query_code: "InternalServiceError",
            status: 500,
            is_ours: true,
        },
        Error {
            name: "InvalidParameterValueException",
            query_code: "InvalidParameterValue",
            status: 400,
            is_ours: false,
        },
    ],
};

/// The service.
pub static SERVICE: Service = Service {
    name: "cloudwatch",
    title: "CloudWatch",
    signing_name: "monitoring",
    version: "2010-08-01",
    protocols: &[Protocol::Cbor, Protocol::AwsJson, Protocol::Query],
    target_prefix: Some("GraniteServiceVersion20100801"),
    json_version: Some("1.0"),
    xml_namespace: Some("http://monitoring.amazonaws.com/doc/2010-08-01/"),
    query_compatible: true,
    operations: &[&LIST_METRICS],
};

/// `Dimension` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dimension {
    /// `Name`.
    #[serde(rename = "Name", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Value`.
    #[serde(rename = "Value", skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// `DimensionFilter` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DimensionFilter {
    /// `Name`.
    #[serde(rename = "Name", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Value`.
    #[serde(rename = "Value", skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// `ListMetricsInput` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListMetricsInput {
    /// `Namespace`.
    #[serde(rename = "Namespace", skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `MetricName`.
    #[serde(rename = "MetricName", skip_serializing_if = "Option::is_none")]
    pub metric_name: Option<String>,
    /// `Dimensions`.
    #[serde(rename = "Dimensions", skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<Vec<DimensionFilter>>,
    /// `NextToken`.
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    /// `RecentlyActive`.
    #[serde(rename = "RecentlyActive", skip_serializing_if = "Option::is_none")]
    pub recently_active: Option<String>,
    /// `IncludeLinkedAccounts`.
    #[serde(
        rename = "IncludeLinkedAccounts",
        skip_serializing_if = "Option::is_none"
    )]
    pub include_linked_accounts: Option<bool>,
    /// `OwningAccount`.
    #[serde(rename = "OwningAccount", skip_serializing_if = "Option::is_none")]
    pub owning_account: Option<String>,
}

/// `ListMetricsOutput` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListMetricsOutput {
    /// `Metrics`.
    #[serde(rename = "Metrics", skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<Metric>>,
    /// `NextToken`.
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    /// `OwningAccounts`.
    #[serde(rename = "OwningAccounts", skip_serializing_if = "Option::is_none")]
    pub owning_accounts: Option<Vec<String>>,
}

/// `Metric` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metric {
    /// `Namespace`.
    #[serde(rename = "Namespace", skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `MetricName`.
    #[serde(rename = "MetricName", skip_serializing_if = "Option::is_none")]
    pub metric_name: Option<String>,
    /// `Dimensions`.
    #[serde(rename = "Dimensions", skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<Vec<Dimension>>,
}

static ACCOUNT_ID_SHAPE: Shape = Shape::String { values: &[] };

static DIMENSION_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "Name",
            shape: &DIMENSION_NAME_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
        Member {
            name: "Value",
            shape: &DIMENSION_VALUE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
    ],
};

static DIMENSION_FILTER_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "Name",
            shape: &DIMENSION_NAME_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: true,
            time_format: None,
        },
        Member {
            name: "Value",
            shape: &DIMENSION_VALUE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static DIMENSION_FILTERS_SHAPE: Shape = Shape::List {
    member: &DIMENSION_FILTER_SHAPE,
    location_name: None,
    is_flattened: false,
};

static DIMENSION_NAME_SHAPE: Shape = Shape::String { values: &[] };

static DIMENSION_VALUE_SHAPE: Shape = Shape::String { values: &[] };

static DIMENSIONS_SHAPE: Shape = Shape::List {
    member: &DIMENSION_SHAPE,
    location_name: None,
    is_flattened: false,
};

static INCLUDE_LINKED_ACCOUNTS_SHAPE: Shape = Shape::Boolean;

static LIST_METRICS_INPUT_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "Namespace",
            shape: &NAMESPACE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "MetricName",
            shape: &METRIC_NAME_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "Dimensions",
            shape: &DIMENSION_FILTERS_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
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
            name: "RecentlyActive",
            shape: &RECENTLY_ACTIVE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "IncludeLinkedAccounts",
            shape: &INCLUDE_LINKED_ACCOUNTS_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "OwningAccount",
            shape: &ACCOUNT_ID_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static LIST_METRICS_OUTPUT_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "Metrics",
            shape: &METRICS_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
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
            name: "OwningAccounts",
            shape: &OWNING_ACCOUNTS_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static METRIC_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "Namespace",
            shape: &NAMESPACE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "MetricName",
            shape: &METRIC_NAME_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "Dimensions",
            shape: &DIMENSIONS_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static METRIC_NAME_SHAPE: Shape = Shape::String { values: &[] };

static METRICS_SHAPE: Shape = Shape::List {
    member: &METRIC_SHAPE,
    location_name: None,
    is_flattened: false,
};

static NAMESPACE_SHAPE: Shape = Shape::String { values: &[] };

static NEXT_TOKEN_SHAPE: Shape = Shape::String { values: &[] };

static OWNING_ACCOUNTS_SHAPE: Shape = Shape::List {
    member: &ACCOUNT_ID_SHAPE,
    location_name: None,
    is_flattened: false,
};

static RECENTLY_ACTIVE_SHAPE: Shape = Shape::String { values: &["PT3H"] };
