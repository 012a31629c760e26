//! Command line and environment.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Keeps this node's containers as the control plane says.
#[derive(Debug, Parser)]
#[command(name = "longshore-agent", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "LONGSHORE_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// Which log lines there are: a level, or a filter such as `longshore_agent=debug`. RUST_LOG
    /// comes first.
    #[arg(long, global = true, default_value = "info")]
    pub log_level: String,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Trades a join token for this node's identity, once.
    Join(JoinArgs),
    /// Runs the agent; joins first where that was not done yet and a token is given.
    Run(Box<RunArgs>),
    /// Stops and removes every container this agent made. The agent must not be running.
    Purge(PurgeArgs),
}

/// What to purge.
#[derive(Debug, Args)]
pub struct PurgeArgs {
    /// The agent's data directory; its identity says which containers are meant.
    #[arg(
        long,
        default_value = "/var/lib/longshore-agent",
        env = "LONGSHORE_AGENT_DATA_DIR"
    )]
    pub data_dir: PathBuf,
    /// Docker's socket, unix://PATH or tcp://HOST:PORT.
    #[arg(
        long,
        default_value = "unix:///var/run/docker.sock",
        env = "DOCKER_HOST"
    )]
    pub docker_host: String,
    /// Between the stop signal and SIGKILL, for example 10s.
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub stop_timeout: Duration,
}

impl RunArgs {
    /// Where `docker login` of this user writes to.
    pub fn docker_config(&self) -> Option<PathBuf> {
        let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
        self.docker_config.clone().or_else(home)
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Where the identity is kept, and where it comes from.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Directory for the identity and the journal; made for its owner only.
    #[arg(
        long,
        default_value = "/var/lib/longshore-agent",
        env = "LONGSHORE_AGENT_DATA_DIR"
    )]
    pub data_dir: PathBuf,
    /// HOST:PORT of the control plane's listener for agents; of each, separated by commas, where
    /// there are several.
    #[arg(
        long,
        env = "LONGSHORE_CONTROL_PLANE",
        value_delimiter = ',',
        required = true,
        value_name = "HOST:PORT"
    )]
    pub control_plane: Vec<String>,
    /// Join token. Other users of this node can see it in the list of processes: prefer a file.
    #[arg(
        long,
        env = "LONGSHORE_JOIN_TOKEN",
        hide_env_values = true,
        conflicts_with = "token_file"
    )]
    pub token: Option<String>,
    /// File with the join token.
    #[arg(long)]
    pub token_file: Option<PathBuf>,
    /// SHA-256 of the control plane's CA certificate, in hex. The token carries it; give it here
    /// to have it compared.
    #[arg(long)]
    pub ca_hash: Option<String>,
}

/// How to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Identity and control plane.
    #[command(flatten)]
    pub join: JoinArgs,
    /// Docker's socket, unix://PATH or tcp://HOST:PORT.
    #[arg(
        long,
        default_value = "unix:///var/run/docker.sock",
        env = "DOCKER_HOST"
    )]
    pub docker_host: String,
    /// The directory of Docker's configuration, whose logins to image registries are used.
    /// Default: .docker in the home directory.
    #[arg(long, value_name = "DIR", env = "DOCKER_CONFIG")]
    docker_config: Option<PathBuf>,
    /// Containers that are created, and started, at once. Sixteen is where Docker 20.10 on two
    /// cores stops getting faster (`scripts/bench launch`).
    #[arg(long, default_value_t = 16)]
    pub docker_concurrency: usize,
    /// CPU units to offer, 1024 to a core. Default: all cores.
    #[arg(long)]
    pub cpu: Option<u32>,
    /// MiB of memory to offer. Default: all but what is reserved.
    #[arg(long)]
    pub memory: Option<u32>,
    /// MiB of memory to keep for the system. Default: 256, or a tenth where that is less.
    #[arg(long)]
    pub reserved_memory: Option<u32>,
    /// Zone this node is in.
    #[arg(long, default_value = "us-east-1a")]
    pub zone: String,
    /// Attribute for placement; may be repeated.
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute)]
    pub attributes: Vec<(String, String)>,
    /// How long the containers of a stopped task are kept, for example 30s, 15m or 1h.
    #[arg(long, default_value = "1h", value_parser = duration)]
    pub keep_stopped: Duration,
    /// Most stopped tasks whose containers are kept.
    #[arg(long, default_value_t = 100)]
    pub keep_stopped_tasks: usize,
    /// Stop tasks that run here and that the control plane does not know since its store was
    /// restored from a backup. Without this they run on until their containers end.
    #[arg(long)]
    pub stop_stranded: bool,
    /// Most processes in one container; 0 for no limit.
    #[arg(long, default_value_t = 4096)]
    pub pids_limit: u32,
}

fn attribute(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("\"{text}\" is not an attribute: give NAME=VALUE")),
    }
}

/// Reads a whole number with a unit: ms, s, m or h; seconds without one.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: Option<u64> = digits.parse().ok();
    let millis = match text.get(digits.len()..) {
        Some("ms") => Some(1),
        Some("" | "s") => Some(1000),
        Some("m") => Some(60_000),
        Some("h") => Some(3_600_000),
        _ => None,
    };
    let length = number.zip(millis).and_then(|(n, unit)| n.checked_mul(unit));
    length.map(Duration::from_millis).ok_or_else(|| {
        format!("\"{text}\" is not a length of time: give for example 30s, 15m or 1h")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for bad in ["", "h", "1d", "-1s", "1.5h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn attributes_have_a_name() {
        assert_eq!(attribute("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(attribute("=b").is_err());
        assert!(attribute("a").is_err());
    }
}
