//! `instance/CLUSTER/ID`

use longshore_model::instance::Instance;

use super::Record;

impl Record for Instance {
    const TABLE: &'static str = "instance";

    fn name(&self) -> String {
        format!("{}/{}", self.cluster, self.id)
    }
}
