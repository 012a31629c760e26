//! The log: what was acknowledged and is not settled in the base file yet.
//!
//! Two segments take turns. Records are appended to one of them, each with one sync; while it is
//! written, what the other holds moves into the base file, and then that one is free.
//!
//! **A torn tail** is what does not read as a record and has nothing valid after it. One record at
//! a time is on its way to the disk, and it is acknowledged only once it was synced, so a torn tail
//! was never acknowledged: it is dropped.
//!
//! **Damage** is a record that is missing before a later one. It was synced before that one was
//! begun, so it was acknowledged, and the store is not opened without it. So that this holds for
//! the newest record too, a mark is put after it before anyone is answered, where the next record
//! will go. The mark is not synced for its own sake: after a process was killed it is there, and
//! damage to any record is known for what it is; after a power cut the newest record may lack its
//! mark, and then damage to that one cannot be told from a torn tail.
//!
//! Both segments have their full length before the first record is written, so a full disk shows
//! when the store is opened, a sync has no file length to write, and a file that was cut off is
//! known by its length.

use std::io;

use crate::contract::Revision;
use crate::watch::Batch;

use super::disk::LogMeta;
use super::medium::Medium;
use super::record::{self, BLOCK, Record};

/// Zeros are written this many bytes at a time. The kernel caches a file in pieces as long as its
/// writes, and a write into a long piece takes longer.
const ZEROS: usize = 64 * 1024;

/// A larger buffer is not kept for the next record, in bytes. Most groups are smaller.
const KEPT_BUFFER: usize = 4 * 1024 * 1024;

/// The open log.
#[derive(Debug)]
pub(super) struct Log {
    segments: [Medium; 2],
    active: usize,
    /// Where the next record goes.
    position: usize,
    salt: u64,
    /// Length of a segment in bytes. Every record fits into an empty one, with its mark.
    length: usize,
    /// The record that is prepared.
    buffer: Vec<u8>,
    /// The newest revision in it.
    newest: Revision,
    mark: Vec<u8>,
}

impl Log {
    /// Begins an empty log over whatever the files hold, none of which is changed yet. They have
    /// at least this length then, also after a power cut.
    pub(super) fn begin(segments: [Medium; 2], salt: u64, length: usize) -> io::Result<Log> {
        for segment in &segments {
            lengthen(segment, length as u64)?;
        }
        Ok(Log {
            segments,
            active: 0,
            position: 0,
            salt,
            length,
            buffer: Vec::new(),
            newest: 0,
            mark: Vec::new(),
        })
    }

    /// What the base file must know to read it.
    pub(super) fn meta(&self) -> LogMeta {
        LogMeta {
            salt: self.salt,
            segment: self.length as u64,
        }
    }

    /// Takes the batches, which follow `after`, as the next record. True if it does not fit into
    /// the segment: then the other one must be free before [`Log::append`], which goes on there.
    pub(super) fn prepare(&mut self, after: Revision, batches: &[Batch]) -> bool {
        record::encode(self.salt, after, batches, &mut self.buffer);
        self.newest = after + batches.len() as u64;
        self.position > 0 && self.position + self.buffer.len() + BLOCK > self.length
    }

    /// Goes on at the start of the other segment, none of whose records is needed any more.
    pub(super) fn turn(&mut self) {
        self.active = 1 - self.active;
        self.position = 0;
    }

    /// Makes the record that was prepared durable, and marks it.
    pub(super) fn append(&mut self) -> io::Result<()> {
        let segment = &self.segments[self.active];
        let end = self.position + self.buffer.len();
        if end + BLOCK > self.length {
            return Err(io::Error::other(
                "a group of commits is longer than the log",
            ));
        }
        segment.write(self.position as u64, &self.buffer)?;
        segment.sync_data()?;
        self.position = end;
        record::encode(self.salt, self.newest, &[], &mut self.mark);
        segment.write(self.position as u64, &self.mark)?;
        if self.buffer.capacity() > KEPT_BUFFER {
            self.buffer = Vec::new();
        }
        Ok(())
    }
}

/// Adds zeros to a file that is shorter, and makes its length last.
fn lengthen(file: &Medium, length: u64) -> io::Result<()> {
    let mut end = file.len()?;
    if end < length {
        file.set_len(length)?;
        let zeros = vec![0; ZEROS.min((length - end) as usize)];
        while end < length {
            let part = zeros.len().min((length - end) as usize);
            file.write(end, &zeros[..part])?;
            end += part as u64;
        }
    }
    file.sync_data()
}

/// Why a log cannot be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// What was acknowledged and is missing, in words.
    Damaged(String),
    /// The disk failed.
    Failed(io::Error),
}

/// The commits in the log that follow `settled`, the revision of the base file.
///
/// # Errors
/// [`Unread`].
pub(super) fn read(
    files: &[Medium; 2],
    log: LogMeta,
    settled: Revision,
) -> Result<Vec<Batch>, Unread> {
    let mut records = Vec::new();
    for file in files {
        let found = file.len().map_err(Unread::Failed)?;
        let length = log.segment;
        if found < length {
            return Err(Unread::Damaged(format!(
                "a file of its log was cut off, it has {found} of {length} bytes"
            )));
        }
        records.extend(whole_records(file, log.salt).map_err(Unread::Failed)?);
    }
    records.retain(|record| record.newest() > settled);
    // A mark stands before the record that went to the other segment.
    records.sort_by_key(|record| (record.after, record.newest()));
    let mut newest = settled;
    let mut batches = Vec::new();
    for record in records {
        if record.after != newest {
            let (first, last) = (newest + 1, record.after);
            return Err(Unread::Damaged(format!(
                "its log lacks revisions {first} to {last}, which were acknowledged"
            )));
        }
        newest = record.newest();
        batches.extend(record.batches);
    }
    Ok(batches)
}

/// Every record that reads as one, wherever it begins.
fn whole_records(file: &Medium, salt: u64) -> io::Result<Vec<Record>> {
    let length = usize::try_from(file.len()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read(0, &mut bytes)?;
    let mut records = Vec::new();
    let mut position = 0;
    while position < bytes.len() {
        position += match record::decode(salt, &bytes[position..]) {
            Some((record, length)) => {
                records.push(record);
                length
            }
            None => BLOCK,
        };
    }
    Ok(records)
}
