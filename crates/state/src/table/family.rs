//! `family/NAME`: the newest revision that was ever given, so that none is given twice.

use longshore_model::Family;
use serde::{Deserialize, Serialize};

use super::{Noun, Record};
use crate::view::View;

/// The counter of a family. Writer: the API (RegisterTaskDefinition).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyCounter {
    /// Of which family.
    pub family: Family,
    /// The newest revision given; the next is one more.
    pub newest: u32,
}

impl Record for FamilyCounter {
    const TABLE: &'static str = "family";

    fn name(&self) -> String {
        self.family.to_string()
    }
}

impl Noun for FamilyCounter {
    type Name = Family;

    fn name_in(&self, _: &View) -> Self::Name {
        self.family.clone()
    }

    fn parse_name(text: &str) -> Option<Self::Name> {
        text.parse().ok()
    }
}
