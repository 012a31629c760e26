//! `longshore up`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use longshore_proto::{ecs, node};
use serde::Deserialize;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use super::{Global, Output, UsageError, down};
use crate::api::{self, Api};
use crate::credentials::{Credentials, Target};
use crate::data_dir::{
    self, AgentProcess, ClientFile, ControlPlaneProcess, DataDir, InstanceFile, UpFile,
};
use crate::hint;
use crate::process::{self, ProcessIdentity, Started};
use crate::terminal::{self, Progress};
use crate::{health, listing, table};

const EXAMPLES: &str = "\
EXAMPLES:
  Start Longshore and go on working:
    longshore up --detach
    eval \"$(longshore env)\"
    aws ecs list-container-instances

  In the foreground, with three container instances in three zones:
    longshore up --agents 3

  Beside another one:
    longshore up --detach --data-dir /tmp/second --listen 127.0.0.1:7500 --agent-listen 127.0.0.1:7501";

const CONTROL_PLANE: &str = "longshore-control-plane";
const AGENT: &str = "longshore-agent";

/// Both steps take a second or two; on a machine short of everything, a few times that.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How often readiness is looked at.
const POLL: Duration = Duration::from_millis(200);
/// How often the foreground looks whether its processes live.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// A join token is used right after it is made.
const TOKEN_SECONDS: u32 = 600;
/// More agents than this divide one machine into nothing useful.
const MAX_AGENTS: i64 = 64;
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7400);
const DEFAULT_AGENT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7401);
const DEFAULT_REGION: &str = "us-east-1";
const DEFAULT_ACCOUNT: &str = "000000000000";
const ZONES: [&str; 3] = ["a", "b", "c"];
const CPU_UNITS_PER_PROCESSOR: u64 = 1024;
const KIB_PER_MIB: u64 = 1024;

/// Start Longshore on this machine: a control plane and one or more agents
///
/// Over an existing data directory it goes on where it was; where it runs already it says so.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Up {
    /// Return when everything is ready, and leave it running
    #[arg(long, short)]
    detach: bool,

    /// Where people reach the control plane; a loopback address, as it serves without TLS
    /// [default: that of the data directory, else 127.0.0.1:7400]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// Where agents reach the control plane, always with mutual TLS [default: that of the data
    /// directory, else 127.0.0.1:7401]
    #[arg(long, value_name = "ADDRESS:PORT")]
    agent_listen: Option<SocketAddr>,

    /// Region in ARNs and signatures [default: that of the data directory, else us-east-1]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,

    /// Account in ARNs [default: that of the data directory, else 000000000000]
    #[arg(long, value_name = "DIGITS", value_parser = parse_account)]
    account_id: Option<String>,

    /// How many container instances to make of this machine [default: as many as the data
    /// directory has, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_AGENTS))]
    agents: Option<u32>,

    /// Cluster that new container instances join; made if it does not exist
    #[arg(long, value_name = "NAME", default_value = "default")]
    cluster: String,

    /// How long a task without health checks must run to count as healthy in a deployment
    /// [default: the control plane's]
    #[arg(long, value_name = "SECONDS")]
    healthy_after: Option<u32>,
}

/// An entry of the control plane's access-keys.json.
#[derive(Debug, Deserialize)]
struct AccessKey {
    access_key_id: String,
    secret_access_key: String,
}

/// What is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    listen: SocketAddr,
    agent_listen: SocketAddr,
    region: String,
    account_id: String,
    agents: u32,
    cluster: String,
    healthy_after: Option<u32>,
}

/// What this command started, and what ran before it.
struct Running {
    up: UpFile,
    control_plane: Option<Started>,
    agents: BTreeMap<u32, Started>,
}

