//! JSON over plain HTTP, unsigned: health endpoints, and etcd's gateway.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// How long an answer may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// The status and the JSON that a GET is answered with.
pub async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, Value)> {
    let request = http::Request::get(format!("http://{address}{path}")).body(Full::default())?;
    exchange(request).await
}

/// The JSON that a POST is answered with.
///
/// Errors: as well when the status is not 200.
pub async fn post(address: SocketAddr, path: &str, body: &Value) -> anyhow::Result<Value> {
    let body = Full::new(Bytes::from(body.to_string()));
    let request = http::Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/json")
        .body(body)?;
    match exchange(request).await? {
        (200, answer) => Ok(answer),
        (status, answer) => bail!("{address}{path}: status {status}: {answer}"),
    }
}

async fn exchange(request: http::Request<Full<Bytes>>) -> anyhow::Result<(u16, Value)> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let exchange = async {
        let response = client.request(request).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        anyhow::Ok((status, serde_json::from_slice(&bytes)?))
    };
    tokio::time::timeout(ANSWERED_WITHIN, exchange)
        .await
        .context("no answer in time")?
}
