//! The backup file.
//!
//! All numbers are big endian.
//!
//! | part | bytes |
//! |---|---|
//! | header | `longshore-backup`, format (4), revision (8), milliseconds since 1970 (8), CRC-32C of these (4) |
//! | each record | key's length (4), value's length (4), key, value, CRC-32C of these (4) |
//! | end | `ffffffff`, number of records (8), SHA-256 of everything before the digest (32) |
//!
//! A file is written under another name, synced and then renamed: one with the right name is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use bytes::Bytes;
use longshore_store::{Key, MAX_KEY_BYTES, MAX_VALUE_BYTES, Revision};

use super::Content;

/// The format that this version writes and reads.
pub const FORMAT: u32 = 1;

const MAGIC: &[u8; 16] = b"longshore-backup";
const END: u32 = u32::MAX;

/// Why a backup cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file could not be written or read.
    #[error("cannot {action} {}; check its directory, its permissions and the space left", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// There is a file of this name.
    #[error("{} is there already; name another file, or remove it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is not a backup.
    #[error("{} is no backup of Longshore; name a file that `backup` wrote", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
    },
    /// A later version wrote it.
    #[error("{} has format {found}, and this version reads {FORMAT}; use the version that wrote it", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// It is not as it was written.
    #[error("the backup {} is damaged: {what}; use another one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found, and where.
        what: String,
    },
}

/// Writes a backup. `progress` is told the number of records done.
///
/// # Errors
/// [`ArchiveError`]; then there is no file of this name.
pub fn write(
    path: &Path,
    content: &Content,
    made_at_millis: i64,
    mut progress: impl FnMut(u64),
) -> Result<(), ArchiveError> {
    if path.exists() {
        return Err(ArchiveError::Exists {
            path: path.to_owned(),
        });
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let written = write_file(&unfinished, content, made_at_millis, &mut progress);
    let finished = written
        .and_then(|()| fs::rename(&unfinished, path))
        .and_then(|()| {
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        });
    finished.map_err(|source| {
        // Half a backup helps nobody.
        drop(fs::remove_file(&unfinished));
        file_error("write", path)(source)
    })
}

fn write_file(
    path: &Path,
    content: &Content,
    made_at_millis: i64,
    progress: &mut impl FnMut(u64),
) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // It holds what the store holds, so it is for its owner only.
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    let mut out = Digesting {
        inner: BufWriter::with_capacity(1 << 20, file),
        context: digest::Context::new(&digest::SHA256),
    };
    let mut header = MAGIC.to_vec();
    header.extend(FORMAT.to_be_bytes());
    header.extend(content.revision.to_be_bytes());
    header.extend(made_at_millis.to_be_bytes());
    header.extend(crc32c::crc32c(&header).to_be_bytes());
    out.write_all(&header)?;
    for (n, (key, value)) in (1..).zip(&content.records) {
        let mut record = Vec::with_capacity(12 + key.as_str().len() + value.len());
        record.extend((key.as_str().len() as u32).to_be_bytes());
        record.extend((value.len() as u32).to_be_bytes());
        record.extend(key.as_str().as_bytes());
        record.extend(&value[..]);
        record.extend(crc32c::crc32c(&record).to_be_bytes());
        out.write_all(&record)?;
        progress(n);
    }
    out.write_all(&END.to_be_bytes())?;
    out.write_all(&(content.records.len() as u64).to_be_bytes())?;
    let Digesting { mut inner, context } = out;
    inner.write_all(context.finish().as_ref())?;
    inner
        .into_inner()
        .map_err(|error| error.into_error())?
        .sync_all()
}

/// Reads a backup and checks all of it.
///
/// # Errors
/// [`ArchiveError`].
pub fn read(path: &Path) -> Result<Content, ArchiveError> {
    let file = File::open(path).map_err(file_error("open", path))?;
    let mut reader = Reader {
        path,
        input: Digesting {
            inner: BufReader::with_capacity(1 << 20, file),
            context: digest::Context::new(&digest::SHA256),
        },
    };
    let revision = reader.header()?;
    let mut records: Vec<(Key, Bytes)> = Vec::new();
    while let Some((key, value)) = reader.record(records.len())? {
        if records.last().is_some_and(|(before, _)| *before >= key) {
            return Err(reader.damaged(format!("{key} is out of order")));
        }
        records.push((key, value));
    }
    reader.end(records.len() as u64)?;
    Ok(Content {
        revision,
        records,
        is_unfinished: false,
    })
}