impl Up {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let data = global.data_dir()?;
        let wanted = self.wanted(&data)?;
        wanted.check()?;
        let lock = data.lock()?;
        let mut running = Running::recorded(&data)?;
        if wanted.is_complete(&running.up).await {
            return wanted.say_already(global, &running.up);
        }
        let mut interrupts = Interrupts::new()?;
        let started = tokio::select! {
            started = wanted.start(&data, &mut running) => started,
            () = interrupts.next() => Err(anyhow::anyhow!("interrupted")),
        };
        if let Err(error) = started {
            running.stop_started(&data).await?;
            if data.is_unused()? {
                data.remove()?;
            }
            return Err(error);
        }
        wanted.say_ready(global, &running.up, self.detach)?;
        if self.detach {
            return Ok(());
        }
        running.up.foreground = ProcessIdentity::of(std::process::id())?;
        data.write_up(&running.up)?;
        drop(lock);
        running.watch(&data, &mut interrupts).await
    }

    /// The options with what the data directory knows in place of those that are left out.
    fn wanted(&self, data: &DataDir) -> anyhow::Result<Wanted> {
        let client = data.read_client()?;
        let listen = client.as_ref().and_then(|client| {
            let (_, address) = client.endpoint.split_once("://")?;
            address.parse().ok()
        });
        let agent_listen = client.as_ref().and_then(|client| client.agent_listen);
        let known = |value: fn(&ClientFile) -> &str| client.as_ref().map(|c| value(c).to_owned());
        let region = self
            .region
            .clone()
            .or_else(|| known(|client| &client.region));
        let account_id = self
            .account_id
            .clone()
            .or_else(|| known(|client| &client.account_id));
        let agents = match self.agents {
            Some(agents) => agents,
            None => data.agents()?.last().copied().unwrap_or(1),
        };
        Ok(Wanted {
            listen: self.listen.or(listen).unwrap_or(DEFAULT_LISTEN),
            agent_listen: self
                .agent_listen
                .or(agent_listen)
                .unwrap_or(DEFAULT_AGENT_LISTEN),
            region: region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            account_id: account_id.unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned()),
            agents,
            cluster: self.cluster.clone(),
            healthy_after: self.healthy_after,
        })
    }
}

impl Wanted {
    fn check(&self) -> Result<(), UsageError> {
        if !self.listen.ip().is_loopback() {
            return Err(UsageError(format!(
                "--listen {} is not a loopback address, and `up` serves without TLS; on other \
                 addresses run {CONTROL_PLANE} with --tls-cert and --tls-key",
                self.listen
            )));
        }
        for (flag, address) in [
            ("--listen", self.listen),
            ("--agent-listen", self.agent_listen),
        ] {
            if address.port() == 0 {
                return Err(UsageError(format!(
                    "{flag} {address} needs a port from 1 to 65535"
                )));
            }
        }
        if self.listen == self.agent_listen {
            return Err(UsageError(format!(
                "--listen and --agent-listen are both {}; they need different ports",
                self.listen
            )));
        }
        Ok(())
    }

    /// Whether everything that is asked for runs.
    async fn is_complete(&self, up: &UpFile) -> bool {
        let agents = (1..=self.agents).all(|number| up.agents.iter().any(|a| a.number == number));
        match &up.control_plane {
            Some(control_plane) => agents && health::is_ready(control_plane.listen).await,
            None => false,
        }
    }

    async fn start(&self, data: &DataDir, running: &mut Running) -> anyhow::Result<()> {
        let mut progress = Progress::start("starting the control plane");
        let control_plane = self.start_control_plane(data, running).await?;
        let client = self.write_client(data, &control_plane)?;
        let target = Target {
            endpoint: client.endpoint,
            credentials: Credentials {
                access_key_id: client.access_key_id,
                secret_access_key: client.secret_access_key,
            },
        };
        let mut api = Api::connect(&target, None).await?;
        let request = ecs::CreateClusterRequest {
            cluster_name: Some(self.cluster.clone()),
            ..Default::default()
        };
        api::answer(api.ecs.create_cluster(request).await)?;
        progress.set("starting the agents");
        for number in 1..=self.agents {
            if !running.has_agent(number) {
                self.start_agent(data, running, &mut api, number).await?;
            }
        }
        let numbers: Vec<u32> = (1..=self.agents).collect();
        wait_for_agents(&api, data, running, &numbers, &mut progress).await?;
        for number in data.agents()? {
            if !running.has_agent(number) {
                terminal::warn(&format!(
                    "agent {number} of the data directory is not started; --agents is {}",
                    self.agents
                ));
            }
        }
        Ok(())
    }

