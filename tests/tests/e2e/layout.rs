//! The layout of three machines that `deploy/README.md` documents, on loopback: its certificates,
//! its environment files and the command lines of its units, with the real etcd. No Docker.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use longshore_store::conformance::port::free_port;
use longshore_tests::binary;
use longshore_tests::eventually::eventually;
use longshore_tests::process::Process;
use serde_json::{Value, json};

use crate::ONE_AT_A_TIME;

/// The machines of the documentation, each `NAME.example.com`.
const MACHINES: [&str; 3] = ["one", "two", "three"];
/// How long everything may take to come up, on a slow machine.
const UP_WITHIN: Duration = Duration::from_secs(90);

type Variables = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread")]
async fn three_machines_work_as_documented() -> anyhow::Result<()> {
    let _turn = ONE_AT_A_TIME.lock().await;
    let layout = Layout::make()?;
    let mut processes = Vec::new();
    for machine in &layout.machines {
        processes.push(layout.start_etcd(machine)?);
    }
    for machine in &layout.machines {
        processes.push(layout.start_control_plane(machine)?);
    }
    let done = layout.serves().await;
    if done.is_err() {
        processes.iter().for_each(Process::print_log);
    }
    done?;
    layout.agent_takes_its_flags()
}

/// The files of all machines, in a directory in place of `/`.
struct Layout {
    root: tempfile::TempDir,
    certificates: PathBuf,
    machines: Vec<Machine>,
}

struct Machine {
    name: &'static str,
    /// Of etcd to clients, of etcd to its members, of the control plane to people and to agents.
    ports: [u16; 4],
}

impl Layout {
    fn make() -> anyhow::Result<Self> {
        let root = tempfile::Builder::new()
            .prefix("longshore-layout-")
            .tempdir()?;
        let certificates = root.path().join("certificates");
        let hosts =
            MACHINES.map(|name| format!("{name}.example.com,longshore.example.com,127.0.0.1"));
        let made = Command::new(deploy().join("make-certificates"))
            .arg(&certificates)
            .args(&hosts)
            .output()
            .context("cannot run deploy/make-certificates")?;
        ensure!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let machine = |name| Machine {
            name,
            ports: std::array::from_fn(|_| free_port()),
        };
        Ok(Self {
            machines: MACHINES.into_iter().map(machine).collect(),
            certificates,
            root,
        })
    }

    /// A directory of one machine, with these files of the certificates, as `install` puts them.
    fn install(
        &self,
        directory: &str,
        machine: &Machine,
        files: &[&str],
    ) -> anyhow::Result<PathBuf> {
        let target = self.root.path().join(machine.name).join(directory);
        fs::create_dir_all(&target)?;
        let own = self
            .certificates
            .join(format!("{}.example.com", machine.name));
        for file in files {
            let from = [&self.certificates, &own]
                .map(|directory| directory.join(file))
                .into_iter()
                .find(|path| path.is_file())
                .with_context(|| format!("make-certificates makes no {file}"))?;
            let name = from.file_name().context("a file has a name")?;
            fs::copy(&from, target.join(name))?;
        }
        Ok(target)
    }

    /// Names and ports of the documentation as those of here.
    fn here(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for machine in &self.machines {
            for (documented, port) in [(2379, machine.ports[0]), (2380, machine.ports[1])] {
                let host = format!("{}.example.com:{documented}", machine.name);
                text = text.replace(&host, &format!("127.0.0.1:{port}"));
            }
        }
        text
    }

    fn start_etcd(&self, machine: &Machine) -> anyhow::Result<Process> {
        let directory = self.install("etcd", machine, &["etcd-ca.pem", "etcd.pem", "etcd.key"])?;
        let mut variables = BTreeMap::new();
        for (name, value) in variables_in("etcd.env.example")? {
            // The file is the first machine's: what is its own is each one's own.
            let value = match name.as_str() {
                "ETCD_NAME" => machine.name.to_owned(),
                "ETCD_DATA_DIR" => directory.join("data").display().to_string(),
                "ETCD_INITIAL_CLUSTER" => value,
                _ => value
                    .replace("one.example.com", &format!("{}.example.com", machine.name))
                    .replace("0.0.0.0", &format!("{}.example.com", machine.name))
                    .replace("/etc/etcd", &directory.display().to_string()),
            };
            variables.insert(name, self.here(&value));
        }
        start("etcd", &variables, Vec::new(), directory.join("log"))
    }

