//! `instance/CLUSTER/ID`

use longshore_model::instance::Instance;

use super::{Noun, Record, parse_pair};
use crate::change::Change;
use crate::view::{Stored, View};
use longshore_model::{ClusterName, InstanceId};

impl Record for Instance {
    const TABLE: &'static str = "instance";

    fn name(&self) -> String {
        format!("{}/{}", self.cluster, self.id)
    }
}

impl Noun for Instance {
    type Name = (ClusterName, InstanceId);

    fn name_in(&self, view: &View) -> Self::Name {
        (view.cluster_name(&self.cluster), self.id)
    }

    fn parse_name(text: &str) -> Option<Self::Name> {
        parse_pair(text)
    }

    fn change(
        (cluster, id): &Self::Name,
        _: Option<&Stored<Self>>,
        _: &Stored<Self>,
        _: bool,
    ) -> Option<Change> {
        Some(Change::Instance(cluster.clone(), *id))
    }

    fn removed((cluster, id): &Self::Name, _: &Stored<Self>) -> Option<Change> {
        Some(Change::Instance(cluster.clone(), *id))
    }

    /// It is not to be placed on.
    fn damaged((cluster, id): Self::Name) -> Option<Change> {
        Some(Change::Instance(cluster, id))
    }
}
