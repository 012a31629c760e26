//! A control plane without agents of its own: the real binary with the embedded store, for tests
//! and benchmarks whose agents are stubs.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use longshore_proto::node::CreateJoinTokenRequest;
use longshore_proto::node::nodes_client::NodesClient;
use longshore_store::conformance::port::free_port;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::bearer;
use crate::eventually::eventually;
use crate::wire::Wire;

/// How long it may take to come up, on a slow machine.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// As much of its log as is shown after a failure, in lines.
const LOG_LINES: usize = 60;

/// A running control plane with its data in a directory of its own. Dropping it ends the process
/// and removes the directory.
#[derive(Debug)]
pub struct ControlPlane {
    data: TempDir,
    child: Child,
    endpoint: String,
    agent_address: String,
    key: AccessKey,
}

/// One entry of `access-keys.json`.
#[derive(Debug, Deserialize)]
struct AccessKey {
    access_key_id: String,
    secret_access_key: String,
}

/// A gRPC channel, and the token that each call carries.
#[derive(Debug, Clone)]
pub struct Grpc {
    /// To the address for people.
    pub channel: Channel,
    token: MetadataValue<Ascii>,
}

impl Grpc {
    /// A request with the token on it.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", self.token.clone());
        request
    }
}

impl ControlPlane {
    /// Starts `binary` on free ports with these further flags, and waits until it answers.
    ///
    /// Errors: it ends or does not answer in time; with the end of its log.
    pub async fn start(binary: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        let data = tempfile::Builder::new()
            .prefix("longshore-control-plane-")
            .tempdir()?;
        let (listen, agent_listen) = (free_address(), free_address());
        let log = std::fs::File::create(data.path().join("log"))?;
        let child = Command::new(binary)
            .arg("run")
            .arg("--data-dir")
            .arg(data.path())
            .args(["--listen", &listen, "--agent-listen", &agent_listen])
            .args(flags)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        let mut started = Self {
            data,
            child,
            endpoint: format!("http://{listen}"),
            agent_address: agent_listen,
            key: AccessKey {
                access_key_id: String::new(),
                secret_access_key: String::new(),
            },
        };
        match started.wait_until_up().await {
            Ok(()) => Ok(started),
            Err(error) => Err(error.context(started.log())),
        }
    }

    async fn wait_until_up(&mut self) -> anyhow::Result<()> {
        let keys = self.data.path().join("access-keys.json");
        eventually(UP_WITHIN, "the control plane to answer", async || {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            let text = std::fs::read(&keys).context("it has made no access key")?;
            let all: Vec<AccessKey> = serde_json::from_slice(&text)?;
            self.key = all.into_iter().next().context("no access key")?;
            self.wire().call("ListClusters", json!({})).await
        })
        .await?;
        let cluster = json!({"clusterName": "default"});
        self.wire().call("CreateCluster", cluster).await?;
        Ok(())
    }

    /// Signed AWS JSON.
    pub fn wire(&self) -> Wire {
        Wire::new(
            &self.endpoint,
            "us-east-1",
            &self.key.access_key_id,
            &self.key.secret_access_key,
        )
    }

    /// gRPC with a fresh token.
    ///
    /// Errors: it cannot be reached.
    pub async fn grpc(&self) -> anyhow::Result<Grpc> {
        let channel = Endpoint::from_shared(self.endpoint.clone())?
            .tcp_nodelay(true)
            .connect()
            .await
            .with_context(|| format!("cannot reach {}", self.endpoint))?;
        let token = bearer::mint(&self.key.access_key_id, &self.key.secret_access_key)?;
        Ok(Grpc {
            channel,
            token: format!("Bearer {token}").parse()?,
        })
    }

    /// A join token for that many nodes, at most 1,000.
    ///
    /// Errors: those of the call.
    pub async fn join_token(&self, cluster: &str, uses: u32) -> anyhow::Result<String> {
        let grpc = self.grpc().await?;
        let request = grpc.request(CreateJoinTokenRequest {
            cluster: cluster.to_owned(),
            uses,
            ttl_seconds: 0,
        });
        let mut nodes = NodesClient::new(grpc.channel);
        Ok(nodes.create_join_token(request).await?.into_inner().token)
    }

    /// Where agents connect, `HOST:PORT`.
    pub fn agent_address(&self) -> &str {
        &self.agent_address
    }

    /// The certificate authority of its agent listener, PEM.
    ///
    /// Errors: the file cannot be read.
    pub fn authority(&self) -> anyhow::Result<String> {
        let path = self.data.path().join("ca.pem");
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    pub fn directory(&self) -> &Path {
        self.data.path()
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = std::fs::read(self.data.path().join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Registers a task definition of one container. Returns `FAMILY:REVISION`.
    ///
    /// Errors: those of the call.
    pub async fn register(&self, family: &str, cpu: u32, memory: u32) -> anyhow::Result<String> {
        let container = json!({"name": "main", "image": "stub", "cpu": cpu, "memory": memory});
        let input = json!({"family": family, "containerDefinitions": [container]});
        let output: Value = self.wire().call("RegisterTaskDefinition", input).await?;
        let revision = &output["taskDefinition"]["revision"];
        Ok(format!("{family}:{revision}"))
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- control plane\n{}", self.log());
        }
        // One that has ended already is as good.
        if self.child.kill().is_ok() {
            let _ = self.child.wait();
        }
    }
}

/// A loopback address that nothing listens on now.
fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}
