//! What lists and watches promise: one revision, every commit once and in order, from anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::commit::count;
use super::{commit, delete, key, list, next, put, watch};
use crate::contract::{Revision, Store};
use crate::watch::{Batch, Event, WatchError};

pub(super) async fn snapshots_are_consistent(store: Arc<dyn Store>) {
    let case = "snapshots_are_consistent";
    const COMMITS: u64 = 100;
    let start = commit(&*store, vec![put("p/left", "0"), put("p/right", "0")]).await;
    let mut seen = watch(&*store, "p/", start).await;
    let writer = Arc::clone(&store);
    let writer = tokio::spawn(async move {
        for n in 1..=COMMITS {
            let n = n.to_string();
            commit(&*writer, vec![put("p/left", &n), put("p/right", &n)]).await;
        }
    });
    let mut last = start;
    loop {
        let snapshot = list(&*store, "p/").await;
        let [left, right] = &snapshot.entries[..] else {
            panic!("{case}: {snapshot:?}")
        };
        assert_eq!(left.value, right.value, "{case}: both halves of a commit");
        assert_eq!(left.revision, right.revision, "{case}");
        assert!(left.revision <= snapshot.revision, "{case}");
        assert!(snapshot.revision >= last, "{case}: time does not go back");
        last = snapshot.revision;
        // What a watch says happened up to the snapshot is what the snapshot holds.
        let mut expected = (start, Bytes::from_static(b"0"));
        // A watch starts from any snapshot, however fresh.
        drop(watch(&*store, "p/", last).await);
        while seen.position() < left.revision {
            let batch = next(&mut seen).await;
            let Event::Put(entry) = &batch.events[0] else {
                panic!("{case}: {batch:?}")
            };
            expected = (batch.revision, entry.value.clone());
            assert!(
                batch.revision <= left.revision,
                "{case}: the snapshot missed a commit"
            );
        }
        if expected.0 > start {
            assert_eq!(expected, (left.revision, left.value.clone()), "{case}");
        }
        if count(left) == COMMITS {
            break;
        }
        tokio::task::yield_now().await;
    }
    writer.await.expect(case);
}

pub(super) async fn watch_is_ordered_and_complete(store: Arc<dyn Store>) {
    let case = "watch_is_ordered_and_complete";
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let start = list(&*store, "").await.revision;
    let mut early = watch(&*store, "w/", start).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let mut made = Vec::new();
            for n in 0..EACH {
                let own = format!("w/{writer}");
                let value = n.to_string();
                let revision = commit(&*store, vec![put(&own, &value), put("w/last", &own)]).await;
                assert!(made.last() < Some(&revision), "revisions grow");
                made.push(revision);
            }
            made
        });
    }
    let mut received = Vec::new();
    while received.len() < WRITERS * EACH {
        received.push(next(&mut early).await);
    }
    let mut committed: Vec<Revision> = writers.join_all().await.concat();
    committed.sort_unstable();
    let revisions: Vec<Revision> = received.iter().map(|batch| batch.revision).collect();
    assert_eq!(revisions, committed, "{case}: every commit once, in order");
    assert!(
        committed.windows(2).all(|pair| pair[0] < pair[1]),
        "{case}: one revision each"
    );
    for batch in &received {
        let [Event::Put(own), Event::Put(last)] = &batch.events[..] else {
            panic!("{case}: {batch:?}")
        };
        assert_eq!(
            last.value,
            own.key.as_str().as_bytes(),
            "{case}: a commit is one batch"
        );
        assert_eq!(
            (own.revision, last.revision),
            (batch.revision, batch.revision),
            "{case}"
        );
    }
    let mut late = watch(&*store, "w/", start).await;
    for batch in &received {
        assert_eq!(
            &next(&mut late).await,
            batch,
            "{case}: the same for a later watch"
        );
    }
}

pub(super) async fn watch_resumes(store: &dyn Store) {
    let mut made = vec![commit(store, vec![put("a", "0")]).await];
    for n in 1..10 {
        made.push(commit(store, vec![put("a", &n.to_string())]).await);
    }
    for (position, after) in made.iter().enumerate() {
        let mut watch = watch(store, "", *after).await;
        for revision in &made[position + 1..] {
            assert_eq!(next(&mut watch).await.revision, *revision, "watch_resumes");
            assert_eq!(watch.position(), *revision, "watch_resumes");
        }
    }
}

pub(super) async fn watch_filters(store: &dyn Store) {
    let case = "watch_filters";
    let start = commit(store, vec![put("task/a", "0"), put("node/a", "0")]).await;
    let mut tasks = watch(store, "task/", start).await;
    commit(store, vec![put("node/a", "1")]).await;
    let mixed = commit(
        store,
        vec![put("node/a", "2"), delete("task/a"), put("task0", "")],
    )
    .await;
    let quiet = commit(store, vec![put("node/a", "3")]).await;
    let last = commit(store, vec![put("task/b", "1")]).await;
    let batch = next(&mut tasks).await;
    let events = vec![Event::Deleted { key: key("task/a") }];
    assert_eq!(
        batch,
        Batch {
            revision: mixed,
            events
        },
        "{case}"
    );
    let batch = next(&mut tasks).await;
    assert_eq!(batch.revision, last, "{case}");
    let mut resumed = watch(store, "task/", quiet).await;
    assert_eq!(
        next(&mut resumed).await,
        batch,
        "{case}: any revision resumes"
    );
}

