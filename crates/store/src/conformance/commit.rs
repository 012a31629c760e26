//! What commits promise: guards, all or nothing, limits, and no update lost.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::{commit, delete, get, key, list, names, next, put, watch};
use crate::contract::{
    Bounds, Commit, CommitError, Entry, Guard, MAX_COMMIT_BYTES, MAX_VALUE_BYTES, Revision, Store,
    Write,
};
use crate::watch::{Batch, Event};

pub(super) async fn empty_store(store: &dyn Store) {
    assert_eq!(get(store, "a").await, None, "empty_store");
    assert!(list(store, "").await.entries.is_empty(), "empty_store");
}

pub(super) async fn put_get_delete(store: &dyn Store) {
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

pub(super) async fn guards(store: &dyn Store) {
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

pub(super) async fn guards_see_the_past_only(store: &dyn Store) {
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

pub(super) async fn conflict_leaves_nothing(store: &dyn Store) {
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

pub(super) async fn commits_without_effect(store: &dyn Store) {
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

pub(super) async fn prefixes_are_literal(store: &dyn Store) {
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

pub(super) async fn limits(store: &dyn Store) {
    let (max, common) = (store.bounds(), Bounds::COMMON);
    assert!(
        max.writes >= common.writes && max.guards >= common.guards,
        "limits: {max:?}"
    );
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
    let many = of((0..max.writes)
        .map(|n| sized(format!("many/{n}"), 1))
        .collect());
    store
        .commit(many)
        .await
        .expect("as many writes as allowed are accepted");
    assert_eq!(
        list(store, "many/").await.entries.len(),
        max.writes,
        "limits"
    );
    let guarded = Commit {
        guards: (0..max.guards).map(absent).collect(),
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
            of((0..=max.writes)
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
                guards: (0..=max.guards).map(absent).collect(),
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

pub(super) async fn no_lost_update(store: Arc<dyn Store>) {
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

pub(super) fn count(entry: &Entry) -> u64 {
    let text = std::str::from_utf8(&entry.value).expect("a counter is text");
    text.parse().expect("a counter is a number")
}

/// Adds one to the counter, deciding again for as long as others are faster.
pub(super) async fn increment(store: &dyn Store) {
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
