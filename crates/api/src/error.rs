//! What a caller is told when an operation fails, on both wires.
//!
//! [`ErrorKind`] is the one table from exception to HTTP status, gRPC code and whether trying the
//! same request again can help. Who should react follows from it: 400 is the caller's to fix, 500
//! is the operator's, and a retryable error is for the SDK's own retry loop.

use longshore_model::arn::InvalidArn;
use longshore_model::name::InvalidName;
use longshore_model::tag::InvalidTags;
use tonic::Code;

macro_rules! error_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $status:literal, $code:ident, $retry:literal;)*) => {
        /// The exceptions of ECS, and those that every AWS service raises before an operation runs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl ErrorKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The name on the wire: `__type` in AWS JSON, `reason` in gRPC.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// The HTTP status of the AWS JSON wire.
            ///
            /// AWS JSON services answer 400 also to bad signatures and denials: SDKs read
            /// `__type`, not the status, and take any 5xx as a reason to retry.
            pub const fn http_status(self) -> u16 {
                match self {
                    $(Self::$kind => $status,)*
                }
            }

            /// The gRPC code.
            pub const fn grpc_code(self) -> Code {
                match self {
                    $(Self::$kind => Code::$code,)*
                }
            }

            /// Whether the same request, sent again unchanged, may succeed.
            pub const fn is_retryable(self) -> bool {
                match self {
                    $(Self::$kind => $retry,)*
                }
            }
        }
    };
}

error_kinds! {
    /// The caller may not do this.
    AccessDenied = "AccessDeniedException", 400, PermissionDenied, false;
    /// More than ten custom attributes on a resource.
    AttributeLimitExceeded = "AttributeLimitExceededException", 400, ResourceExhausted, false;
    /// The account is blocked. Never raised here.
    Blocked = "BlockedException", 400, PermissionDenied, false;
    /// A caller's fault that has no exception of its own.
    Client = "ClientException", 400, InvalidArgument, false;
    /// A cluster to be deleted still uses a capacity provider.
    ClusterContainsCapacityProvider = "ClusterContainsCapacityProviderException", 400, FailedPrecondition, false;
    /// A cluster to be deleted still has container instances.
    ClusterContainsContainerInstances = "ClusterContainsContainerInstancesException", 400, FailedPrecondition, false;
    /// A cluster to be deleted still has services.
    ClusterContainsServices = "ClusterContainsServicesException", 400, FailedPrecondition, false;
    /// A cluster to be deleted still has tasks.
    ClusterContainsTasks = "ClusterContainsTasksException", 400, FailedPrecondition, false;
    /// The cluster is unknown or inactive.
    ClusterNotFound = "ClusterNotFoundException", 400, NotFound, false;
    /// The client token was used with other parameters.
    Conflict = "ConflictException", 400, AlreadyExists, false;
    /// The daemon is being deleted.
    DaemonNotActive = "DaemonNotActiveException", 400, FailedPrecondition, false;
    /// The daemon is unknown.
    DaemonNotFound = "DaemonNotFoundException", 400, NotFound, false;
    /// The gateway is unknown.
    GatewayNotFound = "GatewayNotFoundException", 400, NotFound, false;
    /// A parameter, or a combination of parameters, is not valid.
    InvalidParameter = "InvalidParameterException", 400, InvalidArgument, false;
    /// A quota is reached.
    LimitExceeded = "LimitExceededException", 400, ResourceExhausted, false;
    /// The agent's version is not known.
    MissingVersion = "MissingVersionException", 400, FailedPrecondition, false;
    /// The namespace is unknown.
    NamespaceNotFound = "NamespaceNotFoundException", 400, NotFound, false;
    /// The agent is already the newest.
    NoUpdateAvailable = "NoUpdateAvailableException", 400, FailedPrecondition, false;
    /// The platform version cannot run the task definition.
    PlatformTaskDefinitionIncompatibility = "PlatformTaskDefinitionIncompatibilityException", 400, FailedPrecondition, false;
    /// The platform version is unknown.
    PlatformUnknown = "PlatformUnknownException", 400, NotFound, false;
    /// The resource is used by another.
    ResourceInUse = "ResourceInUseException", 400, FailedPrecondition, false;
    /// The resource is unknown.
    ResourceNotFound = "ResourceNotFoundException", 400, NotFound, false;
    /// Our fault, or something of ours is away for a moment.
    Server = "ServerException", 500, Unavailable, true;
    /// The service deployment is unknown.
    ServiceDeploymentNotFound = "ServiceDeploymentNotFoundException", 400, NotFound, false;
    /// The service is draining or inactive.
    ServiceNotActive = "ServiceNotActiveException", 400, FailedPrecondition, false;
    /// The service is unknown.
    ServiceNotFound = "ServiceNotFoundException", 400, NotFound, false;
    /// The exec agent of the task does not answer.
    TargetNotConnected = "TargetNotConnectedException", 400, FailedPrecondition, false;
    /// The container instance that attributes are put on is unknown.
    TargetNotFound = "TargetNotFoundException", 400, NotFound, false;
    /// The task set is unknown.
    TaskSetNotFound = "TaskSetNotFoundException", 400, NotFound, false;
    /// Longshore does not do this.
    UnsupportedFeature = "UnsupportedFeatureException", 400, Unimplemented, false;
    /// Another update of the same thing is in flight.
    UpdateInProgress = "UpdateInProgressException", 400, Aborted, false;

    /// The token was good and is too old.
    ExpiredToken = "ExpiredTokenException", 400, Unauthenticated, false;
    /// The Authorization header cannot be read, or does not sign enough.
    IncompleteSignature = "IncompleteSignatureException", 400, Unauthenticated, false;
    /// The signature is wrong, for another scope, or outside its time.
    InvalidSignature = "InvalidSignatureException", 400, Unauthenticated, false;
    /// No credentials came with the request.
    MissingAuthenticationToken = "MissingAuthenticationTokenException", 400, Unauthenticated, false;
    /// The access key is not one of ours.
    UnrecognizedClient = "UnrecognizedClientException", 400, Unauthenticated, false;
    /// The body is larger than is read.
    RequestEntityTooLarge = "RequestEntityTooLargeException", 413, OutOfRange, false;
    /// The body does not decode into the operation's input.
    Serialization = "SerializationException", 400, InvalidArgument, false;
    /// Too much at once.
    Throttling = "ThrottlingException", 400, ResourceExhausted, true;
    /// There is no operation of that name.
    UnknownOperation = "UnknownOperationException", 400, Unimplemented, false;
}

