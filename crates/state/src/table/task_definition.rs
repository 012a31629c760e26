//! `task-definition/FAMILY/REVISION`, the revision in seven digits so that keys sort.

use longshore_model::task_definition::TaskDefinition;

use super::{Noun, Record, parse_pair};
use crate::view::View;
use longshore_model::Family;

impl Record for TaskDefinition {
    const TABLE: &'static str = "task-definition";

    fn name(&self) -> String {
        format!("{}/{:07}", self.family, self.revision)
    }
}

impl Noun for TaskDefinition {
    type Name = (Family, u32);

    fn name_in(&self, _: &View) -> Self::Name {
        (self.family.clone(), self.revision)
    }

    fn parse_name(text: &str) -> Option<Self::Name> {
        parse_pair(text)
    }
}
