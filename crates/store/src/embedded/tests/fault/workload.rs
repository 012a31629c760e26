//! Commits made by chance on a simulated disk, and what the keyspace must be after each.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::super::luck::Luck;
use super::super::platter::{Content, Operation, Platter};
use crate::contract::{Commit, CommitError, Entry, Guard, Revision, Store, Write};
use crate::embedded::{Embedded, OpenError};
use longshore_state::Key;

/// Length of a segment of the log, in bytes: the base file is written every few commits.
pub(super) const SEGMENT_BYTES: usize = 96 * 1024;

/// The keyspace at one revision, kept beside the store by plain means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State(Arc<BTreeMap<Key, (Revision, Bytes)>>);

impl State {
    /// Whether these are its entries.
    pub(super) fn holds(&self, entries: &[Entry]) -> bool {
        let expected = self.0.iter();
        entries.len() == self.0.len()
            && expected
                .zip(entries)
                .all(|((key, (revision, value)), entry)| {
                    (key, revision, value) == (&entry.key, &entry.revision, &entry.value)
                })
    }

    /// The state after these writes.
    pub(super) fn after(&self, writes: &[Write], revision: Revision) -> State {
        let mut entries = BTreeMap::clone(&self.0);
        for write in writes {
            match write {
                Write::Put { key, value } => {
                    entries.insert(key.clone(), (revision, value.clone()));
                }
                Write::Delete { key } => {
                    entries.remove(key);
                }
            }
        }
        State(Arc::new(entries))
    }

    /// Whether these writes would change anything.
    pub(super) fn is_changed_by(&self, writes: &[Write]) -> bool {
        writes.iter().any(|write| match write {
            Write::Put { .. } => true,
            Write::Delete { key } => self.0.contains_key(key),
        })
    }

    fn revision_of(&self, key: &Key) -> Revision {
        self.0.get(key).map_or(0, |(revision, _)| *revision)
    }
}

/// One life of the store on a disk: opened, written to, closed.
#[derive(Debug)]
pub(super) struct Segment {
    /// What the disk held when the store was opened.
    pub(super) base: Content,
    /// Every change that the disk was asked for, the opening and the closing included.
    pub(super) log: Vec<Operation>,
    /// Which revision was acknowledged by the time the log had which length.
    pub(super) acknowledged: Vec<(usize, Revision)>,
    /// The keyspace at each revision, from the one before the segment.
    pub(super) states: BTreeMap<Revision, State>,
}

/// A disk and what is on it, between segments.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    pub(super) content: Content,
    pub(super) revision: Revision,
    pub(super) state: State,
}

impl Rest {
    /// A disk with an empty store. How that is made is not cut: a first start makes the file under
    /// another name.
    pub(super) fn empty() -> Rest {
        let platter = Platter::default();
        super::super::make_simulated(&platter);
        Rest {
            content: platter.contents().0,
            revision: 0,
            state: State::default(),
        }
    }

    /// Opens the store, makes `commits` commits and closes it.
    pub(super) fn run(&mut self, commits: usize, luck: &mut Luck) -> Segment {
        let platter = Platter::holding(self.content.clone());
        let mut segment = Segment {
            base: self.content.clone(),
            log: Vec::new(),
            acknowledged: vec![(0, self.revision)],
            states: BTreeMap::from([(self.revision, self.state.clone())]),
        };
        super::super::block_on(async {
            let store = Arc::new(open(&platter, self.revision + 1).unwrap());
            let mut left = commits;
            while left > 0 {
                let group = if luck.one_in(8) { 2 + luck.below(6) } else { 1 };
                let group = group.min(left);
                left -= group;
                let_settle(&store, &platter, luck).await;
                if group == 1 {
                    self.commit_one(&store, &platter, luck).await;
                } else {
                    self.commit_together(&store, &platter, group, luck, &mut segment.states)
                        .await;
                }
                segment.states.insert(self.revision, self.state.clone());
                segment
                    .acknowledged
                    .push((platter.changes(), self.revision));
            }
            settle_all(&store, &platter).await;
        });
        self.content = platter.contents().0;
        segment.log = platter.take_log();
        segment
    }

    async fn commit_one(&mut self, store: &Embedded, platter: &Platter, luck: &mut Luck) {
        let commit = self.commit(luck);
        let writes = commit.writes.clone();
        match relieved(store.commit(commit), store, platter).await {
            Ok(revision) if self.state.is_changed_by(&writes) => {
                assert_eq!(revision, self.revision + 1);
                self.state = self.state.after(&writes, revision);
                self.revision = revision;
            }
            Ok(revision) => assert_eq!(revision, self.revision),
            Err(error) => assert!(error.is_conflict(), "{error}"),
        }
    }

