//! Control planes that live: several may share one store.

use serde::{Deserialize, Serialize};

use crate::id::ReplicaId;
use crate::time::Timestamp;

/// A control plane that lives. Writer, of every field: itself, when it starts; the record goes
/// when the process does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// Chosen at random when it started.
    pub id: ReplicaId,
    /// `HOST:PORT` at which people reach it. Absent where nothing says which address that is.
    pub people: Option<String>,
    /// `HOST:PORT` at which agents and other control planes reach it; likewise.
    pub agents: Option<String>,
    /// When it started, by its own clock.
    pub started_at: Timestamp,
}
