//! `join-token/ID`: what a join token admits. The secret is kept as a hash only.

use longshore_model::{ClusterName, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Noun, Record};
use crate::view::View;

/// A join token. Writers: the control plane makes it and counts its uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// Public part: 16 hex digits.
    pub id: String,
    /// SHA-256 of the secret part, in hex.
    pub secret_digest: String,
    /// Where nodes that show it join.
    pub cluster: ClusterName,
    /// Nodes it still admits.
    pub uses_left: u32,
    /// When it stops admitting.
    pub expires_at: Timestamp,
}

impl Record for JoinToken {
    const TABLE: &'static str = "join-token";

    fn name(&self) -> String {
        self.id.clone()
    }
}

impl Noun for JoinToken {
    type Name = String;

    fn name_in(&self, _: &View) -> Self::Name {
        self.id.clone()
    }

    fn parse_name(text: &str) -> Option<Self::Name> {
        Some(text.to_owned())
    }
}
