//! The gRPC wire: the operations of a service, as methods of a gRPC service such as
//! `longshore.ecs.v1.Ecs`.
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
use serde_json::Value;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::Service as _;

use super::Wire;
use crate::auth::{Verified, bearer};
use crate::error::ApiError;
use crate::ledger::recorded_header;
use crate::router::{Door, MAX_BODY_LENGTH, RECORDED_HEADER, REQUEST_ID_HEADER, Shared, log};
use crate::serve::{Activity, Hold};
use crate::service::{Service, bounded};

/// Services that need no token: they tell nothing that is not in the repository.
const OPEN_PREFIXES: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];
/// The full name of the health service.
const HEALTH: &str = "grpc.health.v1.Health";
/// Names the exception.
const ERROR_METADATA: &str = "x-longshore-error";
/// `google.rpc.ErrorInfo.domain` of our errors.
const ERROR_DOMAIN: &str = "ecs";
/// Longest message of an error, in bytes. It travels in a header, and clients read 8 KiB of them.
const MAX_MESSAGE_LENGTH: usize = 1536;
/// The gRPC services beside those of AWS.
#[derive(Clone)]
pub struct Beside {
    /// What answers them.
    pub routes: Routes,
    /// Their full names, such as `longshore.node.v1.Nodes`.
    pub names: Vec<&'static str>,
    /// Encoded descriptors of all services that the listener has.
    pub descriptors: &'static [u8],
}

/// Whether this is a gRPC request.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Adds health and reflection, in both versions that clients ask for. Both tell of the services
/// that the listener answers, and of no other.
pub(crate) async fn with_open_services(
    beside: Beside,
    of_aws: Vec<&'static str>,
) -> Result<Routes, tonic_reflection::server::Error> {
    let names = || of_aws.iter().chain(&beside.names).copied();
    let reflection = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(beside.descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name(HEALTH);
        names().fold(builder, |builder, name| builder.with_service_name(name))
    };
    let reporter = HealthReporter::new();
    for name in names() {
        reporter
            .set_service_status(name, ServingStatus::Serving)
            .await;
    }
    let health = HealthService::from_health_reporter(reporter);
    Ok(beside
        .routes
        .clone()
        .add_service(HealthServer::new(health))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .prepare())
}

/// Answers one call.
pub(crate) async fn handle(door: &Door, mut request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if OPEN_PREFIXES.iter().any(|prefix| path.starts_with(prefix)) {
        return route(door, request).await;
    }
    let shared = &door.shared;
    let now = (shared.backend.clock)();
    let verified = match bearer::verify_headers(request.headers(), &shared.keys, now) {
        Ok(verified) => verified,
        Err(error) => {
            let request_id = shared.request_id();
            log(bounded(&path), "", &request_id, Some(&error));
            return status(&error, &request_id).into_http();
        }
    };
    let hold = request.extensions().get::<Activity>().map(Activity::hold);
    let method = path
        .strip_prefix('/')
        .and_then(|path| path.split_once('/'))
        .and_then(|(name, operation)| {
            let service = shared.service(|service| service.grpc_service == Some(name))?;
            Some((service, operation))
        });
    let response = match method {
        Some((service, operation)) => call(shared, service, operation, verified, request).await,
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

/// Runs an operation of a service of AWS.
async fn call(
    shared: &Arc<Shared>,
    service: &Arc<dyn Service>,
    operation: &str,
    verified: Verified,
    request: Request<Body>,
) -> Response<Body> {
    let operation = operation.to_owned();
    let handler = tower::service_fn(move |message: tonic::Request<Bytes>| {
        let (shared, service) = (Arc::clone(shared), Arc::clone(service));
        let (operation, verified) = (operation.clone(), verified.clone());
        async move {
            let request_id = shared.request_id();
            let access_key_id = verified.caller().access_key_id().to_owned();
            let body = message.into_inner();
            let result = shared
                .run(&service, &operation, Wire::Grpc, verified, body)
                .await;
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
        .unary(handler, request)
        .await
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
    for (member, value) in &error.members {
        facts.insert((*member).to_owned(), as_text(value));
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

/// A list of texts with commas between, as it was before there were other members.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(as_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
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
    use crate::error::ErrorKind;

    #[test]
    fn errors_carry_the_exception_in_both_ways() {
        let kind = ErrorKind::new("ConflictException", 400, Code::AlreadyExists, false);
        let error = ApiError::new(kind, "m".repeat(5000)).with("resourceIds", vec!["a", "b"]);
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
