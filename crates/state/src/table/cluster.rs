//! `cluster/NAME`

use longshore_model::cluster::Cluster;

use super::{Noun, Record};
use crate::change::Change;
use crate::view::{Stored, View};
use longshore_model::ClusterName;

impl Record for Cluster {
    const TABLE: &'static str = "cluster";

    fn name(&self) -> String {
        self.name.to_string()
    }
}

impl Noun for Cluster {
    type Name = ClusterName;

    fn name_in(&self, _: &View) -> ClusterName {
        self.name.clone()
    }

    fn parse_name(text: &str) -> Option<ClusterName> {
        text.parse().ok()
    }

    fn change(
        name: &ClusterName,
        _: Option<&Stored<Self>>,
        _: &Stored<Self>,
        _: bool,
    ) -> Option<Change> {
        Some(Change::Cluster(name.clone()))
    }

    fn removed(name: &ClusterName, _: &Stored<Self>) -> Option<Change> {
        Some(Change::Cluster(name.clone()))
    }
}
