//! What the agent must not forget: the assignments of its tasks and what came of them.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `format` | a number |
//! | `tasks` | task id | a [`Record`] as JSON |
//!
//! One thread writes. It takes whatever is queued as one transaction with one fsync, and never
//! waits for more to come. The size is bounded by the tasks the node holds.
//!
//! A journal that cannot be read is set aside, not repaired: the control plane's complete set and
//! the labels on the containers say what it said.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use longshore_model::{TaskId, Timestamp};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::sync::mpsc::Sender;

use crate::node::{Input, Record, Write};
use crate::pass::Event;

const FILE: &str = "journal.redb";
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const TASKS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("tasks");
/// The layout this version reads and writes.
const FORMAT: u64 = 1;
const FORMAT_RECORD: &str = "format";
/// A journal is small; redb's own default of 1 GiB is for other uses.
const CACHE_BYTES: usize = 4 << 20;
/// Writes that may wait. The node sends a second one only seldom before the first is done.
const QUEUE: usize = 1024;
/// Writes that share one transaction.
const GROUP: usize = 256;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The unreadable journal could not be set aside, or its thread not be started.
    #[error("cannot {action} {}; check its owner, its permissions and the space left", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Not even an empty journal could be made.
    #[error("cannot open {}; check the disk", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: Box<redb::Error>,
    },
    /// A later version wrote it.
    #[error("{} has format {found}, and this version reads {FORMAT}; run the newer agent again", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format it has.
        found: u64,
    },
}

/// The open journal. Dropping it finishes what was taken.
#[derive(Debug)]
pub struct Journal {
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Request {
    sequence: u64,
    writes: Vec<Write>,
}

impl Journal {
    /// Opens the journal in `directory`, and reads what it holds. The answers to writes go to
    /// `events`. `now` names a journal that has to be set aside.
    ///
    /// # Errors
    /// When it was written by a later version, or the disk refuses.
    pub fn open(
        directory: &Path,
        now: Timestamp,
        events: Sender<Event>,
    ) -> Result<(Self, Vec<Record>), JournalError> {
        let path = directory.join(FILE);
        let (database, records) = match load(&path) {
            Ok(loaded) => loaded,
            Err(error @ JournalError::NewerFormat { .. }) => return Err(error),
            Err(error) => {
                let aside = directory.join(format!("{FILE}.unreadable-{}", now.millis()));
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    aside = %aside.display(),
                    "the journal cannot be read; it is set aside and rebuilt from the containers' labels and the control plane"
                );
                fs::rename(&path, &aside).map_err(|source| JournalError::File {
                    action: "rename",
                    path: path.clone(),
                    source,
                })?;
                load(&path)?
            }
        };
        let (requests, queue) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_all(&database, &queue, &events))
            .map_err(|source| JournalError::File {
                action: "start the writer thread of",
                path,
                source,
            })?;
        let journal = Self {
            requests: Some(requests),
            thread: Some(thread),
        };
        Ok((journal, records))
    }

    /// Queues writes; the answer comes as an event. Returns whether there was room.
    pub fn write(&self, sequence: u64, writes: Vec<Write>) -> bool {
        let Some(requests) = &self.requests else {
            return false;
        };
        match requests.try_send(Request { sequence, writes }) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's writer thread panicked");
        }
    }
}

fn load(path: &Path) -> Result<(Database, Vec<Record>), JournalError> {
    // The database checks what it reads, but a damaged file may still surprise it.
    let loaded = catch_unwind(AssertUnwindSafe(|| read(path)));
    let fail = |source| JournalError::Open {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let (database, format, records) = loaded.unwrap_or_else(|_| Err(panicked())).map_err(fail)?;
    if format > FORMAT {
        return Err(JournalError::NewerFormat {
            path: path.to_owned(),
            found: format,
        });
    }
    Ok((database, records))
}

fn panicked() -> redb::Error {
    redb::Error::Corrupted("the database panicked".to_owned())
}

fn read(path: &Path) -> Result<(Database, u64, Vec<Record>), redb::Error> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)?;
    let write = database.begin_write()?;
    let mut records = Vec::new();
    let format = {
        let mut meta = write.open_table(META)?;
        let found = meta.get(FORMAT_RECORD)?.map(|found| found.value());
        if found.is_none() {
            meta.insert(FORMAT_RECORD, FORMAT)?;
        }
        write.open_table(TASKS)?;
        found.unwrap_or(FORMAT)
    };
    write.commit()?;
    if format <= FORMAT {
        for item in database.begin_read()?.open_table(TASKS)?.iter()? {
            let (task, value) = item?;
            match serde_json::from_slice::<Record>(value.value()) {
                Ok(record) => records.push(record),
                Err(error) => tracing::error!(
                    task = %TaskId::new(task.value()),
                    %error,
                    "a record of the journal cannot be read; the task is taken up again from the control plane and its containers"
                ),
            }
        }
    }
    Ok((database, format, records))
}

fn write_all(database: &Database, queue: &Receiver<Request>, events: &Sender<Event>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(GROUP - 1));
        // As in `load`. Left alone, the panic would meet another one where the database is closed,
        // and end the whole agent.
        let done = catch_unwind(AssertUnwindSafe(|| commit(database, &group)))
            .unwrap_or_else(|_| Err(panicked()));
        if let Err(error) = &done {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the journal cannot be written; no new task starts until it can"
            );
        }
        for Request { sequence, .. } in group {
            let input = match done {
                Ok(()) => Input::Journaled { sequence },
                Err(_) => Input::JournalFailed { sequence },
            };
            if events.blocking_send(Event::Input(input)).is_err() {
                return;
            }
        }
    }
}

fn commit(database: &Database, group: &[Request]) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(redb::Error::from)?;
    {
        let mut tasks = transaction.open_table(TASKS)?;
        for write in group.iter().flat_map(|request| &request.writes) {
            match write {
                Write::Put(record) => {
                    let value = serde_json::to_vec(record).map_err(io::Error::from)?;
                    tasks.insert(record.assignment.task.value(), value.as_slice())?;
                }
                Write::Forget(task) => {
                    tasks.remove(task.value())?;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}
