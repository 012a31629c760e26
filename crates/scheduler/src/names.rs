//! Sets of attribute names, each with a number of its own: most instances of a cluster have the
//! same names, and whether they have those that a task requires is found out once per set.

use std::collections::BTreeMap;

use crate::state::InstanceState;

/// The sets that are in use.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameSets {
    known: BTreeMap<Vec<String>, (u64, usize)>,
    given: u64,
}

impl NameSets {
    /// The number of the instance's set; it counts as used once more.
    pub(crate) fn enter(&mut self, state: &InstanceState) -> u64 {
        let names: Vec<String> = state.attributes.keys().cloned().collect();
        let given = &mut self.given;
        let (number, users) = self.known.entry(names).or_insert_with(|| {
            *given += 1;
            (*given, 0)
        });
        *users += 1;
        *number
    }

    /// The instance uses its set no longer. Numbers are never used for another set.
    pub(crate) fn leave(&mut self, state: &InstanceState) {
        let names: Vec<String> = state.attributes.keys().cloned().collect();
        if let Some((_, users)) = self.known.get_mut(&names) {
            *users -= 1;
            if *users == 0 {
                self.known.remove(&names);
            }
        }
    }
}
