//! Whether a caller may do what it asks for: asked for every call, before its handler runs.

use super::Caller;
use crate::error::ApiError;
use crate::operation::Touched;

/// Decides about one call from the resources that its operation names.
///
/// Every access key may do everything for now: there are no policies yet that could say otherwise,
/// so each key is the account's.
///
/// # Errors
/// AccessDeniedException, once there are policies.
pub fn authorise(
    caller: &Caller,
    service: &str,
    operation: &str,
    resources: &[Touched],
) -> Result<(), ApiError> {
    tracing::trace!(
        caller = caller.arn(),
        service,
        operation,
        ?resources,
        "allowed: every access key may do everything"
    );
    Ok(())
}
