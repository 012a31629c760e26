//! Signed AWS JSON, written by hand: SDKs check and correct what a test wants to send as it is.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use aws_sdk_ecs::config::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// How long an answer may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// A client of one installation.
#[derive(Debug, Clone)]
pub struct Wire {
    endpoint: String,
    region: String,
    /// Signs every request.
    pub access_key_id: String,
    /// Belongs to the access key.
    pub secret_access_key: String,
    /// What is added to the time; negative for a clock that is behind. In seconds.
    pub skew: i64,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// What the service answered instead of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The HTTP status; 0 where the client does not tell.
    pub status: u16,
    /// Name of the exception.
    pub kind: String,
    /// What it says.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Fault {}

impl Wire {
    /// A client with these keys.
    pub fn new(endpoint: &str, region: &str, access_key_id: &str, secret_access_key: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            region: region.to_owned(),
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret_access_key.to_owned(),
            skew: 0,
            http: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Calls an operation.
    ///
    /// Errors: a [`Fault`] if the service answered with one; else it could not be reached or
    /// answered with something that is not AWS JSON.
    pub async fn call(&self, operation: &str, input: Value) -> anyhow::Result<Value> {
        self.send(operation, input.to_string().into()).await
    }

    /// As [`Self::call`], for a call that must fail.
    ///
    /// Errors: it succeeds, or fails otherwise than with an answer of the service.
    pub async fn fault(&self, operation: &str, input: Value) -> anyhow::Result<Fault> {
        match self.call(operation, input).await {
            Ok(output) => bail!("{operation} succeeded with {output}"),
            Err(error) => error.downcast::<Fault>(),
        }
    }

    /// Sends a body as it is.
    pub async fn send(&self, operation: &str, body: Bytes) -> anyhow::Result<Value> {
        let request = self.signed(operation, &body)?;
        let exchange = async {
            let response = self.http.request(request).await?;
            let status = response.status().as_u16();
            let bytes = response.into_body().collect().await?.to_bytes();
            anyhow::Ok((status, bytes))
        };
        let (status, bytes) = tokio::time::timeout(ANSWERED_WITHIN, exchange)
            .await
            .with_context(|| format!("{operation}: no answer within {ANSWERED_WITHIN:?}"))??;
        let value: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("{operation}: status {status}, not JSON: {bytes:?}"))?;
        if status == 200 {
            return Ok(value);
        }
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let kind = text("__type");
        Err(anyhow!(Fault {
            status,
            kind: kind.rsplit('#').next().unwrap_or_default().to_owned(),
            message: text("message"),
        }))
    }

    fn signed(&self, operation: &str, body: &Bytes) -> anyhow::Result<http::Request<Full<Bytes>>> {
        let mut request = http::Request::post(format!("{}/", self.endpoint))
            .header("content-type", "application/x-amz-json-1.1")
            .header(
                "x-amz-target",
                format!("AmazonEC2ContainerServiceV20141113.{operation}"),
            )
            .body(Full::new(body.clone()))?;
        let offset = Duration::from_secs(self.skew.unsigned_abs());
        let time = if self.skew < 0 {
            SystemTime::now() - offset
        } else {
            SystemTime::now() + offset
        };
        let identity = Credentials::new(
            &self.access_key_id,
            &self.secret_access_key,
            None,
            None,
            "test",
        )
        .into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ecs")
            .time(time)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let uri = request.uri().to_string();
        let headers = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new("POST", uri, headers, SignableBody::Bytes(body))?;
        let (instructions, _signature) = sign(signable, &parameters)?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}
