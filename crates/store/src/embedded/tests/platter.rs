//! A simulated disk with the files of one store, behind the seam that all their I/O goes through.
//! It can lose power, fail a call, tell what it was asked, and be taken apart into the images that
//! a power cut leaves. What reached the disk of one file says nothing about the others.
//!
//! The checkpoint thread works beside the writer; so that a seed makes the same calls in the same
//! order again, a test can let it do a number of calls at a time.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use redb::StorageBackend;

use super::luck::Luck;
use crate::embedded::checkpoint;
use crate::embedded::medium::Media;

/// The error of every operation without power.
pub(super) const LOST_POWER: &str = "the disk lost power";

/// What a disk writes whole or not at all, in bytes.
pub(super) const SECTOR: usize = 512;

/// Unit that clones of a content share, in bytes.
const PAGE: usize = 4096;

type Page = [u8; PAGE];

/// The base file.
pub(super) const BASE: usize = 0;

/// The files of a store: the base file and the segments of the log.
pub(super) const FILES: usize = 3;

/// The bytes of a disk, file by file.
pub(super) type Content = [Bytes; FILES];

/// Changes that reached the disk, or some that did.
pub(super) trait Changed {
    /// Carries out one operation whole.
    fn apply(&mut self, operation: &Operation);
    /// Carries out the first `sectors` sectors of a write, or nothing of anything else.
    fn apply_torn(&mut self, operation: &Operation, sectors: usize);
    /// Carries out any part of `pending`: of each write all of it, nothing, or any of its sectors.
    /// Since a sector keeps the last write that reached it, this is also what is left when the
    /// writes reached the disk in any other order.
    fn apply_some(&mut self, pending: &[Operation], luck: &mut Luck);
}

impl Changed for Content {
    fn apply(&mut self, operation: &Operation) {
        let file = &mut self[operation.file];
        match &operation.change {
            Change::Write { offset, data } => file.write(*offset, data),
            Change::Length(length) => file.resize(*length),
            Change::Sync => {}
        }
    }

    fn apply_torn(&mut self, operation: &Operation, sectors: usize) {
        if let Change::Write { offset, data } = &operation.change {
            self[operation.file].write(*offset, &data[..data.len().min(sectors * SECTOR)]);
        }
    }

    fn apply_some(&mut self, pending: &[Operation], luck: &mut Luck) {
        for operation in pending {
            let file = &mut self[operation.file];
            match &operation.change {
                Change::Write { offset, data } => {
                    let (whole, nothing) = (luck.one_in(3), luck.one_in(2));
                    for (n, sector) in data.chunks(SECTOR).enumerate() {
                        if whole || (!nothing && luck.one_in(2)) {
                            file.write(offset + n * SECTOR, sector);
                        }
                    }
                }
                Change::Length(length) if luck.one_in(2) => file.resize(*length),
                Change::Length(_) | Change::Sync => {}
            }
        }
    }
}

/// The bytes of a file. A clone shares its pages until one of the two changes them.
#[derive(Debug, Clone, Default)]
pub(super) struct Bytes {
    pages: Vec<Arc<Page>>,
    length: usize,
}

impl Bytes {
    /// The length in bytes.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Flips one bit, counted from the start.
    pub(super) fn flip(&mut self, bit: usize) {
        let byte = bit / 8;
        Arc::make_mut(&mut self.pages[byte / PAGE])[byte % PAGE] ^= 1 << (bit % 8);
    }

    /// Sets bytes to zero.
    pub(super) fn wipe(&mut self, offset: usize, length: usize) {
        self.write(offset, &vec![0; length]);
    }

    /// Cuts off or adds zeros.
    pub(super) fn resize(&mut self, length: usize) {
        let zeros = Arc::new([0; PAGE]);
        self.pages.resize(length.div_ceil(PAGE), zeros);
        if length < self.length && !length.is_multiple_of(PAGE) {
            let last = Arc::make_mut(&mut self.pages[length / PAGE]);
            last[length % PAGE..].fill(0);
        }
        self.length = length;
    }

    /// Fills `out` from `offset`.
    pub(super) fn get(&self, offset: usize, out: &mut [u8]) -> io::Result<()> {
        if offset + out.len() > self.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        while done < out.len() {
            let (page, within) = ((offset + done) / PAGE, (offset + done) % PAGE);
            let length = (PAGE - within).min(out.len() - done);
            out[done..done + length].copy_from_slice(&self.pages[page][within..within + length]);
            done += length;
        }
        Ok(())
    }

