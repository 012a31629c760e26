//! The suite that every backend passes.
//!
//! A backend's test calls [`run`] with a function that makes a fresh, empty store keeping the
//! given history. A violated promise panics with the name of the case and what was seen.
//!
//! Nothing here assumes that revisions are contiguous or start at 1.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::contract::{
    Commit, CommitError, Entry, Guard, MAX_COMMIT_BYTES, MAX_GUARDS, MAX_VALUE_BYTES, MAX_WRITES,
    Revision, Snapshot, Store, Write,
};
use crate::key::Key;
use crate::watch::{Batch, Event, HistoryLimit, Watch, WatchError};

/// Runs every case, each on a store of its own made by `make`.
pub async fn run(make: impl AsyncFn(HistoryLimit) -> Arc<dyn Store>) {
    let limit = HistoryLimit::default();
    empty_store(&*make(limit).await).await;
    put_get_delete(&*make(limit).await).await;
    guards(&*make(limit).await).await;
    guards_see_the_past_only(&*make(limit).await).await;
    conflict_leaves_nothing(&*make(limit).await).await;
    commits_without_effect(&*make(limit).await).await;
    prefixes_are_literal(&*make(limit).await).await;
    limits(&*make(limit).await).await;
    no_lost_update(make(limit).await).await;
    snapshots_are_consistent(make(limit).await).await;
    watch_is_ordered_and_complete(make(limit).await).await;
    watch_resumes(&*make(limit).await).await;
    watch_filters(&*make(limit).await).await;
    watch_waits(make(limit).await).await;
    watch_ahead_is_refused(&*make(limit).await).await;
    let short = HistoryLimit {
        commits: 4,
        ..limit
    };
    compaction_is_answered(&*make(short).await).await;
    lagging_watch_ends(&*make(short).await).await;
    watch_ends_with_the_store(make(limit).await).await;
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

async fn empty_store(store: &dyn Store) {
    assert_eq!(get(store, "a").await, None, "empty_store");
    assert!(list(store, "").await.entries.is_empty(), "empty_store");
}

async fn put_get_delete(store: &dyn Store) {
    let case = "put_get_delete";
    let first = commit(store, vec![put("a", "1"), put("b", "2")]).await;
    let a = get(store, "a").await.expect(case);
    assert_eq!(
        (a.key.as_str(), &*a.value, a.revision),
        ("a", &b"1"[..], first),
        "{case}"
    );
    let second = commit(store, vec![put("a", "1")]).await;
    assert!(second > first, "{case}: putting an equal value is a change");
    assert_eq!(
        get(store, "a").await.expect(case).revision,
        second,
        "{case}"
    );
    assert_eq!(get(store, "b").await.expect(case).revision, first, "{case}");
    let third = commit(store, vec![delete("a"), put("c", "")]).await;
    assert!(third > second, "{case}");
    assert_eq!(get(store, "a").await, None, "{case}");
    assert_eq!(
        get(store, "c").await.expect(case).value,
        Bytes::new(),
        "{case}"
    );
    let all = list(store, "").await;
    assert_eq!(names(&all), ["b", "c"], "{case}: in key order");
    assert!(all.revision >= third, "{case}");
    commit(store, vec![put("a", "again")]).await;
    assert_eq!(
        &*get(store, "a").await.expect(case).value,
        b"again",
        "{case}"
    );
}

async fn guards(store: &dyn Store) {
    let old = commit(
        store,
        vec![
            put("task/a", "1"),
            put("task/gone", "1"),
            put("node/a", "1"),
        ],
    )
    .await;
    let new = commit(store, vec![put("task/b", "1"), delete("task/gone")]).await;
    let unchanged = |text, revision| Guard::Unchanged {
        key: key(text),
        revision,
    };
    let absent = |text| Guard::Absent { key: key(text) };
    let none_newer = |prefix: &str, revision| Guard::NoneNewer {
        prefix: prefix.into(),
        revision,
    };
    let cases = [
        (unchanged("task/a", old), true),
        (unchanged("task/a", old - 1), false),
        (unchanged("task/a", new), false),
        (unchanged("task/b", new), true),
        (unchanged("task/gone", old), false),
        (unchanged("task/gone", 0), true),
        (unchanged("task/a", 0), false),
        (absent("task/a"), false),
        (absent("task/gone"), true),
        (absent("task/never"), true),
        (none_newer("task/", new), true),
        (none_newer("task/", new + 1000), true),
        (none_newer("task/", Revision::MAX >> 2), true),
        (none_newer("task/", old), false),
        (none_newer("task/a", old), true),
        (none_newer("task/gone", 0), true),
        (none_newer("node/", old), true),
        (none_newer("node/", old - 1), false),
        (none_newer("nothing/", 0), true),
        (none_newer("", new), true),
        (none_newer("", old), false),
    ];
    for (guard, holds) in cases {
        // Deleting an absent key tries the guard without a change.
        let writes = vec![delete("nothing/here")];
        let answer = store
            .commit(Commit {
                guards: vec![guard.clone()],
                writes,
            })
            .await;
        match answer {
            Ok(_) => assert!(holds, "guards: {guard} was accepted"),
            Err(CommitError::Conflict { guard: named }) => {
                assert!(!holds, "guards: {guard} was refused");
                assert_eq!(named, guard, "guards: the conflict names the guard");
            }
            Err(other) => panic!("guards: {guard}: {other}"),
        }
    }
    let guards = vec![unchanged("task/a", old), absent("task/b"), absent("task/a")];
    let refused = store
        .commit(Commit {
            guards,
            writes: vec![put("x", "")],
        })
        .await;
    let Err(CommitError::Conflict { guard }) = refused else {
        panic!("guards: {refused:?}")
    };
    assert_eq!(
        guard,
        absent("task/b"),
        "guards: the first broken one is named"
    );
}

async fn guards_see_the_past_only(store: &dyn Store) {
    let case = "guards_see_the_past_only";
    let guards = vec![
        Guard::Absent { key: key("a") },
        Guard::NoneNewer {
            prefix: "a".into(),
            revision: 0,
        },
    ];
    let made = store
        .commit(Commit {
            guards,
            writes: vec![put("a", "1")],
        })
        .await;
    let made = made.expect("a commit's own writes do not break its guards");
    let guards = vec![Guard::Unchanged {
        key: key("a"),
        revision: made,
    }];
    let swapped = store
        .commit(Commit {
            guards: guards.clone(),
            writes: vec![put("a", "2")],
        })
        .await;
    assert!(swapped.expect(case) > made, "{case}");
    let late = store
        .commit(Commit {
            guards,
            writes: vec![put("a", "3")],
        })
        .await;
    assert!(late.expect_err(case).is_conflict(), "{case}");
}

async fn conflict_leaves_nothing(store: &dyn Store) {
    let case = "conflict_leaves_nothing";
    let before = commit(store, vec![put("a", "1"), put("b", "1")]).await;
    let mut watch = watch(store, "", before).await;
    let refused = store.commit(Commit {
        guards: vec![
            Guard::Unchanged {
                key: key("a"),
                revision: before,
            },
            Guard::Absent { key: key("b") },
        ],
        writes: vec![put("a", "2"), delete("b"), put("c", "2")],
    });
    assert!(refused.await.expect_err(case).is_conflict(), "{case}");
    let after = list(store, "").await;
    assert_eq!(names(&after), ["a", "b"], "{case}");
    assert!(
        after.entries.iter().all(|entry| entry.revision == before),
        "{case}"
    );
    let marker = commit(store, vec![put("marker", "")]).await;
    assert_eq!(
        next(&mut watch).await.revision,
        marker,
        "{case}: no batch for it"
    );
}

async fn commits_without_effect(store: &dyn Store) {
    let case = "commits_without_effect";
    let before = commit(store, vec![put("a", "1")]).await;
    let mut watch = watch(store, "", before).await;
    let nothing = commit(store, vec![delete("b"), delete("c")]).await;
    assert_eq!(nothing, before, "{case}: the newest revision");
    let some = commit(store, vec![delete("b"), delete("a")]).await;
    assert!(some > before, "{case}");
    let batch = next(&mut watch).await;
    let expected = Batch {
        revision: some,
        events: vec![Event::Deleted { key: key("a") }],
    };
    assert_eq!(batch, expected, "{case}: only what existed is reported");
}

async fn prefixes_are_literal(store: &dyn Store) {
    let case = "prefixes_are_literal";
    let all = [
        "task", "task/a", "task/a/1", "task/ab", "task0", "task~", "~",
    ];
    commit(store, all.iter().map(|name| put(name, "")).collect()).await;
    let cases: [(&str, &[&str]); 7] = [
        ("", &all),
        ("task/", &["task/a", "task/a/1", "task/ab"]),
        ("task/a", &["task/a", "task/a/1", "task/ab"]),
        ("task/a/", &["task/a/1"]),
        ("task~", &["task~"]),
        ("~", &["~"]),
        ("task/b", &[]),
    ];
    for (prefix, expected) in cases {
        assert_eq!(
            names(&list(store, prefix).await),
            expected,
            "{case}: {prefix:?}"
        );
    }
}

async fn limits(store: &dyn Store) {
    let sized = |name: String, bytes| Write::Put {
        key: key(&name),
        value: vec![b'v'; bytes].into(),
    };
    let of = |writes| Commit {
        guards: Vec::new(),
        writes,
    };
    let absent = |n| Guard::Absent {
        key: key(&format!("absent/{n}")),
    };

    let full = of(vec![sized("full".into(), MAX_VALUE_BYTES)]);
    store
        .commit(full)
        .await
        .expect("a value at the limit is accepted");
    let stored = get(store, "full")
        .await
        .expect("a value at the limit is stored");
    assert!(stored.value.len() == MAX_VALUE_BYTES && stored.value.iter().all(|byte| *byte == b'v'));
    let many = of((0..MAX_WRITES)
        .map(|n| sized(format!("many/{n}"), 1))
        .collect());
    store
        .commit(many)
        .await
        .expect("as many writes as allowed are accepted");
    assert_eq!(
        list(store, "many/").await.entries.len(),
        MAX_WRITES,
        "limits"
    );
    let guarded = Commit {
        guards: (0..MAX_GUARDS).map(absent).collect(),
        writes: vec![put("a", "")],
    };
    store
        .commit(guarded)
        .await
        .expect("as many guards as allowed are accepted");

    let before = list(store, "").await;
    let pieces = MAX_COMMIT_BYTES / MAX_VALUE_BYTES;
    let too_large = [
        (
            "value",
            of(vec![
                put("small", ""),
                sized("over".into(), MAX_VALUE_BYTES + 1),
            ]),
        ),
        (
            "writes",
            of((0..=MAX_WRITES)
                .map(|n| delete(&format!("d/{n}")))
                .collect()),
        ),
        (
            "bytes",
            of((0..pieces)
                .map(|n| sized(format!("b/{n}"), MAX_VALUE_BYTES))
                .collect()),
        ),
        (
            "guards",
            Commit {
                guards: (0..=MAX_GUARDS).map(absent).collect(),
                writes: vec![put("a", "")],
            },
        ),
    ];
    for (what, commit) in too_large {
        let refused = store.commit(commit).await;
        assert!(
            matches!(refused, Err(CommitError::TooLarge { .. })),
            "limits: {what}: {refused:?}"
        );
    }
    let empty = store.commit(of(Vec::new())).await;
    assert!(
        matches!(empty, Err(CommitError::Empty)),
        "limits: {empty:?}"
    );
    let twice = store.commit(of(vec![put("t", "1"), delete("t")])).await;
    assert!(
        matches!(twice, Err(CommitError::DuplicateKey { .. })),
        "limits: {twice:?}"
    );
    assert_eq!(
        list(store, "").await,
        before,
        "limits: refused commits change nothing"
    );
}

async fn no_lost_update(store: Arc<dyn Store>) {
    const WRITERS: u64 = 16;
    const EACH: u64 = 20;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            for _ in 0..EACH {
                increment(&*store).await;
            }
        });
    }
    writers.join_all().await;
    let counter = get(&*store, "counter").await.expect("the counter exists");
    assert_eq!(count(&counter), WRITERS * EACH, "no_lost_update");
}

