//! `replica/ID`: a control plane that lives. The store removes it when the process is gone.

use longshore_model::replica::Replica;

use super::Record;

impl Record for Replica {
    const TABLE: &'static str = "replica";

    fn name(&self) -> String {
        self.id.to_string()
    }
}