    fn start_control_plane(&self, machine: &Machine) -> anyhow::Result<Process> {
        let state = self.install(
            "state",
            machine,
            &[
                "installation/ca.pem",
                "installation/ca.key",
                "installation/access-keys.json",
            ],
        )?;
        let unit = read("longshore-control-plane.service")?;
        let etcd = read("longshore-control-plane.service.d/etcd.conf")?;
        let credentials: Vec<&str> = [&unit, &etcd]
            .into_iter()
            .flat_map(|text| text.lines())
            .filter_map(|line| line.strip_prefix("LoadCredential=")?.split_once(':'))
            .map(|(_, path)| path.rsplit('/').next().unwrap_or(path))
            .collect();
        let credentials = self.install("credentials", machine, &credentials)?;
        let credentials = credentials.display().to_string();
        let mut variables = variables_in("control-plane.env.example")?;
        for line in etcd
            .lines()
            .filter_map(|line| line.strip_prefix("Environment="))
        {
            let (name, value) = line.split_once('=').context("Environment= sets nothing")?;
            variables.insert(name.to_owned(), value.replace("%d", &credentials));
        }
        for (name, value) in [
            ("STATE_DIRECTORY", state.display().to_string()),
            ("CREDENTIALS_DIRECTORY", credentials),
            (
                "LONGSHORE_LISTEN",
                format!("127.0.0.1:{}", machine.ports[2]),
            ),
            (
                "LONGSHORE_AGENT_LISTEN",
                format!("127.0.0.1:{}", machine.ports[3]),
            ),
            ("LONGSHORE_ADVERTISE", "127.0.0.1".to_owned()),
        ] {
            variables.insert(name.to_owned(), value);
        }
        let documented = read("control-plane.env.example")?;
        let store = documented
            .lines()
            .find_map(|line| line.strip_prefix("# LONGSHORE_STORE="))
            .context("the form of --store is not documented")?;
        variables.insert("LONGSHORE_STORE".to_owned(), self.here(store));
        let command = command_of(&unit, &variables)?;
        start(
            "longshore-control-plane",
            &variables,
            command,
            state.join("log"),
        )
    }

    /// Any of the three shows what another acknowledged, over TLS with the authority that
    /// `make-certificates` made.
    async fn serves(&self) -> anyhow::Result<()> {
        let definition = self.root.path().join("definition.json");
        let text = json!({"family": "web", "containerDefinitions": [
            {"name": "app", "image": "nginx", "memory": 128}]});
        fs::write(&definition, text.to_string())?;
        let definition = definition.display().to_string();
        let mut made = Vec::new();
        for machine in &self.machines {
            let register = ["task-definition", "register", &definition];
            let said = eventually(UP_WITHIN, "a control plane to serve", async || {
                self.longshore(machine, &register)
            })
            .await?;
            made.push(said.trim().to_owned());
            for other in &self.machines {
                let last = made.last().context("nothing is made")?;
                eventually(UP_WITHIN, "another to serve", async || {
                    self.longshore(other, &["task-definition", "describe", last])
                })
                .await?;
            }
        }
        ensure!(made == ["web:1", "web:2", "web:3"], "{made:?}");
        Ok(())
    }

    fn longshore(&self, machine: &Machine, arguments: &[&str]) -> anyhow::Result<String> {
        let keys = fs::read(self.certificates.join("installation/access-keys.json"))?;
        let keys: Value = serde_json::from_slice(&keys)?;
        let key = |name: &str| keys[0][name].as_str().unwrap_or_default().to_owned();
        let output = Command::new(binary::directory()?.join("longshore"))
            .args(arguments)
            .arg(format!("--endpoint=https://127.0.0.1:{}", machine.ports[2]))
            .env("AWS_CA_BUNDLE", self.certificates.join("api-ca.pem"))
            .env("AWS_ACCESS_KEY_ID", key("access_key_id"))
            .env("AWS_SECRET_ACCESS_KEY", key("secret_access_key"))
            .env("AWS_REGION", "us-east-1")
            .output()
            .context("cannot run longshore")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The agent needs Docker and systemd to run; that it knows all flags of its unit shows so.
    fn agent_takes_its_flags(&self) -> anyhow::Result<()> {
        let mut variables = variables_in("agent.env.example")?;
        variables.insert(
            "STATE_DIRECTORY".to_owned(),
            "/var/lib/longshore-agent".to_owned(),
        );
        let command = command_of(&read("longshore-agent.service")?, &variables)?;
        let output = Command::new(binary::directory()?.join("longshore-agent"))
            .args(command)
            .arg("--help")
            .output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn read(file: &str) -> anyhow::Result<String> {
    let path = deploy().join(file);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// What an environment file sets.
fn variables_in(file: &str) -> anyhow::Result<Variables> {
    let text = read(file)?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// The arguments of a unit's ExecStart. systemd leaves out a lone `$NAME` that is empty.
fn command_of(unit: &str, variables: &Variables) -> anyhow::Result<Vec<String>> {
    let (_, command) = unit.split_once("ExecStart=").context("no ExecStart")?;
    let mut words = Vec::new();
    for line in command.lines() {
        words.extend(line.trim_end_matches('\\').split_whitespace());
        if !line.ends_with('\\') {
            break;
        }
    }
    let mut arguments = Vec::new();
    for word in words.into_iter().skip(1) {
        let mut word = word.to_owned();
        for (name, value) in variables {
            word = word.replace(&format!("${{{name}}}"), value);
            if word == format!("${name}") {
                word.clone_from(value);
            }
        }
        ensure!(!word.contains('$'), "nobody sets {word}");
        arguments.extend((!word.is_empty()).then_some(word));
    }
    Ok(arguments)
}

/// Starts a program of ours, or one on the path, with these variables.
fn start(
    program: &str,
    variables: &Variables,
    arguments: Vec<String>,
    log: PathBuf,
) -> anyhow::Result<Process> {
    let ours = binary::directory()?.join(program);
    let program = match ours.is_file() {
        true => ours.display().to_string(),
        false => program.to_owned(),
    };
    let set = variables
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let words = set.chain([program]).chain(arguments);
    Process::start(Path::new("/usr/bin/env"), words.collect(), log)
}
