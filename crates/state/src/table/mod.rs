//! Typed tables over the keyspace: one file for each noun says its key and what else its table
//! needs, and [`list`] names all of them once.
//!
//! A record is `format byte, CRC-32C of the body (4 bytes, big endian), body as JSON`. The format
//! number is bumped when a body of the new form cannot be read by the old code. A record that does
//! not decode is quarantined by the [view](crate::view), never guessed at.

mod account_setting;
mod client_token;
mod cluster;
mod family;
mod installation;
mod instance;
mod join_token;
pub mod list;
mod replica;
mod service;
mod task;
mod task_definition;

use std::collections::BTreeMap;
use std::str::FromStr;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::change::Change;
use crate::key::Key;
use crate::view::{Stored, View};

pub use account_setting::AccountSetting;
pub use client_token::ClientToken;
pub use family::FamilyCounter;
pub use installation::Installation;
pub use join_token::JoinToken;
pub use task::task_change;

/// The format this build writes. In format 1 what is empty was written down too.
pub const RECORD_FORMAT: u8 = 2;

/// The oldest format it reads.
const OLDEST_FORMAT: u8 = 1;

const HEADER_BYTES: usize = 5;

/// Most bodies are shorter.
const USUAL_BODY_BYTES: usize = 2048;

/// A noun that is stored.
pub trait Record: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {
    /// First part of its keys.
    const TABLE: &'static str;

    /// The rest of its key, parts separated by `/`.
    fn name(&self) -> String;

    /// Its whole key.
    fn key(&self) -> Key {
        key::<Self>(&self.name())
    }
}

/// A record as the view keeps it: by what it is found, and what is announced of it.
pub trait Noun: Record {
    /// What the view finds it by.
    type Name: Ord;

    /// Its own. Parts that other records have as well are those of the view, so that they share
    /// their text.
    fn name_in(&self, view: &View) -> Self::Name;

    /// Reads the part of a key after the table.
    fn parse_name(text: &str) -> Option<Self::Name>;

    /// What is announced when it was written. `before` is what stood there; `is_intact` says that
    /// no record of the view is set aside.
    fn change(
        name: &Self::Name,
        before: Option<&Stored<Self>>,
        after: &Stored<Self>,
        is_intact: bool,
    ) -> Option<Change> {
        let _ = (name, before, after, is_intact);
        None
    }

    /// What is announced when it was removed.
    fn removed(name: &Self::Name, before: &Stored<Self>) -> Option<Change> {
        let _ = (name, before);
        None
    }

    /// What is announced when it does not decode.
    fn damaged(name: Self::Name) -> Option<Change> {
        let _ = name;
        None
    }
}

/// Where the view keeps the records of one table.
pub trait Shelf<R: Noun> {
    /// The record.
    fn get(&self, name: &R::Name) -> Option<&Stored<R>>;

    /// Takes over a record that is new or has changed. Returns it as it was.
    fn put(&mut self, name: &R::Name, record: Stored<R>) -> Option<Stored<R>>;

    /// Forgets a record. Returns it as it was.
    fn remove(&mut self, name: &R::Name) -> Option<Stored<R>>;

    /// How many records there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds what would be announced if everything here were gone.
    fn announce(&self, changes: &mut Vec<Change>);
}

impl<R: Noun<Name: Clone>> Shelf<R> for BTreeMap<R::Name, Stored<R>> {
    fn get(&self, name: &R::Name) -> Option<&Stored<R>> {
        self.get(name)
    }

    fn put(&mut self, name: &R::Name, record: Stored<R>) -> Option<Stored<R>> {
        self.insert(name.clone(), record)
    }

    fn remove(&mut self, name: &R::Name) -> Option<Stored<R>> {
        self.remove(name)
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn announce(&self, changes: &mut Vec<Change>) {
        changes.extend(
            self.iter()
                .filter_map(|(name, record)| R::removed(name, record)),
        );
    }
}

/// A table with one record.
impl<R: Noun<Name = ()>> Shelf<R> for Option<Stored<R>> {
    fn get(&self, (): &()) -> Option<&Stored<R>> {
        self.as_ref()
    }

    fn put(&mut self, (): &(), record: Stored<R>) -> Option<Stored<R>> {
        self.replace(record)
    }

    fn remove(&mut self, (): &()) -> Option<Stored<R>> {
        self.take()
    }

    fn len(&self) -> usize {
        self.iter().count()
    }