    /// Sets bytes; those beyond the end are lost.
    fn write(&mut self, offset: usize, data: &[u8]) {
        let data = &data[..data.len().min(self.length.saturating_sub(offset))];
        let mut done = 0;
        while done < data.len() {
            let (page, within) = ((offset + done) / PAGE, (offset + done) % PAGE);
            let length = (PAGE - within).min(data.len() - done);
            let page = Arc::make_mut(&mut self.pages[page]);
            page[within..within + length].copy_from_slice(&data[done..done + length]);
            done += length;
        }
    }
}

/// A change that the disk was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    /// Of which file.
    pub(super) file: usize,
    pub(super) change: Change,
}

/// A change of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Sets bytes.
    Write { offset: usize, data: Vec<u8> },
    /// Cuts off or extends.
    Length(usize),
    /// Makes everything before it last.
    Sync,
}

impl Operation {
    /// How many sectors it writes.
    pub(super) fn sectors(&self) -> usize {
        match &self.change {
            Change::Write { data, .. } => data.len().div_ceil(SECTOR),
            Change::Length(_) | Change::Sync => 0,
        }
    }
}

/// A call that fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// Calls that succeed before it, reads included.
    pub(super) after: usize,
    /// What it fails with.
    pub(super) error: ErrorCode,
    /// Whether every call after it fails as well. A disk that recovers is the harder case: what is
    /// tried again then seems to succeed.
    pub(super) for_good: bool,
}

/// What a failed call reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorCode {
    /// No power.
    Power,
    /// EIO: the device failed.
    Io,
    /// ENOSPC: the disk is full.
    NoSpace,
}

impl ErrorCode {
    fn error(self) -> io::Error {
        match self {
            ErrorCode::Power => io::Error::other(LOST_POWER),
            ErrorCode::Io => io::Error::from_raw_os_error(5),
            ErrorCode::NoSpace => io::Error::from_raw_os_error(28),
        }
    }
}

/// A disk in memory. Clones are the same disk, so a store can be opened on it again.
#[derive(Debug, Clone, Default)]
pub(super) struct Platter {
    state: Arc<Mutex<State>>,
    released: Arc<Condvar>,
}

#[derive(Debug, Default)]
struct State {
    /// What is read back.
    cached: Content,
    /// What survives for certain.
    synced: Content,
    /// Changes since the log was last taken.
    log: Vec<Operation>,
    /// Changes that no sync of their file has followed.
    pending: Vec<Operation>,
    calls: usize,
    fault: Option<Fault>,
    fault_at: Option<usize>,
    syncs: usize,
    /// A test keeps syncs waiting.
    held: bool,
    /// A sync waits.
    stuck: bool,
    /// How many calls the checkpoint thread may make; none if it is free.
    granted: Option<usize>,
    /// The checkpoint thread waits.
    gated: bool,
}

