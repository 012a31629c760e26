//! The files of a store, and the one seam that all their I/O goes through.
//!
//! The base file and both segments of the log are [`StorageBackend`]s, the trait through which the
//! database library does its own I/O: what tests can do to the one they do to all, at the same
//! time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;

/// A file of a store.
pub(super) type Medium = Arc<dyn StorageBackend>;

/// The files of one store.
#[derive(Debug, Clone)]
pub(super) struct Media {
    /// What is settled.
    pub(super) base: Medium,
    /// What is acknowledged and may not be settled yet; the segments take turns.
    pub(super) log: [Medium; 2],
}

impl Media {
    /// The same files behind one fuse: after the first call that fails, none reaches any of them.
    pub(super) fn fused(self) -> Media {
        let blown = Arc::new(AtomicBool::new(false));
        let fused = |inner| -> Medium {
            Arc::new(Fused {
                inner,
                blown: Arc::clone(&blown),
            })
        };
        Media {
            base: fused(self.base),
            log: self.log.map(fused),
        }
    }
}

/// A file lent to the database library, which wants one of its own.
#[derive(Debug)]
pub(super) struct Lent(pub(super) Medium);

impl StorageBackend for Lent {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

/// A file on a real disk. The directory's lock guards it, so it has none of its own.
#[derive(Debug)]
pub(super) struct DataFile(pub(super) File);

impl StorageBackend for DataFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}

/// A file that is left alone once a call to it, or to another of its store, has failed. After a
/// failed sync nobody knows what is on the disk, and a second try would seem to succeed.
#[derive(Debug)]
struct Fused {
    inner: Medium,
    blown: Arc<AtomicBool>,
}

impl Fused {
    fn pass<T>(&self, call: impl FnOnce(&dyn StorageBackend) -> io::Result<T>) -> io::Result<T> {
        if self.blown.load(Ordering::SeqCst) {
            return Err(io::Error::other("an earlier call to the disk failed"));
        }
        let result = call(&*self.inner);
        if result.is_err() {
            self.blown.store(true, Ordering::SeqCst);
        }
        result
    }
}

impl StorageBackend for Fused {
    fn len(&self) -> io::Result<u64> {
        self.pass(|inner| inner.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.pass(|inner| inner.read(offset, out))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.pass(|inner| inner.set_len(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.pass(|inner| inner.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.pass(|inner| inner.write(offset, data))
    }
}
