//! What an operation is: a name, an input, an output, and one function.

use std::future::Future;

use crate::auth::Caller;
use crate::context::Ecs;
use crate::error::ApiError;

/// One ECS operation, written once and served on every wire.
///
/// The permission it needs is `ecs:` followed by [`Operation::NAME`]. By the time [`run`] is
/// called the caller is authenticated, the input is decoded and has passed the field ledger
/// (`fields.toml`), so every member that is set is one that the operation honours.
///
/// [`run`]: Operation::run
pub trait Operation: Send + Sync + 'static {
    /// The name in ECS, such as `RunTask`.
    const NAME: &'static str;
    /// The request message.
    type Input: prost::Message + Default + serde::de::DeserializeOwned + serde::Serialize + 'static;
    /// The response message.
    type Output: prost::Message + serde::Serialize + 'static;

    /// Does it. Runs to its end even when the caller hangs up, concurrently with any other
    /// operation; what it writes must therefore be one guarded commit.
    fn run(
        ecs: &Ecs,
        caller: &Caller,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, ApiError>> + Send;
}