    /// Several commits of which all but the first share one sync, always the same ones.
    async fn commit_together(
        &mut self,
        store: &Arc<Embedded>,
        platter: &Platter,
        count: usize,
        luck: &mut Luck,
        states: &mut BTreeMap<Revision, State>,
    ) {
        let commits: Vec<Commit> = (0..count).map(|_| puts(luck)).collect();
        platter.hold();
        let mut waiting = JoinSet::new();
        for (n, commit) in commits.into_iter().enumerate() {
            let shared = Arc::clone(store);
            waiting.spawn(async move {
                let made = shared.commit(commit.clone()).await;
                (made.unwrap(), commit)
            });
            while if n == 0 {
                !platter.is_stuck()
            } else {
                store.writer.queued() < n
            } {
                relieve(store, platter).await;
            }
        }
        platter.release();
        let mut made = relieved(waiting.join_all(), store, platter).await;
        made.sort_by_key(|(revision, _)| *revision);
        for (revision, commit) in made {
            assert_eq!(revision, self.revision + 1);
            self.state = self.state.after(&commit.writes, revision);
            self.revision = revision;
            states.insert(revision, self.state.clone());
        }
    }

    /// A commit by chance; its guards hold three times in four.
    pub(super) fn commit(&self, luck: &mut Luck) -> Commit {
        let mut commit = puts(luck);
        for write in &mut commit.writes {
            if luck.one_in(4) {
                let key = write.key().clone();
                *write = Write::Delete { key };
            }
        }
        if luck.one_in(3) {
            let key = name(luck);
            let stale = luck.one_in(4);
            let revision = self.state.revision_of(&key) + Revision::from(stale);
            commit.guards.push(Guard::Unchanged { key, revision });
        }
        commit
    }
}

fn name(luck: &mut Luck) -> Key {
    let table = ["task", "instance"][luck.below(2)];
    Key::new(format!("{table}/{:02}", luck.below(32))).unwrap()
}

/// Puts of one to three keys; most values are small, some need pages of their own.
fn puts(luck: &mut Luck) -> Commit {
    let mut writes = BTreeMap::new();
    for _ in 0..=luck.below(3) {
        let bytes = match luck.below(40) {
            0 => 8_000 + luck.below(8_000),
            1..4 => luck.below(6_000),
            _ => luck.below(120),
        };
        let value: Bytes = vec![luck.next() as u8; bytes].into();
        let key = name(luck);
        writes.insert(key.clone(), Write::Put { key, value });
    }
    Commit {
        guards: Vec::new(),
        writes: writes.into_values().collect(),
    }
}

/// Opens the store on a simulated disk, with segments of a few records.
pub(super) fn open(platter: &Platter, salt: u64) -> Result<Embedded, OpenError> {
    platter.grant(0);
    super::super::start_simulated(platter, salt, SEGMENT_BYTES)
}

/// Lets the checkpoint thread go on by some calls, if it is at work.
pub(super) async fn let_settle(store: &Embedded, platter: &Platter, luck: &mut Luck) {
    if store.layers.is_settling() {
        platter.grant(luck.below(24));
    }
    while store.layers.is_settling() && !platter.is_gated() {
        tokio::task::yield_now().await;
    }
}

/// Lets the checkpoint thread finish.
pub(super) async fn settle_all(store: &Embedded, platter: &Platter) {
    if store.layers.is_settling() {
        platter.grant(usize::MAX);
    }
    while store.layers.is_settling() {
        tokio::task::yield_now().await;
    }
}

/// Lets the checkpoint thread finish if the writer waits for it.
async fn relieve(store: &Embedded, platter: &Platter) {
    if store.layers.is_stalled() && platter.is_gated() {
        platter.grant(usize::MAX);
    }
    tokio::task::yield_now().await;
}

/// Waits for an answer, and relieves the writer meanwhile.
pub(super) async fn relieved<T>(
    answer: impl Future<Output = T>,
    store: &Embedded,
    platter: &Platter,
) -> T {
    let mut answer = std::pin::pin!(answer);
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            () = relieve(store, platter) => {}
        }
    }
}

/// Whether the store said that it has failed for good.
pub(super) fn has_failed<T>(answer: &Result<T, CommitError>) -> bool {
    matches!(answer, Err(CommitError::Unavailable(_)))
}