struct Reader<'a> {
    path: &'a Path,
    input: Digesting<BufReader<File>>,
}

impl Reader<'_> {
    fn damaged(&self, what: impl Into<String>) -> ArchiveError {
        ArchiveError::Damaged {
            path: self.path.to_owned(),
            what: what.into(),
        }
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), ArchiveError> {
        self.input
            .read_exact(out)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => self.damaged("its end is missing"),
                _ => file_error("read", self.path)(error),
            })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// The revision of the content.
    fn header(&mut self) -> Result<Revision, ArchiveError> {
        let foreign = || ArchiveError::NotABackup {
            path: self.path.to_owned(),
        };
        let mut header = [0; 36];
        if self.input.read_exact(&mut header).is_err() || !header.starts_with(MAGIC) {
            return Err(foreign());
        }
        let checksum = u32::from_be_bytes(self.array()?);
        if crc32c::crc32c(&header) != checksum {
            return Err(self.damaged("its header does not match its checksum"));
        }
        let (mut format, mut revision) = ([0; 4], [0; 8]);
        format.copy_from_slice(&header[16..20]);
        revision.copy_from_slice(&header[20..28]);
        match u32::from_be_bytes(format) {
            FORMAT => Ok(Revision::from_be_bytes(revision)),
            found => Err(ArchiveError::NewerFormat {
                path: self.path.to_owned(),
                found,
            }),
        }
    }

    /// The next record; none at the end.
    fn record(&mut self, number: usize) -> Result<Option<(Key, Bytes)>, ArchiveError> {
        let lengths: [u8; 4] = self.array()?;
        let key_length = u32::from_be_bytes(lengths);
        if key_length == END {
            return Ok(None);
        }
        let value_length: [u8; 4] = self.array()?;
        let (key, value) = (
            key_length as usize,
            u32::from_be_bytes(value_length) as usize,
        );
        if key > MAX_KEY_BYTES || value > MAX_VALUE_BYTES {
            return Err(self.damaged(format!("record {number} is longer than a record can be")));
        }
        let mut record = vec![0; 8 + key + value];
        record[..4].copy_from_slice(&lengths);
        record[4..8].copy_from_slice(&value_length);
        self.fill(&mut record[8..])?;
        let checksum = u32::from_be_bytes(self.array()?);
        if crc32c::crc32c(&record) != checksum {
            return Err(self.damaged(format!("record {number} does not match its checksum")));
        }
        let name = std::str::from_utf8(&record[8..8 + key]).ok();
        let Some(name) = name.and_then(|name| Key::new(name).ok()) else {
            return Err(self.damaged(format!("the key of record {number} is no key")));
        };
        Ok(Some((name, Bytes::copy_from_slice(&record[8 + key..]))))
    }

    fn end(mut self, records: u64) -> Result<(), ArchiveError> {
        let count = u64::from_be_bytes(self.array()?);
        let expected = self.input.context.clone().finish();
        let digest: [u8; 32] = self.array()?;
        if count != records {
            return Err(self.damaged(format!("it has {records} records and names {count}")));
        }
        if expected.as_ref() != digest {
            return Err(self.damaged("it does not match its digest"));
        }
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("something follows its end")),
            Err(error) => Err(file_error("read", self.path)(error)),
        }
    }
}

/// Passes bytes on and digests them.
struct Digesting<T> {
    inner: T,
    context: digest::Context,
}

impl<T: Write> Write for Digesting<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.context.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Digesting<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.context.update(&out[..count]);
        Ok(count)
    }
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    move |source| ArchiveError::File {
        action,
        path: path.to_owned(),
        source,
    }
}
