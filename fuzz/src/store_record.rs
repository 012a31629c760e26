//! Records of the store. The input is one line with the name of a table, then the body of a
//! record: JSON, which gets a format byte and a checksum here, since no fuzzer finds those.

use bytes::Bytes;
use longshore_model::task::Task;
use longshore_store::table::list::{TABLES, TableInfo};
use longshore_store::table::{self as records, RECORD_FORMAT};
use longshore_store::{Entry, Event, Key, View};

use crate::fixture;
use crate::input::split_line;

/// Reads a record as the view does.
pub fn run(data: &[u8]) {
    let (name, body) = split_line(data);
    // As it is: what damage leaves.
    let _ = records::decode::<Task>(data);
    let named = TABLES.iter().find(|table| table.name.as_bytes() == name);
    read(named.unwrap_or(&TABLES[0]), body);
}

fn read(table: &TableInfo, body: &[u8]) {
    let stored = frame(body);
    let Ok((key, encoded)) = (table.rewrite)(&stored) else {
        return;
    };
    let again = (table.rewrite)(&encoded).expect("what was written can be read");
    assert_eq!(again, (key.clone(), encoded));
    assert!(is_taken(key.clone(), &stored), "{key} is set aside");
    let other = Key::new(format!("{}/another", table.name)).expect("it is a key");
    if key != other {
        assert!(
            !is_taken(other, &stored),
            "{key} is taken under another key"
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
    assert_eq!(view.count(), 0, "a deleted record is left behind");
    is_taken
}

/// The task of the small installation.
pub(crate) fn task() -> Task {
    let records = fixture::records();
    let task = records
        .iter()
        .find(|entry| entry.key.as_str().starts_with("task/"));
    let task = task.expect("the installation has a task");
    records::decode(&task.value).expect("its record can be read")
}
