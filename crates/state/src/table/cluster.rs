//! `cluster/NAME`

use longshore_model::cluster::Cluster;

use super::Record;

impl Record for Cluster {
    const TABLE: &'static str = "cluster";

    fn name(&self) -> String {
        self.name.to_string()
    }
}
