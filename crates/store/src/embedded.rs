//! The store of a single control plane: one directory, one process, durable.
//!
//! ```text
//!  commit ─► bounded queue ─► writer thread: decide guards ─► one disk transaction ─► fsync
//!                                                                         │
//!                                    callers' answers ◄─ watch history ◄──┘
//! ```
//!
//! The writer takes whatever is queued as one group and pays one fsync for it. It never waits for
//! a group to fill: a lone commit goes to disk at once, and under load groups form by themselves
//! while the previous fsync runs.
//!
//! Values stay on disk, behind a page cache of [`CACHE_BYTES`]; memory holds only which key was
//! put at which revision, to decide guards. The control plane keeps its own view of the state, so
//! `get` and `list` are rare and holding every value twice would buy nothing.
//!
//! A disk transaction costs one fsync: both commit slots of the file carry checksums, so after a
//! crash the newest complete one is found without a second fsync to mark it. The price is paid at
//! the next start, which reads the whole file; it does so anyway, to refuse a damaged one before
//! anything is written to it.

mod disk;
mod probe;
mod writer;

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use longshore_model::replica::Replica;

use crate::contract::{
    BoxFuture, Commit, CommitError, Entry, ReadError, Revision, Snapshot, Store, Unavailable, Write,
};
use crate::coordination::{Leadership, Presence};
use crate::index::Index;
use crate::key::{Key, KeyError};
use crate::table;
use crate::watch::{Batch, History, HistoryLimit, Watch, WatchError};

use disk::Disk;
use writer::Writer;

/// The layout of the data file that this version reads and writes.
pub const FORMAT: u64 = 1;

/// The page cache. A cluster of thousands of tasks fits; a larger one reads from the kernel's
/// cache instead.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

const DATA_FILE: &str = "longshore.redb";
/// The data file while it is being made for the first time.
const NEW_DATA_FILE: &str = "longshore.redb.new";
const LOCK_FILE: &str = "LOCK";

/// A durable store in one directory.
///
/// Must be used inside a Tokio runtime, whose blocking threads do the reads.
///
/// After a storage error every later call is refused with [`Unavailable`]; a fresh
/// start reads back what the disk really has. Dropping the store finishes the commits that were
/// taken, then closes the file.
#[derive(Debug)]
pub struct Embedded {
    writer: Writer,
    disk: Arc<Disk>,
    history: Arc<History>,
}

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file or directory could not be made, locked or renamed.
    #[error("cannot {action} {}; check its owner, its permissions and the space left", path.display())]
    File {
        /// What was tried, such as "create".
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Another process has the directory open.
    #[error(
        "data directory {} is in use by another control plane; stop it, or give this one \
         another data directory",
        directory.display()
    )]
    InUse {
        /// The data directory.
        directory: PathBuf,
    },
    /// The directory was written by a later version.
    #[error(
        "data directory {} has format {found}, and this version reads up to {FORMAT}; run the \
         version that wrote it, or restore a backup made before the upgrade",
        directory.display()
    )]
    NewerFormat {
        /// The data directory.
        directory: PathBuf,
        /// The format number found.
        found: u64,
    },
    /// The data file is a database without our format record.
    #[error(
        "the data file in {} was not written by Longshore; move it away or give another data \
         directory",
        directory.display()
    )]
    NotAStore {
        /// The data directory.
        directory: PathBuf,
    },
    /// The data file is not as it was written. It was not changed.
    #[error(
        "the data file in {} is damaged: {what}. It was left as it is: move it away and keep it, \
         then restore a backup with `longshore-control-plane restore`, and check the disk",
        directory.display()
    )]
    Damaged {
        /// The data directory.
        directory: PathBuf,
        /// What was found.
        what: String,
    },
    /// The data file holds a key that could not have been written.
    #[error(
        "the data file in {} is damaged; move it away and keep it, then restore a backup with \
         `longshore-control-plane restore`",
        directory.display()
    )]
    Key {
        /// The data directory.
        directory: PathBuf,
        /// What is wrong with the key.
        #[source]
        source: KeyError,
    },
    /// The data file could not be read or made.
    #[error(
        "cannot open the data file in {}; check the disk and the space left on it, then start \
         again: nothing that was acknowledged is lost",
        directory.display()
    )]
    Database {
        /// The data directory.
        directory: PathBuf,
        /// What the database library said.
        #[source]
        source: Box<redb::Error>,
    },
    /// The writer thread could not be started.
    #[error("cannot start the store's writer thread; raise the process limit")]
    Thread(#[source] io::Error),
}