pub(super) async fn watch_waits(store: Arc<dyn Store>) {
    let start = list(&*store, "").await.revision;
    let mut waiting = watch(&*store, "a", start).await;
    let waiter = tokio::spawn(async move {
        let batch = next(&mut waiting).await;
        (batch, waiting)
    });
    let made = commit(&*store, vec![put("a", "1")]).await;
    let (batch, mut waiting) = waiter.await.expect("the waiter ends");
    assert_eq!(batch.revision, made, "watch_waits");
    // A cancelled wait loses nothing.
    tokio::select! {
        biased;
        item = waiting.next() => panic!("watch_waits: nothing was committed, yet {item:?}"),
        () = std::future::ready(()) => {}
    }
    let made = commit(&*store, vec![put("a", "2")]).await;
    assert_eq!(next(&mut waiting).await.revision, made, "watch_waits");
}

pub(super) async fn watch_ahead_is_refused(store: &dyn Store) {
    let newest = commit(store, vec![put("a", "1")]).await;
    let refused = store.watch("", newest + 1_000_000).await.map(|_| ());
    assert!(
        matches!(refused, Err(WatchError::Ahead { .. })),
        "watch_ahead_is_refused: {refused:?}"
    );
}

/// The store keeps four commits.
pub(super) async fn compaction_is_answered(store: &dyn Store) {
    let case = "compaction_is_answered";
    let mut made = Vec::new();
    for n in 0..10 {
        made.push(commit(store, vec![put("a", &n.to_string())]).await);
    }
    let refused = store.watch("", made[0]).await.map(|_| ());
    let Err(WatchError::Compacted { oldest }) = refused else {
        panic!("{case}: {refused:?}")
    };
    assert_eq!(oldest, made[5], "{case}: four commits are kept");
    let mut watch = watch(store, "", oldest).await;
    for revision in &made[6..] {
        assert_eq!(next(&mut watch).await.revision, *revision, "{case}");
    }
}

/// The store keeps four commits.
pub(super) async fn lagging_watch_ends(store: &dyn Store) {
    let case = "lagging_watch_ends";
    let start = commit(store, vec![put("a", "")]).await;
    let mut lagging = watch(store, "", start).await;
    for n in 0..10 {
        commit(store, vec![put("a", &n.to_string())]).await;
    }
    let last = lagging.next().await;
    assert!(
        matches!(last, Some(Err(WatchError::Compacted { .. }))),
        "{case}: {last:?}"
    );
    assert!(
        lagging.next().await.is_none(),
        "{case}: the error is the last item"
    );
    let mut fresh = watch(store, "", list(store, "").await.revision).await;
    let made = commit(store, vec![put("b", "")]).await;
    assert_eq!(
        next(&mut fresh).await.revision,
        made,
        "{case}: listing again continues"
    );
}

pub(super) async fn watch_ends_with_the_store(store: Arc<dyn Store>) {
    let case = "watch_ends_with_the_store";
    let start = list(&*store, "").await.revision;
    let mut watch = watch(&*store, "", start).await;
    let made = commit(&*store, vec![put("a", "1")]).await;
    drop(store);
    assert_eq!(
        next(&mut watch).await.revision,
        made,
        "{case}: what was committed comes first"
    );
    assert!(watch.next().await.is_none(), "{case}");
}

/// Commits of different keys made at once, which a backend may pack together.
pub(super) async fn watch_shows_packed_commits_whole(store: Arc<dyn Store>) {
    let case = "watch_shows_packed_commits_whole";
    const WRITERS: usize = 32;
    const EACH: usize = 10;
    let start = list(&*store, "").await.revision;
    let mut seen = watch(&*store, "x/", start).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let (left, right) = (format!("x/{writer}/left"), format!("x/{writer}/right"));
            let mut made = Vec::new();
            for n in 0..EACH {
                let value = n.to_string();
                made.push(commit(&*store, vec![put(&left, &value), put(&right, &value)]).await);
            }
            (writer, made)
        });
    }
    let mut revisions: BTreeMap<String, Vec<(Revision, Bytes)>> = BTreeMap::new();
    let mut events = 0;
    while events < 2 * WRITERS * EACH {
        let batch = next(&mut seen).await;
        assert!(batch.revision > start, "{case}");
        events += batch.events.len();
        for event in &batch.events {
            let Event::Put(entry) = event else {
                panic!("{case}: {batch:?}")
            };
            assert_eq!(entry.revision, batch.revision, "{case}");
            let versions = revisions.entry(entry.key.to_string()).or_default();
            assert!(
                versions
                    .last()
                    .is_none_or(|(before, _)| *before < entry.revision),
                "{case}: a key changes once at a revision, and revisions grow"
            );
            versions.push((entry.revision, entry.value.clone()));
        }
    }
    for (writer, made) in writers.join_all().await {
        let expected: Vec<(Revision, Bytes)> = made
            .into_iter()
            .enumerate()
            .map(|(n, revision)| (revision, n.to_string().into()))
            .collect();
        for side in ["left", "right"] {
            let key = format!("x/{writer}/{side}");
            assert_eq!(revisions.get(&key), Some(&expected), "{case}: {key}");
        }
    }
}
