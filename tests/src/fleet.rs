//! An installation of several control planes on one etcd, with agents that know them all: the
//! production layout on loopback.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use longshore_store::conformance::port::free_port;
use serde_json::{Value, json};

use crate::docker::{self, Docker};
use crate::etcd::Etcd;
use crate::eventually::{eventually, ticks};
use crate::longshore::connected_instances;
use crate::plain;
use crate::process::Process;
use crate::wire::{Fault, Wire};

/// How long the installation, or a part of it that was started again, may take to come up.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// How long a call is tried; longer than any store is made to stand still.
const ANSWERED_WITHIN: Duration = Duration::from_secs(240);
/// How often all control planes are tried.
const PACE: Duration = Duration::from_millis(20);
/// What every control plane of an installation has in common.
const COMMON_FILES: [&str; 3] = ["ca.pem", "ca.key", "access-keys.json"];
const REGION: &str = "us-east-1";
/// MiB that each agent offers, whatever the machine has.
const AGENT_MEMORY: u32 = 1024;
const AGENT_CPU: u32 = 4096;

/// A running installation. Dropping it takes everything down again, containers included.
#[derive(Debug)]
pub struct Fleet {
    /// First, so that it goes last of what is stopped and before its directory.
    planes: Vec<Plane>,
    agents: Vec<Process>,
    /// The store of all control planes.
    pub etcd: Etcd,
    docker: Docker,
    instances: Vec<String>,
    key: (String, String),
    data: tempfile::TempDir,
}

/// One control plane.
#[derive(Debug)]
pub struct Plane {
    /// Where people reach it.
    pub listen: SocketAddr,
    agent_listen: SocketAddr,
    /// The process.
    pub process: Process,
}

impl Fleet {
    /// Starts `members` of etcd, `planes` control planes and `agents` agents from the programs in
    /// `binaries`, and waits until all agents take tasks.
    pub async fn up(
        binaries: &Path,
        members: usize,
        planes: usize,
        agents: usize,
    ) -> anyhow::Result<Self> {
        let docker = Docker::connect().await?;
        docker.build_image().await?;
        let data = tempfile::Builder::new()
            .prefix("longshore-fleet-")
            .tempdir()?;
        let etcd = Etcd::up(members).await?;
        let store = etcd.address("test");
        let mut started = Vec::new();
        for number in 0..planes {
            let directory = data.path().join(format!("control-plane-{number}"));
            std::fs::create_dir(&directory)?;
            if number > 0 {
                let first = data.path().join("control-plane-0");
                for file in COMMON_FILES {
                    std::fs::copy(first.join(file), directory.join(file))?;
                }
            }
            let plane = Plane::start(binaries, &directory, &store)?;
            eventually(UP_WITHIN, "a control plane to serve", async || {
                plane.health().await
            })
            .await
            .inspect_err(|_| plane.process.print_log())?;
            started.push(plane);
        }
        let mut fleet = Self {
            key: access_key(&data.path().join("control-plane-0"))?,
            planes: started,
            agents: Vec::new(),
            etcd,
            docker,
            instances: Vec::new(),
            data,
        };
        fleet.start_agents(binaries, agents).await?;
        Ok(fleet)
    }

    async fn start_agents(&mut self, binaries: &Path, agents: usize) -> anyhow::Result<()> {
        self.call_any("CreateCluster", &json!({"clusterName": "default"}))
            .await?;
        let token = self.data.path().join("join-token");
        std::fs::write(&token, self.join_token(binaries, agents)?)?;
        let planes: Vec<String> = self
            .planes
            .iter()
            .map(|plane| plane.agent_listen.to_string())
            .collect();
        for number in 0..agents {
            let directory = self.data.path().join(format!("agent-{number}"));
            let arguments = [
                "run".to_owned(),
                format!("--data-dir={}", directory.display()),
                format!("--control-plane={}", planes.join(",")),
                format!("--token-file={}", token.display()),
                format!("--cpu={AGENT_CPU}"),
                format!("--memory={AGENT_MEMORY}"),
                format!("--zone={REGION}{}", ["a", "b", "c"][number % 3]),
            ];
            let log = self.data.path().join(format!("agent-{number}.log"));
            let program = binaries.join("longshore-agent");
            self.agents
                .push(Process::start(&program, arguments.into(), log)?);
        }
        self.instances = self.connected(agents, UP_WITHIN).await?;
        Ok(())
    }

