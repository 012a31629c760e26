//! Which request goes where.
//!
//! People share one listener. A request is told apart by its head alone:
//!
//! | request | goes to |
//! |---|---|
//! | a target, a signature, a form | [`aws`](crate::wire::aws), signed with SigV4 |
//! | `Content-Type: application/grpc…` on HTTP/2 | [`grpc`](crate::wire::grpc), with a bearer token |
//! | `GET /healthz` | answered here, to anyone: that it serves |
//! | `GET /health` | answered here, to anyone: how it stands ([`HealthFacts`]) |
//! | anything else | 404 |
//!
//! Both wires check who calls before they read a body or say whether an operation exists. Before
//! an operation runs, the view is brought up to everything that was acknowledged by then, through
//! whichever control plane: what one answered, the next call to any other sees.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use serde_json::Value;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::service::Routes;

use crate::auth::{AccessKeys, Verified};
use crate::backend::Backend;
use crate::error::ApiError;
use crate::service::{Answer, Descriptor, Service, TreeAnswer};
use crate::wire::{Wire, aws, grpc};

/// Largest request body, in bytes, on both wires. Far above the 64 KiB that ECS allows a task
/// definition, and small enough to be held in memory.
pub const MAX_BODY_LENGTH: usize = 1024 * 1024;
/// Operations that run at once; more are answered with ThrottlingException, which SDKs retry.
const MAX_OPERATIONS: usize = 512;
/// Bodies over [`SMALL_BODY_LENGTH`](crate::wire::aws) that are read at once. They are read before the
/// signature can be checked, so this bounds what a stranger can make us hold.
const MAX_LARGE_BODIES: usize = 32;
/// Names the recorded members that a request set, on both wires.
pub(crate) const RECORDED_HEADER: &str = "x-longshore-recorded";
/// Names the request in our log, on both wires.
pub(crate) const REQUEST_ID_HEADER: &str = "x-amzn-requestid";

/// What anyone may know of how a control plane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthFacts {
    /// Whether it decides; a standby answers calls all the same.
    pub leads: bool,
    /// Whether the store has answered lately. Without it calls fail.
    pub store_reachable: bool,
    /// Records that do not decode and are set aside.
    pub quarantined: usize,
}

/// Tells how the control plane stands.
pub type Health = Arc<dyn Fn() -> HealthFacts + Send + Sync>;

/// Everything that one listener serves. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    pub(crate) shared: Arc<Shared>,
    pub(crate) routes: Routes,
    health: Option<Health>,
}

pub(crate) struct Shared {
    pub(crate) backend: Backend,
    pub(crate) keys: Arc<AccessKeys>,
    services: Vec<Arc<dyn Service>>,
    operations: Arc<Semaphore>,
    pub(crate) large_bodies: Arc<Semaphore>,
}

/// Puts the door together. The gate tells time by the clock of `backend` and takes only signatures
/// for its region. At least one service must be there.
///
/// `beside` are the gRPC services beside those of AWS, with all that reflection tells. They stand
/// behind the same gate: a call that reaches one carries a [`crate::auth::Caller`] in its request
/// extensions. gRPC health and server reflection are added here, and need no token.
///
/// # Errors
/// The descriptors that reflection serves do not decode, which is a broken build.
pub async fn router(
    backend: Backend,
    keys: Arc<AccessKeys>,
    services: Vec<Arc<dyn Service>>,
    beside: grpc::Beside,
) -> Result<Door, tonic_reflection::server::Error> {
    let of_aws = services
        .iter()
        .filter_map(|service| service.descriptor().grpc_service)
        .collect();
    Ok(Door {
        routes: grpc::with_open_services(beside, of_aws).await?,
        shared: Arc::new(Shared {
            backend,
            keys,
            services,
            operations: Arc::new(Semaphore::new(MAX_OPERATIONS)),
            large_bodies: Arc::new(Semaphore::new(MAX_LARGE_BODIES)),
        }),
        health: None,
    })
}

impl Door {
    /// The same, with an answer to `GET /health`.
    pub fn with_health(self, health: Health) -> Self {
        Self {
            health: Some(health),
            ..self
        }
    }