impl Embedded {
    /// Opens the store in `directory`, making both when they do not exist. The directory is made
    /// for its owner only (mode 0700). Blocks on the disk: it reads and checks the whole file
    /// before anything is written to it.
    ///
    /// # Errors
    /// [`OpenError`] says what is in the way and what to do.
    pub fn open(directory: impl AsRef<Path>, history: HistoryLimit) -> Result<Embedded, OpenError> {
        let directory = directory.as_ref();
        let lock = lock(directory)?;
        let path = directory.join(DATA_FILE);
        if !path.try_exists().map_err(file_error("look for", &path))? {
            create(directory)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(file_error("open", &path))?;
        let second = file.try_clone().map_err(file_error("open", &path))?;
        let soundness = probe::examine(second, directory)?;
        let disk = Disk::open(file, lock, soundness, directory)?;
        Embedded::start(disk, directory, history)
    }

    /// Whether there is a store in `directory`.
    pub fn is_kept(directory: impl AsRef<Path>) -> bool {
        directory.as_ref().join(DATA_FILE).exists()
    }

    fn start(disk: Disk, directory: &Path, limit: HistoryLimit) -> Result<Embedded, OpenError> {
        let (mut revision, mut index) = disk.load(directory)?;
        if let Some(batch) = removal_of_announced(&mut index, revision) {
            let removed = disk.write(std::slice::from_ref(&batch));
            removed.map_err(|source| OpenError::Database {
                directory: directory.to_owned(),
                source: Box::new(source),
            })?;
            revision = batch.revision;
        }
        let disk = Arc::new(disk);
        let history = History::new(limit, revision);
        let writer = Writer::start(Arc::clone(&disk), Arc::clone(&history), revision, index);
        let writer = writer.map_err(OpenError::Thread)?;
        tracing::info!(directory = %directory.display(), revision, "store opened");
        Ok(Embedded {
            writer,
            disk,
            history,
        })
    }

    /// Runs a read on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Disk) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.history.check_available()?;
        let disk = Arc::clone(&self.disk);
        let fault = match tokio::task::spawn_blocking(move || read(&disk)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Unavailable::new("reading the data file", error),
            Err(error) => Unavailable::new("running a read", error),
        };
        self.history.fail(fault.clone());
        Err(fault)
    }
}

impl Store for Embedded {
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        let key = key.clone();
        Box::pin(async move {
            let entry = self.read(move |disk| disk.get(&key)).await?;
            if let Some(entry) = &entry {
                self.history.published(entry.revision).await?;
            }
            Ok(entry)
        })
    }

    fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Snapshot, ReadError>> {
        let prefix = prefix.to_owned();
        Box::pin(async move {
            let snapshot = self.read(move |disk| disk.list(&prefix)).await?;
            self.history.published(snapshot.revision).await?;
            Ok(snapshot)
        })
    }

    fn head(&self) -> BoxFuture<'_, Result<Revision, ReadError>> {
        let newest = self.history.newest();
        Box::pin(async move { Ok(newest?) })
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(async move {
            commit.validate()?;
            self.history.check_available()?;
            self.writer.commit(commit).await
        })
    }

    fn watch(&self, prefix: &str, after: Revision) -> BoxFuture<'_, Result<Watch, WatchError>> {
        let watch = self.history.watch(prefix, after);
        Box::pin(async move { watch })
    }

    fn campaign(&self, _: &str) -> BoxFuture<'_, Result<Leadership, ReadError>> {
        Box::pin(async { Ok(Leadership::unrivalled()) })
    }

    fn announce(&self, key: Key, value: Bytes) -> BoxFuture<'_, Result<Presence, ReadError>> {
        Box::pin(crate::memory::announce_plainly(self, key, value))
    }
}

/// Whoever was announced lives no more, since the lock is ours: takes the records out of `index`
/// and returns the deletes, if there are any.
fn removal_of_announced(index: &mut Index, revision: Revision) -> Option<Batch> {
    let keys = index.under(&table::prefix::<Replica>());
    for key in &keys {
        index.delete(key);
    }
    let deletes: Vec<Write> = keys.into_iter().map(|key| Write::Delete { key }).collect();
    (!deletes.is_empty()).then(|| Batch::new(revision + 1, deletes))
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::File {
        action,
        path: path.to_owned(),
        source,
    }
}

/// Makes the directory if needed and takes it for this process. The lock goes when the file is
/// closed, so also when the process dies.
fn lock(directory: &Path) -> Result<File, OpenError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(directory)
        .map_err(file_error("create", directory))?;
    let path = directory.join(LOCK_FILE);
    let lock = owner_only().create(true).truncate(false).open(&path);
    let lock = lock.map_err(file_error("create", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            directory: directory.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(file_error("lock", &path)(source)),
    }
}

/// Makes an empty store under another name, then moves it into place, so that a crash on the very
/// first start leaves either no data file or a whole one.
fn create(directory: &Path) -> Result<(), OpenError> {
    let unfinished = directory.join(NEW_DATA_FILE);
    let file = owner_only().create(true).truncate(true).open(&unfinished);
    let file = file.map_err(file_error("create", &unfinished))?;
    Disk::create(file, directory)?;
    let path = directory.join(DATA_FILE);
    fs::rename(&unfinished, &path).map_err(file_error("create", &path))?;
    let sync = |directory: &Path| File::open(directory).and_then(|open| open.sync_all());
    sync(directory).map_err(file_error("sync", directory))?;
    // The directory's own name may be new too.
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            sync(parent).map_err(file_error("sync", parent))
        }
        Some(_) | None => Ok(()),
    }
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
