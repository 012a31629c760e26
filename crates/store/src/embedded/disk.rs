//! What the base file holds, and how it is read and written.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `format`, `revision`, `log`, `segment` | a number |
//! | `entries` | the key's text | the revision that put it, the value |
//!
//! `log` is the salt of the log whose commits follow the revision, and `segment` the length of its
//! segments; [`NO_LOG`] in a store that was closed, which is whole without a log.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;
use redb::{
    Builder, Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    TableDefinition, TableError,
};

use crate::contract::{Entry, Revision};
use crate::index::Index;
use longshore_state::Key;

use super::layers::Changes;
use super::medium::{Lent, Medium};
use super::probe::Soundness;
use super::{CACHE_BYTES, FORMAT, OpenError};

/// Kept in every format, so that each version can tell a later one.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const ENTRIES: TableDefinition<'_, &str, (Revision, &[u8])> = TableDefinition::new("entries");
pub(super) const FORMAT_RECORD: &str = "format";
const REVISION_RECORD: &str = "revision";
const LOG_RECORD: &str = "log";
const SEGMENT_RECORD: &str = "segment";

/// In place of the salt where there is no log to read.
pub(super) const NO_LOG: u64 = 0;

/// No log.
pub(super) const CLOSED: LogMeta = LogMeta {
    salt: NO_LOG,
    segment: 0,
};

/// Format 1 had no log, and differs in nothing else. A store of it becomes one of [`FORMAT`] when
/// it is opened.
const FORMAT_WITHOUT_LOG: u64 = 1;

/// What the file says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// None in a file that is not ours.
    format: Option<u64>,
    pub(super) revision: Revision,
    pub(super) log: LogMeta,
}

/// Which log belongs to the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LogMeta {
    /// What its records are salted with; [`NO_LOG`] if there is none.
    pub(super) salt: u64,
    /// The length of its segments in bytes.
    pub(super) segment: u64,
}

impl Meta {
    /// Reads the records; they are all missing in a database that is not ours.
    pub(super) fn of(database: &Database) -> Result<Meta, redb::Error> {
        let meta = match database.begin_read()?.open_table(META) {
            Ok(meta) => meta,
            Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => {
                return Ok(Meta::default());
            }
            Err(error) => return Err(error.into()),
        };
        let number = |name| meta.get(name).map(|found| found.map(|guard| guard.value()));
        Ok(Meta {
            format: number(FORMAT_RECORD)?,
            revision: number(REVISION_RECORD)?.unwrap_or(0),
            log: LogMeta {
                salt: number(LOG_RECORD)?.unwrap_or(NO_LOG),
                segment: number(SEGMENT_RECORD)?.unwrap_or(0),
            },
        })
    }

    /// Refuses a file that this version cannot read.
    pub(super) fn check(self, directory: &Path) -> Result<(), OpenError> {
        let directory = directory.to_owned();
        match self.format {
            Some(FORMAT_WITHOUT_LOG | FORMAT) => Ok(()),
            Some(found) if found > FORMAT => Err(OpenError::NewerFormat { directory, found }),
            Some(_) | None => Err(OpenError::NotAStore { directory }),
        }
    }
}

/// The open base file.
///
/// The database checks what it reads, but damage to the file that it does not foresee makes it
/// panic, in any call and when it is closed. Every use of it here turns that into an error.
#[derive(Debug)]
pub(super) struct Disk {
    /// Taken on drop.
    database: Option<Database>,
}

impl Disk {
    /// Makes `file` an empty store and closes it.
    pub(super) fn create(file: Medium, directory: &Path) -> Result<(), OpenError> {
        let create = || {
            let database = builder().create_with_backend(Lent(file))?;
            initialize(&database)
        };
        guarded(create).map_err(opening(directory))
    }

    fn database(&self) -> Result<&Database, redb::Error> {
        self.database.as_ref().ok_or(redb::Error::DatabaseClosed)
    }

    /// Opens `file`, which must hold a store.
    pub(super) fn open(
        file: Medium,
        soundness: Soundness,
        directory: &Path,
    ) -> Result<Disk, OpenError> {
        let open = || {
            let mut database = builder().create_with_backend(Lent(file))?;
            if soundness == Soundness::Untidy {
                tracing::warn!(
                    directory = %directory.display(),
                    "the list of free pages was wrong and is made anew; no record is lost"
                );
                database.check_integrity()?;
            }
            Ok(Disk {
                database: Some(database),
            })
        };
        guarded(open).map_err(opening(directory))
    }

    /// Checks the format and reads where every key stands.
    pub(super) fn load(&self, directory: &Path) -> Result<(Meta, Index), OpenError> {
        let loaded = catch_unwind(AssertUnwindSafe(|| self.read_index(directory)));
        loaded.unwrap_or_else(|_| Err(opening(directory)(panicked())))
    }

