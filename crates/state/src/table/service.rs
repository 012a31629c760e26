//! `service/CLUSTER/NAME`

use longshore_model::service::Service;

use super::Record;

impl Record for Service {
    const TABLE: &'static str = "service";

    fn name(&self) -> String {
        format!("{}/{}", self.cluster, self.name)
    }
}
