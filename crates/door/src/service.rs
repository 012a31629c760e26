//! An AWS service: what it is called and spoken to as, and the table of its operations.
//!
//! A service is data: a [`Descriptor`] and rows of [`Entry`]. [`bind`] joins it with what its
//! handlers work with, which takes the type of that away, so that the router can hold services of
//! every kind in one list.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use prost::Message;
use serde_json::Value;

use crate::auth::{Caller, Verified, gate};
use crate::backend::Backend;
use crate::error::{ApiError, ErrorKind};
use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::wire::{Wire, aws_json};

/// So many bytes of a name that came from outside are told.
const MAX_NAME_LENGTH: usize = 128;

/// What an AWS service is called and spoken to as.
#[derive(Debug)]
pub struct Descriptor {
    /// The part before the colon of its permissions, such as `ecs`.
    pub name: &'static str,
    /// What people call it, such as `ECS`.
    pub title: &'static str,
    /// The service of the credential scope that requests are signed for.
    pub signing_name: &'static str,
    /// What `X-Amz-Target` starts with, the dot left out; `None` if it has no JSON wire.
    pub target_prefix: Option<&'static str>,
    /// The gRPC service that has the same operations.
    pub grpc_service: Option<&'static str>,
    /// What its messages look like on the wires of AWS; `None` for a service whose handlers read
    /// AWS JSON and gRPC by themselves.
    pub shapes: Option<&'static longshore_shapes::Service>,
    /// What becomes of the members of its inputs.
    pub ledger: fn() -> &'static Ledger,
    /// The exception for a refused member, by operation.
    pub refusal: fn(&str) -> ErrorKind,
}

/// A service: its descriptor and its operations, sorted by name.
pub struct Api<C: 'static> {
    /// What it is called.
    pub descriptor: Descriptor,
    /// Its operations, sorted by name.
    pub operations: &'static [Entry<C>],
}

/// A service that answers, whatever its handlers work with.
pub trait Service: Send + Sync {
    /// What it is called.
    fn descriptor(&self) -> &'static Descriptor;

    /// Whether the API has an operation of this name, be it one that only declines. Names are
    /// case-sensitive.
    fn has(&self, operation: &str) -> bool;

    /// Decodes, checks the field ledger, asks the gate, runs, encodes.
    ///
    /// An operation that is not there is answered with UnknownOperationException.
    fn call(
        &self,
        operation: &str,
        wire: Wire,
        verified: Verified,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Answer, ApiError>>;

    /// The same for an input that was decoded to a tree of values already, and checked against its
    /// shape.
    fn call_tree(
        &self,
        operation: &str,
        verified: Verified,
        input: Value,
    ) -> BoxFuture<'static, Result<TreeAnswer, ApiError>>;
}

/// What an operation answers, as a tree of values.
#[derive(Debug)]
pub struct TreeAnswer {
    /// The output.
    pub output: Value,
    /// Paths of the input members that were kept without having an effect.
    pub recorded: Vec<String>,
}

/// What an operation answers, encoded.
#[derive(Debug)]
pub struct Answer {
    /// The output, on the wire that was asked.
    pub body: Bytes,
    /// Paths of the input members that were kept without having an effect.
    pub recorded: Vec<String>,
}

type Called = Result<Answer, ApiError>;
type Call<C> = fn(Arc<C>, &'static Descriptor, Verified, Bytes) -> BoxFuture<'static, Called>;
type CalledTree = Result<TreeAnswer, ApiError>;
type CallTree<C> =
    fn(Arc<C>, &'static Descriptor, Verified, Value) -> BoxFuture<'static, CalledTree>;
type CheckTree = fn(&'static Descriptor, &Value) -> Result<Vec<String>, ApiError>;
type Check = fn(&'static Descriptor, Wire, &[u8]) -> Result<Vec<String>, ApiError>;

/// A row: one operation, its type erased.
pub struct Entry<C: 'static> {
    /// The name in the API.
    pub name: &'static str,
    calls: Option<Calls<C>>,
}

struct Calls<C: 'static> {
    json: Call<C>,
    tree: CallTree<C>,
    grpc: Option<Call<C>>,
    check: Check,
    check_tree: CheckTree,
}

impl<C: AsRef<Backend> + Send + Sync + 'static> Entry<C> {
    /// An operation that is answered with UnsupportedFeatureException, to callers who have passed
    /// the gate like all others.
    pub const fn unsupported(name: &'static str) -> Self {
        Self { name, calls: None }
    }

    /// An operation on the wires of AWS.
    pub const fn of<T: Operation<Context = C>>() -> Self {
        Self {
            name: T::NAME,
            calls: Some(Calls {
                json: json::<T>,
                tree: tree::<T>,
                grpc: None,
                check: check_json::<T>,
                check_tree: honour_tree::<T>,
            }),
        }
    }

    /// An operation on the wires of AWS and on gRPC.
    pub const fn with_grpc<T>() -> Self
    where
        T: Operation<Context = C, Input: Message + Default, Output: Message>,
    {
        Self {
            name: T::NAME,
            calls: Some(Calls {
                json: json::<T>,
                tree: tree::<T>,
                grpc: Some(grpc::<T>),
                check: check_both::<T>,
                check_tree: honour_tree::<T>,
            }),
        }
    }

    /// Whether it does anything but decline.
    pub fn is_supported(&self) -> bool {
        self.calls.is_some()
    }
}

impl<C: AsRef<Backend> + Send + Sync + 'static> Api<C> {
    /// The row of the operation with this name.
    pub fn find(&self, name: &str) -> Option<&'static Entry<C>> {
        let index = self
            .operations
            .binary_search_by(|entry| entry.name.cmp(name))
            .ok()?;
        self.operations.get(index)
    }