    fn announce(&self, changes: &mut Vec<Change>) {
        changes.extend(self.iter().filter_map(|record| R::removed(&(), record)));
    }
}

/// `A/B`, the two parts of a name.
fn parse_pair<A: FromStr, B: FromStr>(text: &str) -> Option<(A, B)> {
    let (a, b) = text.split_once('/')?;
    Some((a.parse().ok()?, b.parse().ok()?))
}

/// The key of a record with this name. Names are validated nouns, so every key is legal.
pub fn key<R: Record>(name: &str) -> Key {
    Key::new(format!("{}/{name}", R::TABLE)).expect("names of nouns are legal in keys")
}

/// The prefix of all keys of a table.
pub fn prefix<R: Record>() -> String {
    format!("{}/", R::TABLE)
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its header.
    #[error("the record is {0} bytes long, less than its header of 5")]
    Truncated(usize),
    /// Written by another Longshore.
    #[error(
        "the record has format {0}; this build reads up to {RECORD_FORMAT}: use the version that wrote it"
    )]
    Format(u8),
    /// The body is not what was written.
    #[error(
        "the checksum is {found:08x}, expected {expected:08x}: the record is damaged; restore it from a backup"
    )]
    Checksum {
        /// Of the body as read.
        found: u32,
        /// As written.
        expected: u32,
    },
    /// The record is whole but stands where another belongs.
    #[error("the record is {0}, under the key of another; restore it from a backup")]
    Misplaced(String),
    /// The body is intact but not a record of this table.
    #[error("the body does not decode")]
    Body(#[source] serde_json::Error),
}

/// A record as it is stored.
///
/// # Errors
/// Only if a noun cannot be written as JSON, which no noun of ours does.
pub fn encode<R: Record>(record: &R) -> Result<Bytes, serde_json::Error> {
    // The bytes are kept for long, so they are as many as are needed, which shows at the end.
    let mut body = Vec::with_capacity(USUAL_BODY_BYTES);
    serde_json::to_writer(&mut body, record)?;
    let mut bytes = BytesMut::with_capacity(HEADER_BYTES + body.len());
    bytes.put_u8(RECORD_FORMAT);
    bytes.put_u32(crc32c::crc32c(&body));
    bytes.put_slice(&body);
    Ok(bytes.freeze())
}

/// Reads a record.
///
/// # Errors
/// [`DecodeError`] says what is wrong with the bytes.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, DecodeError> {
    let Some((&[format, a, b, c, d], body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(DecodeError::Truncated(bytes.len()));
    };
    if !(OLDEST_FORMAT..=RECORD_FORMAT).contains(&format) {
        return Err(DecodeError::Format(format));
    }
    let (expected, found) = (u32::from_be_bytes([a, b, c, d]), crc32c::crc32c(body));
    if expected != found {
        return Err(DecodeError::Checksum { found, expected });
    }
    serde_json::from_slice(body).map_err(DecodeError::Body)
}

