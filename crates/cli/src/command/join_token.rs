//! `longshore join-token`.

use std::time::Duration;

use clap::Args;
use longshore_proto::{Timestamp, node};
use serde_json::json;

use super::{ClusterArgument, Global, Output, UsageError, parse_duration};
use crate::{api, table, terminal};

const EXAMPLES: &str = "\
EXAMPLES:
  Let another machine join, and start its agent there:
    longshore join-token > join-token
    longshore-agent run --control-plane HOST:7401 --token-file join-token

  One token for a group of 20, good for a day:
    longshore join-token --uses 20 --ttl 24h";

const MAX_LIFETIME: Duration = Duration::from_secs(86_400);

/// Print a token with which the agents of other machines join a cluster
///
/// The control plane keeps only a hash of it. An agent needs it once; afterwards it has a
/// certificate of its own.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct JoinToken {
    #[command(flatten)]
    cluster: ClusterArgument,

    /// How many agents may join with it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    uses: u32,

    /// How long it is good for, at most 24h
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    ttl: Duration,
}

impl JoinToken {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<()> {
        if self.ttl > MAX_LIFETIME || self.ttl < Duration::from_secs(1) {
            let error = format!("--ttl is {:?}; it must be from 1s to 24h", self.ttl);
            return Err(UsageError(error).into());
        }
        let mut api = global.connect().await?;
        let request = node::CreateJoinTokenRequest {
            cluster: self.cluster.cluster,
            uses: self.uses,
            ttl_seconds: u32::try_from(self.ttl.as_secs())?,
        };
        let response = api::answer(api.nodes.create_join_token(request).await)?;
        match global.output {
            Output::Json => {
                let expires_at = Timestamp::from_millis(response.expires_at);
                terminal::print_json(&json!({
                    "token": response.token,
                    "expiresAt": table::moment(Some(&expires_at)),
                }))
            }
            Output::Table => Ok(terminal::print_line(&response.token)?),
        }
    }
}
