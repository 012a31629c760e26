//! Amazon EC2: DescribeAvailabilityZones.
//!
//! Made by scripts/generate-schema from published service models. Do not edit.

#![allow(unused_imports)]

use serde::{Deserialize, Serialize};

use crate::{Error, Location, Member, Operation, Protocol, Service, Shape, TimeFormat};

/// `DescribeAvailabilityZones`.
pub static DESCRIBE_AVAILABILITY_ZONES: Operation = Operation {
    name: "DescribeAvailabilityZones",
    method: "POST",
    uri: "/",
    input: Some(&DESCRIBE_AVAILABILITY_ZONES_REQUEST_SHAPE),
    output: Some(&DESCRIBE_AVAILABILITY_ZONES_RESULT_SHAPE),
    result_wrapper: None,
    errors: &[],
};

/// The service.
pub static SERVICE: Service = Service {
    name: "ec2",
    title: "Amazon EC2",
    signing_name: "ec2",
    version: "2016-11-15",
    protocols: &[Protocol::Ec2],
    target_prefix: None,
    json_version: None,
    xml_namespace: Some("http://ec2.amazonaws.com/doc/2016-11-15"),
    query_compatible: false,
    operations: &[&DESCRIBE_AVAILABILITY_ZONES],
};

/// `AvailabilityZone` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AvailabilityZone {
    /// `OptInStatus`.
    #[serde(rename = "OptInStatus", skip_serializing_if = "Option::is_none")]
    pub opt_in_status: Option<String>,
    /// `Messages`.
    #[serde(rename = "Messages", skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<AvailabilityZoneMessage>>,
    /// `RegionName`.
    #[serde(rename = "RegionName", skip_serializing_if = "Option::is_none")]
    pub region_name: Option<String>,
    /// `ZoneName`.
    #[serde(rename = "ZoneName", skip_serializing_if = "Option::is_none")]
    pub zone_name: Option<String>,
    /// `ZoneId`.
    #[serde(rename = "ZoneId", skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<String>,
    /// `GroupName`.
    #[serde(rename = "GroupName", skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    /// `NetworkBorderGroup`.
    #[serde(rename = "NetworkBorderGroup", skip_serializing_if = "Option::is_none")]
    pub network_border_group: Option<String>,
    /// `ZoneType`.
    #[serde(rename = "ZoneType", skip_serializing_if = "Option::is_none")]
    pub zone_type: Option<String>,
    /// `ParentZoneName`.
    #[serde(rename = "ParentZoneName", skip_serializing_if = "Option::is_none")]
    pub parent_zone_name: Option<String>,
    /// `ParentZoneId`.
    #[serde(rename = "ParentZoneId", skip_serializing_if = "Option::is_none")]
    pub parent_zone_id: Option<String>,
    /// `GroupLongName`.
    #[serde(rename = "GroupLongName", skip_serializing_if = "Option::is_none")]
    pub group_long_name: Option<String>,
    /// `Geography`.
    #[serde(rename = "Geography", skip_serializing_if = "Option::is_none")]
    pub geography: Option<Vec<AvailabilityZoneGeography>>,
    /// `SubGeography`.
    #[serde(rename = "SubGeography", skip_serializing_if = "Option::is_none")]
    pub sub_geography: Option<Vec<AvailabilityZoneSubGeography>>,
    /// `State`.
    #[serde(rename = "State", skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// `AvailabilityZoneGeography` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AvailabilityZoneGeography {
    /// `Name`.
    #[serde(rename = "Name", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// `AvailabilityZoneMessage` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AvailabilityZoneMessage {
    /// `Message`.
    #[serde(rename = "Message", skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// `AvailabilityZoneSubGeography` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AvailabilityZoneSubGeography {
    /// `Name`.
    #[serde(rename = "Name", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// `DescribeAvailabilityZonesRequest` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DescribeAvailabilityZonesRequest {
    /// `ZoneNames`.
    #[serde(rename = "ZoneNames", skip_serializing_if = "Option::is_none")]
    pub zone_names: Option<Vec<String>>,
    /// `ZoneIds`.
    #[serde(rename = "ZoneIds", skip_serializing_if = "Option::is_none")]
    pub zone_ids: Option<Vec<String>>,
    /// `AllAvailabilityZones`.
    #[serde(
        rename = "AllAvailabilityZones",
        skip_serializing_if = "Option::is_none"
    )]
    pub all_availability_zones: Option<bool>,
    /// `DryRun`.
    #[serde(rename = "DryRun", skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// `Filters`.
    #[serde(rename = "Filters", skip_serializing_if = "Option::is_none")]
    pub filters: Option<Vec<Filter>>,
}

