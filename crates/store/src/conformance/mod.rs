//! The suite that every backend passes.
//!
//! A backend's test calls [`run`] with a function that makes a fresh, empty store keeping the
//! given history. A violated promise panics with the name of the case and what was seen. A backend
//! that several processes can share also calls [`shared::run`].
//!
//! Nothing here assumes that revisions are contiguous or start at 1.
//!
//! | file | noun |
//! |---|---|
//! | `commit.rs`, `watch.rs` | one promise a case |
//! | `shared.rs` | what holds between handles: leading, being there, reading what others wrote |
//! | `recorder.rs` | [`recorder::Recorder`], which notes what many clients called and were told |
//! | `keyspace.rs` | [`keyspace::Keyspace`], the contract as a sequential machine |
//! | `population.rs` | the records of a large installation |
//! | `port.rs` | ports for servers that a test starts |
//! | `linear.rs` | [`linear::check`]: whether one order of the calls explains all answers |

mod commit;
pub mod keyspace;
pub mod linear;
pub mod population;
pub mod port;
pub mod recorder;
pub mod shared;
mod watch;

use std::sync::Arc;

use bytes::Bytes;

use crate::contract::{Commit, Entry, Revision, Snapshot, Store, Write};
use crate::watch::{Batch, HistoryLimit, Watch};
use longshore_state::Key;

/// Runs every case, each on a store of its own made by `make`.
pub async fn run(make: impl AsyncFn(HistoryLimit) -> Arc<dyn Store>) {
    let limit = HistoryLimit::default();
    commit::empty_store(&*make(limit).await).await;
    commit::put_get_delete(&*make(limit).await).await;
    commit::guards(&*make(limit).await).await;
    commit::guards_see_the_past_only(&*make(limit).await).await;
    commit::conflict_leaves_nothing(&*make(limit).await).await;
    commit::commits_without_effect(&*make(limit).await).await;
    commit::prefixes_are_literal(&*make(limit).await).await;
    commit::limits(&*make(limit).await).await;
    commit::no_lost_update(make(limit).await).await;
    watch::snapshots_are_consistent(make(limit).await).await;
    watch::watch_is_ordered_and_complete(make(limit).await).await;
    watch::watch_shows_packed_commits_whole(make(limit).await).await;
    watch::watch_resumes(&*make(limit).await).await;
    watch::watch_filters(&*make(limit).await).await;
    watch::watch_waits(make(limit).await).await;
    watch::watch_ahead_is_refused(&*make(limit).await).await;
    let short = HistoryLimit {
        commits: 4,
        ..limit
    };
    watch::compaction_is_answered(&*make(short).await).await;
    watch::lagging_watch_ends(&*make(short).await).await;
    watch::watch_ends_with_the_store(make(limit).await).await;
    shared::head_counts_every_commit(&*make(limit).await).await;
    shared::a_leader_commits_behind_its_fence(&*make(limit).await).await;
    shared::an_announcement_is_read(&*make(limit).await).await;
    recorder::histories_of_keys_are_linearizable(&[make(limit).await], 1).await;
    recorder::histories_of_the_keyspace_are_linearizable(&[make(limit).await], 1).await;
}

fn key(text: &str) -> Key {
    Key::new(text).expect("a key of the suite is valid")
}

fn put(text: &str, value: &str) -> Write {
    Write::Put {
        key: key(text),
        value: Bytes::copy_from_slice(value.as_bytes()),
    }
}

fn delete(text: &str) -> Write {
    Write::Delete { key: key(text) }
}

async fn commit(store: &dyn Store, writes: Vec<Write>) -> Revision {
    let commit = Commit {
        guards: Vec::new(),
        writes,
    };
    store
        .commit(commit)
        .await
        .expect("an unguarded commit succeeds")
}

async fn get(store: &dyn Store, text: &str) -> Option<Entry> {
    store.get(&key(text)).await.expect("get succeeds")
}

async fn list(store: &dyn Store, prefix: &str) -> Snapshot {
    store.list(prefix).await.expect("list succeeds")
}

async fn watch(store: &dyn Store, prefix: &str, after: Revision) -> Watch {
    store.watch(prefix, after).await.expect("watch starts")
}

async fn next(watch: &mut Watch) -> Batch {
    watch
        .next()
        .await
        .expect("the watch goes on")
        .expect("the watch has no error")
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot
        .entries
        .iter()
        .map(|entry| entry.key.as_str())
        .collect()
}
