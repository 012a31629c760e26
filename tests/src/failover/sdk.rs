//! The AWS SDK with its default settings, one client per control plane: its own retries are all
//! that a call may need.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ecs::error::DisplayErrorContext;
use aws_sdk_ecs::types::Tag;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::eventually::ticks;
use crate::fleet::Fleet;

/// How often each client calls.
const PACE: Duration = Duration::from_millis(100);
const CLUSTER: &str = "sdk";

/// Clients at work.
pub(super) struct SdkClients {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Calls>>,
}

/// What came of them.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) made: usize,
    /// Calls that failed after the SDK's own retries, with what it said.
    pub(super) failed: Vec<String>,
}

impl SdkClients {
    /// Starts one client per control plane, which writes and reads in turn.
    pub(super) async fn start(fleet: &Fleet) -> anyhow::Result<Self> {
        let made = fleet
            .call_any("CreateCluster", &json!({"clusterName": CLUSTER}))
            .await?;
        let arn = made["cluster"]["clusterArn"].as_str();
        let arn = arn.context("no clusterArn")?.to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for plane in fleet.planes() {
            let (id, secret) = fleet.key();
            let configuration = aws_config::defaults(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new(id, secret, None, None, "test"))
                .endpoint_url(format!("http://{}", plane.listen))
                .load()
                .await;
            let client = Client::new(&configuration);
            let (stop, arn) = (Arc::clone(&stop), arn.clone());
            clients.push(tokio::spawn(
                async move { call(&client, &arn, &stop).await },
            ));
        }
        Ok(Self { stop, clients })
    }

    /// Stops them.
    pub(super) async fn stop(self) -> anyhow::Result<Calls> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Calls::default();
        for client in self.clients {
            let calls = client.await?;
            all.made += calls.made;
            all.failed.extend(calls.failed);
        }
        Ok(all)
    }
}

async fn call(client: &Client, arn: &str, stop: &AtomicBool) -> Calls {
    let mut calls = Calls::default();
    let mut ticks = ticks(PACE);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let tag = Tag::builder()
            .key("made")
            .value(calls.made.to_string())
            .build();
        let write = client.tag_resource().resource_arn(arn).tags(tag);
        if let Err(error) = write.send().await {
            calls
                .failed
                .push(format!("TagResource: {}", DisplayErrorContext(error)));
        }
        let read = client.describe_clusters().clusters(CLUSTER);
        if let Err(error) = read.send().await {
            calls
                .failed
                .push(format!("DescribeClusters: {}", DisplayErrorContext(error)));
        }
        calls.made += 2;
    }
    calls
}
