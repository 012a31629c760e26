//! Records, and a view of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use longshore_model::instance::{Connection, Incarnation, Instance, InstanceStatus, Resources};
use longshore_model::plan::{Ctx, Plan};
use longshore_model::recorded::Recorded;
use longshore_model::task::{NewTask, Overrides, ServiceTask, Task};
use longshore_model::task_definition::{TaskDefinition, TaskDefinitionStatus};
use longshore_model::{ClusterName, DeploymentId, InstanceId, ReplicaId, TaskId, Timestamp};
use longshore_reconcile::{Action, Key, Pace, Scope, Times};
use longshore_scheduler::Index;
use longshore_state::table::{self, Record};
use longshore_state::{Change, Entry, Event, View};

/// The instance of [`instance`] and [`task`].
pub(crate) const NODE: InstanceId = InstanceId::new(2);

/// A view that records are written into.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) view: View,
}

impl World {
    /// Writes a record. Returns what is announced.
    pub(crate) fn put<R: Record>(&mut self, record: &R) -> Option<Change> {
        self.write(record, table::encode(record).unwrap())
    }

    /// Writes something in its place that does not decode.
    pub(crate) fn damage<R: Record>(&mut self, record: &R) {
        self.write(record, Bytes::from_static(b"\x01????{}"));
    }

    fn write<R: Record>(&mut self, record: &R, value: Bytes) -> Option<Change> {
        let revision = self.view.revision + 1;
        let entry = Entry {
            key: record.key(),
            value,
            revision,
        };
        self.view.apply(&Event::Put(entry), revision)
    }

    /// Takes a record out. Returns what is announced.
    pub(crate) fn remove<R: Record>(&mut self, record: &R) -> Option<Change> {
        let key = record.key();
        self.view
            .apply(&Event::Deleted { key }, self.view.revision + 1)
    }

    /// Decides at this time about a key that has waited for so long.
    pub(crate) fn decide(
        &self,
        key: &Key,
        at: Timestamp,
        waited: Duration,
    ) -> Option<Plan<Action>> {
        let mut nowhere = Index::default();
        let mut scope = Scope {
            ctx: &mut Ctx::new(at, 1),
            times: Times::default(),
            most_changes: 100,
            waited,
            attempt: &mut nowhere.attempt(),
        };
        key.decide(&self.view, &mut scope)
    }

    /// Whom a change wakes, in order.
    pub(crate) fn woken(&self, change: &Change) -> Vec<(Key, Pace)> {
        let mut woken = Vec::new();
        Key::wakes(change, &self.view, &mut |key, pace| woken.push((key, pace)));
        woken
    }
}

/// A container instance of the default cluster whose agent is connected through a control plane.
pub(crate) fn instance(replica: Option<ReplicaId>) -> Instance {
    Instance {
        id: NODE,
        cluster: ClusterName::default_cluster(),
        status: InstanceStatus::Active,
        status_reason: None,
        registered: Resources::default(),
        attributes: BTreeMap::new(),
        custom_attributes: BTreeMap::new(),
        hostname: String::new(),
        agent_version: String::new(),
        agent_hash: None,
        docker_version: String::new(),
        incarnation: Incarnation {
            boot_id: "boot".to_owned(),
            agent_started_at: Timestamp::default(),
        },
        connection: Connection::Connected(Timestamp::default()),
        replica,
        registered_at: Timestamp::default(),
        version: 1,
        tags: BTreeMap::new(),
    }
}

/// A PENDING task of the service `web`.
pub(crate) fn task() -> Task {
    let definition = TaskDefinition {
        family: "web".parse().unwrap(),
        revision: 1,
        status: TaskDefinitionStatus::Active,
        network_mode: None,
        cpu: None,
        memory: None,
        containers: Vec::new(),
        requires_compatibilities: BTreeSet::new(),
        requires_attributes: BTreeSet::new(),
        placement_constraints: Vec::new(),
        registered_at: Timestamp::default(),
        registered_by: String::new(),
        deregistered_at: None,
        tags: BTreeMap::new(),
        recorded: Recorded::default(),
    };
    let new = NewTask {
        id: TaskId::new(1),
        instance: NODE,
        cluster: ClusterName::default_cluster(),
        group: "service:web".to_owned(),
        started_by: None,
        service: Some(ServiceTask {
            name: "web".parse().unwrap(),
            deployment: DeploymentId::new(1),
        }),
        launch_type: "EC2".to_owned(),
        overrides: Overrides::default(),
        tags: BTreeMap::new(),
    };
    Task::new(new, &definition, Timestamp::default())
}
