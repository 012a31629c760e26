//! `longshore token`.

use std::time::Duration;

use clap::Args;

use super::{Global, UsageError, parse_duration};
use crate::{terminal, token};

const EXAMPLES: &str = "\
EXAMPLES:
  Call the API with any gRPC client:
    grpcurl -plaintext -H \"authorization: Bearer $(longshore token)\" \\
      127.0.0.1:7400 longshore.ecs.v1.Ecs/ListClusters

  One that is good for an hour:
    longshore token --ttl 1h";

/// Print a bearer token for gRPC clients
///
/// It is made from the access key on this machine; nothing is asked and nothing recorded. Whoever
/// reads it can use it until it expires.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Token {
    /// How long it is good for, at most 1h
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_duration)]
    ttl: Duration,
}

impl Token {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        if self.ttl > token::MAX_LIFETIME || self.ttl < Duration::from_secs(1) {
            let error = format!("--ttl is {:?}; it must be from 1s to 1h", self.ttl);
            return Err(UsageError(error).into());
        }
        let target = global.target()?;
        Ok(terminal::print_line(&token::mint(
            &target.credentials,
            self.ttl,
        ))?)
    }
}
