//! `replica/ID`: a control plane that lives. The store removes it when the process is gone.

use longshore_model::replica::Replica;

use super::{Noun, Record};
use crate::change::Change;
use crate::view::{Stored, View};
use longshore_model::ReplicaId;

impl Record for Replica {
    const TABLE: &'static str = "replica";

    fn name(&self) -> String {
        self.id.to_string()
    }
}

impl Noun for Replica {
    type Name = ReplicaId;

    fn name_in(&self, _: &View) -> Self::Name {
        self.id
    }

    fn parse_name(text: &str) -> Option<Self::Name> {
        text.parse().ok()
    }

    fn change(
        id: &Self::Name,
        before: Option<&Stored<Self>>,
        _: &Stored<Self>,
        _: bool,
    ) -> Option<Change> {
        before.is_none().then_some(Change::Replica(*id))
    }

    fn removed(id: &Self::Name, _: &Stored<Self>) -> Option<Change> {
        Some(Change::Replica(*id))
    }
}
