//! `service/CLUSTER/NAME`

use longshore_model::service::Service;

use super::{Noun, Record, parse_pair};
use crate::change::Change;
use crate::view::{Stored, View};
use longshore_model::{ClusterName, ServiceName};

impl Record for Service {
    const TABLE: &'static str = "service";

    fn name(&self) -> String {
        format!("{}/{}", self.cluster, self.name)
    }
}

impl Noun for Service {
    type Name = (ClusterName, ServiceName);

    fn name_in(&self, _: &View) -> Self::Name {
        (self.cluster.clone(), self.name.clone())
    }

    fn parse_name(text: &str) -> Option<Self::Name> {
        parse_pair(text)
    }

    fn change(
        (cluster, name): &Self::Name,
        _: Option<&Stored<Self>>,
        _: &Stored<Self>,
        _: bool,
    ) -> Option<Change> {
        Some(Change::Service(cluster.clone(), name.clone()))
    }

    fn removed((cluster, name): &Self::Name, _: &Stored<Self>) -> Option<Change> {
        Some(Change::Service(cluster.clone(), name.clone()))
    }
}
