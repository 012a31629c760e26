//! AWS STS: GetCallerIdentity.
//!
//! Made by scripts/generate-schema from published service models. Do not edit.

#![allow(unused_imports)]

use serde::{Deserialize, Serialize};

use crate::{Error, Location, Member, Operation, Protocol, Service, Shape, TimeFormat};

/// `GetCallerIdentity`.
pub static GET_CALLER_IDENTITY: Operation = Operation {
    name: "GetCallerIdentity",
    method: "POST",
    uri: "/",
    input: Some(&GET_CALLER_IDENTITY_REQUEST_SHAPE),
    output: Some(&GET_CALLER_IDENTITY_RESPONSE_SHAPE),
    result_wrapper: Some("GetCallerIdentityResult"),
    errors: &[],
};

/// The service.
pub static SERVICE: Service = Service {
    name: "sts",
    title: "AWS STS",
    signing_name: "sts",
    version: "2011-06-15",
    protocols: &[Protocol::Query],
    target_prefix: None,
    json_version: None,
    xml_namespace: Some("https://sts.amazonaws.com/doc/2011-06-15/"),
    query_compatible: false,
    operations: &[&GET_CALLER_IDENTITY],
};

/// `GetCallerIdentityRequest` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GetCallerIdentityRequest {}

/// `GetCallerIdentityResponse` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GetCallerIdentityResponse {
    /// `UserId`.
    #[serde(rename = "UserId", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// `Account`.
    #[serde(rename = "Account", skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `Arn`.
    #[serde(rename = "Arn", skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
}

static GET_CALLER_IDENTITY_REQUEST_SHAPE: Shape = Shape::Structure { members: &[] };

static GET_CALLER_IDENTITY_RESPONSE_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "UserId",
            shape: &USER_ID_TYPE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "Account",
            shape: &ACCOUNT_TYPE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "Arn",
            shape: &ARN_TYPE_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static ACCOUNT_TYPE_SHAPE: Shape = Shape::String { values: &[] };

static ARN_TYPE_SHAPE: Shape = Shape::String { values: &[] };

static USER_ID_TYPE_SHAPE: Shape = Shape::String { values: &[] };