impl ErrorKind {
    /// The kind with this name on the wire.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// A failed operation, as the caller sees it.
///
/// The message goes to the caller as it is: it names the field, the value and the fix, and holds
/// nothing about the inside of the installation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.name())]
pub struct ApiError {
    /// Which exception.
    pub kind: ErrorKind,
    /// What is wrong and what to do.
    pub message: String,
    /// Only for [`ErrorKind::Conflict`]: ARNs of what the client token already made.
    pub resource_ids: Vec<String>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $function:ident => $kind:ident;)*) => {
        $($(#[$doc])*
        pub fn $function(message: impl Into<String>) -> Self {
            Self::new(ErrorKind::$kind, message)
        })*
    };
}

macro_rules! fixed {
    ($($(#[$doc:meta])* $function:ident => $kind:ident, $message:literal;)*) => {
        $($(#[$doc])*
        pub fn $function() -> Self {
            Self::new(ErrorKind::$kind, $message)
        })*
    };
}

impl ApiError {
    /// Any error.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            resource_ids: Vec::new(),
        }
    }

    /// The client token was used before with other parameters and made `resource_ids`.
    pub fn conflict(message: impl Into<String>, resource_ids: Vec<String>) -> Self {
        Self {
            kind: ErrorKind::Conflict,
            message: message.into(),
            resource_ids,
        }
    }

    constructors! {
        /// ClientException.
        client => Client;
        /// InvalidParameterException.
        invalid_parameter => InvalidParameter;
        /// UnsupportedFeatureException.
        unsupported => UnsupportedFeature;
        /// LimitExceededException.
        limit_exceeded => LimitExceeded;
        /// ServerException. The message must not show the inside; log the cause before.
        server => Server;
        /// SerializationException.
        serialization => Serialization;
        /// ResourceNotFoundException.
        resource_not_found => ResourceNotFound;
        /// UpdateInProgressException.
        update_in_progress => UpdateInProgress;
    }

    // The texts of ECS, which scripts in the field match on.
    fixed! {
        /// The cluster is unknown.
        cluster_not_found => ClusterNotFound, "Cluster not found.";
        /// The cluster was deleted.
        cluster_inactive => ClusterNotFound, "The referenced cluster was inactive.";
        /// The service is unknown.
        service_not_found => ServiceNotFound, "Service not found.";
        /// The service is draining or inactive.
        service_not_active => ServiceNotActive, "Service was not ACTIVE.";
        /// DescribeTaskDefinition and DeregisterTaskDefinition of an unknown one.
        task_definition_not_described => Client, "Unable to describe task definition.";
        /// Anything else that names an unknown task definition.
        task_definition_not_found => Client, "TaskDefinition not found.";
        /// DeleteCluster while container instances are registered.
        cluster_contains_container_instances => ClusterContainsContainerInstances,
            "The Cluster cannot be deleted while Container Instances are active or draining.";
        /// DeleteCluster while services are active.
        cluster_contains_services => ClusterContainsServices,
            "The Cluster cannot be deleted while Services are active.";
        /// DeleteCluster while tasks run.
        cluster_contains_tasks => ClusterContainsTasks,
            "The Cluster cannot be deleted while Tasks are active.";
        /// More requests at once than are taken.
        throttled => Throttling, "Rate exceeded";
        /// What the caller sees of a failure inside; the cause is in the log.
        internal => Server, "An internal error occurred. Retry; if it persists, look in the control plane's log for this request id.";
    }
}

impl From<InvalidName> for ApiError {
    fn from(error: InvalidName) -> Self {
        Self::invalid_parameter(error.to_string())
    }
}

impl From<InvalidArn> for ApiError {
    fn from(error: InvalidArn) -> Self {
        Self::invalid_parameter(error.to_string())
    }
}

impl From<InvalidTags> for ApiError {
    fn from(error: InvalidTags) -> Self {
        Self::invalid_parameter(error.to_string())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_modelled_exception_has_a_kind() {
        for operation in longshore_proto::OPERATIONS {
            for name in operation.errors {
                assert!(
                    ErrorKind::find(name).is_some(),
                    "{}: {name}",
                    operation.name
                );
            }
        }
    }

    #[test]
    fn only_what_may_pass_is_retryable() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::find(kind.name()), Some(*kind));
            if kind.http_status() >= 500 {
                assert!(kind.is_retryable(), "{kind:?}");
            }
        }
    }

    #[test]
    fn model_errors_become_invalid_parameter() {
        let error: ApiError = "a b"
            .parse::<longshore_model::ClusterName>()
            .unwrap_err()
            .into();
        assert_eq!(error.kind, ErrorKind::InvalidParameter);
        assert!(error.message.contains("\"a b\""), "{}", error.message);
    }
}
