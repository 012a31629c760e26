//! Request members that are kept and shown again but have no effect yet.

use serde::{Deserialize, Serialize};

/// A document that belongs to the API door which wrote it; nobody else looks inside. It is how a
/// member that the field ledger calls "recorded" comes back from Describe unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recorded(String);

impl Recorded {
    /// Keeps the document.
    pub fn new(document: String) -> Self {
        Self(document)
    }

    /// The document as it was kept; empty when nothing was.
    pub fn document(&self) -> &str {
        &self.0
    }
}
