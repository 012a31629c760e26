//! `task-definition/FAMILY/REVISION`, the revision in seven digits so that keys sort.

use longshore_model::task_definition::TaskDefinition;

use super::Record;

impl Record for TaskDefinition {
    const TABLE: &'static str = "task-definition";

    fn name(&self) -> String {
        format!("{}/{:07}", self.family, self.revision)
    }
}
