//! Records of the store. The input is one line with the name of a table, then the body of a
//! record: JSON, which gets a format byte and a checksum here, since no fuzzer finds those.

use std::fmt::Debug;

use bytes::Bytes;
use longshore_model::cluster::Cluster;
use longshore_model::instance::Instance;
use longshore_model::service::Service;
use longshore_model::task::Task;
use longshore_model::task_definition::TaskDefinition;
use longshore_store::table::{self, ClientToken, FamilyCounter, JoinToken, RECORD_FORMAT, Record};
use longshore_store::{Entry, Event, Key, View};

use crate::fixture;
use crate::input::split_line;

/// Reads a record as the view does.
pub fn run(data: &[u8]) {
    let (name, body) = split_line(data);
    // As it is: what damage leaves.
    let _ = table::decode::<Task>(data);
    match name {
        b"cluster" => read::<Cluster>(body),
        b"instance" => read::<Instance>(body),
        b"service" => read::<Service>(body),
        b"task" => read::<Task>(body),
        b"task-definition" => read::<TaskDefinition>(body),
        b"family" => read::<FamilyCounter>(body),
        b"client-token" => read::<ClientToken>(body),
        _ => read::<JoinToken>(body),
    }
}

fn read<R: Record + PartialEq + Debug>(body: &[u8]) {
    let stored = frame(body);
    let Ok(record) = table::decode::<R>(&stored) else {
        return;
    };
    let encoded = table::encode(&record).expect("a record can be written");
    let again = table::decode::<R>(&encoded).expect("what was written can be read");
    assert_eq!(again, record);
    assert_eq!(table::encode(&again).ok(), Some(encoded));
    let key = Key::new(format!("{}/{}", R::TABLE, record.name()));
    if let Ok(key) = &key {
        assert_eq!(record.key(), *key);
        assert!(is_taken(key.clone(), &stored), "{key} is set aside");
    }
    let other = Key::new(format!("{}/another", R::TABLE)).expect("it is a key");
    if key.as_ref() != Ok(&other) {
        assert!(
            !is_taken(other, &stored),
            "{record:?} is taken under another key"
        );
    }
}

/// A record with this body, as the store holds it.
pub fn frame(body: &[u8]) -> Bytes {
    let mut stored = vec![RECORD_FORMAT];
    stored.extend(crc32c::crc32c(body).to_be_bytes());
    stored.extend(body);
    stored.into()
}

/// Whether a view takes part in the record, and forgets it when it is deleted.
fn is_taken(key: Key, value: &Bytes) -> bool {
    let mut view = View::default();
    let entry = Entry {
        key: key.clone(),
        value: value.clone(),
        revision: 1,
    };
    view.apply(&Event::Put(entry), 1);
    let is_taken = view.quarantined.is_empty();
    view.apply(&Event::Deleted { key }, 2);
    assert!(view.quarantined.is_empty());
    let left = view.clusters.len()
        + view.instances.len()
        + view.services.len()
        + view.tasks.len()
        + view.task_definitions.len()
        + view.families.len()
        + view.client_tokens.len()
        + view.join_tokens.len();
    assert_eq!(left, 0, "a deleted record is left behind");
    is_taken
}

/// The task of the small installation.
pub(crate) fn task() -> Task {
    let records = fixture::records();
    let task = records
        .iter()
        .find(|entry| entry.key.as_str().starts_with("task/"));
    let task = task.expect("the installation has a task");
    table::decode(&task.value).expect("its record can be read")
}