    /// Answers one request.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request = request.map(Body::new);
        if grpc::is_grpc(request.headers()) {
            return if request.version() == Version::HTTP_2 {
                grpc::handle(self, request).await
            } else {
                // Trailers carry the status of a call, and HTTP/1.1 clients do not read them.
                json(
                    StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                    r#"{"message":"gRPC needs HTTP/2."}"#,
                )
            };
        }
        if let Some(health) = &self.health
            && (request.method(), request.uri().path()) == (&Method::GET, "/health")
        {
            return tell(health());
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/healthz") => json(StatusCode::OK, r#"{"status":"ok"}"#),
            _ if aws::is_aws(&request) => aws::handle(&self.shared, request).await,
            _ => json(
                StatusCode::NOT_FOUND,
                r#"{"message":"Nothing is served here. Send a signed request of an AWS service, or gRPC."}"#,
            ),
        }
    }
}

impl Shared {
    /// A fresh request id, in the form of a UUID.
    pub(crate) fn request_id(&self) -> String {
        let hex = format!("{:032x}", (self.backend.entropy)());
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
        [
            part(0..8),
            part(8..12),
            part(12..16),
            part(16..20),
            part(20..32),
        ]
        .join("-")
    }

    /// The first service that the test holds for.
    pub(crate) fn service(&self, is: impl Fn(&Descriptor) -> bool) -> Option<&Arc<dyn Service>> {
        self.services
            .iter()
            .find(|service| is(service.descriptor()))
    }

    /// Runs an operation as a task of its own, so that it ends also when the caller hangs up, and
    /// so that a panic in it is one failed call.
    pub(crate) async fn run(
        &self,
        service: &Arc<dyn Service>,
        operation: &str,
        wire: Wire,
        verified: Verified,
        body: Bytes,
    ) -> Result<Answer, ApiError> {
        let (service, name) = (Arc::clone(service), operation.to_owned());
        self.apart(operation, async move {
            service.call(&name, wire, verified, body).await
        })
        .await
    }

    /// The same for an input that was decoded already.
    pub(crate) async fn run_tree(
        &self,
        service: &Arc<dyn Service>,
        operation: &str,
        verified: Verified,
        input: Value,
    ) -> Result<TreeAnswer, ApiError> {
        let (service, name) = (Arc::clone(service), operation.to_owned());
        self.apart(operation, async move {
            service.call_tree(&name, verified, input).await
        })
        .await
    }

    async fn apart<T: Send + 'static>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = Arc::clone(&self.operations)
            .try_acquire_owned()
            .map_err(|_| ApiError::throttled())?;
        let backend = self.backend.clone();
        let task = tokio::spawn(async move {
            let _place = place;
            catch_up(&backend).await?;
            call.await
        });
        task.await.unwrap_or_else(|error| {
            tracing::error!(operation, %error, "operation did not end");
            Err(ApiError::internal())
        })
    }
}

/// Waits until the view has everything that was acknowledged before, for two seconds at most.
///
/// Errors: ServerException if the store does not answer in time, which SDKs try again.
async fn catch_up(backend: &Backend) -> Result<(), ApiError> {
    let Err(error) = backend.db.barrier().await else {
        return Ok(());
    };
    tracing::warn!(%error, "a call is refused");
    Err(ApiError::server(
        "The store does not answer at the moment. Nothing was read or changed; retry.",
    ))
}

/// How the control plane stands. Without the store it is of no use to a load balancer; with
/// damaged records it is, since all control planes have the same ones.
fn tell(facts: HealthFacts) -> Response<Body> {
    let (status, word) = match facts {
        HealthFacts {
            store_reachable: false,
            ..
        } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        HealthFacts { quarantined: 0, .. } => (StatusCode::OK, "ok"),
        HealthFacts { .. } => (StatusCode::OK, "degraded"),
    };
    let role = if facts.leads { "leader" } else { "standby" };
    json(
        status,
        format!(
            r#"{{"status":"{word}","role":"{role}","storeReachable":{},"quarantinedRecords":{}}}"#,
            facts.store_reachable, facts.quarantined
        ),
    )
}

/// Writes what became of a request to the log: who, what, how it ended, but no content.
pub(crate) fn log(
    operation: &str,
    access_key_id: &str,
    request_id: &str,
    error: Option<&ApiError>,
) {
    let outcome = error.map_or("ok", |error| error.kind.name());
    if error.is_some_and(|error| error.kind.http_status() >= 500) {
        tracing::error!(operation, access_key_id, request_id, outcome, "request");
    } else {
        tracing::info!(operation, access_key_id, request_id, outcome, "request");
    }
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(body.into())));
    *response.status_mut() = status;
    set(
        response.headers_mut(),
        CONTENT_TYPE.as_str(),
        "application/json",
    );
    response
}

/// Sets a header to printable ASCII; leaves it out if the value is something else.
pub(crate) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
