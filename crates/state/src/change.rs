//! What changed, named so that whoever decides knows what to look at.

use longshore_model::{ClusterName, InstanceId, ReplicaId, ServiceName, TaskId};

/// Something that changed, named so that a controller knows what to look at. It never says how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A cluster.
    Cluster(ClusterName),
    /// A container instance.
    Instance {
        /// Of which cluster.
        cluster: ClusterName,
        /// Which.
        id: InstanceId,
        /// Whether its status, or whether and where its agent is connected, is new. Not so of a
        /// placement, which counts its version up, nor of other attributes.
        is_other: bool,
    },
    /// A service.
    Service(ClusterName, ServiceName),
    /// A task.
    Task {
        /// Of which cluster.
        cluster: ClusterName,
        /// Which.
        id: TaskId,
        /// Where it runs.
        instance: InstanceId,
        /// The service it belongs to.
        service: Option<ServiceName>,
        /// Whether its agent may have to be told of it: not so if no more is new than how far the
        /// task is, which is what agents report.
        for_agent: bool,
    },
    /// A control plane that began or ended.
    Replica(ReplicaId),
}

impl Change {
    /// The instance whose agent may have to be told something.
    pub fn for_agent(&self) -> Option<(&ClusterName, InstanceId)> {
        match self {
            Self::Instance {
                cluster,
                id: instance,
                ..
            }
            | Self::Task {
                cluster,
                instance,
                for_agent: true,
                ..
            } => Some((cluster, *instance)),
            Self::Cluster(_) | Self::Service(..) | Self::Task { .. } | Self::Replica(_) => None,
        }
    }
}
