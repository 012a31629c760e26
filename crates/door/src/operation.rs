//! What an operation is: a name, an input, an output, what it touches, and one function.

use std::future::Future;

use longshore_store::View;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::fault::Violations;

/// One operation of an AWS service, written once and served on every wire of that service.
///
/// The permission it needs is the service's name, a colon and [`Operation::NAME`]. By the time
/// [`run`] is called the caller is authenticated, the input is decoded, valid and has passed the field
/// ledger, and the caller may do this with everything that [`Operation::resources`] names. So
/// every member that is set is one that the operation honours.
///
/// [`run`]: Operation::run
pub trait Operation: Send + Sync + 'static {
    /// The name in the API, such as `RunTask`.
    const NAME: &'static str;
    /// What the handlers of its service work with.
    type Context: Send + Sync + 'static;
    /// The request message.
    type Input: DeserializeOwned + Serialize + Send + 'static;
    /// The response message.
    type Output: Serialize + 'static;

    /// What the model of the service says against an input, whatever the state is: required
    /// members, enumerations, ranges, members that exclude each other. Asked before the field
    /// ledger, so that a request that AWS refuses is refused as AWS does. By default nothing: on
    /// most wires the shapes were checked already.
    fn validate(_input: &Value) -> Violations {
        Violations::default()
    }

    /// What the input touches, so that the gate can ask for permission. It does not check the
    /// input: what is not valid is named as well as it can be, and refused by [`Operation::run`].
    fn resources(context: &Self::Context, view: &View, input: &Self::Input) -> Vec<Touched>;

    /// Does it. Runs to its end even when the caller hangs up, concurrently with any other
    /// operation; what it writes must therefore be one guarded commit.
    fn run(
        context: &Self::Context,
        caller: &Caller,
        input: Self::Input,
    ) -> impl Future<Output = Result<Self::Output, ApiError>> + Send;
}

/// One thing that an operation touches, with what conditions of a policy may ask of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Its ARN; `*` where the operation has no resource of its own.
    pub arn: String,
    /// Condition keys and their values, such as `ecs:cluster`. A key may come several times.
    pub conditions: Vec<(String, String)>,
}

impl Touched {
    /// The resource of an operation that is permitted as a whole.
    pub fn any() -> Self {
        Self::new("*")
    }

    /// A resource without conditions.
    pub fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            conditions: Vec::new(),
        }
    }

    /// The same, with one more condition key.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.conditions.push((key.into(), value.into()));
        self
    }
}