/// Reads the record that stands at `key`.
///
/// # Errors
/// [`DecodeError`]; [`DecodeError::Misplaced`] if it is not the record that the key names, since
/// whoever finds it by what it says would guard and write another key.
pub fn decode_at<R: Record>(key: &Key, bytes: &[u8]) -> Result<R, DecodeError> {
    let record: R = decode(bytes)?;
    let name = record.name();
    let rest = key.as_str().strip_prefix(R::TABLE);
    if rest.and_then(|rest| rest.strip_prefix('/')) == Some(name.as_str()) {
        Ok(record)
    } else {
        Err(DecodeError::Misplaced(format!("{}/{name}", R::TABLE)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use longshore_model::instance::Resources;
    use longshore_model::task::{
        Container, ContainerOverride, DesiredStatus, Overrides, ServiceTask, StopCode, Task,
        TaskStatus,
    };
    use longshore_model::task_definition::NetworkMode;
    use longshore_model::unit::{CpuUnits, Mib};
    use longshore_model::{ClusterName, DeploymentId, InstanceId, TaskId, Timestamp};
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    fn counter() -> FamilyCounter {
        FamilyCounter {
            family: "web".parse().unwrap(),
            newest: 7,
        }
    }

    #[test]
    fn what_is_encoded_decodes() {
        let bytes = encode(&counter()).unwrap();
        assert_eq!(decode::<FamilyCounter>(&bytes).unwrap(), counter());
        assert_eq!(counter().key().as_str(), "family/web");
    }

    proptest! {
        /// The view takes a record as it was before it was encoded, so nothing may be lost.
        #[test]
        fn a_task_decodes_to_what_was_encoded(
            texts in proptest::collection::vec(".{0,12}", 6),
            numbers in proptest::array::uniform4(proptest::option::of(0_u32..9)),
            times in proptest::array::uniform4(proptest::option::of(0_i64..i64::MAX)),
            codes in proptest::option::of(-1_i32..200),
            tags in proptest::collection::btree_map(".{0,8}", ".{0,8}", 0..3),
            accounted in proptest::bool::ANY,
            id in proptest::num::u128::ANY,
        ) {
            let text = |at: usize| (!texts[at].is_empty()).then(|| texts[at].clone());
            let time = |at: usize| times[at].map(Timestamp::from_millis);
            let task = Task {
                id: TaskId::new(id),
                cluster: ClusterName::default_cluster(),
                instance: InstanceId::new(!id),
                family: "web".parse().unwrap(),
                revision: 1,
                network_mode: NetworkMode::Bridge,
                demand: Resources {
                    gpus: tags.keys().cloned().collect(),
                    ..Resources::default()
                },
                cpu: numbers[0].map(CpuUnits),
                memory: numbers[1].map(Mib),
                group: texts[0].clone(),
                started_by: text(1),
                service: text(1).map(|_| ServiceTask {
                    name: "web".parse().unwrap(),
                    deployment: DeploymentId::new(7),
                }),
                launch_type: texts[2].clone(),
                overrides: Overrides {
                    cpu: numbers[2].map(CpuUnits),
                    memory: None,
                    containers: text(3)
                        .map(|text| ContainerOverride {
                            name: text.clone(),
                            command: Some(vec![text]),
                            environment: tags.clone(),
                            memory: numbers[3].map(Mib),
                            ..ContainerOverride::default()
                        })
                        .into_iter()
                        .collect(),
                },
                desired_status: DesiredStatus::Running,
                last_status: TaskStatus::Stopping,
                containers: vec![Container {
                    name: texts[4].clone(),
                    image_digest: text(4),
                    runtime_id: text(5),
                    exit_code: codes,
                    reason: text(0),
                    memory: numbers[0].map(Mib),
                    ..Container::default()
                }],
                created_at: Timestamp::from_millis(id as i64),
                pull_started_at: time(0),
                pull_stopped_at: time(1),
                started_at: time(2),
                stopping_at: time(3),
                execution_stopped_at: None,
                stopped_at: time(0),
                stop_code: codes.map(|_| StopCode::UserInitiated),
                stopped_reason: text(5),
                version: id as u64,
                tags,
                accounted,
            };
            let bytes = encode(&task).unwrap();
            prop_assert_eq!(decode::<Task>(&bytes).unwrap(), task);
        }
    }

    #[test]
    fn a_record_of_format_1_decodes() {
        let longest = br#"{"id":"00000000000000000000000000000001","cluster":"default","instance":"00000000000000000000000000000002","family":"web","revision":1,"network_mode":"bridge","demand":{"cpu":10,"memory":16,"tcp_ports":[],"udp_ports":[],"network_interfaces":0,"gpus":[]},"group":"family:web","launch_type":"EC2","overrides":{"containers":[]},"desired_status":"RUNNING","last_status":"PENDING","containers":[{"name":"web","image":"web","last_status":"PENDING","network_bindings":[],"cpu":10,"memory":16}],"created_at":5,"version":1,"tags":{},"accounted":false}"#;
        let mut stored = vec![1];
        stored.extend(crc32c::crc32c(longest).to_be_bytes());
        stored.extend(longest);
        let task = decode::<Task>(&stored).unwrap();
        assert_eq!(task.demand.cpu, CpuUnits(10));
        let again = encode(&task).unwrap();
        assert_eq!(again[0], RECORD_FORMAT);
        assert!(again.len() < stored.len() * 3 / 4, "{} bytes", again.len());
        assert_eq!(decode::<Task>(&again).unwrap(), task);
        stored[0] = RECORD_FORMAT + 1;
        let error = decode::<Task>(&stored).unwrap_err();
        assert!(matches!(error, DecodeError::Format(3)), "{error}");
    }

    #[test]
    fn a_record_with_members_that_are_null_decodes() {
        let with = br#"{"name":"a","image":"b","image_digest":null,"last_status":"PENDING","runtime_id":null,"exit_code":null,"reason":null,"network_bindings":[],"cpu":0,"memory":null,"memory_reservation":null}"#;
        let without = serde_json::to_vec(&Container {
            name: "a".to_owned(),
            image: "b".to_owned(),
            ..Container::default()
        });
        let without = without.unwrap();
        assert!(without.len() < with.len());
        assert_eq!(
            serde_json::from_slice::<Container>(with).unwrap(),
            serde_json::from_slice::<Container>(&without).unwrap()
        );
    }

    #[test]
    fn a_record_belongs_to_one_key() {
        let bytes = encode(&counter()).unwrap();
        for (text, fits) in [
            ("family/web", true),
            ("family/wec", false),
            ("family/web/1", false),
            ("familyweb", false),
            ("cluster/web", false),
        ] {
            let read = decode_at::<FamilyCounter>(&Key::new(text).unwrap(), &bytes);
            match read {
                Ok(read) => assert!(fits && read == counter(), "{text}"),
                Err(error) => assert!(
                    !fits && error.to_string().contains("the record is family/web"),
                    "{text}: {error}"
                ),
            }
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let bytes = encode(&counter()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<FamilyCounter>(&damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(
                decode::<FamilyCounter>(&bytes[..length]).is_err(),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn the_longest_names_fit_in_a_key() {
        let name = "n".repeat(longshore_model::name::MAX_NAME_LENGTH);
        let cluster = name.parse().unwrap();
        let token = "t".repeat(64);
        assert!(ClientToken::record_name("CreateService", &cluster, &token).len() < 1000);
        let longest = format!("{name}/{name}");
        assert_eq!(
            key::<longshore_model::service::Service>(&longest)
                .as_str()
                .len(),
            8 + longest.len()
        );
    }
}
