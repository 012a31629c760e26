//! What the binary is told on its command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use longshore_model::Realm;

use crate::settings::Settings;

/// The Longshore control plane.
#[derive(Debug, Parser)]
#[command(name = "longshore-control-plane", version, about, long_about = None)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API and the agents until told to stop.
    ///
    /// EXAMPLES
    ///   longshore-control-plane run --data-dir /var/lib/longshore
    ///   longshore-control-plane run --data-dir /var/lib/longshore --listen 0.0.0.0:7400 \
    ///       --tls-cert api.pem --tls-key api.key --agent-listen 0.0.0.0:7401
    #[command(verbatim_doc_comment)]
    Run(RunArgs),
}

/// How to serve.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Where the state, the access keys and the certificate authority are kept.
    #[arg(long, env = "LONGSHORE_DATA_DIR", default_value = "/var/lib/longshore")]
    pub data_dir: PathBuf,
    /// Address for people: AWS JSON and gRPC. Beyond loopback it needs --tls-cert and --tls-key.
    #[arg(long, default_value = "127.0.0.1:7400")]
    pub listen: SocketAddr,
    /// Address for agents, always mutual TLS.
    #[arg(long, default_value = "127.0.0.1:7401")]
    pub agent_listen: SocketAddr,
    /// PEM certificate chain of the address for people.
    #[arg(long, requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// PEM private key of that certificate.
    #[arg(long, requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Region in ARNs and signatures.
    #[arg(long, default_value = "us-east-1", value_parser = region)]
    pub region: String,
    /// Account in ARNs: twelve digits.
    #[arg(long, default_value = "000000000000", value_parser = account)]
    pub account_id: String,
    /// Seconds a task without health checks must run to count as healthy in a deployment.
    #[arg(long, default_value = "5", value_parser = seconds, value_name = "SECONDS")]
    pub healthy_after: Duration,
    /// Seconds an agent may be away before its service tasks are replaced.
    #[arg(long, default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    pub lost_after: Duration,
    /// Seconds a stopped task stays visible.
    #[arg(long, default_value = "3600", value_parser = seconds, value_name = "SECONDS")]
    pub stopped_retention: Duration,
    /// Form of the log on stderr. RUST_LOG chooses what is in it.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl RunArgs {
    /// The fixed part of all ARNs.
    pub fn realm(&self) -> Realm {
        Realm {
            partition: "aws".to_owned(),
            region: self.region.clone(),
            account: self.account_id.clone(),
        }
    }

    /// How patient the controllers are.
    pub fn settings(&self) -> Settings {
        Settings {
            healthy_after: self.healthy_after,
            lost_after: self.lost_after,
            stopped_retention: self.stopped_retention,
        }
    }
}

fn region(text: &str) -> Result<String, String> {
    let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if !text.is_empty() && text.len() <= 32 && text.bytes().all(legal) {
        Ok(text.to_owned())
    } else {
        Err("use lower-case letters, digits and hyphens, like us-east-1".to_owned())
    }
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|c| c.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("use twelve digits, like 000000000000".to_owned())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "use a number of seconds, like 5".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
