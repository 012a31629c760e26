//! What the data file holds, and how it is read and written.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `format`, `revision` | a number |
//! | `entries` | the key's text | the revision that put it, the value |

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;
use redb::{
    Builder, Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    TableDefinition, TableError,
};

use crate::contract::{Entry, Revision, Snapshot};
use crate::index::Index;
use crate::key::Key;
use crate::watch::{Batch, Event};

use super::probe::Soundness;
use super::{CACHE_BYTES, FORMAT, OpenError};

/// Kept in every format, so that each version can tell a later one.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const ENTRIES: TableDefinition<'_, &str, (Revision, &[u8])> = TableDefinition::new("entries");
pub(super) const FORMAT_RECORD: &str = "format";
pub(super) const REVISION_RECORD: &str = "revision";

/// The open data file, and the lock on its directory.
///
/// The database checks what it reads, but damage to the file that it does not foresee makes it
/// panic, in any call and when it is closed. Every use of it here turns that into an error.
#[derive(Debug)]
pub(super) struct Disk {
    /// Taken on drop.
    database: Option<Database>,
    /// Goes after the database.
    _lock: Option<File>,
}

impl Disk {
    /// Makes `file` an empty store and closes it.
    pub(super) fn create(file: File, directory: &Path) -> Result<(), OpenError> {
        let database = builder().create_file(file).map_err(opening(directory))?;
        initialize(&database).map_err(opening(directory))
    }

    fn database(&self) -> Result<&Database, redb::Error> {
        self.database.as_ref().ok_or(redb::Error::DatabaseClosed)
    }

    /// Opens `file`, which must hold a store.
    pub(super) fn open(
        file: File,
        lock: File,
        soundness: Soundness,
        directory: &Path,
    ) -> Result<Disk, OpenError> {
        match guarded(|| Ok(builder().create_file(file)?)) {
            Ok(mut database) => {
                if soundness == Soundness::Untidy {
                    tracing::warn!(
                        directory = %directory.display(),
                        "the list of free pages was wrong and is made anew; no record is lost"
                    );
                    guarded(|| Ok(database.check_integrity()?)).map_err(opening(directory))?;
                }
                Ok(Disk {
                    database: Some(database),
                    _lock: Some(lock),
                })
            }
            Err(redb::Error::DatabaseAlreadyOpen) => Err(OpenError::InUse {
                directory: directory.to_owned(),
            }),
            Err(error) => Err(opening(directory)(error)),
        }
    }

    /// Opens or makes a store on a simulated disk.
    #[cfg(test)]
    pub(super) fn simulated(backend: impl redb::StorageBackend) -> Result<Disk, redb::Error> {
        let database = builder().create_with_backend(backend)?;
        if database.begin_read()?.list_tables()?.next().is_none() {
            initialize(&database)?;
        }
        Ok(Disk {
            database: Some(database),
            _lock: None,
        })
    }

    /// Checks the format and reads where every key stands.
    pub(super) fn load(&self, directory: &Path) -> Result<(Revision, Index), OpenError> {
        let loaded = catch_unwind(AssertUnwindSafe(|| self.read_index(directory)));
        loaded.unwrap_or_else(|_| Err(opening(directory)(panicked())))
    }

    fn read_index(&self, directory: &Path) -> Result<(Revision, Index), OpenError> {
        let database = self.database().map_err(opening(directory))?;
        let read = database.begin_read().map_err(opening(directory))?;
        let meta = match read.open_table(META) {
            Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => {
                return Err(OpenError::NotAStore {
                    directory: directory.to_owned(),
                });
            }
            other => other.map_err(opening(directory))?,
        };
        let number = |name| meta.get(name).map(|found| found.map(|guard| guard.value()));
        match number(FORMAT_RECORD).map_err(opening(directory))? {
            Some(FORMAT) => {}
            Some(found) if found > FORMAT => {
                return Err(OpenError::NewerFormat {
                    directory: directory.to_owned(),
                    found,
                });
            }
            Some(_) | None => {
                return Err(OpenError::NotAStore {
                    directory: directory.to_owned(),
                });
            }
        }
        let revision = number(REVISION_RECORD)
            .map_err(opening(directory))?
            .unwrap_or(0);
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
            if key <= before || written > revision {
                let fault = format!(
                    "entry {key} of revision {written} after {before}, in a store of revision {revision}"
                );
                return Err(opening(directory)(redb::Error::Corrupted(fault)));
            }
            before = key.clone();
            index.put(key, written);
        }
        Ok((revision, index))
    }

    /// The entry at `key`.
    pub(super) fn get(&self, key: &Key) -> Result<Option<Entry>, redb::Error> {
        guarded(|| {
            let entries = self.database()?.begin_read()?.open_table(ENTRIES)?;
            let found = entries.get(key.as_str())?;
            Ok(found.map(|found| entry(key.clone(), found.value())))
        })
    }

    /// The entries whose keys start with `prefix`, and the revision of the file they were read in.
    pub(super) fn list(&self, prefix: &str) -> Result<Snapshot, redb::Error> {
        guarded(|| self.read_entries(prefix))
    }

    fn read_entries(&self, prefix: &str) -> Result<Snapshot, redb::Error> {
        let read = self.database()?.begin_read()?;
        let mut entries = Vec::new();
        for item in read.open_table(ENTRIES)?.range(prefix..)? {
            let (key, value) = item?;
            let text = key.value();
            if !text.starts_with(prefix) {
                break;
            }
            let key = Key::new(text)
                .map_err(|error| redb::Error::Corrupted(format!("a stored key: {error}")))?;
            entries.push(entry(key, value.value()));
        }
        Ok(Snapshot {
            revision: revision(&read)?,
            entries,
        })
    }

    /// Makes the batches durable, all or none, with one fsync. After an error it is unknown
    /// whether they are on disk.
    pub(super) fn write(&self, batches: &[Batch]) -> Result<(), redb::Error> {
        match batches.last() {
            Some(newest) => guarded(|| self.write_entries(batches, newest.revision)),
            None => Ok(()),
        }
    }

    fn write_entries(&self, batches: &[Batch], newest: Revision) -> Result<(), redb::Error> {
        let mut transaction = self.database()?.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            for event in batches.iter().flat_map(|batch| &batch.events) {
                match event {
                    Event::Put(entry) => {
                        entries.insert(entry.key.as_str(), (entry.revision, &*entry.value))?;
                    }
                    Event::Deleted { key } => {
                        entries.remove(key.as_str())?;
                    }
                }
            }
            transaction
                .open_table(META)?
                .insert(REVISION_RECORD, newest)?;
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

fn revision(read: &ReadTransaction) -> Result<Revision, redb::Error> {
    let found = read.open_table(META)?.get(REVISION_RECORD)?;
    Ok(found.map_or(0, |guard| guard.value()))
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