    /// Decodes an input and checks it against the model and the field ledger, as a call does before
    /// it runs anything. Returns the paths of its recorded members, sorted.
    ///
    /// # Errors
    /// As the operation itself would answer; UnsupportedFeatureException for one that only
    /// declines.
    pub fn check(
        &'static self,
        operation: &str,
        wire: Wire,
        body: &[u8],
    ) -> Result<Vec<String>, ApiError> {
        let entry = self
            .find(operation)
            .ok_or_else(|| self.unknown(operation))?;
        match &entry.calls {
            Some(calls) => (calls.check)(&self.descriptor, wire, body),
            None => Err(self.unsupported(entry.name)),
        }
    }

    /// The same for an input that was decoded before, as a tree of values.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_tree(
        &'static self,
        operation: &str,
        input: &Value,
    ) -> Result<Vec<String>, ApiError> {
        let entry = self
            .find(operation)
            .ok_or_else(|| self.unknown(operation))?;
        match &entry.calls {
            Some(calls) => (calls.check_tree)(&self.descriptor, input),
            None => Err(self.unsupported(entry.name)),
        }
    }

    fn unknown(&self, operation: &str) -> ApiError {
        ApiError::new(
            ErrorKind::UNKNOWN_OPERATION,
            format!(
                "There is no {} operation \"{}\".",
                self.descriptor.title,
                bounded(operation)
            ),
        )
    }

    fn unsupported(&self, operation: &str) -> ApiError {
        ApiError::unsupported(format!(
            "Longshore does not offer the operation {operation}."
        ))
    }
}

/// Joins a service with what its handlers work with.
pub fn bind<C>(api: &'static Api<C>, context: Arc<C>) -> Arc<dyn Service>
where
    C: AsRef<Backend> + Send + Sync + 'static,
{
    Arc::new(Bound { api, context })
}

struct Bound<C: 'static> {
    api: &'static Api<C>,
    context: Arc<C>,
}

impl<C: AsRef<Backend> + Send + Sync + 'static> Service for Bound<C> {
    fn descriptor(&self) -> &'static Descriptor {
        &self.api.descriptor
    }

    fn has(&self, operation: &str) -> bool {
        self.api.find(operation).is_some()
    }

    fn call(
        &self,
        operation: &str,
        wire: Wire,
        verified: Verified,
        body: Bytes,
    ) -> BoxFuture<'static, Called> {
        let Some(entry) = self.api.find(operation) else {
            return refuse(self.api.unknown(operation));
        };
        let call = match (&entry.calls, wire) {
            (Some(calls), Wire::AwsJson) => Some(calls.json),
            (Some(calls), Wire::Grpc) => calls.grpc,
            (None, _) => None,
        };
        match call {
            Some(call) => call(
                Arc::clone(&self.context),
                &self.api.descriptor,
                verified,
                body,
            ),
            None => refuse(self.api.unsupported(entry.name)),
        }
    }

    fn call_tree(
        &self,
        operation: &str,
        verified: Verified,
        input: Value,
    ) -> BoxFuture<'static, CalledTree> {
        match self.api.find(operation) {
            None => refuse(self.api.unknown(operation)),
            Some(entry) => match &entry.calls {
                Some(calls) => (calls.tree)(
                    Arc::clone(&self.context),
                    &self.api.descriptor,
                    verified,
                    input,
                ),
                None => refuse(self.api.unsupported(entry.name)),
            },
        }
    }
}

fn refuse<A: Send + 'static>(error: ApiError) -> BoxFuture<'static, Result<A, ApiError>> {
    Box::pin(std::future::ready(Err(error)))
}

