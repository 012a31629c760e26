//! All nouns that are stored, named once.
//!
//! From this list come the view's fields, its decoding and deleting, [`AnyRecord`], and [`TABLES`],
//! which the checks of a whole store, the fuzz targets and the test population go through. A noun is its type
//! in `model` (or in its file here), a file of this folder, and a line below.

use std::collections::BTreeMap;

use bytes::Bytes;
use longshore_model::cluster::Cluster;
use longshore_model::instance::Instance;
use longshore_model::replica::Replica;
use longshore_model::service::Service;
use longshore_model::task::Task;
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{ClusterName, Family, InstanceId, ReplicaId, ServiceName};

use super::{
    AccountSetting, ClientToken, DecodeError, FamilyCounter, Installation, JoinToken, Noun, Record,
    Shelf, decode, decode_at, encode,
};
use crate::change::Change;
use crate::change_log::ChangeLog;
use crate::commit::Revision;
use crate::key::Key;
use crate::tasks::Tasks;
use crate::txn::{self, Txn};
use crate::view::{SetAside, Stored};

/// A record with its own key, or why the bytes are none.
pub type Rewritten = Result<(Key, Bytes), DecodeError>;

/// What whoever goes through a whole store knows of a table.
#[derive(Debug, Clone, Copy)]
pub struct TableInfo {
    /// First part of its keys.
    pub name: &'static str,
    /// Whether its records outlive the processes that write them.
    pub is_lasting: bool,
    /// Whether these bytes are a record of this table, and the one that the key names.
    pub check: fn(&Key, &[u8]) -> Result<(), DecodeError>,
    /// Reads a record, whatever its key, and writes it again.
    pub rewrite: fn(&[u8]) -> Rewritten,
}

impl TableInfo {
    /// The table that a key belongs to; `None` if this version has none of that name.
    pub fn of(key: &Key) -> Option<&'static Self> {
        let (name, _) = key.as_str().split_once('/')?;
        TABLES.iter().find(|table| table.name == name)
    }
}

const LASTING: bool = true;
/// Ends with the process that wrote it.
const OF_A_PROCESS: bool = false;

