//! Records for unit tests.

use std::collections::BTreeMap;

use bytes::Bytes;
use longshore_model::instance::{Connection, Incarnation, Instance, InstanceStatus, Resources};
use longshore_model::replica::Replica;
use longshore_model::{ClusterName, InstanceId, ReplicaId, Timestamp};
use longshore_store::table::{self, Record};
use longshore_store::{Entry, Event, View};

/// Writes a record into a view.
pub(crate) fn put<R: Record>(view: &mut View, record: &R) {
    write(view, record, table::encode(record).unwrap());
}

/// Writes something in its place that does not decode.
pub(crate) fn damage<R: Record>(view: &mut View, record: &R) {
    write(view, record, Bytes::from_static(b"\x01????{}"));
}

fn write<R: Record>(view: &mut View, record: &R, value: Bytes) {
    let revision = view.revision + 1;
    let entry = Entry {
        key: record.key(),
        value,
        revision,
    };
    view.apply(&Event::Put(entry), revision);
}

/// Takes a record out of a view.
pub(crate) fn remove<R: Record>(view: &mut View, record: &R) {
    let key = record.key();
    view.apply(&Event::Deleted { key }, view.revision + 1);
}

/// A control plane.
pub(crate) fn replica(id: ReplicaId) -> Replica {
    Replica {
        id,
        people: None,
        agents: None,
        started_at: Timestamp::default(),
    }
}

/// A container instance of the default cluster.
pub(crate) fn instance(id: InstanceId, connection: Connection) -> Instance {
    Instance {
        id,
        cluster: ClusterName::default_cluster(),
        status: InstanceStatus::Active,
        status_reason: None,
        registered: Resources::default(),
        attributes: BTreeMap::new(),
        custom_attributes: BTreeMap::new(),
        hostname: String::new(),
        agent_version: String::new(),
        docker_version: String::new(),
        incarnation: Incarnation {
            boot_id: "boot".to_owned(),
            agent_started_at: Timestamp::default(),
        },
        connection,
        replica: None,
        registered_at: Timestamp::default(),
        version: 1,
        tags: BTreeMap::new(),
    }
}