    /// A token for that many agents, made through the second control plane where there is one: any
    /// of them must do.
    fn join_token(&self, binaries: &Path, uses: usize) -> anyhow::Result<String> {
        let plane = self.planes.get(1).or(self.planes.first());
        let listen = plane.context("no control plane")?.listen;
        let output = Command::new(binaries.join("longshore"))
            .args(["join-token", "--cluster", "default", "--uses"])
            .arg(uses.max(1).to_string())
            .args(["--endpoint", &format!("http://{listen}")])
            .env("AWS_ACCESS_KEY_ID", &self.key.0)
            .env("AWS_SECRET_ACCESS_KEY", &self.key.1)
            .env("AWS_REGION", REGION)
            .output()
            .context("cannot run longshore")?;
        ensure!(
            output.status.success(),
            "longshore join-token: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Waits until that many agents are connected. Returns the ids of their instances.
    pub async fn connected(&self, agents: usize, within: Duration) -> anyhow::Result<Vec<String>> {
        eventually(within, "the agents to connect", async || {
            let mut last = None;
            for wire in self.wires() {
                match connected_instances(&wire).await {
                    Ok(connected) if connected.len() == agents => return Ok(connected),
                    Ok(connected) => {
                        bail!("{} of {agents} agents are connected", connected.len())
                    }
                    Err(error) => last = Some(error),
                }
            }
            Err(last.unwrap_or_else(|| anyhow::anyhow!("no control plane")))
        })
        .await
    }

    /// Its control planes.
    pub fn planes(&self) -> &[Plane] {
        &self.planes
    }

    /// One of its control planes.
    pub fn plane(&mut self, number: usize) -> &mut Plane {
        &mut self.planes[number]
    }

    /// Its agents.
    pub fn agents(&self) -> &[Process] {
        &self.agents
    }

    /// Docker, on which its agents run containers.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The ids of its container instances.
    pub fn instances(&self) -> &[String] {
        &self.instances
    }

    /// Its access key: id and secret.
    pub fn key(&self) -> (&str, &str) {
        (&self.key.0, &self.key.1)
    }

    /// Signed AWS JSON through each control plane.
    pub fn wires(&self) -> Vec<Wire> {
        let (id, secret) = self.key();
        let wire = |plane: &Plane| {
            let endpoint = format!("http://{}", plane.listen);
            Wire::new(&endpoint, REGION, id, secret)
        };
        self.planes.iter().map(wire).collect()
    }

    /// Which control plane leads.
    ///
    /// Errors: none does, or more than one says so.
    pub async fn leader(&self) -> anyhow::Result<usize> {
        let mut leaders = Vec::new();
        for (number, plane) in self.planes.iter().enumerate() {
            if plane.health().await.is_ok_and(|h| h["role"] == "leader") {
                leaders.push(number);
            }
        }
        match leaders.as_slice() {
            [leader] => Ok(*leader),
            _ => bail!("of the control planes {leaders:?} say that they lead"),
        }
    }

    /// Calls an operation through one control plane after the other until one answers.
    pub async fn call_any(&self, operation: &str, input: &Value) -> anyhow::Result<Value> {
        call_any(&self.wires(), operation, input).await
    }

    /// Copies all logs into a directory that is there.
    pub fn save_logs(&self, directory: &Path) -> anyhow::Result<()> {
        self.etcd.save_logs(directory)?;
        for (number, agent) in self.agents.iter().enumerate() {
            agent.save_log(directory, &format!("agent-{number}"))?;
        }
        for (number, plane) in self.planes.iter().enumerate() {
            let name = format!("control-plane-{number}");
            plane.process.save_log(directory, &name)?;
        }
        Ok(())
    }

    /// Prints the ends of all logs.
    pub fn print_logs(&self) {
        self.etcd.print_logs();
        for agent in &self.agents {
            agent.print_log();
        }
        for plane in &self.planes {
            plane.process.print_log();
        }
    }
}

/// Calls an operation through one control plane after the other until one answers with more than
/// that it cannot.
pub async fn call_any(wires: &[Wire], operation: &str, input: &Value) -> anyhow::Result<Value> {
    let began = Instant::now();
    let mut ticks = ticks(PACE);
    loop {
        ticks.tick().await;
        let mut last = None;
        for wire in wires {
            match wire.call(operation, input.clone()).await {
                Ok(output) => return Ok(output),
                Err(error) => match error.downcast_ref::<Fault>() {
                    Some(fault) if fault.status < 500 => return Err(error),
                    _ => last = Some(error),
                },
            }
        }
        if began.elapsed() > ANSWERED_WITHIN {
            let last = last.unwrap_or_else(|| anyhow::anyhow!("no control plane"));
            return Err(last.context(format!("{operation}: no answer within {ANSWERED_WITHIN:?}")));
        }
    }
}

impl Plane {
    fn start(binaries: &Path, directory: &Path, store: &str) -> anyhow::Result<Self> {
        let address = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (listen, agent_listen) = (address(), address());
        let arguments = [
            "run".to_owned(),
            format!("--data-dir={}", directory.display()),
            format!("--store={store}"),
            format!("--listen={listen}"),
            format!("--agent-listen={agent_listen}"),
            format!("--region={REGION}"),
            "--healthy-after=1".to_owned(),
            // Longer than any test, so that what became of every task can be asked at the end.
            "--stopped-retention=86400".to_owned(),
        ];
        let program = binaries.join("longshore-control-plane");
        let log = directory.join("log");
        Ok(Self {
            listen,
            agent_listen,
            process: Process::start(&program, arguments.into(), log)?,
        })
    }

    /// What its health endpoint says.
    ///
    /// Errors: it does not say that it can serve.
    pub async fn health(&self) -> anyhow::Result<Value> {
        match plain::get(self.listen, "/health").await? {
            (200, health) => Ok(health),
            (status, health) => bail!("health: {status} {health}"),
        }
    }
}

/// The access key that a control plane made.
fn access_key(directory: &Path) -> anyhow::Result<(String, String)> {
    let path: PathBuf = directory.join("access-keys.json");
    let keys: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    let text = |name: &str| {
        let value = keys[0][name].as_str();
        value.map(str::to_owned).context("access-keys.json: no key")
    };
    Ok((text("access_key_id")?, text("secret_access_key")?))
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        // The agents first, so that nothing is started behind our back.
        self.agents.clear();
        for instance in &self.instances {
            if let Err(error) = docker::remove_containers_of(instance) {
                println!("containers of {instance} are left: {error:#}");
            }
        }
    }
}
