//! The gRPC wire: the same operations, as methods of `longshore.ecs.v1.Ecs`.
//!
//! The method's name is looked up in the operation table and the message goes there undecoded, so
//! there is no second list of operations here. Errors carry the exception's name twice: in the
//! metadata `x-longshore-error`, for shells, and as `google.rpc.ErrorInfo`, for programs.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, Bytes};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::Service as _;

use super::serve::{Activity, Hold};
use super::{Door, MAX_BODY_LENGTH, RECORDED_HEADER, REQUEST_ID_HEADER, Shared, log};
use crate::auth::{Verified, bearer};
use crate::error::{ApiError, ErrorKind};
use crate::ledger::recorded_header;
use crate::table::{self, Wire};

/// Path of every method of the ECS service.
const ECS_PREFIX: &str = "/longshore.ecs.v1.Ecs/";
/// Services that need no token: they tell nothing that is not in the repository.
const OPEN_PREFIXES: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];
/// Names the exception.
const ERROR_METADATA: &str = "x-longshore-error";
/// `google.rpc.ErrorInfo.domain` of our errors.
const ERROR_DOMAIN: &str = "ecs";
/// Longest message of an error, in bytes. It travels in a header, and clients read 8 KiB of them.
const MAX_MESSAGE_LENGTH: usize = 1536;
/// So many bytes of a path go to the log.
const MAX_LOGGED_PATH: usize = 128;

/// Whether this is a gRPC request.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Adds health and reflection, in both versions that clients ask for.
pub(super) fn with_open_services(
    routes: Routes,
) -> Result<Routes, tonic_reflection::server::Error> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(longshore_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (_, health) = tonic_health::server::health_reporter();
    Ok(routes
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .prepare())
}

/// Answers one call.
pub(super) async fn handle(door: &Door, mut request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if OPEN_PREFIXES.iter().any(|prefix| path.starts_with(prefix)) {
        return route(door, request).await;
    }
    let shared = &door.shared;
    let now = (shared.ecs.clock)();
    let verified = match bearer::verify_headers(request.headers(), &shared.keys, now) {
        Ok(verified) => verified,
        Err(error) => {
            let request_id = shared.request_id();
            log(bounded(&path), "", &request_id, Some(&error));
            return status(&error, &request_id).into_http();
        }
    };
    let hold = request.extensions().get::<Activity>().map(Activity::hold);
    let response = match path.strip_prefix(ECS_PREFIX) {
        Some(operation) => call(shared, operation, verified, request).await,
        None => {
            request.extensions_mut().insert(verified.caller().clone());
            route(door, request).await
        }
    };
    response.map(|body| Body::new(Held { body, _hold: hold }))
}

async fn route(door: &Door, request: Request<Body>) -> Response<Body> {
    // A router is always ready, and never fails but by a response.
    match door.routes.clone().call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Runs an ECS operation.
async fn call(
    shared: &Arc<Shared>,
    operation: &str,
    verified: Verified,
    request: Request<Body>,
) -> Response<Body> {
    let operation = operation.to_owned();
    let service = tower::service_fn(move |message: tonic::Request<Bytes>| {
        let (shared, operation) = (Arc::clone(shared), operation.clone());
        let verified = verified.clone();
        async move {
            let request_id = shared.request_id();
            let access_key_id = verified.caller().access_key_id().to_owned();
            let result = match table::find(&operation) {
                Some(entry) => {
                    let body = message.into_inner();
                    shared.run(*entry, Wire::Grpc, verified, body).await
                }
                None => Err(ApiError::new(
                    ErrorKind::UnknownOperation,
                    format!("There is no ECS operation \"{}\".", bounded(&operation)),
                )),
            };
            log(
                bounded(&operation),
                &access_key_id,
                &request_id,
                result.as_ref().err(),
            );
            let answer = result.map_err(|error| status(&error, &request_id))?;
            let mut response = tonic::Response::new(answer.body);
            let recorded = recorded_header(&answer.recorded);
            insert(response.metadata_mut(), REQUEST_ID_HEADER, &request_id);
            if let Some(recorded) = recorded {
                insert(response.metadata_mut(), RECORDED_HEADER, &recorded);
            }
            Ok::<_, Status>(response)
        }
    });
    tonic::server::Grpc::new(RawCodec)
        .max_decoding_message_size(MAX_BODY_LENGTH)
        .unary(service, request)
        .await
}

/// The caller decides how long a path is.
fn bounded(path: &str) -> &str {
    path.get(..path.floor_char_boundary(MAX_LOGGED_PATH))
        .unwrap_or_default()
}

impl From<ApiError> for Status {
    /// For services beside the ECS API, which have no request id.
    fn from(error: ApiError) -> Self {
        status(&error, "")
    }
}

/// An error as gRPC tells it.
fn status(error: &ApiError, request_id: &str) -> Status {
    let name = error.kind.name();
    let mut facts = HashMap::new();
    facts.insert("requestId".to_owned(), request_id.to_owned());
    if !error.resource_ids.is_empty() {
        facts.insert("resourceIds".to_owned(), error.resource_ids.join(","));
    }
    let mut message = error.message.clone();
    if message.len() > MAX_MESSAGE_LENGTH {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_LENGTH));
        message.push_str("...");
    }
    let mut metadata = MetadataMap::new();
    insert(&mut metadata, ERROR_METADATA, name);
    insert(&mut metadata, REQUEST_ID_HEADER, request_id);
    let details = ErrorDetails::with_error_info(name, ERROR_DOMAIN, facts);
    let code: Code = error.kind.grpc_code();
    Status::with_error_details_and_metadata(code, message, details, metadata)
}

/// Sets metadata to printable ASCII; leaves it out if the value is something else.
fn insert(metadata: &mut MetadataMap, name: &'static str, value: &str) {
    if let Ok(value) = AsciiMetadataValue::try_from(value) {
        metadata.insert(name, value);
    }
}

/// Messages as the bytes they are on the wire; the table decodes them.
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// A response body that keeps its connection from counting as idle until it has ended.
struct Held {
    body: Body,
    _hold: Option<Hold>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn errors_carry_the_exception_in_both_ways() {
        let error = ApiError::conflict("m".repeat(5000), vec!["a".to_owned(), "b".to_owned()]);
        let status = status(&error, "id");
        assert_eq!(status.code(), Code::AlreadyExists);
        assert_eq!(
            status.metadata().get(ERROR_METADATA).unwrap(),
            "ConflictException"
        );
        let info = status.get_details_error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("ConflictException", "ecs")
        );
        assert_eq!(info.metadata.get("resourceIds").unwrap(), "a,b");
        assert!(status.message().len() < 2000);
    }
}
