//! What the binary is told on its command line.

mod operation;
mod store;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use longshore_model::Realm;
use longshore_reconcile::Times;

use crate::settings::{CommitRoom, Settings};

pub use operation::{BackupArgs, CheckArgs, MigrateArgs, PlaceArgs, RestoreArgs};
pub use store::{EtcdAddress, EtcdArgs, StoreAddress, StoreArgs};

/// The Longshore control plane.
#[derive(Debug, Parser)]
#[command(
    name = "longshore-control-plane",
    version,
    about,
    long_about = None,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// What to do; `run` if nothing is said.
    #[command(subcommand)]
    command: Option<Command>,
    /// How to serve, for `run` without its name.
    #[command(flatten)]
    run: RunArgs,
}

impl Cli {
    /// What to do.
    pub fn command(self) -> Command {
        self.command
            .unwrap_or_else(|| Command::Run(Box::new(self.run)))
    }
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
    ///   longshore-control-plane run --store etcd://10.0.0.1:2379,10.0.0.2:2379/longshore \
    ///       --etcd-ca etcd-ca.pem --etcd-cert etcd.pem --etcd-key etcd.key
    #[command(verbatim_doc_comment)]
    Run(Box<RunArgs>),
    /// Write the whole state to a file.
    ///
    /// An embedded store must not be in use: stop its control plane first; tasks go on running.
    /// A store in etcd is read at one revision while its control planes serve.
    ///
    /// EXAMPLES
    ///   longshore-control-plane backup /backup/monday --data-dir /var/lib/longshore
    ///   longshore-control-plane backup /backup/monday --store etcd://10.0.0.1:2379/longshore
    #[command(verbatim_doc_comment)]
    Backup(Box<BackupArgs>),
    /// Fill an empty store from a backup. Refuses one that holds anything.
    ///
    /// EXAMPLES
    ///   longshore-control-plane restore /backup/monday --data-dir /var/lib/longshore
    #[command(verbatim_doc_comment)]
    Restore(Box<RestoreArgs>),
    /// Copy the whole state into an empty store of another kind, and compare.
    ///
    /// EXAMPLES
    ///   longshore-control-plane migrate --from embedded:/var/lib/longshore \
    ///       --to etcd://10.0.0.1:2379,10.0.0.2:2379/longshore
    #[command(verbatim_doc_comment)]
    Migrate(Box<MigrateArgs>),
    /// Decode every record and follow every reference. Exit status 1 and a list if one is wrong.
    ///
    /// EXAMPLES
    ///   longshore-control-plane check --data-dir /var/lib/longshore
    ///   longshore-control-plane check --backup /backup/monday
    #[command(verbatim_doc_comment)]
    Check(Box<CheckArgs>),
}

/// How to serve.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Where the access keys and the certificate authority are kept, and the state if the store is
    /// embedded.
    #[arg(long, env = "LONGSHORE_DATA_DIR", default_value = "/var/lib/longshore")]
    pub data_dir: PathBuf,
    /// Where the state is kept.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Address for people: AWS JSON and gRPC. Beyond loopback it needs --tls-cert and --tls-key.
    #[arg(long, default_value = "127.0.0.1:7400")]
    pub listen: SocketAddr,
    /// Address for agents, always mutual TLS.
    #[arg(long, default_value = "127.0.0.1:7401")]
    pub agent_listen: SocketAddr,
    /// Host name or address at which agents and other control planes reach this one. Needed beside
    /// others where --agent-listen names no single address.
    #[arg(long, env = "LONGSHORE_ADVERTISE", value_name = "HOST")]
    pub advertise: Option<String>,
    /// Take this data directory's certificate authority for the installation in place of the one
    /// that is lost. Every agent must join anew.
    #[arg(long)]
    pub replace_authority: bool,
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

    /// `HOST:PORT` at which agents and other control planes reach this one; `None` where nothing
    /// says which address of this machine that is.
    pub fn reachable(&self, listen: SocketAddr) -> Option<String> {
        let host = match (&self.advertise, listen.ip()) {
            (Some(host), _) => host.clone(),
            (None, address) if address.is_unspecified() => return None,
            (None, IpAddr::V4(address)) => address.to_string(),
            (None, IpAddr::V6(address)) => format!("[{address}]"),
        };
        Some(format!("{host}:{}", listen.port()))
    }

    /// What the controllers go by.
    pub fn settings(&self) -> Settings {
        Settings {
            times: Times {
                healthy_after: self.healthy_after,
                lost_after: self.lost_after,
                stopped_retention: self.stopped_retention,
            },
            room: match self.store.store {
                StoreAddress::Embedded => CommitRoom::OWN,
                StoreAddress::Etcd(_) => CommitRoom::SHARED,
            },
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> RunArgs {
        let line = std::iter::once(&"longshore-control-plane").chain(arguments);
        let Command::Run(args) = Cli::try_parse_from(line).unwrap().command() else {
            unreachable!("only run was named");
        };
        *args
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn run_is_what_is_done_without_a_word() {
        for line in [&["run", "--region", "eu-1"][..], &["--region", "eu-1"]] {
            let args = run(line);
            assert_eq!(args.region, "eu-1");
            assert_eq!(args.store.store, StoreAddress::Embedded);
        }
    }

    #[test]
    fn an_address_is_told_only_where_there_is_one() {
        let any: SocketAddr = "0.0.0.0:7401".parse().unwrap();
        let one: SocketAddr = "10.0.0.1:7401".parse().unwrap();
        let six: SocketAddr = "[::1]:7401".parse().unwrap();
        let args = run(&["run"]);
        assert_eq!(args.reachable(any), None);
        assert_eq!(args.reachable(one).unwrap(), "10.0.0.1:7401");
        assert_eq!(args.reachable(six).unwrap(), "[::1]:7401");
        let named = run(&["run", "--advertise", "one.example.com"]);
        assert_eq!(named.reachable(any).unwrap(), "one.example.com:7401");
    }
}
