//! An installation of its own: control plane and agents on free ports, in a directory of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use longshore_store::conformance::port::free_port;
use serde_json::{Value, json};

use crate::binary;
use crate::docker::{self, Docker};
use crate::eventually::eventually;
use crate::wire::Wire;

/// How long an installation may take to come up, on a slow machine.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// As much of a log as is shown after a failure, in lines.
const LOG_LINES: usize = 60;

/// A running installation. Dropping it takes everything down again, containers included, and
/// prints the logs if the test failed.
#[derive(Debug)]
pub struct Longshore {
    data: tempfile::TempDir,
    binaries: PathBuf,
    flags: Vec<String>,
    endpoint: String,
    docker: Docker,
    /// Ids of its container instances, which its containers are labelled with.
    instances: Vec<String>,
}

impl Longshore {
    /// Starts one control plane and `agents` agents, and waits until all of them take tasks.
    ///
    /// A task counts as healthy one second after it is RUNNING instead of forty, so that a rolling
    /// update takes seconds.
    pub async fn up(agents: u32) -> anyhow::Result<Self> {
        let docker = Docker::connect().await?;
        docker.build_image().await?;
        let binaries = binary::directory()?;
        let data = tempfile::Builder::new()
            .prefix("longshore-test-")
            .tempdir()?;
        let (listen, agent_listen) = (free_port(), free_port());
        let flags = [
            "up".to_owned(),
            "--detach".to_owned(),
            format!("--listen=127.0.0.1:{listen}"),
            format!("--agent-listen=127.0.0.1:{agent_listen}"),
            format!("--agents={agents}"),
            "--healthy-after=1".to_owned(),
        ];
        let mut longshore = Self {
            data,
            binaries,
            flags: flags.into(),
            endpoint: format!("http://127.0.0.1:{listen}"),
            docker,
            instances: Vec::new(),
        };
        longshore.start()?;
        let wire = longshore.wire()?;
        longshore.instances = eventually(UP_WITHIN, "the agents to connect", async || {
            let connected = connected_instances(&wire).await?;
            if connected.len() == agents as usize {
                Ok(connected)
            } else {
                bail!("{} of {agents} agents are connected", connected.len())
            }
        })
        .await?;
        Ok(longshore)
    }

    /// Runs `longshore up` with the same flags again: starts what does not run.
    pub fn start(&self) -> anyhow::Result<()> {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        self.run(&flags).map(drop)
    }

    /// Runs the command on this installation. Returns what it prints.
    ///
    /// Errors: it fails; with what it said.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(self.binaries.join("longshore"))
            .args(arguments)
            .arg("--data-dir")
            .arg(self.directory())
            .stdin(Stdio::null())
            .output()
            .context("cannot run longshore")?;
        if !output.status.success() {
            bail!(
                "longshore {} failed with {}:\n{}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The directory of its data.
    pub fn directory(&self) -> &Path {
        self.data.path()
    }

    /// Where its public API listens, `http://HOST:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Docker, on which its agents run containers.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The ids of its container instances, which its containers are labelled with.
    pub fn instances(&self) -> &[String] {
        &self.instances
    }

    /// What `eval "$(longshore env)"` puts into the environment, by running just that in a shell
    /// which has nothing else.
    pub fn environment(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let script = self.run(&["env"])?;
        let output = Command::new("bash")
            .args([
                "--noprofile",
                "--norc",
                "-c",
                "eval \"$1\"; exec env -0",
                "bash",
            ])
            .arg(&script)
            .env_clear()
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let shell = ["PWD", "SHLVL", "_", "OLDPWD"];
        Ok(text
            .split('\0')
            .filter_map(|line| line.split_once('='))
            .filter(|(name, _)| !shell.contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    /// Signed AWS JSON with the keys of this installation.
    pub fn wire(&self) -> anyhow::Result<Wire> {
        let environment = self.environment()?;
        let get = |name: &str| {
            environment
                .get(name)
                .cloned()
                .with_context(|| format!("`longshore env` does not set {name}"))
        };
        Ok(Wire::new(
            &self.endpoint,
            &get("AWS_REGION")?,
            &get("AWS_ACCESS_KEY_ID")?,
            &get("AWS_SECRET_ACCESS_KEY")?,
        ))
    }

    /// The process id of the control plane.
    pub fn control_plane_pid(&self) -> anyhow::Result<u32> {
        pid(&self.processes()?["control_plane"])
    }

    /// The process ids of the agents.
    pub fn agent_pids(&self) -> anyhow::Result<Vec<u32>> {
        let processes = self.processes()?;
        let agents = processes["agents"].as_array().context("up.json: agents")?;
        agents.iter().map(pid).collect()
    }

    fn processes(&self) -> anyhow::Result<Value> {
        let path = self.directory().join("up.json");
        let text = std::fs::read(&path).with_context(|| format!("{}", path.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Prints the ends of all logs; cargo shows it if the test fails.
    pub fn print_logs(&self) {
        let logs = self.directory().join("logs");
        let entries = std::fs::read_dir(&logs).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let text = std::fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            println!("--- {}", path.display());
            for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
                println!("{line}");
            }
        }
    }
}

impl Drop for Longshore {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        if let Err(error) = self.run(&["down"]) {
            println!("{error:#}");
        }
        for instance in &self.instances {
            if let Err(error) = docker::remove_containers_of(instance) {
                println!("containers of {instance} are left: {error:#}");
            }
        }
    }
}

/// Kills a process at once, as a crash would.
pub fn kill(pid: u32) -> anyhow::Result<()> {
    let status = Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()?;
    if !status.success() {
        bail!("cannot kill process {pid}: {status}");
    }
    Ok(())
}

fn pid(process: &Value) -> anyhow::Result<u32> {
    let pid = process["pid"].as_u64().context("up.json: pid")?;
    Ok(u32::try_from(pid)?)
}

/// Ids of the container instances of the default cluster that are ACTIVE with a connected agent.
pub(crate) async fn connected_instances(wire: &Wire) -> anyhow::Result<Vec<String>> {
    let listed = wire.call("ListContainerInstances", json!({})).await?;
    let arns = listed["containerInstanceArns"].clone();
    if arns.as_array().is_none_or(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let described = wire
        .call(
            "DescribeContainerInstances",
            json!({"containerInstances": arns}),
        )
        .await?;
    Ok(described["containerInstances"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|i| i["status"] == "ACTIVE" && i["agentConnected"] == true)
        .filter_map(|i| i["containerInstanceArn"].as_str()?.rsplit('/').next())
        .map(str::to_owned)
        .collect())
}
