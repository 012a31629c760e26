//! The store of a single control plane: one directory, one process, durable.
//!
//! ```text
//!  commit ─► bounded queue ─► writer thread: decide guards ─► log: one append, one fsync
//!                                                                   │
//!                              callers' answers ◄─ watch history ◄──┤
//!                                                                   ▼
//!                       base file ◄─ checkpoint thread, a segment at a time
//! ```
//!
//! The writer takes whatever is queued as one group and pays one append and one fsync for it. A
//! lone commit goes to disk at once, and under load groups form by themselves while the previous
//! fsync runs.
//!
//! The log has two segments. When one is full the other is written, and what the full one holds
//! moves into the base file in one transaction, after which it is free. Commits go on meanwhile;
//! only when the second segment fills before the first is free do they wait. What is not settled
//! yet is also in memory, at most what both segments hold, and reads lay it over the base file.
//! Closing settles everything, so a store that was stopped is its base file alone.
//!
//! Opening reads and checks all of the base file and of the log before anything is written, settles
//! what the log holds beyond the base file, and begins the log anew. What a torn tail of the log is,
//! and what damage, `embedded/log.rs` says.
//!
//! Settled values stay on disk, behind a page cache of [`CACHE_BYTES`]; memory holds only which key
//! was put at which revision, to decide guards. The control plane keeps its own view of the state,
//! so `get` and `list` are rare and holding every value twice would buy nothing.

mod checkpoint;
mod disk;
mod header;
mod layers;
mod log;
mod medium;
mod probe;
mod record;
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

use crate::contract::validate;
use crate::contract::{
    Bounds, BoxFuture, Commit, CommitError, Entry, ReadError, Revision, Snapshot, Store,
    Unavailable, Write,
};
use crate::coordination::{Leadership, Presence};
use crate::index::Index;
use crate::table;
use crate::watch::{Batch, History, HistoryLimit, Watch, WatchError};
use longshore_state::{Key, KeyError};

use disk::{Disk, Meta, NO_LOG};
use layers::{Changes, Layers};
use log::{Log, Unread};
use medium::{DataFile, Media, Medium};
use probe::Soundness;
use writer::Writer;

/// The layout of the files that this version writes. It reads format 1 too, which had no log.
pub const FORMAT: u64 = 2;

/// Length of a segment of the log, in bytes. Larger ones are settled at less cost for each commit,
/// and take more memory, and a longer start after an unclean stop.
const SEGMENT_BYTES: usize = 64 * 1024 * 1024;

/// The page cache. A cluster of thousands of tasks fits; a larger one reads from the kernel's
/// cache instead.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

const DATA_FILE: &str = "longshore.redb";
/// The data file while it is being made for the first time.
const NEW_DATA_FILE: &str = "longshore.redb.new";
const LOG_FILES: [&str; 2] = ["longshore-0.log", "longshore-1.log"];
const LOCK_FILE: &str = "LOCK";

