//! `family/NAME`: the newest revision that was ever given, so that none is given twice.

use longshore_model::Family;
use serde::{Deserialize, Serialize};

use super::Record;

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