/// `DescribeAvailabilityZonesResult` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DescribeAvailabilityZonesResult {
    /// `AvailabilityZones`.
    #[serde(rename = "AvailabilityZones", skip_serializing_if = "Option::is_none")]
    pub availability_zones: Option<Vec<AvailabilityZone>>,
}

/// `Filter` of the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// `Name`.
    #[serde(rename = "Name", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Values`.
    #[serde(rename = "Values", skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
}

static AVAILABILITY_ZONE_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "OptInStatus",
            shape: &AVAILABILITY_ZONE_OPT_IN_STATUS_SHAPE,
            location: Location::Body,
            location_name: Some("optInStatus"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "Messages",
            shape: &AVAILABILITY_ZONE_MESSAGE_LIST_SHAPE,
            location: Location::Body,
            location_name: Some("messageSet"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "RegionName",
            shape: &STRING_SHAPE,
            location: Location::Body,
            location_name: Some("regionName"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "ZoneName",
            shape: &STRING_SHAPE,
            location: Location::Body,
            location_name: Some("zoneName"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "ZoneId",
            shape: &STRING_SHAPE,
            location: Location::Body,
            location_name: Some("zoneId"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "GroupName",
            shape: &STRING_SHAPE,
            location: Location::Body,
            location_name: Some("groupName"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "NetworkBorderGroup",
            shape: &STRING_SHAPE,
            location: Location::Body,
            location_name: Some("networkBorderGroup"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "ZoneType",
            shape: &STRING_SHAPE,
            location: Location::Body,
            location_name: Some("zoneType"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "ParentZoneName",
            shape: &STRING_SHAPE,
            location: Location::Body,
            location_name: Some("parentZoneName"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "ParentZoneId",
            shape: &STRING_SHAPE,
            location: Location::Body,
            location_name: Some("parentZoneId"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "GroupLongName",
            shape: &STRING_SHAPE,
            location: Location::Body,
            location_name: Some("groupLongName"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "Geography",
            shape: &AVAILABILITY_ZONE_GEOGRAPHY_LIST_SHAPE,
            location: Location::Body,
            location_name: Some("geographySet"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "SubGeography",
            shape: &AVAILABILITY_ZONE_SUB_GEOGRAPHY_LIST_SHAPE,
            location: Location::Body,
            location_name: Some("subGeographySet"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "State",
            shape: &AVAILABILITY_ZONE_STATE_SHAPE,
            location: Location::Body,
            location_name: Some("zoneState"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static AVAILABILITY_ZONE_GEOGRAPHY_SHAPE: Shape = Shape::Structure {
    members: &[Member {
        name: "Name",
        shape: &STRING_SHAPE,
        location: Location::Body,
        location_name: Some("name"),
        query_name: None,
        is_flattened: false,
        is_required: false,
        time_format: None,
    }],
};

static AVAILABILITY_ZONE_GEOGRAPHY_LIST_SHAPE: Shape = Shape::List {
    member: &AVAILABILITY_ZONE_GEOGRAPHY_SHAPE,
    location_name: Some("item"),
    is_flattened: false,
};

static AVAILABILITY_ZONE_LIST_SHAPE: Shape = Shape::List {
    member: &AVAILABILITY_ZONE_SHAPE,
    location_name: Some("item"),
    is_flattened: false,
};

static AVAILABILITY_ZONE_MESSAGE_SHAPE: Shape = Shape::Structure {
    members: &[Member {
        name: "Message",
        shape: &STRING_SHAPE,
        location: Location::Body,
        location_name: Some("message"),
        query_name: None,
        is_flattened: false,
        is_required: false,
        time_format: None,
    }],
};

static AVAILABILITY_ZONE_MESSAGE_LIST_SHAPE: Shape = Shape::List {
    member: &AVAILABILITY_ZONE_MESSAGE_SHAPE,
    location_name: Some("item"),
    is_flattened: false,
};

static AVAILABILITY_ZONE_OPT_IN_STATUS_SHAPE: Shape = Shape::String {
    values: &["opt-in-not-required", "opted-in", "not-opted-in"],
};

static AVAILABILITY_ZONE_STATE_SHAPE: Shape = Shape::String {
    values: &[
        "available",
        "information",
        "impaired",
        "unavailable",
        "constrained",
    ],
};

static AVAILABILITY_ZONE_SUB_GEOGRAPHY_SHAPE: Shape = Shape::Structure {
    members: &[Member {
        name: "Name",
        shape: &STRING_SHAPE,
        location: Location::Body,
        location_name: Some("name"),
        query_name: None,
        is_flattened: false,
        is_required: false,
        time_format: None,
    }],
};

static AVAILABILITY_ZONE_SUB_GEOGRAPHY_LIST_SHAPE: Shape = Shape::List {
    member: &AVAILABILITY_ZONE_SUB_GEOGRAPHY_SHAPE,
    location_name: Some("item"),
    is_flattened: false,
};

static BOOLEAN_SHAPE: Shape = Shape::Boolean;

static DESCRIBE_AVAILABILITY_ZONES_REQUEST_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "ZoneNames",
            shape: &ZONE_NAME_STRING_LIST_SHAPE,
            location: Location::Body,
            location_name: Some("ZoneName"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "ZoneIds",
            shape: &ZONE_ID_STRING_LIST_SHAPE,
            location: Location::Body,
            location_name: Some("ZoneId"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "AllAvailabilityZones",
            shape: &BOOLEAN_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "DryRun",
            shape: &BOOLEAN_SHAPE,
            location: Location::Body,
            location_name: Some("dryRun"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "Filters",
            shape: &FILTER_LIST_SHAPE,
            location: Location::Body,
            location_name: Some("Filter"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static DESCRIBE_AVAILABILITY_ZONES_RESULT_SHAPE: Shape = Shape::Structure {
    members: &[Member {
        name: "AvailabilityZones",
        shape: &AVAILABILITY_ZONE_LIST_SHAPE,
        location: Location::Body,
        location_name: Some("availabilityZoneInfo"),
        query_name: None,
        is_flattened: false,
        is_required: false,
        time_format: None,
    }],
};

static FILTER_SHAPE: Shape = Shape::Structure {
    members: &[
        Member {
            name: "Name",
            shape: &STRING_SHAPE,
            location: Location::Body,
            location_name: None,
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
        Member {
            name: "Values",
            shape: &VALUE_STRING_LIST_SHAPE,
            location: Location::Body,
            location_name: Some("Value"),
            query_name: None,
            is_flattened: false,
            is_required: false,
            time_format: None,
        },
    ],
};

static FILTER_LIST_SHAPE: Shape = Shape::List {
    member: &FILTER_SHAPE,
    location_name: Some("Filter"),
    is_flattened: false,
};

static STRING_SHAPE: Shape = Shape::String { values: &[] };

static VALUE_STRING_LIST_SHAPE: Shape = Shape::List {
    member: &STRING_SHAPE,
    location_name: Some("item"),
    is_flattened: false,
};

static ZONE_ID_STRING_LIST_SHAPE: Shape = Shape::List {
    member: &STRING_SHAPE,
    location_name: Some("ZoneId"),
    is_flattened: false,
};

static ZONE_NAME_STRING_LIST_SHAPE: Shape = Shape::List {
    member: &STRING_SHAPE,
    location_name: Some("ZoneName"),
    is_flattened: false,
};
