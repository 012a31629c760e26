//! The exceptions of ECS, and the texts of it that scripts in the field match on.

use longshore_door::error::{ApiError, ErrorKind};

longshore_door::exceptions! {
    /// More than ten custom attributes on a resource.
    ATTRIBUTE_LIMIT_EXCEEDED = "AttributeLimitExceededException", 400, ResourceExhausted, false;
    /// The account is blocked. Never raised here.
    BLOCKED = "BlockedException", 400, PermissionDenied, false;
    /// A caller's fault that has no exception of its own.
    CLIENT = "ClientException", 400, InvalidArgument, false;
    /// A cluster to be deleted still uses a capacity provider.
    CLUSTER_CONTAINS_CAPACITY_PROVIDER = "ClusterContainsCapacityProviderException", 400, FailedPrecondition, false;
    /// A cluster to be deleted still has container instances.
    CLUSTER_CONTAINS_CONTAINER_INSTANCES = "ClusterContainsContainerInstancesException", 400, FailedPrecondition, false;
    /// A cluster to be deleted still has services.
    CLUSTER_CONTAINS_SERVICES = "ClusterContainsServicesException", 400, FailedPrecondition, false;
    /// A cluster to be deleted still has tasks.
    CLUSTER_CONTAINS_TASKS = "ClusterContainsTasksException", 400, FailedPrecondition, false;
    /// The cluster is unknown or inactive.
    CLUSTER_NOT_FOUND = "ClusterNotFoundException", 400, NotFound, false;
    /// The client token was used with other parameters.
    CONFLICT = "ConflictException", 400, AlreadyExists, false;
    /// The daemon is being deleted.
    DAEMON_NOT_ACTIVE = "DaemonNotActiveException", 400, FailedPrecondition, false;
    /// The daemon is unknown.
    DAEMON_NOT_FOUND = "DaemonNotFoundException", 400, NotFound, false;
    /// The gateway is unknown.
    GATEWAY_NOT_FOUND = "GatewayNotFoundException", 400, NotFound, false;
    /// The agent's version is not known.
    MISSING_VERSION = "MissingVersionException", 400, FailedPrecondition, false;
    /// The namespace is unknown.
    NAMESPACE_NOT_FOUND = "NamespaceNotFoundException", 400, NotFound, false;
    /// The agent is already the newest.
    NO_UPDATE_AVAILABLE = "NoUpdateAvailableException", 400, FailedPrecondition, false;
    /// The platform version cannot run the task definition.
    PLATFORM_TASK_DEFINITION_INCOMPATIBILITY = "PlatformTaskDefinitionIncompatibilityException", 400, FailedPrecondition, false;
    /// The platform version is unknown.
    PLATFORM_UNKNOWN = "PlatformUnknownException", 400, NotFound, false;
    /// The resource is used by another.
    RESOURCE_IN_USE = "ResourceInUseException", 400, FailedPrecondition, false;
    /// The service deployment is unknown.
    SERVICE_DEPLOYMENT_NOT_FOUND = "ServiceDeploymentNotFoundException", 400, NotFound, false;
    /// The service is draining or inactive.
    SERVICE_NOT_ACTIVE = "ServiceNotActiveException", 400, FailedPrecondition, false;
    /// The service is unknown.
    SERVICE_NOT_FOUND = "ServiceNotFoundException", 400, NotFound, false;
    /// The exec agent of the task does not answer.
    TARGET_NOT_CONNECTED = "TargetNotConnectedException", 400, FailedPrecondition, false;
    /// The container instance that attributes are put on is unknown.
    TARGET_NOT_FOUND = "TargetNotFoundException", 400, NotFound, false;
    /// The task set is unknown.
    TASK_SET_NOT_FOUND = "TaskSetNotFoundException", 400, NotFound, false;
    /// Another update of the same thing is in flight.
    UPDATE_IN_PROGRESS = "UpdateInProgressException", 400, Aborted, false;
}

/// The exception with this name on the wire, those of every AWS service among them.
pub fn find(name: &str) -> Option<ErrorKind> {
    let mut all = ALL.iter().chain(ErrorKind::ALL);
    all.find(|kind| kind.name() == name).copied()
}

/// ClientException.
pub fn client(message: impl Into<String>) -> ApiError {
    ApiError::new(CLIENT, message)
}

/// ConflictException: the client token was used before with other parameters and made
/// `resource_ids`.
pub fn conflict(message: impl Into<String>, resource_ids: Vec<String>) -> ApiError {
    ApiError::new(CONFLICT, message).with("resourceIds", resource_ids)
}

macro_rules! texts {
    ($($(#[$doc:meta])* $function:ident = $kind:ident, $message:literal;)*) => {
        $($(#[$doc])*
        pub fn $function() -> ApiError {
            ApiError::new($kind, $message)
        })*
    };
}

texts! {
    /// The cluster is unknown.
    cluster_not_found = CLUSTER_NOT_FOUND, "Cluster not found.";
    /// The cluster was deleted.
    cluster_inactive = CLUSTER_NOT_FOUND, "The referenced cluster was inactive.";
    /// The service is unknown.
    service_not_found = SERVICE_NOT_FOUND, "Service not found.";
    /// The service is draining or inactive.
    service_not_active = SERVICE_NOT_ACTIVE, "Service was not ACTIVE.";
    /// DescribeTaskDefinition and DeregisterTaskDefinition of an unknown one.
    task_definition_not_described = CLIENT, "Unable to describe task definition.";
    /// Anything else that names an unknown task definition.
    task_definition_not_found = CLIENT, "TaskDefinition not found.";
    /// DeleteCluster while container instances are registered.
    cluster_contains_container_instances = CLUSTER_CONTAINS_CONTAINER_INSTANCES,
        "The Cluster cannot be deleted while Container Instances are active or draining.";
    /// DeleteCluster while services are active.
    cluster_contains_services = CLUSTER_CONTAINS_SERVICES,
        "The Cluster cannot be deleted while Services are active.";
    /// DeleteCluster while tasks run.
    cluster_contains_tasks = CLUSTER_CONTAINS_TASKS,
        "The Cluster cannot be deleted while Tasks are active.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_modelled_exception_has_a_kind() {
        for operation in longshore_proto::OPERATIONS {
            for name in operation.errors {
                assert!(find(name).is_some(), "{}: {name}", operation.name);
            }
        }
    }
}