    /// Starts the control plane unless it runs, and waits until it is ready.
    async fn start_control_plane(
        &self,
        data: &DataDir,
        running: &mut Running,
    ) -> anyhow::Result<ControlPlaneProcess> {
        let control_plane = if let Some(control_plane) = &running.up.control_plane {
            control_plane.clone()
        } else {
            let binary = process::find_binary(CONTROL_PLANE)?;
            // Found missing now rather than after the control plane is up.
            process::find_binary(AGENT)?;
            check_free("--listen", self.listen)?;
            check_free("--agent-listen", self.agent_listen)?;
            data_dir::create_private_dir(&data.logs())?;
            let mut command = Command::new(binary);
            command
                .arg("run")
                .arg("--data-dir")
                .arg(data.control_plane())
                // Whatever the environment says of another installation.
                .args(["--store", "embedded"])
                .args(["--listen", &self.listen.to_string()])
                .args(["--agent-listen", &self.agent_listen.to_string()])
                .args(["--region", &self.region])
                .args(["--account-id", &self.account_id])
                .current_dir("/");
            if let Some(seconds) = self.healthy_after {
                command.args(["--healthy-after", &seconds.to_string()]);
            }
            let log = data.logs().join("control-plane.log");
            let started = Started::spawn(&mut command, log)?;
            let control_plane = ControlPlaneProcess {
                listen: self.listen,
                agent_listen: self.agent_listen,
                process: started.identity.clone(),
            };
            running.up.control_plane = Some(control_plane.clone());
            running.control_plane = Some(started);
            data.write_up(&running.up)?;
            control_plane
        };
        let deadline = Instant::now() + READY_WITHIN;
        while !health::is_ready(control_plane.listen).await {
            running.check_control_plane()?;
            if Instant::now() >= deadline {
                bail!(
                    "the control plane is not ready after {READY_WITHIN:?}; {}",
                    process::log_end(&data.logs().join("control-plane.log"))
                );
            }
            sleep(POLL).await;
        }
        running.check_control_plane()?;
        Ok(control_plane)
    }

    /// Writes `client.json` from the access key that the control plane generated.
    fn write_client(
        &self,
        data: &DataDir,
        control_plane: &ControlPlaneProcess,
    ) -> anyhow::Result<ClientFile> {
        let path = data.access_keys_file();
        let keys: Vec<AccessKey> = data_dir::read_json(&path)?.unwrap_or_default();
        let Some(key) = keys.into_iter().next() else {
            bail!(
                "the control plane wrote no access key to {}",
                path.display()
            );
        };
        let client = ClientFile {
            endpoint: format!("http://{}", control_plane.listen),
            region: self.region.clone(),
            account_id: self.account_id.clone(),
            access_key_id: key.access_key_id,
            secret_access_key: key.secret_access_key,
            agent_listen: Some(control_plane.agent_listen),
        };
        data.write_client(&client)?;
        Ok(client)
    }

    async fn start_agent(
        &self,
        data: &DataDir,
        running: &mut Running,
        api: &mut Api,
        number: u32,
    ) -> anyhow::Result<()> {
        let directory = data.agent(number);
        data_dir::create_private_dir(&directory)?;
        let gateway = match &running.up.control_plane {
            Some(control_plane) => control_plane.agent_listen,
            None => self.agent_listen,
        };
        let mut command = Command::new(process::find_binary(AGENT)?);
        command
            .arg("run")
            .arg("--data-dir")
            .arg(&directory)
            .args(["--control-plane", &reachable(gateway).to_string()])
            .args(["--zone", &zone(&self.region, number)])
            .current_dir("/")
            // Of another installation, if it is set at all.
            .env_remove("LONGSHORE_JOIN_TOKEN");
        if data.read_instance(number)?.is_none() {
            let request = node::CreateJoinTokenRequest {
                cluster: self.cluster.clone(),
                uses: 1,
                ttl_seconds: TOKEN_SECONDS,
            };
            let response = api.nodes.create_join_token(request).await;
            let token = api::answer(response)?.token;
            let path = directory.join("join-token");
            data_dir::write_private(&path, token.as_bytes())?;
            command.arg("--token-file").arg(path);
        }
        if self.agents > 1 {
            let capacity = Capacity::of_this_machine()?.divided(self.agents);
            command
                .args(["--cpu", &capacity.cpu_units.to_string()])
                .args(["--memory", &capacity.memory_mib.to_string()]);
        }
        let log = data.logs().join(format!("agent-{number}.log"));
        let started = Started::spawn(&mut command, log)?;
        running.up.agents.push(AgentProcess {
            number,
            process: started.identity.clone(),
        });
        running.agents.insert(number, started);
        data.write_up(&running.up)
    }

