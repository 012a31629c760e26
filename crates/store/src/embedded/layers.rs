//! What the store holds: the base file, and over it what is only in the log yet.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::contract::{Entry, Revision, Snapshot};
use crate::watch::{Batch, Event};
use longshore_state::Key;

use super::disk::{Disk, LogMeta};

/// The newest change to each key of some commits. A key without a value was deleted.
pub(super) type Changes = HashMap<Key, (Revision, Option<Bytes>)>;

/// Takes commits over into `changes`, oldest first.
pub(super) fn take_over(changes: &mut Changes, batches: &[Batch]) {
    for batch in batches {
        for event in &batch.events {
            let value = match event {
                Event::Put(entry) => Some(entry.value.clone()),
                Event::Deleted { .. } => None,
            };
            changes.insert(event.key().clone(), (batch.revision, value));
        }
    }
}

/// Both layers; reads see them at one revision.
#[derive(Debug)]
pub(super) struct Layers {
    disk: Disk,
    above: Mutex<Above>,
    /// Notified when nothing is being settled any more, or never will be.
    settled: Condvar,
    /// On the directory; goes after the base file.
    _lock: Option<File>,
}

/// What is durable in the log and not, or not for certain, in the base file.
#[derive(Debug)]
struct Above {
    /// Of the segment that is written.
    recent: Changes,
    /// Of the other segment, while they move into the base file.
    frozen: Option<Frozen>,
    revision: Revision,
    has_failed: bool,
    /// [`Layers::freeze`] waits.
    #[cfg(test)]
    is_stalled: bool,
}

/// Changes that move into the base file together.
#[derive(Debug, Clone)]
struct Frozen {
    changes: Arc<Changes>,
    revision: Revision,
}

impl Layers {
    /// Only the base file, which is at `revision`.
    pub(super) fn over(disk: Disk, revision: Revision, lock: Option<File>) -> Layers {
        let above = Above {
            recent: Changes::new(),
            frozen: None,
            revision,
            has_failed: false,
            #[cfg(test)]
            is_stalled: false,
        };
        Layers {
            disk,
            above: Mutex::new(above),
            settled: Condvar::new(),
            _lock: lock,
        }
    }

    fn above(&self) -> MutexGuard<'_, Above> {
        // Nothing that can panic runs while it is being changed.
        self.above.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes commits over that are durable in the log, oldest first.
    pub(super) fn add(&self, batches: &[Batch]) {
        let mut above = self.above();
        take_over(&mut above.recent, batches);
        if let Some(newest) = batches.last() {
            above.revision = newest.revision;
        }
    }

    /// Sets aside what is above the base file for [`Layers::settle`]. Waits while that is still at
    /// work on what was set aside before. False if it failed.
    pub(super) fn freeze(&self) -> bool {
        let above = self.above();
        let waited = self.settled.wait_while(above, |above| {
            let waits = above.frozen.is_some() && !above.has_failed;
            #[cfg(test)]
            {
                above.is_stalled = waits;
            }
            waits
        });
        let mut above = waited.unwrap_or_else(PoisonError::into_inner);
        if above.has_failed {
            return false;
        }
        above.frozen = Some(Frozen {
            changes: Arc::new(std::mem::take(&mut above.recent)),
            revision: above.revision,
        });
        true
    }

    /// Moves what was set aside into the base file. `log` is the one that goes on;
    /// [`super::disk::CLOSED`] if none does. After an error the base file is as
    /// before or as after, and the log still has everything.
    pub(super) fn settle(&self, log: LogMeta) -> Result<(), redb::Error> {
        let frozen = self.above().frozen.clone();
        let Some(Frozen { changes, revision }) = frozen else {
            return Ok(());
        };
        self.disk.write(&changes, revision, log)?;
        let done = self.above().frozen.take();
        self.settled.notify_all();
        drop((done, changes));
        Ok(())
    }

    /// Ends all waiting: nothing will be settled any more.
    pub(super) fn fail(&self) {
        self.above().has_failed = true;
        self.settled.notify_all();
    }

    /// Whether something is being settled.
    #[cfg(test)]
    pub(super) fn is_settling(&self) -> bool {
        let above = self.above();
        above.frozen.is_some() && !above.has_failed
    }

    /// Whether the writer waits until that is done.
    #[cfg(test)]
    pub(super) fn is_stalled(&self) -> bool {
        self.above().is_stalled
    }

    /// The entry at `key`.
    pub(super) fn get(&self, key: &Key) -> Result<Option<Entry>, redb::Error> {
        let above = self.above();
        let frozen = above.frozen.as_ref();
        let found = above
            .recent
            .get(key)
            .or_else(|| frozen.and_then(|frozen| frozen.changes.get(key)));
        if let Some((revision, value)) = found {
            return Ok(value.clone().map(|value| Entry {
                key: key.clone(),
                value,
                revision: *revision,
            }));
        }
        let base = self.disk.read()?;
        drop(above);
        base.get(key)
    }

    /// The entries whose keys start with `prefix`, at one revision.
    pub(super) fn list(&self, prefix: &str) -> Result<Snapshot, redb::Error> {
        let above = self.above();
        let mut changes = Changes::new();
        for layer in above
            .frozen
            .iter()
            .map(|frozen| &*frozen.changes)
            .chain([&above.recent])
        {
            let under = layer
                .iter()
                .filter(|(key, _)| key.as_str().starts_with(prefix));
            changes.extend(under.map(|(key, change)| (key.clone(), change.clone())));
        }
        let revision = above.revision;
        let base = self.disk.read()?;
        drop(above);
        let mut entries = base.list(prefix)?;
        entries.retain(|entry| !changes.contains_key(&entry.key));
        let added = changes.into_iter().filter_map(|(key, (revision, value))| {
            value.map(|value| Entry {
                key,
                value,
                revision,
            })
        });
        entries.extend(added);
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Snapshot { revision, entries })
    }
}
