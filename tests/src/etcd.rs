//! A real etcd of several members on this machine's loopback.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use longshore_store::conformance::port::free_port;
use serde_json::json;

use crate::eventually::eventually;
use crate::plain;
use crate::process::Process;

/// How long members may take to agree on a leader, on a slow machine.
const ELECTED_WITHIN: Duration = Duration::from_secs(30);

/// A running etcd. Dropping it takes it down.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Member>,
    _data: tempfile::TempDir,
}

/// One of its members.
#[derive(Debug)]
struct Member {
    client: SocketAddr,
    process: Process,
}

impl Etcd {
    /// Starts that many members and waits for a leader. Their data lies in memory where that can
    /// be: what is tested is who agrees with whom, and a slow disk shared by all of them would be
    /// tested instead.
    ///
    /// Errors: there is no etcd; install the Debian package etcd-server.
    pub async fn up(members: usize) -> anyhow::Result<Self> {
        let program = program()?;
        let memory = Path::new("/dev/shm");
        let mut builder = tempfile::Builder::new();
        builder.prefix("longshore-etcd-");
        let data = match memory.is_dir() {
            true => builder.tempdir_in(memory)?,
            false => builder.tempdir()?,
        };
        let address = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        let addresses: Vec<(SocketAddr, SocketAddr)> =
            (0..members).map(|_| (address(), address())).collect();
        let cluster: Vec<String> = addresses
            .iter()
            .enumerate()
            .map(|(number, (_, peer))| format!("m{number}=http://{peer}"))
            .collect();
        let started = addresses
            .iter()
            .enumerate()
            .map(|(number, (client, peer))| {
                let name = format!("m{number}");
                let arguments = [
                    format!("--name={name}"),
                    format!("--data-dir={}", data.path().join(&name).display()),
                    format!("--listen-client-urls=http://{client}"),
                    format!("--advertise-client-urls=http://{client}"),
                    format!("--listen-peer-urls=http://{peer}"),
                    format!("--initial-advertise-peer-urls=http://{peer}"),
                    format!("--initial-cluster={}", cluster.join(",")),
                ];
                let log = data.path().join(format!("{name}.log"));
                let process = Process::start(&program, arguments.into(), log)?;
                let client = *client;
                anyhow::Ok(Member { client, process })
            });
        let etcd = Self {
            members: started.collect::<Result<_, _>>()?,
            _data: data,
        };
        eventually(ELECTED_WITHIN, "etcd to elect a leader", async || {
            etcd.leader().await
        })
        .await?;
        Ok(etcd)
    }

    /// As `--store` takes it, with this prefix.
    pub fn address(&self, prefix: &str) -> String {
        let members: Vec<String> = self.members.iter().map(|m| m.client.to_string()).collect();
        format!("etcd://{}/{prefix}", members.join(","))
    }

    /// Which member leads.
    pub async fn leader(&self) -> anyhow::Result<usize> {
        for (number, member) in self.members.iter().enumerate() {
            let asked = plain::post(member.client, "/v3/maintenance/status", &json!({})).await;
            let Ok(status) = asked else { continue };
            let leader = status["leader"].as_str().unwrap_or("0");
            if leader != "0" && status["header"]["member_id"] == leader {
                return Ok(number);
            }
        }
        bail!("no member of etcd leads")
    }

    /// The process of a member.
    pub fn member(&mut self, number: usize) -> &mut Process {
        &mut self.members[number].process
    }

    /// Copies all logs into a directory that is there.
    pub fn save_logs(&self, directory: &Path) -> anyhow::Result<()> {
        for (number, member) in self.members.iter().enumerate() {
            let name = format!("etcd-{number}");
            member.process.save_log(directory, &name)?;
        }
        Ok(())
    }

    /// Prints the ends of all logs.
    pub fn print_logs(&self) {
        for member in &self.members {
            member.process.print_log();
        }
    }
}

/// Where etcd is: `ETCD`, or on the path, or where Debian puts it.
fn program() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("ETCD") {
        return Ok(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/bin")])
        .map(|directory| directory.join("etcd"))
        .find(|program| program.is_file())
        .context("there is no etcd; install the Debian package etcd-server")
}
