//! `client-token/OPERATION/CLUSTER/TOKEN`: what a request with that token made, so that the same
//! request made again makes nothing new.

use longshore_model::{ClusterName, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Noun, Record};
use crate::view::View;

/// A used client token. Writer: the API; the reaper removes it after its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientToken {
    /// For example `RunTask`.
    pub operation: String,
    /// The scope of the token.
    pub cluster: ClusterName,
    /// As the client sent it.
    pub token: String,
    /// SHA-256 of the request without the token, in hex.
    pub request_digest: String,
    /// Names of what was made: task ids, or the service.
    pub made: Vec<String>,
    /// Failures of the first answer, as JSON, so that it can be given again.
    pub failures: String,
    /// When it was used; forgotten 24 hours later.
    pub used_at: Timestamp,
}

impl ClientToken {
    /// The name of the record; the token is written in hex since clients choose its characters.
    pub fn record_name(operation: &str, cluster: &ClusterName, token: &str) -> String {
        let hex: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("{operation}/{cluster}/{hex}")
    }
}

impl Record for ClientToken {
    const TABLE: &'static str = "client-token";

    fn name(&self) -> String {
        Self::record_name(&self.operation, &self.cluster, &self.token)
    }
}

impl Noun for ClientToken {
    type Name = String;

    fn name_in(&self, _: &View) -> Self::Name {
        self.name()
    }

    fn parse_name(text: &str) -> Option<Self::Name> {
        Some(text.to_owned())
    }
}