    fn read_index(&self, directory: &Path) -> Result<(Meta, Index), OpenError> {
        let database = self.database().map_err(opening(directory))?;
        let meta = Meta::of(database).map_err(opening(directory))?;
        meta.check(directory)?;
        let read = database.begin_read().map_err(opening(directory))?;
        let entries = read.open_table(ENTRIES).map_err(opening(directory))?;
        let mut index = Index::default();
        let mut before = Key::lowest();
        for item in entries.iter().map_err(opening(directory))? {
            let (key, value) = item.map_err(opening(directory))?;
            let key = Key::new(key.value()).map_err(|source| OpenError::Key {
                directory: directory.to_owned(),
                source,
            })?;
            let written = value.value().0;
            if key <= before || written > meta.revision {
                let fault = format!(
                    "entry {key} of revision {written} after {before}, in a store of revision {}",
                    meta.revision
                );
                return Err(opening(directory)(redb::Error::Corrupted(fault)));
            }
            before = key.clone();
            index.put(key, written);
        }
        Ok((meta, index))
    }

    /// The file as it is now, and stays for this reader.
    pub(super) fn read(&self) -> Result<Reading, redb::Error> {
        guarded(|| Ok(Reading(self.database()?.begin_read()?)))
    }

    /// Makes the changes durable, all or none, with one fsync, and `revision` and the log that goes
    /// on from it with them. After an error it is unknown whether they are on disk.
    pub(super) fn write(
        &self,
        changes: &Changes,
        revision: Revision,
        log: LogMeta,
    ) -> Result<(), redb::Error> {
        guarded(|| self.write_changes(changes, revision, log))
    }

    fn write_changes(
        &self,
        changes: &Changes,
        revision: Revision,
        log: LogMeta,
    ) -> Result<(), redb::Error> {
        // Neighbours share pages.
        let mut sorted: Vec<_> = changes.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        let mut transaction = self.database()?.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            for (key, (revision, value)) in sorted {
                match value {
                    Some(value) => drop(entries.insert(key.as_str(), (*revision, &**value))?),
                    None => drop(entries.remove(key.as_str())?),
                }
            }
            let mut meta = transaction.open_table(META)?;
            meta.insert(FORMAT_RECORD, FORMAT)?;
            meta.insert(REVISION_RECORD, revision)?;
            meta.insert(LOG_RECORD, log.salt)?;
            meta.insert(SEGMENT_RECORD, log.segment)?;
        }
        transaction.commit()?;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let database = self.database.take();
        let closed = guarded(|| {
            drop(database);
            Ok(())
        });
        if let Err(error) = closed {
            tracing::error!(%error, "the data file was not closed as it should be");
        }
    }
}

/// The base file at one moment.
pub(super) struct Reading(ReadTransaction);

impl Reading {
    /// The entry at `key`.
    pub(super) fn get(&self, key: &Key) -> Result<Option<Entry>, redb::Error> {
        guarded(|| {
            let entries = self.0.open_table(ENTRIES)?;
            let found = entries.get(key.as_str())?;
            Ok(found.map(|found| entry(key.clone(), found.value())))
        })
    }

    /// The entries whose keys start with `prefix`, in order.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Entry>, redb::Error> {
        guarded(|| {
            let mut entries = Vec::new();
            for item in self.0.open_table(ENTRIES)?.range(prefix..)? {
                let (key, value) = item?;
                let text = key.value();
                if !text.starts_with(prefix) {
                    break;
                }
                let key = Key::new(text)
                    .map_err(|error| redb::Error::Corrupted(format!("a stored key: {error}")))?;
                entries.push(entry(key, value.value()));
            }
            Ok(entries)
        })
    }
}

/// Uses the database; a panic in it becomes an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked()))
}

fn panicked() -> redb::Error {
    redb::Error::Corrupted("the database panicked".to_owned())
}

pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder.set_repair_callback(|repair| {
        tracing::warn!(
            progress = repair.progress(),
            "checking the store after an unclean stop"
        );
    });
    builder
}

fn initialize(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction
        .open_table(META)?
        .insert(FORMAT_RECORD, FORMAT)?;
    transaction.open_table(ENTRIES)?;
    transaction.commit()?;
    Ok(())
}

/// Writes another format into the data file of a store that nobody has open.
#[cfg(any(test, feature = "conformance"))]
pub(super) fn set_format(path: &Path, format: u64) -> Result<(), redb::Error> {
    let transaction = builder().open(path)?.begin_write()?;
    transaction
        .open_table(META)?
        .insert(FORMAT_RECORD, format)?;
    Ok(transaction.commit()?)
}

fn entry(key: Key, (revision, value): (Revision, &[u8])) -> Entry {
    Entry {
        key,
        value: Bytes::copy_from_slice(value),
        revision,
    }
}

/// Turns what the library or the system said into why the file cannot be opened.
pub(super) fn opening<E: Into<redb::Error>>(directory: &Path) -> impl FnOnce(E) -> OpenError {
    move |error| OpenError::Database {
        directory: directory.to_owned(),
        source: Box::new(error.into()),
    }
}
