//! What changed, named so that whoever decides knows what to look at.

use longshore_model::{ClusterName, InstanceId, ServiceName, TaskId};

/// Something that changed, named so that a controller knows what to look at. It never says how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A cluster.
    Cluster(ClusterName),
    /// A container instance.
    Instance(ClusterName, InstanceId),
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
}

impl Change {
    /// The instance whose agent may have to be told something.
    pub fn for_agent(&self) -> Option<(&ClusterName, InstanceId)> {
        match self {
            Self::Instance(cluster, instance)
            | Self::Task {
                cluster,
                instance,
                for_agent: true,
                ..
            } => Some((cluster, *instance)),
            Self::Cluster(_) | Self::Service(..) | Self::Task { .. } => None,
        }
    }
}
