//! What the handlers of every service work with: the state, the time, a source of ids.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use longshore_model::plan::Ctx;
use longshore_model::{Realm, Timestamp};
use longshore_store::{CommitError, Db, TransactError, Txn, View};

use crate::error::ApiError;

/// Reads the wall clock. Injected so that tests and simulations choose the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;
/// Gives 128 unpredictable bits. Injected likewise.
pub type Entropy = Arc<dyn Fn() -> u128 + Send + Sync>;

/// One installation, as its API sees it. A clone is of the same installation.
#[derive(Clone)]
pub struct Backend {
    /// The fixed part of its ARNs.
    pub realm: Realm,
    /// Its state.
    pub db: Arc<Db>,
    /// The time.
    pub clock: Clock,
    /// Where ids come from.
    pub entropy: Entropy,
}

impl Backend {
    /// The context of one decision, made now. A handler makes one per call, outside the closure
    /// that may run again after a conflict, and clones it there.
    pub fn ctx(&self) -> Ctx {
        let since_epoch = (self.clock)()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Ctx::new(Timestamp::from_millis(millis), (self.entropy)())
    }

    /// Decides from the view and commits; decides again after a conflict. `decide` must have no
    /// effect but its answer, and draws ids from a context that it clones each time.
    ///
    /// # Errors
    /// Those of `decide`; ServerException when the store does not take the commit.
    pub async fn transact<T>(
        &self,
        decide: impl FnMut(&View) -> Result<(Txn, T), ApiError>,
    ) -> Result<T, ApiError> {
        self.db.transact(decide).await.map_err(|error| match error {
            TransactError::Refused(refusal) => refusal,
            TransactError::Store(error) => not_stored(&error),
        })
    }
}

/// What the caller is told when the store did not take a commit. The cause goes to the log.
fn not_stored(error: &CommitError) -> ApiError {
    match error {
        CommitError::Conflict { guard } => {
            tracing::warn!(%guard, "gave up after too many conflicts");
            ApiError::server(
                "Too many concurrent changes to the same resource. Nothing was changed; retry.",
            )
        }
        CommitError::Unavailable(cause) => {
            tracing::error!(error = %cause, cause = %cause.cause, "the store is unavailable");
            ApiError::server(
                "The store is unavailable. Retry; if it persists, ask the operator to look at the control plane's log.",
            )
        }
        CommitError::Unreachable(cause) => {
            tracing::warn!(error = %cause, "the store does not answer");
            ApiError::server(
                "The store does not answer now. Retry; whether this call was carried out is unknown.",
            )
        }
        CommitError::TooLarge { .. } => ApiError::invalid_parameter(format!(
            "What this call asks for is too large to be stored, and nothing was changed: {error}."
        )),
        CommitError::Empty | CommitError::DuplicateKey { .. } => {
            tracing::error!(%error, "a commit breaks the limits of the store");
            ApiError::internal()
        }
    }
}