    fn say_already(&self, global: &Global, up: &UpFile) -> anyhow::Result<()> {
        let Some(control_plane) = &up.control_plane else {
            return Ok(());
        };
        let listen = control_plane.listen;
        if global.output == Output::Json {
            return self.print_json(up);
        }
        terminal::print_line(&format!(
            "Longshore already runs at http://{listen} with {}.",
            agents(up.agents.len())
        ))?;
        if listen != self.listen || up.agents.len() != self.agents as usize {
            terminal::warn(&format!(
                "it was started with other options; `{}` first to change them",
                hint::longshore("down --keep-data")
            ));
        }
        Ok(())
    }

    fn say_ready(&self, global: &Global, up: &UpFile, detached: bool) -> anyhow::Result<()> {
        if global.output == Output::Json {
            return self.print_json(up);
        }
        let listen = up.control_plane.as_ref().map_or(self.listen, |c| c.listen);
        let (env, down) = (hint::longshore("env"), hint::longshore("down"));
        let status = hint::longshore("status");
        let mut text = format!(
            "Longshore is up at http://{listen} with {}.\n\n\
             Next:\n  \
             eval \"$({env})\"\n  \
             aws ecs list-container-instances\n  \
             {status}\n",
            agents(up.agents.len())
        );
        text.push_str(&if detached {
            format!("\nTo stop it and remove everything: {down}\n")
        } else {
            format!(
                "\n^C stops it. Containers then keep running until `{down}` \
                 removes them.\n"
            )
        });
        Ok(terminal::print(&text)?)
    }

    fn print_json(&self, up: &UpFile) -> anyhow::Result<()> {
        let listen = up.control_plane.as_ref().map_or(self.listen, |c| c.listen);
        terminal::print_json(&json!({
            "endpoint": format!("http://{listen}"),
            "cluster": self.cluster,
            "agents": up.agents.len(),
        }))
    }
}

impl Running {
    /// What an earlier `up` recorded and what of it still lives.
    fn recorded(data: &DataDir) -> anyhow::Result<Self> {
        let mut up = data.read_up()?;
        if let Some(control_plane) = &up.control_plane
            && !control_plane.process.is_alive()?
        {
            up.control_plane = None;
        }
        if let Some(foreground) = &up.foreground
            && !foreground.is_alive()?
        {
            up.foreground = None;
        }
        let mut agents = Vec::new();
        for agent in up.agents {
            if agent.process.is_alive()? {
                agents.push(agent);
            }
        }
        up.agents = agents;
        Ok(Self {
            up,
            control_plane: None,
            agents: BTreeMap::new(),
        })
    }

    fn has_agent(&self, number: u32) -> bool {
        self.up.agents.iter().any(|agent| agent.number == number)
    }

    fn check_control_plane(&mut self) -> anyhow::Result<()> {
        match &mut self.control_plane {
            Some(started) => started.check("the control plane"),
            None => Ok(()),
        }
    }

    /// Stops what this command started, after it could not start everything.
    async fn stop_started(&mut self, data: &DataDir) -> anyhow::Result<()> {
        let mut started = UpFile {
            foreground: None,
            control_plane: None,
            agents: Vec::new(),
        };
        if self.control_plane.is_some() {
            started.control_plane = self.up.control_plane.take();
        }
        let is_started = |agent: &AgentProcess| self.agents.contains_key(&agent.number);
        (started.agents, self.up.agents) = self.up.agents.drain(..).partition(is_started);
        down::stop_agents(&started).await?;
        down::stop_control_plane(&started).await?;
        if self.up == UpFile::default() {
            data.remove_up()
        } else {
            data.write_up(&self.up)
        }
    }

