//! One record of the log: the commits that share a sync.
//!
//! All numbers are little endian.
//!
//! | part | bytes |
//! |---|---|
//! | magic | `LSlg` |
//! | length of the body | 4 |
//! | revision before the first commit, revision of the last | 8, 8 |
//! | CRC-32C of salt and body | 4 |
//! | CRC-32C of salt and everything above | 4 |
//! | body: each commit, one revision after the other | |
//! | – number of events | 4 |
//! | – each event: 1 for a put or 0 for a delete, length of the key, length of the value, key, value | 1, 2, 4 |
//! | zeros up to a multiple of [`BLOCK`] | |
//!
//! A record without a commit is a mark: everything up to its revision was synced before the mark
//! was written. The salt is drawn anew each time a store is opened, so a record of an earlier life
//! does not count, and nobody can make up a value that reads as a record.

use bytes::Bytes;

use crate::contract::{Entry, Revision};
use crate::watch::{Batch, Event};
use longshore_state::Key;

/// Records begin at multiples of this, in bytes: a page of the kernel's cache, and what disks of
/// any kind write whole. No write touches a block that holds what was acknowledged.
pub(super) const BLOCK: usize = 4096;

const MAGIC: &[u8; 4] = b"LSlg";
const HEADER: usize = 32;

/// Most bytes that an event takes beside its key and value, a share of its commit's count included.
pub(super) const EVENT_BYTES: usize = 11;

/// A whole record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The newest revision before it.
    pub(super) after: Revision,
    /// Commits of the revisions that follow; none in a mark.
    pub(super) batches: Vec<Batch>,
}

impl Record {
    /// The revision of its last commit.
    pub(super) fn newest(&self) -> Revision {
        self.after + self.batches.len() as u64
    }
}

/// Writes a record into `out`, in place of what was there. The batches follow `after` one by one.
pub(super) fn encode(salt: u64, after: Revision, batches: &[Batch], out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEADER, 0);
    for batch in batches {
        out.extend((batch.events.len() as u32).to_le_bytes());
        for event in &batch.events {
            let (kind, key, value) = match event {
                Event::Put(entry) => (1, &entry.key, &entry.value[..]),
                Event::Deleted { key } => (0, key, &[][..]),
            };
            let key = key.as_str().as_bytes();
            // A key is at most 1 KiB, a value at most 1 MiB, and a group far below 4 GiB.
            out.push(kind);
            out.extend((key.len() as u16).to_le_bytes());
            out.extend((value.len() as u32).to_le_bytes());
            out.extend(key);
            out.extend(value);
        }
    }
    let body = checksum(salt, &out[HEADER..]);
    let length = (out.len() - HEADER) as u32;
    out[0..4].copy_from_slice(MAGIC);
    out[4..8].copy_from_slice(&length.to_le_bytes());
    out[8..16].copy_from_slice(&after.to_le_bytes());
    out[16..24].copy_from_slice(&(after + batches.len() as u64).to_le_bytes());
    out[24..28].copy_from_slice(&body.to_le_bytes());
    let header = checksum(salt, &out[..28]);
    out[28..32].copy_from_slice(&header.to_le_bytes());
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// The record at the start of `bytes` and the bytes it takes; none if there is no whole one.
pub(super) fn decode(salt: u64, bytes: &[u8]) -> Option<(Record, usize)> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let mut fields = Fields(header);
    if fields.take(4)? != MAGIC {
        return None;
    }
    let length = fields.number(4)? as usize;
    let (after, newest) = (fields.number(8)?, fields.number(8)?);
    let (body_checksum, header_checksum) = (fields.number(4)?, fields.number(4)?);
    if u64::from(checksum(salt, &header[..28])) != header_checksum {
        return None;
    }
    let body = rest.get(..length)?;
    if u64::from(checksum(salt, body)) != body_checksum {
        return None;
    }
    let mut fields = Fields(body);
    let mut batches = Vec::new();
    let mut revision = after;
    while !fields.0.is_empty() {
        revision = revision.checked_add(1)?;
        batches.push(fields.batch(revision)?);
    }
    let record = Record { after, batches };
    (revision == newest).then_some((record, (HEADER + length).next_multiple_of(BLOCK)))
}

fn checksum(salt: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), bytes)
}

/// What is not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of at most 8 bytes.
    fn number(&mut self, length: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(self.take(length)?);
        Some(u64::from_le_bytes(bytes))
    }

    fn batch(&mut self, revision: Revision) -> Option<Batch> {
        let count = self.number(4)?;
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(self.event(revision)?);
        }
        Some(Batch { revision, events })
    }

    fn event(&mut self, revision: Revision) -> Option<Event> {
        let kind = self.number(1)?;
        let (key, value) = (self.number(2)? as usize, self.number(4)? as usize);
        let key = Key::new(std::str::from_utf8(self.take(key)?).ok()?).ok()?;
        let value = Bytes::copy_from_slice(self.take(value)?);
        match kind {
            0 => Some(Event::Deleted { key }),
            1 => Some(Event::Put(Entry {
                key,
                value,
                revision,
            })),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batches(after: Revision, commits: &[Vec<(String, Option<usize>)>]) -> Vec<Batch> {
        let event = |revision, (key, value): &(String, Option<usize>)| match value {
            Some(bytes) => Event::Put(Entry {
                key: Key::new(key).unwrap(),
                value: vec![7; *bytes].into(),
                revision,
            }),
            None => Event::Deleted {
                key: Key::new(key).unwrap(),
            },
        };
        (after + 1..)
            .zip(commits)
            .map(|(revision, commit)| Batch {
                revision,
                events: commit.iter().map(|write| event(revision, write)).collect(),
            })
            .collect()
    }

    fn commits() -> impl Strategy<Value = Vec<Vec<(String, Option<usize>)>>> {
        let write = ("[a-z/]{1,40}", prop::option::weighted(0.8, 0..6_000_usize));
        prop::collection::vec(prop::collection::vec(write, 1..4), 0..5)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_record_reads_back_and_no_other_does(
            commits in commits(),
            salt in 1..u64::MAX,
            after in 0..1_000_000_u64,
            bit in any::<prop::sample::Index>(),
            short in any::<prop::sample::Index>(),
        ) {
            let batches = batches(after, &commits);
            let mut encoded = Vec::new();
            encode(salt, after, &batches, &mut encoded);
            let length = encoded.len();
            prop_assert_eq!(length % BLOCK, 0);
            let record = Record { after, batches };
            prop_assert_eq!(decode(salt, &encoded), Some((record, length)));
            prop_assert_eq!(decode(salt + 1, &encoded), None);
            let body = u32::from_le_bytes(encoded[4..8].try_into().unwrap()) as usize;
            let used = HEADER + body;
            prop_assert_eq!(decode(salt, &encoded[..short.index(used)]), None);
            let bit = bit.index(used * 8);
            encoded[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(decode(salt, &encoded), None);
        }

        #[test]
        fn anything_may_be_read(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(1, &bytes);
            // A body that nobody wrote, behind checksums that hold.
            if bytes.len() > HEADER {
                bytes[..4].copy_from_slice(MAGIC);
                let length = (bytes.len() - HEADER) as u32;
                bytes[4..8].copy_from_slice(&length.to_le_bytes());
                let body = checksum(1, &bytes[HEADER..]);
                bytes[24..28].copy_from_slice(&body.to_le_bytes());
                let header = checksum(1, &bytes[..28]);
                bytes[28..32].copy_from_slice(&header.to_le_bytes());
                if let Some((record, _)) = decode(1, &bytes) {
                    prop_assert!(record.newest() >= record.after);
                }
            }
        }
    }
}
