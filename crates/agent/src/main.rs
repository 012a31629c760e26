//! `longshore-agent`: keeps this node's containers as the control plane says.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use longshore_agent::capacity::{self, Offer};
use longshore_agent::config::{Cli, Command, JoinArgs, LogFormat, PurgeArgs, RunArgs};
use longshore_agent::control_planes::ControlPlanes;
use longshore_agent::identity::{DataDirectory, Identity, JoinToken};
use longshore_agent::journal::Journal;
use longshore_agent::node::{Node, Settings};
use longshore_agent::pass::{self, Pass, QUEUE};
use longshore_agent::purge;
use longshore_agent::runtime::docker::login::Logins;
use longshore_agent::runtime::docker::{self, DockerRuntime, Engine};
use longshore_agent::session::Link;
use longshore_agent::tls;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::channel;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;

/// Wait between tries to join a control plane that is not up yet.
const JOIN_RETRY: Duration = Duration::from_secs(1);
/// Calls to Docker at once while purging.
const PURGE_CONCURRENCY: usize = 8;
/// For calls to Docker under way when told to end. Some engines leave a container half-made whose
/// start is cut off; a call that takes longer is left to the next life, which looks again.
const DRAIN: Duration = Duration::from_secs(8);
/// For whatever else runs; containers go on either way.
const SHUTDOWN: Duration = Duration::from_millis(200);

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    start_logging(&cli)?;
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        bail!("another TLS provider is installed already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime; raise the process limit")?;
    let done = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let operations = TaskTracker::new();
        let done = tokio::select! {
            done = execute(cli.command, operations.clone()) => done,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        };
        operations.close();
        if tokio::time::timeout(DRAIN, operations.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                operations = operations.len(),
                "ending in the middle of operations"
            );
        }
        done
    });
    if done.is_ok() {
        tracing::info!("ending; containers go on");
    }
    runtime.shutdown_timeout(SHUTDOWN);
    done
}

fn start_logging(cli: &Cli) -> anyhow::Result<()> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) => filter,
        Err(_) => cli.log_level.clone(),
    };
    let filter = EnvFilter::try_new(&filter)
        .with_context(|| format!("\"{filter}\" is not a log level; give for example info"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match cli.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}

async fn execute(command: Command, operations: TaskTracker) -> anyhow::Result<()> {
    match command {
        Command::Join(args) => {
            let directory = DataDirectory::open(&args.data_dir)?;
            if let Some(identity) = directory.identity()? {
                bail!(
                    "this node is container instance {} of cluster {} already; give another --data-dir",
                    identity.instance,
                    identity.cluster
                );
            }
            join(&directory, &args).await.map(drop)
        }
        Command::Run(args) => run(*args, operations).await,
        Command::Purge(args) => purge(&args).await,
    }
}

fn hostname() -> String {
    let name = nix::unistd::gethostname().ok();
    name.and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".to_owned())
}

fn token(args: &JoinArgs) -> anyhow::Result<JoinToken> {
    let text = match (&args.token, &args.token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the join token in {}", file.display()))?,
        (None, None) => bail!(
            "this node has not joined a cluster yet: give --token-file or --token with a join token"
        ),
    };
    let token: JoinToken = text.parse()?;
    if let Some(hash) = &args.ca_hash
        && !token.names_authority(hash)
    {
        bail!("the join token is for another control plane than --ca-hash names");
    }
    Ok(token)
}

/// Where to connect; agents begin at different places.
fn control_planes(directory: &DataDirectory, args: &JoinArgs) -> ControlPlanes {
    let given = args.control_plane.clone();
    ControlPlanes::open(directory.path(), given, rand::random_range(0..usize::MAX))
}

/// Joins; waits for a control plane that is not up yet.
async fn join(directory: &DataDirectory, args: &JoinArgs) -> anyhow::Result<Identity> {
    let token = token(args)?;
    let mut planes = control_planes(directory, args);
    loop {
        let address = planes.choose();
        match directory.join(&address, &token, &hostname()).await {
            Ok(identity) => {
                tracing::info!(
                    instance = %identity.instance,
                    cluster = identity.cluster,
                    "joined"
                );
                return Ok(identity);
            }
            Err(error) if error.is_passing() => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot join through {address}; trying again"
                );
                if planes.is_round_over() {
                    sleep(JOIN_RETRY).await;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn purge(args: &PurgeArgs) -> anyhow::Result<()> {
    let directory = DataDirectory::open(&args.data_dir)?;
    let Some(identity) = directory.identity()? else {
        tracing::info!("this node never joined a cluster; there is nothing to remove");
        return Ok(());
    };
    let engine = Engine::connect(&args.docker_host).await?;
    let settings = docker::Settings {
        instance: identity.instance,
        concurrency: PURGE_CONCURRENCY,
        pids_limit: None,
        logins: Logins::default(),
    };
    let runtime = DockerRuntime::new(&engine, &settings);
    let removed = purge::purge(&runtime, args.stop_timeout).await?;
    tracing::info!(removed, "every container of this agent is removed");
    Ok(())
}

async fn run(args: RunArgs, operations: TaskTracker) -> anyhow::Result<()> {
    let directory = DataDirectory::open(&args.join.data_dir)?;
    let identity = match directory.identity()? {
        Some(identity) => identity,
        None => join(&directory, &args.join).await?,
    };
    let (events, inbox) = channel(QUEUE);
    let (journal, records) = Journal::open(directory.path(), pass::now(), events.clone())?;
    tracing::info!(
        instance = %identity.instance,
        cluster = identity.cluster,
        tasks = records.len(),
        "agent starts"
    );
    let tls = tls::identified(
        &identity.certificate_chain,
        &identity.key,
        &identity.authority,
    )?;
    let engine = pass::persist("Docker cannot be reached", || {
        Engine::connect(&args.docker_host)
    })
    .await;
    let settings = docker::Settings {
        instance: identity.instance,
        concurrency: args.docker_concurrency,
        pids_limit: (args.pids_limit > 0).then_some(i64::from(args.pids_limit)),
        logins: Logins::new(args.docker_config()),
    };
    let runtime = Arc::new(DockerRuntime::new(&engine, &settings));
    let offer = Offer {
        cpu: args.cpu,
        memory: args.memory,
        reserved_memory: args.reserved_memory,
        zone: args.zone,
        address: args
            .join
            .control_plane
            .iter()
            .find_map(|address| capacity::address_towards(address)),
        attributes: args.attributes.into_iter().collect(),
    };
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("cannot read the boot id; mount /proc")?;
    let hello = capacity::hello(
        &offer,
        &engine,
        runtime.limits_tasks(),
        &hostname(),
        (boot_id.trim(), directory.begin_life(pass::now())),
    );
    let link = Link {
        planes: control_planes(&directory, &args.join),
        tls,
        hello,
        runtime: Arc::clone(&runtime),
        events: events.clone(),
    };
    let settings = Settings {
        keep_stopped: args.keep_stopped,
        keep_stopped_tasks: args.keep_stopped_tasks,
        stop_stranded: args.stop_stranded,
    };
    let pass = Pass {
        node: Node::new(settings, records),
        runtime: Arc::clone(&runtime),
        journal,
        events: events.clone(),
        operations,
    };
    // All three run until the process ends; the first to end ends it.
    tokio::select! {
        () = pass.run(inbox) => bail!("the agent's loop ended"),
        () = pass::observe(runtime, events) => bail!("watching Docker ended"),
        () = link.run() => bail!("the link to the control plane ended"),
    }
}