fn count(entry: &Entry) -> u64 {
    let text = std::str::from_utf8(&entry.value).expect("a counter is text");
    text.parse().expect("a counter is a number")
}

/// Adds one to the counter, deciding again for as long as others are faster.
async fn increment(store: &dyn Store) {
    loop {
        let read = get(store, "counter").await;
        let (revision, value) = read.map_or((0, 0), |entry| (entry.revision, count(&entry)));
        let guards = vec![Guard::Unchanged {
            key: key("counter"),
            revision,
        }];
        let writes = vec![put("counter", &(value + 1).to_string())];
        match store.commit(Commit { guards, writes }).await {
            Ok(_) => return,
            Err(CommitError::Conflict { .. }) => {}
            Err(other) => panic!("increment: {other}"),
        }
    }
}

async fn snapshots_are_consistent(store: Arc<dyn Store>) {
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

async fn watch_is_ordered_and_complete(store: Arc<dyn Store>) {
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

async fn watch_resumes(store: &dyn Store) {
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

async fn watch_filters(store: &dyn Store) {
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

async fn watch_waits(store: Arc<dyn Store>) {
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

async fn watch_ahead_is_refused(store: &dyn Store) {
    let newest = commit(store, vec![put("a", "1")]).await;
    let refused = store.watch("", newest + 1_000_000).await.map(|_| ());
    assert!(
        matches!(refused, Err(WatchError::Ahead { .. })),
        "watch_ahead_is_refused: {refused:?}"
    );
}

/// The store keeps four commits.
async fn compaction_is_answered(store: &dyn Store) {
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
async fn lagging_watch_ends(store: &dyn Store) {
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

async fn watch_ends_with_the_store(store: Arc<dyn Store>) {
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
