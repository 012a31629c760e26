//! Commits beyond what one etcd transaction takes, and beyond what etcd takes at all.

use super::*;
use crate::contract::{Bounds, MAX_VALUE_BYTES};

const MAX: Bounds = Bounds::COMMON;

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_commit_is_one_revision_or_nothing() {
    let cluster = Cluster::start(1).await;
    let store = open(&cluster, "large").await;
    let name = |n: usize| format!("many/{n:04}");
    let writes = |value: &str| -> Vec<Write> {
        (0..MAX.writes)
            .map(|n| put(&name(n), value.to_owned()))
            .collect()
    };
    let made = store.commit(commit(Vec::new(), writes("1"))).await.unwrap();
    let mut guards: Vec<Guard> = (0..MAX.guards - MAX.writes)
        .map(|n| Guard::Absent {
            key: key(&format!("absent/{n}")),
        })
        .collect();
    guards.extend((0..MAX.writes).map(|n| Guard::Unchanged {
        key: key(&name(n)),
        revision: made,
    }));
    let watched = store.watch("", made).await;
    let again = store
        .commit(commit(guards.clone(), writes("2")))
        .await
        .unwrap();
    let batch = watched.unwrap().next().await.unwrap().unwrap();
    assert_eq!((batch.revision, batch.events.len()), (again, MAX.writes));
    let refused = store.commit(commit(guards.clone(), writes("3"))).await;
    let Err(CommitError::Conflict { guard }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        guard,
        guards[MAX.guards - MAX.writes],
        "the first broken guard is named"
    );
    let listed = store.list("many/").await.unwrap();
    assert!(
        listed
            .entries
            .iter()
            .all(|entry| entry.value == "2" && entry.revision == again)
    );
    let deletes = (0..MAX.writes).map(|n| Write::Delete { key: key(&name(n)) });
    let deleted = store
        .commit(commit(Vec::new(), deletes.collect()))
        .await
        .unwrap();
    assert!(deleted > again);
    assert!(store.list("").await.unwrap().entries.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_etcd_does_not_take_says_which_setting_is_in_the_way() {
    let cluster = Cluster::start(1).await;
    let store = open(&cluster, "limit").await;
    let value = vec![b'v'; MAX_VALUE_BYTES];
    let one = store.commit(commit(Vec::new(), vec![put("one", value.clone())]));
    let made = one.await.unwrap();
    let two = vec![put("two/1", value.clone()), put("two/2", value)];
    let refused = store.commit(commit(Vec::new(), two)).await.unwrap_err();
    assert!(
        matches!(refused, CommitError::TooLarge { .. }),
        "{refused:?}"
    );
    assert!(
        refused.to_string().contains("--max-request-bytes"),
        "{refused}"
    );
    assert_eq!(store.head().await.unwrap(), made, "nothing was written");
}
