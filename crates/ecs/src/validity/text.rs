//! What ECS says beyond its model, and in which words.

use longshore_door::ErrorKind;
use longshore_model::service::MAX_DESIRED_COUNT;

use crate::exception;

/// What can be wrong with one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is absent or empty.
    Missing,
    /// It is not one of the words there are.
    NotOneOf,
}

/// What ECS says where a member is wrong.
pub(super) struct Text {
    pub(super) operations: &'static [&'static str],
    pub(super) member: &'static str,
    pub(super) wrong: Wrong,
    pub(super) kind: ErrorKind,
    pub(super) text: &'static str,
}

const fn text(
    operations: &'static [&'static str],
    member: &'static str,
    wrong: Wrong,
    kind: ErrorKind,
    text: &'static str,
) -> Text {
    Text {
        operations,
        member,
        wrong,
        kind,
        text,
    }
}

pub(super) const INVALID: ErrorKind = ErrorKind::INVALID_PARAMETER;

/// What ECS says, to the letter, as far as it is known from what it answered to others.
pub(super) const TEXTS: &[Text] = &[
    text(
        &["DescribeTasks"],
        "tasks",
        Wrong::Missing,
        INVALID,
        "Tasks cannot be empty.",
    ),
    text(
        &["DescribeServices"],
        "services",
        Wrong::Missing,
        INVALID,
        "Services cannot be empty.",
    ),
    text(
        &[
            "DescribeContainerInstances",
            "UpdateContainerInstancesState",
        ],
        "containerInstances",
        Wrong::Missing,
        INVALID,
        "Container instance cannot be empty.",
    ),
    text(
        &["DeregisterContainerInstance"],
        "containerInstance",
        Wrong::Missing,
        INVALID,
        "Container instance cannot be empty.",
    ),
    text(
        &["StartTask"],
        "containerInstances",
        Wrong::Missing,
        exception::CLIENT,
        "Container Instances cannot be empty.",
    ),
    text(
        &["RunTask", "CreateService", "ListTasks", "ListServices"],
        "launchType",
        Wrong::NotOneOf,
        INVALID,
        "launch type should be one of [EC2,FARGATE,EXTERNAL].",
    ),
    text(
        &["UpdateContainerInstancesState"],
        "status",
        Wrong::NotOneOf,
        INVALID,
        "Container instance status should be one of [ACTIVE, DRAINING].",
    ),
];

/// Lists that one call may fill so far: what ECS calls their items, and the most of them.
pub(super) const BATCHES: &[(&str, &str, &str, usize)] = &[
    ("DescribeClusters", "clusters", "clusters", 100),
    ("DescribeServices", "services", "service names", 10),
    ("DescribeTasks", "tasks", "taskIds", 100),
    (
        "DescribeContainerInstances",
        "containerInstances",
        "instanceIds",
        100,
    ),
    (
        "UpdateContainerInstancesState",
        "containerInstances",
        "instanceIds",
        10,
    ),
    ("StartTask", "containerInstances", "instanceIds", 10),
    ("PutAttributes", "attributes", "attributes", 10),
    ("DeleteAttributes", "attributes", "attributes", 10),
];

/// Bounds of numbers that the reference states and the model does not: the path, the least and the
/// most, and what to do about it.
pub(super) const RANGES: &[(&[&str], &str, i32, i32, &str)] = &[
    (
        &["RunTask"],
        "count",
        1,
        10,
        "; for more, call again or create a service",
    ),
    (
        &["CreateService", "UpdateService"],
        "desiredCount",
        0,
        MAX_DESIRED_COUNT.cast_signed(),
        "",
    ),
    (
        &["CreateService", "UpdateService"],
        "deploymentConfiguration.minimumHealthyPercent",
        0,
        100,
        "",
    ),
    (
        &["CreateService", "UpdateService"],
        "deploymentConfiguration.maximumPercent",
        100,
        // ECS states no upper bound; ten times is ours.
        1000,
        "",
    ),
    (
        &["CreateService", "UpdateService"],
        "healthCheckGracePeriodSeconds",
        0,
        i32::MAX,
        "",
    ),
    (
        &[
            "ListAttributes",
            "ListClusters",
            "ListContainerInstances",
            "ListServices",
            "ListTaskDefinitionFamilies",
            "ListTaskDefinitions",
            "ListTasks",
        ],
        "maxResults",
        1,
        100,
        ", or leave it out",
    ),
    (
        &["ListAccountSettings"],
        "maxResults",
        1,
        10,
        ", or leave it out",
    ),
];

/// Words that ECS takes and its model does not have.
pub(super) const BEYOND_THE_MODEL: &[(&str, &str)] = &[
    // Named in the reference of account settings.
    ("name", "dualStackIPv6"),
    // ListContainerInstances takes it, so that those that are remembered can be found.
    ("status", "INACTIVE"),
];

/// What `task_definition::violations` checks with the whole definition at hand, and tells in the
/// words of ECS.
pub(super) const OF_DEFINITIONS: &[&str] = &[
    "family",
    "networkMode",
    "requiresCompatibilities[]",
    "placementConstraints[].type",
    "containerDefinitions",
    "containerDefinitions[].portMappings[].protocol",
    "containerDefinitions[].ulimits[].name",
    "containerDefinitions[].ulimits[].softLimit",
    "containerDefinitions[].ulimits[].hardLimit",
    "containerDefinitions[].extraHosts[].hostname",
    "containerDefinitions[].extraHosts[].ipAddress",
];