    /// Stays until told to end or until nothing is left to stay for. Restarts nothing.
    async fn watch(mut self, data: &DataDir, interrupts: &mut Interrupts) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = interrupts.next() => break,
                () = sleep(WATCH_INTERVAL) => {}
            }
            self.tell_ended(data)?;
            if self.up.control_plane.is_none() && self.up.agents.is_empty() {
                data.remove_up()?;
                bail!("everything has ended");
            }
        }
        terminal::say("stopping the agents, then the control plane");
        down::stop_agents(&self.up).await?;
        down::stop_control_plane(&self.up).await?;
        data.remove_up()?;
        let down = hint::longshore("down");
        terminal::say(&format!(
            "Stopped. Containers keep running; `{down}` removes them."
        ));
        Ok(())
    }

    /// Warns of processes that have ended by themselves, once each.
    fn tell_ended(&mut self, data: &DataDir) -> anyhow::Result<()> {
        let warn = |name: &str, log: &str| {
            let log = process::log_end(&data.logs().join(log));
            terminal::warn(&format!("{name} has ended; {log}"));
        };
        if let Some(control_plane) = &self.up.control_plane
            && !control_plane.process.is_alive()?
        {
            warn("the control plane", "control-plane.log");
            self.up.control_plane = None;
        }
        let mut alive = Vec::new();
        for agent in self.up.agents.drain(..) {
            if agent.process.is_alive()? {
                alive.push(agent);
            } else {
                let number = agent.number;
                warn(&format!("agent {number}"), &format!("agent-{number}.log"));
            }
        }
        self.up.agents = alive;
        Ok(())
    }
}

/// Waits until the container instance of each agent is connected.
async fn wait_for_agents(
    api: &Api,
    data: &DataDir,
    running: &mut Running,
    numbers: &[u32],
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        for (number, started) in &mut running.agents {
            started.check(&format!("agent {number}"))?;
        }
        running.check_control_plane()?;
        let mut instances = Vec::new();
        for number in numbers {
            instances.extend(data.read_instance(*number)?);
        }
        let connected = connected(api, &instances).await?;
        if connected == numbers.len() {
            break;
        }
        progress.set(&format!(
            "{connected} of {} connected",
            agents(numbers.len())
        ));
        if Instant::now() >= deadline {
            bail!(
                "{connected} of {} are connected after {READY_WITHIN:?}; {}",
                agents(numbers.len()),
                process::log_end(&data.logs().join("agent-1.log"))
            );
        }
        sleep(POLL).await;
    }
    // A used token is worth nothing; it is removed so that nobody wonders.
    for number in numbers {
        data_dir::remove_file(&data.agent(*number).join("join-token"))?;
    }
    Ok(())
}

/// How many of the instances have a connected agent.
async fn connected(api: &Api, instances: &[InstanceFile]) -> anyhow::Result<usize> {
    let mut by_cluster: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for instance in instances {
        let ids = by_cluster.entry(&instance.cluster).or_default();
        ids.push(&instance.instance_id);
    }
    let mut count = 0;
    for (cluster, ids) in by_cluster {
        let described = listing::container_instances(api, cluster, None).await?;
        let connected = described.iter().filter(|instance| {
            instance.agent_connected == Some(true)
                && instance
                    .container_instance_arn
                    .as_deref()
                    .is_some_and(|arn| ids.contains(&table::name_of(arn)))
        });
        count += connected.count();
    }
    Ok(count)
}

/// The signals that end a foreground `up`.
struct Interrupts {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Interrupts {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// What a container instance has to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Capacity {
    /// 1024 per processor.
    cpu_units: u64,
    memory_mib: u64,
}

impl Capacity {
    fn of_this_machine() -> anyhow::Result<Self> {
        let processors = std::thread::available_parallelism()
            .context("the number of processors cannot be read")?;
        let meminfo =
            std::fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
        let memory_mib = parse_meminfo(&meminfo).context("/proc/meminfo has no MemTotal")?;
        Ok(Self {
            cpu_units: u64::try_from(processors.get())? * CPU_UNITS_PER_PROCESSOR,
            memory_mib,
        })
    }

    fn divided(self, parts: u32) -> Self {
        let parts = u64::from(parts).max(1);
        Self {
            cpu_units: self.cpu_units / parts,
            memory_mib: self.memory_mib / parts,
        }
    }
}

/// MemTotal in MiB.
fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib / KIB_PER_MIB)
}

/// Zones go round, so that three agents are in three.
fn zone(region: &str, number: u32) -> String {
    let index = (number as usize).saturating_sub(1) % ZONES.len();
    let letter = ZONES.get(index).copied().unwrap_or_default();
    format!("{region}{letter}")
}

