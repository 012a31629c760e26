//! `instance/CLUSTER/ID`

use longshore_model::instance::Instance;

use super::{Noun, Record, parse_pair};
use crate::change::Change;
use crate::view::{Stored, View};
use longshore_model::{ClusterName, InstanceId};

impl Record for Instance {
    const TABLE: &'static str = "instance";

    fn name(&self) -> String {
        format!("{}/{}", self.cluster, self.id)
    }
}

impl Noun for Instance {
    type Name = (ClusterName, InstanceId);

    fn name_in(&self, view: &View) -> Self::Name {
        (view.cluster_name(&self.cluster), self.id)
    }

    fn parse_name(text: &str) -> Option<Self::Name> {
        parse_pair(text)
    }

    fn change(
        name: &Self::Name,
        before: Option<&Stored<Self>>,
        after: &Stored<Self>,
        _: bool,
    ) -> Option<Change> {
        let seen = |it: &Self| (it.status, it.connection.is_connected(), it.replica);
        let is_as_before = before.is_some_and(|before| seen(before) == seen(after));
        Some(change(name, !is_as_before))
    }

    fn removed(name: &Self::Name, _: &Stored<Self>) -> Option<Change> {
        Some(change(name, true))
    }

    /// It is not to be placed on.
    fn damaged(name: Self::Name) -> Option<Change> {
        Some(change(&name, false))
    }
}

fn change((cluster, id): &(ClusterName, InstanceId), is_other: bool) -> Change {
    Change::Instance {
        cluster: cluster.clone(),
        id: *id,
        is_other,
    }
}
