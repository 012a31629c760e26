//! What a caller is told when an operation fails, on both wires.
//!
//! [`ErrorKind`] is the one table from exception to HTTP status, gRPC code and whether trying the
//! same request again can help. Who should react follows from it: 400 is the caller's to fix, 500
//! is the operator's, and a retryable error is for the SDK's own retry loop.

use longshore_model::arn::InvalidArn;
use longshore_model::name::InvalidName;
use longshore_model::tag::InvalidTags;
use serde_json::Value;
use tonic::Code;

/// An exception: its name, and what it becomes on each wire. Services declare their own with
/// [`exceptions!`](crate::exceptions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorKind {
    name: &'static str,
    http_status: u16,
    grpc_code: Code,
    retryable: bool,
}

impl ErrorKind {
    /// An exception with this name on the wire.
    pub const fn new(
        name: &'static str,
        http_status: u16,
        grpc_code: Code,
        retryable: bool,
    ) -> Self {
        Self {
            name,
            http_status,
            grpc_code,
            retryable,
        }
    }

    /// The name on the wire: `__type` in AWS JSON, `reason` in gRPC.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The HTTP status of the wires of AWS.
    ///
    /// AWS JSON services answer 400 also to bad signatures and denials: SDKs read `__type`, not
    /// the status, and take any 5xx as a reason to retry.
    pub const fn http_status(self) -> u16 {
        self.http_status
    }

    /// The gRPC code.
    pub const fn grpc_code(self) -> Code {
        self.grpc_code
    }

    /// Whether the same request, sent again unchanged, may succeed.
    pub const fn is_retryable(self) -> bool {
        self.retryable
    }
}

/// Declares exceptions: constants, and `ALL` of them. A row says the name on the wire, the HTTP
/// status, the gRPC code, and whether the same request may succeed later.
#[macro_export]
macro_rules! exceptions {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $status:literal, $code:ident, $retry:literal;)*) => {
        $($(#[$doc])*
        pub const $kind: $crate::error::ErrorKind = $crate::error::ErrorKind::new(
            $name, $status, ::tonic::Code::$code, $retry,
        );)*

        /// All of them.
        pub const ALL: &[$crate::error::ErrorKind] = &[$(
            $crate::error::ErrorKind::new($name, $status, ::tonic::Code::$code, $retry)
        ),*];
    };
}

impl ErrorKind {
    exceptions! {
        /// The caller may not do this.
        ACCESS_DENIED = "AccessDeniedException", 400, PermissionDenied, false;
        /// A parameter, or a combination of parameters, is not valid.
        INVALID_PARAMETER = "InvalidParameterException", 400, InvalidArgument, false;
        /// A quota is reached.
        LIMIT_EXCEEDED = "LimitExceededException", 400, ResourceExhausted, false;
        /// The resource is unknown.
        RESOURCE_NOT_FOUND = "ResourceNotFoundException", 400, NotFound, false;
        /// Our fault, or something of ours is away for a moment.
        SERVER = "ServerException", 500, Unavailable, true;
        /// Longshore does not do this.
        UNSUPPORTED_FEATURE = "UnsupportedFeatureException", 400, Unimplemented, false;
        /// The token was good and is too old.
        EXPIRED_TOKEN = "ExpiredTokenException", 400, Unauthenticated, false;
        /// The Authorization header cannot be read, or does not sign enough.
        INCOMPLETE_SIGNATURE = "IncompleteSignatureException", 400, Unauthenticated, false;
        /// The signature is wrong, for another scope, or outside its time.
        INVALID_SIGNATURE = "InvalidSignatureException", 400, Unauthenticated, false;
        /// No credentials came with the request.
        MISSING_AUTHENTICATION_TOKEN = "MissingAuthenticationTokenException", 400, Unauthenticated, false;
        /// The access key is not one of ours.
        UNRECOGNIZED_CLIENT = "UnrecognizedClientException", 400, Unauthenticated, false;
        /// The body is larger than is read.
        REQUEST_ENTITY_TOO_LARGE = "RequestEntityTooLargeException", 413, OutOfRange, false;
        /// The body does not decode into the operation's input.
        SERIALIZATION = "SerializationException", 400, InvalidArgument, false;
        /// Too much at once.
        THROTTLING = "ThrottlingException", 400, ResourceExhausted, true;
        /// There is no operation of that name.
        UNKNOWN_OPERATION = "UnknownOperationException", 400, Unimplemented, false;
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
    /// What the exception says besides, as the model has it: `resourceIds` of a conflict.
    pub members: Vec<(&'static str, Value)>,
}

impl ApiError {
    /// Any error.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            members: Vec::new(),
        }
    }

    /// The same, with one more member of the exception.
    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((member, value.into()));
        self
    }

    /// InvalidParameterException.
    pub fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::INVALID_PARAMETER, message)
    }

    /// UnsupportedFeatureException.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::UNSUPPORTED_FEATURE, message)
    }

    /// LimitExceededException.
    pub fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::LIMIT_EXCEEDED, message)
    }

    /// ServerException. The message must not show the inside; log the cause before.
    pub fn server(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::SERVER, message)
    }

    /// SerializationException.
    pub fn serialization(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::SERIALIZATION, message)
    }

    /// ResourceNotFoundException.
    pub fn resource_not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::RESOURCE_NOT_FOUND, message)
    }

    /// More requests at once than are taken.
    pub fn throttled() -> Self {
        Self::new(ErrorKind::THROTTLING, "Rate exceeded")
    }

    /// What the caller sees of a failure inside; the cause is in the log.
    pub fn internal() -> Self {
        Self::server(
            "An internal error occurred. Retry; if it persists, look in the control plane's log for this request id.",
        )
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
    fn only_what_may_pass_is_retryable() {
        for kind in ErrorKind::ALL {
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
        assert_eq!(error.kind, ErrorKind::INVALID_PARAMETER);
        assert!(error.message.contains("\"a b\""), "{}", error.message);
    }
}