macro_rules! tables {
    ($($(#[$doc:meta])* $field:ident: $noun:ident => $shelf:ty, $lasting:expr;)*) => {
        /// The state at one revision.
        #[derive(Debug, Default)]
        pub struct View {
            /// Everything up to this revision is in it.
            pub revision: Revision,
            $($(#[$doc])* pub $field: $shelf,)*
            /// Records that did not decode, and why. They take part in nothing; the log and the
            /// health endpoint report them.
            pub quarantined: BTreeMap<Key, String>,
            /// What changed last.
            pub changes: ChangeLog,
            /// What was set aside and not told to the log yet.
            pub(crate) set_aside: Vec<SetAside>,
        }

        /// All tables.
        pub const TABLES: &[TableInfo] = &[$(TableInfo {
            name: <$noun>::TABLE,
            is_lasting: $lasting,
            check: |key, value| decode_at::<$noun>(key, value).map(drop),
            rewrite: |value| {
                let record = decode::<$noun>(value)?;
                let name = Record::name(&record);
                let key = Key::new(format!("{}/{name}", <$noun>::TABLE));
                let key = key.map_err(|error| DecodeError::Misplaced(error.to_string()))?;
                Ok((key, encode(&record).map_err(DecodeError::Body)?))
            },
        }),*];

        /// A record of any table.
        #[derive(Debug, Clone, PartialEq)]
        pub enum AnyRecord {
            $($(#[$doc])* $noun(Box<$noun>),)*
        }

        impl AnyRecord {
            /// Its key.
            pub fn key(&self) -> Key {
                match self {
                    $(Self::$noun(record) => record.key(),)*
                }
            }

            /// Writes it in place of what was read at that revision; `None`: of nothing.
            pub fn write(self, txn: &mut Txn, read_at: Option<Revision>) {
                match self {
                    $(Self::$noun(record) => txn.put_at(*record, read_at),)*
                }
            }
        }

        $(impl From<$noun> for AnyRecord {
            fn from(record: $noun) -> Self {
                Self::$noun(Box::new(record))
            }
        })*

        impl View {
            /// At which revision the record with this key was written; `None` if the view has
            /// none.
            pub fn stored_at(&self, key: &Key) -> Option<Revision> {
                let (table, name) = key.as_str().split_once('/')?;
                match table {
                    $(<$noun>::TABLE => {
                        let name = <$noun as Noun>::parse_name(name)?;
                        let record = <$shelf as Shelf<$noun>>::get(&self.$field, &name);
                        record.map(|record| record.stored_at)
                    })*
                    _ => None,
                }
            }

            /// Puts a record of this table on its shelf. A table that this version does not have
            /// is left alone.
            pub(crate) fn decode_and_put(
                &mut self,
                table: &str,
                key: &Key,
                value: &[u8],
                revision: Revision,
                noun: Option<txn::Noun>,
            ) -> Result<Option<Change>, DecodeError> {
                match table {
                    $(<$noun>::TABLE => self.put_record::<$noun>(
                        |view| &mut view.$field, key, value, revision, noun,
                    ),)*
                    _ => Ok(None),
                }
            }

            /// Takes a record off its shelf.
            pub(crate) fn delete(&mut self, table: &str, name: &str) -> Option<Change> {
                match table {
                    $(<$noun>::TABLE => {
                        let name = <$noun as Noun>::parse_name(name)?;
                        let shelf: &mut dyn Shelf<$noun> = &mut self.$field;
                        let before = shelf.remove(&name)?;
                        <$noun as Noun>::removed(&name, &before)
                    })*
                    _ => None,
                }
            }

            /// How many records there are, those that are set aside left out.
            pub fn count(&self) -> usize {
                0 $(+ <$shelf as Shelf<$noun>>::len(&self.$field))*
            }

            /// Every change that a view could announce.
            pub fn everything(&self) -> Vec<Change> {
                let mut changes = Vec::new();
                $(<$shelf as Shelf<$noun>>::announce(&self.$field, &mut changes);)*
                changes
            }

            /// What is announced of a record that does not decode.
            pub(crate) fn damaged(table: &str, name: &str) -> Option<Change> {
                match table {
                    $(<$noun>::TABLE => <$noun as Noun>::damaged(<$noun as Noun>::parse_name(name)?),)*
                    _ => None,
                }
            }
        }
    };
}

tables! {
    /// By name.
    clusters: Cluster => BTreeMap<ClusterName, Stored<Cluster>>, LASTING;
    /// By cluster and id.
    instances: Instance => BTreeMap<(ClusterName, InstanceId), Stored<Instance>>, LASTING;
    /// By family.
    families: FamilyCounter => BTreeMap<Family, Stored<FamilyCounter>>, LASTING;
    /// By family and revision.
    task_definitions: TaskDefinition => BTreeMap<(Family, u32), Stored<TaskDefinition>>, LASTING;
    /// By cluster and name.
    services: Service => BTreeMap<(ClusterName, ServiceName), Stored<Service>>, LASTING;
    /// By cluster and id, STOPPED ones included until they are reaped.
    tasks: Task => Tasks, LASTING;
    /// By record name.
    client_tokens: ClientToken => BTreeMap<String, Stored<ClientToken>>, LASTING;
    /// By id.
    join_tokens: JoinToken => BTreeMap<String, Stored<JoinToken>>, LASTING;
    /// The control planes that live, by id.
    replicas: Replica => BTreeMap<ReplicaId, Stored<Replica>>, OF_A_PROCESS;
    /// What they have in common.
    installation: Installation => Option<Stored<Installation>>, LASTING;
    /// By record name.
    account_settings: AccountSetting => BTreeMap<String, Stored<AccountSetting>>, LASTING;
}