/// A durable store in one directory.
///
/// Must be used inside a Tokio runtime, whose blocking threads do the reads.
///
/// After a storage error every later call is refused with [`Unavailable`]; a fresh
/// start reads back what the disk really has. Dropping the store finishes the commits that were
/// taken, settles them, then closes the files.
///
/// A copy of the directory made while the store is stopped is whole, and so is a copy of the data
/// file alone. The data file alone of a store that is open lacks the newest commits, and is refused.
#[derive(Debug)]
pub struct Embedded {
    writer: Writer,
    layers: Arc<Layers>,
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
    /// The data file is of a store that was not stopped, and its log is not there.
    #[error(
        "the data file in {} was copied from a running store, or its log was removed: {} is \
         missing. Put back the log, or copy the whole directory of a store that is stopped, or \
         restore a backup with `longshore-control-plane restore`",
        directory.display(), file
    )]
    LogMissing {
        /// The data directory.
        directory: PathBuf,
        /// The file that is missing.
        file: &'static str,
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
    /// What one commit may have. More would make others wait for the disk for long.
    pub const BOUNDS: Bounds = Bounds {
        writes: 8192,
        guards: 12_288,
    };

    /// Opens the store in `directory`, making both when they do not exist. The directory is made
    /// for its owner only (mode 0700). Blocks on the disk: it reads and checks the whole file
    /// before anything is written to it.
    ///
    /// # Errors
    /// [`OpenError`] says what is in the way and what to do.
    pub fn open(directory: impl AsRef<Path>, history: HistoryLimit) -> Result<Embedded, OpenError> {
        Embedded::open_with_segments(directory, history, SEGMENT_BYTES)
    }

    /// The same with segments of the log of another length, in bytes. Shorter ones suit who opens a
    /// store for a moment: less is left to do when it is closed, and a full disk shows before. One
    /// holds at least the largest commit.
    ///
    /// # Errors
    /// Those of [`Embedded::open`].
    pub fn open_with_segments(
        directory: impl AsRef<Path>,
        history: HistoryLimit,
        segment_bytes: usize,
    ) -> Result<Embedded, OpenError> {
        let directory = directory.as_ref();
        let lock = lock(directory)?;
        let path = directory.join(DATA_FILE);
        if !path.try_exists().map_err(file_error("look for", &path))? {
            create(directory)?;
        }
        let base = open_file(&path)?;
        let (soundness, meta) = probe::examine(&base, directory)?;
        meta.check(directory)?;
        let log = open_log(directory, meta)?;
        let media = Media { base, log };
        // All of it is read before anything is written.
        commits_in_log(&media, meta, directory)?;
        let start = Start {
            soundness,
            salt: rand::random_range(NO_LOG + 1..=u64::MAX),
            segment_bytes,
            lock: Some(lock),
        };
        Embedded::start(media, start, directory, history)
    }

    /// Has the store in `directory`, which nobody has open, say that it is of this format; for
    /// tests of those who must refuse it.
    ///
    /// # Errors
    /// There is no store, or the disk fails.
    #[cfg(any(test, feature = "conformance"))]
    pub fn set_format(directory: impl AsRef<Path>, format: u64) -> Result<(), redb::Error> {
        disk::set_format(&directory.as_ref().join(DATA_FILE), format)
    }

    /// Whether there is a store in `directory`.
    pub fn is_kept(directory: impl AsRef<Path>) -> bool {
        directory.as_ref().join(DATA_FILE).exists()
    }

    fn start(
        media: Media,
        start: Start,
        directory: &Path,
        limit: HistoryLimit,
    ) -> Result<Embedded, OpenError> {
        let media = media.fused();
        let disk = Disk::open(Medium::clone(&media.base), start.soundness, directory)?;
        let (meta, mut index) = disk.load(directory)?;
        let mut batches = commits_in_log(&media, meta, directory)?;
        batches.iter().for_each(|batch| index.take_over(batch));
        let recovered = batches.len();
        let mut revision = batches.last().map_or(meta.revision, |last| last.revision);
        if let Some(batch) = removal_of_announced(&mut index, revision) {
            revision = batch.revision;
            batches.push(batch);
        }
        let mut changes = Changes::new();
        layers::take_over(&mut changes, &batches);
        let log = Log::begin(media.log, start.salt, start.segment_bytes);
        let log = log.map_err(disk::opening(directory))?;
        for changes in [&changes, &Changes::new()] {
            // Twice, since the database goes back by one commit where its newest is damaged, and
            // before the first it knows nothing of this log.
            let written = disk.write(changes, revision, log.meta());
            written.map_err(disk::opening(directory))?;
        }
        let layers = Arc::new(Layers::over(disk, revision, start.lock));
        let history = History::new(limit, revision);
        let writer = Writer::start(
            Arc::clone(&layers),
            log,
            Arc::clone(&history),
            revision,
            index,
        );
        let writer = writer.map_err(OpenError::Thread)?;
        tracing::info!(directory = %directory.display(), revision, recovered, "store opened");
        Ok(Embedded {
            writer,
            layers,
            history,
        })
    }

    /// Runs a read on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Layers) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.history.check_available()?;
        let layers = Arc::clone(&self.layers);
        let fault = match tokio::task::spawn_blocking(move || read(&layers)).await {
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
            let entry = self.read(move |layers| layers.get(&key)).await?;
            if let Some(entry) = &entry {
                self.history.published(entry.revision).await?;
            }
            Ok(entry)
        })
    }

    fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Snapshot, ReadError>> {
        let prefix = prefix.to_owned();
        Box::pin(async move {
            let snapshot = self.read(move |layers| layers.list(&prefix)).await?;
            self.history.published(snapshot.revision).await?;
            Ok(snapshot)
        })
    }

    fn head(&self) -> BoxFuture<'_, Result<Revision, ReadError>> {
        let newest = self.history.newest();
        Box::pin(async move { Ok(newest?) })
    }

    fn bounds(&self) -> Bounds {
        Self::BOUNDS
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(async move {
            validate(&commit, Self::BOUNDS)?;
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

/// What a start is told.
struct Start {
    soundness: Soundness,
    /// Of the log that begins; never the same again.
    salt: u64,
    segment_bytes: usize,
    lock: Option<File>,
}

/// The commits that are in the log and not in the base file.
fn commits_in_log(media: &Media, meta: Meta, directory: &Path) -> Result<Vec<Batch>, OpenError> {
    if meta.log.salt == NO_LOG {
        return Ok(Vec::new());
    }
    log::read(&media.log, meta.log, meta.revision).map_err(|unread| match unread {
        Unread::Damaged(what) => OpenError::Damaged {
            directory: directory.to_owned(),
            what,
        },
        Unread::Failed(error) => disk::opening(directory)(error),
    })
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

fn open_file(path: &Path) -> Result<Medium, OpenError> {
    let file = OpenOptions::new().read(true).write(true).open(path);
    Ok(Arc::new(DataFile(file.map_err(file_error("open", path))?)))
}

/// Opens the segments of the log. Those of a store that needs none are made where they are missing.
fn open_log(directory: &Path, meta: Meta) -> Result<[Medium; 2], OpenError> {
    let mut is_new = false;
    for name in LOG_FILES {
        let path = directory.join(name);
        if path.try_exists().map_err(file_error("look for", &path))? {
            continue;
        }
        if meta.log.salt != NO_LOG {
            return Err(OpenError::LogMissing {
                directory: directory.to_owned(),
                file: name,
            });
        }
        let made = owner_only().create(true).truncate(false).open(&path);
        made.map_err(file_error("create", &path))?;
        is_new = true;
    }
    if is_new {
        sync_directory(directory)?;
    }
    let [first, second] = LOG_FILES.map(|name| open_file(&directory.join(name)));
    Ok([first?, second?])
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
    Disk::create(Arc::new(DataFile(file)), directory)?;
    let path = directory.join(DATA_FILE);
    fs::rename(&unfinished, &path).map_err(file_error("create", &path))?;
    sync_directory(directory)?;
    // The directory's own name may be new too.
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        Some(_) | None => Ok(()),
    }
}

/// Makes the names in a directory last.
fn sync_directory(directory: &Path) -> Result<(), OpenError> {
    let synced = File::open(directory).and_then(|open| open.sync_all());
    synced.map_err(file_error("sync", directory))
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
