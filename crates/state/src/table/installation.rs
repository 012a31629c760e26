//! `identity/installation`: what every control plane of an installation has in common.

use longshore_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Noun, Record};
use crate::view::View;

/// What is the same on every control plane. Writer: the first one that starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// SHA-256 of the certificate of the authority that signs nodes, in hex.
    pub authority: String,
    /// Which history the revisions of the store belong to. Revisions of different histories do
    /// not compare; whoever fills a store from a backup gives it a new one.
    pub history: String,
    /// When it was written.
    pub made_at: Timestamp,
}

impl Installation {
    /// The name of the only record.
    pub const NAME: &'static str = "installation";
}

impl Record for Installation {
    const TABLE: &'static str = "identity";

    fn name(&self) -> String {
        Self::NAME.to_owned()
    }
}

impl Noun for Installation {
    type Name = ();

    fn name_in(&self, _: &View) {}

    fn parse_name(text: &str) -> Option<Self::Name> {
        (text == Self::NAME).then_some(())
    }
}