fn json<T: Operation<Context: AsRef<Backend>>>(
    context: Arc<T::Context>,
    descriptor: &'static Descriptor,
    verified: Verified,
    body: Bytes,
) -> BoxFuture<'static, Called> {
    Box::pin(async move {
        let input = aws_json::decode::<T::Input>(&body)?;
        drop(body);
        let recorded = honour::<T>(descriptor, &input)?;
        let output = authorised_run::<T>(&context, descriptor, verified.caller(), input).await?;
        let body = serde_json::to_vec(&output).map_err(|error| {
            tracing::error!(operation = T::NAME, %error, "output does not encode");
            ApiError::internal()
        })?;
        Ok(Answer {
            body: body.into(),
            recorded,
        })
    })
}

fn tree<T: Operation<Context: AsRef<Backend>>>(
    context: Arc<T::Context>,
    descriptor: &'static Descriptor,
    verified: Verified,
    input: Value,
) -> BoxFuture<'static, CalledTree> {
    Box::pin(async move {
        let recorded = honour_tree::<T>(descriptor, &input)?;
        let input: T::Input = serde_json::from_value(input).map_err(|error| {
            ApiError::serialization(format!("A member is not of its type: {error}."))
        })?;
        let output = authorised_run::<T>(&context, descriptor, verified.caller(), input).await?;
        let output = serde_json::to_value(&output).map_err(|error| {
            tracing::error!(operation = T::NAME, %error, "output does not encode");
            ApiError::internal()
        })?;
        Ok(TreeAnswer { output, recorded })
    })
}

fn grpc<T>(
    context: Arc<T::Context>,
    descriptor: &'static Descriptor,
    verified: Verified,
    body: Bytes,
) -> BoxFuture<'static, Called>
where
    T: Operation<Context: AsRef<Backend>, Input: Message + Default, Output: Message>,
{
    Box::pin(async move {
        let input = decode_message::<T::Input>(&body)?;
        drop(body);
        let recorded = honour::<T>(descriptor, &input)?;
        let output = authorised_run::<T>(&context, descriptor, verified.caller(), input).await?;
        Ok(Answer {
            body: output.encode_to_vec().into(),
            recorded,
        })
    })
}

fn check_json<T: Operation>(
    descriptor: &'static Descriptor,
    _: Wire,
    body: &[u8],
) -> Result<Vec<String>, ApiError> {
    honour::<T>(descriptor, &aws_json::decode(body)?)
}

fn check_both<T: Operation<Input: Message + Default>>(
    descriptor: &'static Descriptor,
    wire: Wire,
    body: &[u8],
) -> Result<Vec<String>, ApiError> {
    let input = match wire {
        Wire::AwsJson => aws_json::decode::<T::Input>(body)?,
        Wire::Grpc => decode_message(body)?,
    };
    honour::<T>(descriptor, &input)
}

fn decode_message<M: Message + Default>(body: &[u8]) -> Result<M, ApiError> {
    M::decode(body).map_err(|error| ApiError::serialization(error.to_string()))
}

/// Checks an input against the model and the field ledger, all faults at once; returns the paths of
/// its recorded members.
fn honour<T: Operation>(
    descriptor: &'static Descriptor,
    input: &T::Input,
) -> Result<Vec<String>, ApiError> {
    let value = serde_json::to_value(input).map_err(|error| {
        // Only a number that JSON cannot write, sent by gRPC.
        ApiError::serialization(error.to_string())
    })?;
    honour_tree::<T>(descriptor, &value)
}

fn honour_tree<T: Operation>(
    descriptor: &'static Descriptor,
    input: &Value,
) -> Result<Vec<String>, ApiError> {
    let checked = (descriptor.ledger)().check(T::NAME, input);
    let (kind, message) = match (T::validate(input).into_parts(), checked) {
        (None, Ok(recorded)) => return Ok(recorded),
        (None, Err(refused)) => ((descriptor.refusal)(T::NAME), refused.to_string()),
        (Some((kind, message)), Ok(_)) => (kind, message),
        (Some((kind, message)), Err(refused)) => (kind, format!("{message} {refused}")),
    };
    Err(ApiError::new(kind, message))
}

/// Asks the gate, then runs.
async fn authorised_run<T: Operation<Context: AsRef<Backend>>>(
    context: &T::Context,
    descriptor: &'static Descriptor,
    caller: &Caller,
    input: T::Input,
) -> Result<T::Output, ApiError> {
    let resources = T::resources(context, &context.as_ref().db.view(), &input);
    gate::authorise(caller, descriptor.name, T::NAME, &resources)?;
    T::run(context, caller, input).await
}

/// The caller decides how long a name is.
pub(crate) fn bounded(name: &str) -> &str {
    name.get(..name.floor_char_boundary(MAX_NAME_LENGTH))
        .unwrap_or_default()
}