/// The address to dial for one that is listened on.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Fails when something else listens there: its answers would pass for ours.
fn check_free(flag: &str, address: SocketAddr) -> anyhow::Result<()> {
    TcpListener::bind(address)
        .map(drop)
        .with_context(|| format!("cannot listen at {flag} {address}; choose another"))
}

fn parse_account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|c| c.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is not an account id, which has 12 digits"
        ))
    }
}

fn agents(count: usize) -> String {
    match count {
        1 => "1 agent".to_owned(),
        count => format!("{count} agents"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;

    use super::super::{Arguments, Command as Commands};
    use super::*;

    fn check(arguments: &[&str]) -> Result<(), String> {
        let words = ["longshore", "up"]
            .into_iter()
            .chain(arguments.iter().copied());
        let parsed = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        match parsed.command {
            Commands::Up(up) => {
                let directory = tempfile::tempdir().unwrap();
                let data = DataDir::choose(Some(directory.path()), |_| None).unwrap();
                up.wanted(&data)
                    .unwrap()
                    .check()
                    .map_err(|error| error.to_string())
            }
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn addresses_and_counts_are_checked() {
        check(&[]).unwrap();
        check(&["--agents", "3", "--agent-listen", "0.0.0.0:7401"]).unwrap();
        for (arguments, expected) in [
            (["--listen", "0.0.0.0:7400"], "--tls-cert"),
            (["--listen", "127.0.0.1:0"], "needs a port"),
            (["--listen", "127.0.0.1:7401"], "different ports"),
            (["--agents", "0"], "1..=64"),
            (["--account-id", "12"], "12 digits"),
        ] {
            let error = check(&arguments).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn what_is_left_out_comes_from_the_data_directory() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::choose(Some(directory.path()), |_| None).unwrap();
        let wanted = |arguments: &[&str]| {
            let words = ["longshore", "up"]
                .into_iter()
                .chain(arguments.iter().copied());
            match Arguments::try_parse_from(words).unwrap().command {
                Commands::Up(up) => up.wanted(&data).unwrap(),
                other => panic!("{other:?}"),
            }
        };
        let first = wanted(&[]);
        assert_eq!((first.region.as_str(), first.agents), ("us-east-1", 1));
        let chosen = wanted(&["--region", "eu-west-1", "--account-id", "123456789012"]);
        let control_plane = ControlPlaneProcess {
            listen: "127.0.0.1:1".parse().unwrap(),
            agent_listen: "127.0.0.1:2".parse().unwrap(),
            process: ProcessIdentity::of(std::process::id()).unwrap().unwrap(),
        };
        chosen.write_client(&data, &control_plane).unwrap_err();
        data_dir::create_private_dir(&data.control_plane()).unwrap();
        let keys = r#"[{"access_key_id": "AKIA", "secret_access_key": "s", "arn": "a"}]"#;
        std::fs::write(data.access_keys_file(), keys).unwrap();
        chosen.write_client(&data, &control_plane).unwrap();
        data_dir::create_private_dir(&data.agent(3)).unwrap();
        let again = wanted(&[]);
        assert_eq!(again.region, "eu-west-1");
        assert_eq!(again.account_id, "123456789012");
        assert_eq!(again.agents, 3);
        assert_eq!(again.listen, "127.0.0.1:1".parse().unwrap());
        assert_eq!(again.agent_listen, control_plane.agent_listen);
        assert_eq!(wanted(&["--agents", "1", "--region", "r"]).agents, 1);
    }

    #[test]
    fn machines_are_divided() {
        assert_eq!(
            parse_meminfo("MemTotal:        2097152 kB\nMemFree: 1 kB\n"),
            Some(2048)
        );
        assert_eq!(parse_meminfo("MemFree: 1 kB\n"), None);
        let whole = Capacity {
            cpu_units: 2048,
            memory_mib: 1000,
        };
        let third = Capacity {
            cpu_units: 682,
            memory_mib: 333,
        };
        assert_eq!(whole.divided(3), third);
        let zones: Vec<_> = (1..=4).map(|number| zone("eu-west-1", number)).collect();
        assert_eq!(
            zones,
            ["eu-west-1a", "eu-west-1b", "eu-west-1c", "eu-west-1a"]
        );
    }

    #[test]
    fn what_is_listened_on_can_be_dialled() {
        for (listen, expected) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn a_taken_port_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let error = check_free("--listen", address).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
        drop(listener);
        check_free("--listen", address).unwrap();
    }
}
