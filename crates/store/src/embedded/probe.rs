//! Looks at a data file before anything may write to it.
//!
//! The database library mends what it can while it opens a file, and a file that was closed well
//! it takes at its word. So the file is first opened through an overlay that keeps every write in
//! memory: there the library may mend, and every page is read and checked. Only a file that
//! passes is opened for good; one that is damaged stays as it was found.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use super::OpenError;
use super::disk::{self, Meta};
use super::header;
use super::medium::Medium;

/// Unit of what the overlay keeps, in bytes.
const BLOCK: usize = 4096;

/// How a file stands that holds a whole store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Soundness {
    /// It was closed well and every page is as it was written.
    Sound,
    /// The last process did not close it; every page of the newest whole commit is as written.
    Unclosed,
    /// What says which pages are free is wrong; no record is.
    Untidy,
}

/// Reads and checks every page in use, and what the file says of itself.
///
/// # Errors
/// [`OpenError::Damaged`] when something is not as it was written, [`OpenError::Database`] when the
/// file cannot be read.
pub(super) fn examine(source: &Medium, directory: &Path) -> Result<(Soundness, Meta), OpenError> {
    let damaged = |what: String| OpenError::Damaged {
        directory: directory.to_owned(),
        what,
    };
    let length = source.len().map_err(disk::opening(directory))?;
    if length == 0 {
        // The library would make it a new one.
        return Err(damaged("it is empty".to_owned()));
    }
    let overlay = Overlay {
        source: Medium::clone(source),
        state: Mutex::new(State {
            length,
            visible: length,
            blocks: BTreeMap::new(),
        }),
    };
    overlay
        .without_damaged_slot()
        .map_err(disk::opening(directory))?;
    // The library asserts what a whole file would grant it.
    let result = catch_unwind(AssertUnwindSafe(|| look(overlay)));
    match result {
        Ok(Ok((soundness, before, after))) if before == after => Ok((soundness, after)),
        Ok(Ok((_, before, after))) => Err(damaged(format!(
            "it was at revision {}, of which only revision {} is whole",
            before.revision, after.revision
        ))),
        Ok(Err(redb::Error::Io(error))) if !says_damaged(&error) => {
            Err(disk::opening(directory)(redb::Error::Io(error)))
        }
        // Whatever else the library finds, it finds in the file.
        Ok(Err(error)) => Err(damaged(error.to_string())),
        Err(_) => Err(damaged("its pages contradict each other".to_owned())),
    }
}

/// Errors of reading that come from what the file holds, not from the disk.
fn says_damaged(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    matches!(error.kind(), InvalidData | UnexpectedEof)
}

/// How the file stands, and what it says of itself before and after the check.
fn look(overlay: Overlay) -> Result<(Soundness, Meta, Meta), redb::Error> {
    let repaired = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&repaired);
    let mut builder = disk::builder();
    builder.set_repair_callback(move |_| noted.store(true, Ordering::Relaxed));
    let mut database = builder.create_with_backend(overlay)?;
    if repaired.load(Ordering::Relaxed) {
        // Opening it has checked every page.
        let meta = Meta::of(&database)?;
        return Ok((Soundness::Unclosed, meta, meta));
    }
    let before = Meta::of(&database)?;
    let soundness = if database.check_integrity()? {
        Soundness::Sound
    } else {
        Soundness::Untidy
    };
    Ok((soundness, before, Meta::of(&database)?))
}

/// A source with writes kept in memory on top.
#[derive(Debug)]
struct Overlay {
    source: Medium,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    length: u64,
    /// How much of the source still shows through.
    visible: u64,
    blocks: BTreeMap<u64, Box<[u8]>>,
}

impl Overlay {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the library not go by what a damaged commit slot says. Without it a file passes as it
    /// would with it, or fails.
    fn without_damaged_slot(&self) -> io::Result<()> {
        let mut header = [0; header::LENGTH];
        if self.len()? < header.len() as u64 {
            return Ok(());
        }
        self.read(0, &mut header)?;
        if let Some((at, slot)) = header::replacement(&header) {
            self.write(at as u64, slot)?;
        }
        Ok(())
    }

    /// The bytes of the source, and zeros beyond what shows of it.
    fn below(&self, visible: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = visible.saturating_sub(offset).min(out.len() as u64) as usize;
        let (there, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        if there.is_empty() {
            return Ok(());
        }
        self.source.read(offset, there)
    }
}

/// Splits a range into parts that each lie in one block: block, offset in it, part of the range.
fn blocks(
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % BLOCK as u64) as usize;
        let part = (BLOCK - within).min(length - done);
        let range = done..done + part;
        done += part;
        (part > 0).then_some((at / BLOCK as u64, within, range))
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if offset + out.len() as u64 > state.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (block, within, range) in blocks(offset, out.len()) {
            let part = &mut out[range.clone()];
            match state.blocks.get(&block) {
                Some(kept) => part.copy_from_slice(&kept[within..within + part.len()]),
                None => self.below(state.visible, offset + range.start as u64, part)?,
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        if length < state.length {
            state.visible = state.visible.min(length);
            state.blocks.split_off(&length.div_ceil(BLOCK as u64));
            let within = (length % BLOCK as u64) as usize;
            if let Some(last) = state.blocks.get_mut(&(length / BLOCK as u64)) {
                last[within..].fill(0);
            }
        }
        state.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        for (block, within, range) in blocks(offset, data.len()) {
            let visible = state.visible;
            if let std::collections::btree_map::Entry::Vacant(place) = state.blocks.entry(block) {
                let mut whole = vec![0; BLOCK].into_boxed_slice();
                self.below(visible, block * BLOCK as u64, &mut whole)?;
                place.insert(whole);
            }
            if let Some(kept) = state.blocks.get_mut(&block) {
                kept[within..within + range.len()].copy_from_slice(&data[range]);
            }
        }
        Ok(())
    }
}
