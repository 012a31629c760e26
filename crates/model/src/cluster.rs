//! Clusters: where services, tasks and container instances live.

use serde::{Deserialize, Serialize};

use crate::name::ClusterName;
use crate::recorded::Recorded;
use crate::tag::Tags;
use crate::time::Timestamp;

/// A cluster. Writer of every field: the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Unique in the installation.
    pub name: ClusterName,
    /// ACTIVE until deleted.
    pub status: ClusterStatus,
    /// When it was created, or created anew after a deletion.
    pub created_at: Timestamp,
    /// What users put on it.
    pub tags: Tags,
    /// Members of CreateCluster that have no effect yet.
    pub recorded: Recorded,
}

/// Whether a cluster can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClusterStatus {
    /// In use.
    Active,
    /// Deleted: still described, no longer listed.
    Inactive,
}

impl ClusterStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }
}
