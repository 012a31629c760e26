//! `task/CLUSTER/ID`

use longshore_model::task::Task;

use super::Record;

impl Record for Task {
    const TABLE: &'static str = "task";

    fn name(&self) -> String {
        format!("{}/{}", self.cluster, self.id)
    }
}
