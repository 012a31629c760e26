//! A simulated disk that can lose power.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use redb::StorageBackend;

/// The error of every operation without power.
pub(super) const LOST_POWER: &str = "the disk lost power";

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// A disk in memory. Clones are the same disk, so a store can be opened on it again.
#[derive(Debug, Clone, Default)]
pub(super) struct Platter {
    state: Arc<Mutex<State>>,
    released: Arc<Condvar>,
}

#[derive(Debug, Default)]
struct State {
    /// What is read back.
    cached: Vec<u8>,
    /// What survives for certain.
    synced: Vec<u8>,
    /// Writes since the last sync, oldest first.
    unsynced: Vec<Change>,
    /// Changes that still succeed before power is lost; none is forever.
    power: Option<usize>,
    syncs: usize,
    /// A test keeps syncs waiting.
    held: bool,
    /// A sync waits.
    stuck: bool,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
}

impl Platter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How often the disk was synced.
    pub(super) fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// Keeps every sync waiting until [`Platter::release`].
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

    /// Lets `changes` more writes and syncs succeed, then fails all.
    pub(super) fn fail_after(&self, changes: usize) {
        self.state().power = Some(changes);
    }

    /// Lets everything succeed again.
    pub(super) fn repair(&self) {
        self.state().power = None;
    }

    /// Keeps what was synced and, by `luck`, any sectors of what was not; then power is back.
    pub(super) fn lose_power(&self, luck: u64) {
        let mut state = self.state();
        let mut luck = luck | 1;
        let mut survives = || {
            luck ^= luck << 13;
            luck ^= luck >> 7;
            luck ^= luck << 17;
            luck & 1 == 0
        };
        let mut kept = std::mem::take(&mut state.synced);
        for change in std::mem::take(&mut state.unsynced) {
            match change {
                Change::Length(length) => kept.resize(length, 0),
                Change::Write { offset, data } => {
                    for (n, sector) in data.chunks(SECTOR).enumerate() {
                        let at = offset + n * SECTOR;
                        if survives() {
                            kept[at..at + sector.len()].copy_from_slice(sector);
                        }
                    }
                }
            }
        }
        state.cached = kept.clone();
        state.synced = kept;
        state.power = None;
    }
}

impl State {
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.power {
            Some(0) => Err(io::Error::other(LOST_POWER)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl StorageBackend for Platter {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.state().cached[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        let mut state = self.state();
        state.spend()?;
        state.cached.resize(len, 0);
        state.unsynced.push(Change::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.stuck = state.held;
        let mut state = self.released.wait_while(state, |state| state.held).unwrap();
        state.stuck = false;
        state.spend()?;
        state.syncs += 1;
        state.unsynced.clear();
        state.synced = state.cached.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let mut state = self.state();
        state.spend()?;
        state.cached[offset..offset + data.len()].copy_from_slice(data);
        state.unsynced.push(Change::Write {
            offset,
            data: data.to_vec(),
        });
        Ok(())
    }
}