impl Platter {
    /// A disk that holds this, all of it synced.
    pub(super) fn holding(content: Content) -> Platter {
        let state = State {
            cached: content.clone(),
            synced: content,
            ..State::default()
        };
        Platter {
            state: Arc::new(Mutex::new(state)),
            released: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How often the disk was synced.
    pub(super) fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// How often the disk was called, reads included.
    pub(super) fn calls(&self) -> usize {
        self.state().calls
    }

    /// How many changes were asked for since the log was taken.
    pub(super) fn changes(&self) -> usize {
        self.state().log.len()
    }

    /// Whether the fault has happened.
    pub(super) fn has_failed(&self) -> bool {
        self.state().fault_at.is_some()
    }

    /// Changes that the disk was asked for after the fault.
    pub(super) fn changes_after_fault(&self) -> usize {
        let state = self.state();
        state.fault_at.map_or(0, |at| state.log.len() - at)
    }

    /// The files.
    pub(super) fn media(&self) -> Media {
        let [base, first, second] = [0, 1, 2].map(|number| {
            Arc::new(PlatterFile {
                platter: self.clone(),
                number,
            })
        });
        Media {
            base,
            log: [first, second],
        }
    }

    /// Lets the checkpoint thread make so many calls and no more until the next grant. What is
    /// left is taken back when it has synced, which is the last thing that it does.
    pub(super) fn grant(&self, calls: usize) {
        self.state().granted = Some(calls);
        self.released.notify_all();
    }

    /// True while the checkpoint thread waits for a grant.
    pub(super) fn is_gated(&self) -> bool {
        let state = self.state();
        state.gated && state.granted == Some(0)
    }

    /// Keeps every sync of the writer waiting until [`Platter::release`].
    pub(super) fn hold(&self) {
        self.state().held = true;
    }

    /// True while a sync waits.
    pub(super) fn is_stuck(&self) -> bool {
        self.state().stuck
    }

    /// Lets syncs go on.
    pub(super) fn release(&self) {
        self.state().held = false;
        self.released.notify_all();
    }

    /// Fails a call.
    pub(super) fn fail(&self, fault: Fault) {
        let mut state = self.state();
        state.calls = 0;
        state.fault = Some(fault);
        state.fault_at = None;
    }

    /// Lets `calls` more calls succeed, then fails all.
    pub(super) fn fail_after(&self, calls: usize) {
        self.fail(Fault {
            after: calls,
            error: ErrorCode::Power,
            for_good: true,
        });
    }

    /// Lets everything succeed again.
    pub(super) fn repair(&self) {
        self.state().fault = None;
    }

    /// Keeps what was synced and, by `luck`, any sectors of what was not; then power is back.
    pub(super) fn lose_power(&self, luck: u64) {
        let mut state = self.state();
        let mut kept = state.synced.clone();
        kept.apply_some(&state.pending, &mut Luck::new(luck));
        *state = State {
            cached: kept.clone(),
            synced: kept,
            ..State::default()
        };
    }

    /// What is read back, what survives for certain, and what is on its way from the one to the
    /// other.
    pub(super) fn contents(&self) -> (Content, Content, Vec<Operation>) {
        let state = self.state();
        (
            state.cached.clone(),
            state.synced.clone(),
            state.pending.clone(),
        )
    }

    /// Does changes that another disk was asked for.
    pub(super) fn replay(&self, log: &[Operation]) {
        let mut state = self.state();
        for Operation { file, change } in log {
            if *change == Change::Sync {
                state.sync(*file);
            } else {
                state.change(*file, change.clone());
            }
        }
    }

    /// The changes since the beginning, or since they were last taken.
    pub(super) fn take_log(&self) -> Vec<Operation> {
        std::mem::take(&mut self.state().log)
    }
}

impl State {
    /// Counts a call; fails if it is its turn.
    fn call(&mut self) -> io::Result<()> {
        let call = self.calls;
        self.calls += 1;
        match self.fault {
            Some(fault) if call == fault.after || (fault.for_good && call > fault.after) => {
                self.fault_at.get_or_insert(self.log.len());
                Err(fault.error.error())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn sync(&mut self, file: usize) {
        let settled = self
            .pending
            .extract_if(.., |operation| operation.file == file);
        for operation in settled {
            self.synced.apply(&operation);
        }
        let change = Change::Sync;
        self.log.push(Operation { file, change });
    }

    fn change(&mut self, file: usize, change: Change) {
        let operation = Operation { file, change };
        self.cached.apply(&operation);
        self.pending.push(operation.clone());
        self.log.push(operation);
    }
}

/// One file of the disk.
#[derive(Debug)]
struct PlatterFile {
    platter: Platter,
    number: usize,
}

impl PlatterFile {
    /// The state, once it is this thread's turn.
    fn turn(&self) -> MutexGuard<'_, State> {
        let state = self.platter.state();
        if !is_checkpoint() {
            return state;
        }
        let mut state = self
            .platter
            .released
            .wait_while(state, |state| {
                state.gated = state.granted == Some(0);
                state.gated
            })
            .unwrap();
        if let Some(granted) = &mut state.granted {
            *granted -= 1;
        }
        state
    }
}

fn is_checkpoint() -> bool {
    std::thread::current().name() == Some(checkpoint::THREAD)
}

impl StorageBackend for PlatterFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter.state().cached[self.number].len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.turn();
        state.call()?;
        state.cached[self.number].get(usize::try_from(offset).unwrap(), out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.turn();
        state.call()?;
        state.change(self.number, Change::Length(usize::try_from(len).unwrap()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.turn();
        if is_checkpoint() {
            state.granted = state.granted.map(|_| 0);
        } else {
            let released = self.platter.released.wait_while(state, |state| {
                state.stuck = state.held;
                state.held
            });
            state = released.unwrap();
        }
        state.call()?;
        state.syncs += 1;
        state.sync(self.number);
        Ok(())
    }

    /// A write that fails leaves the first half of its sectors.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.turn();
        let change = Change::Write {
            offset: usize::try_from(offset).unwrap(),
            data: data.to_vec(),
        };
        if let Err(error) = state.call() {
            let operation = Operation {
                file: self.number,
                change,
            };
            let half = operation.sectors() / 2;
            state.cached.apply_torn(&operation, half);
            return Err(error);
        }
        state.change(self.number, change);
        Ok(())
    }
}
