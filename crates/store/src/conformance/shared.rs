//! What holds between several handles on one store: reading what others wrote, leading, being
//! there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{commit, get, key, list, next, put, recorder, watch};
use crate::contract::{Commit, Guard, Store};

/// Longest that a backend may take to notice that a leader or a replica is gone. By eye: etcd's
/// leases are seconds long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the cases for a backend that several processes can share. Each call of `make` gives
/// two handles on one fresh, empty store.
pub async fn run(make: impl AsyncFn() -> [Arc<dyn Store>; 2]) {
    others_are_read(&make().await).await;
    one_leads_at_a_time(&make().await).await;
    a_presence_ends(&make().await).await;
    recorder::histories_of_keys_are_linearizable(&make().await, 2).await;
    recorder::histories_of_the_keyspace_are_linearizable(&make().await, 2).await;
}

pub(super) async fn head_counts_every_commit(store: &dyn Store) {
    let case = "head_counts_every_commit";
    let before = store.head().await.expect(case);
    let made = commit(store, vec![put("a", "1")]).await;
    let head = store.head().await.expect(case);
    assert!(
        made > before && head >= made,
        "{case}: {before} {made} {head}"
    );
    // A view that has reached the head has everything.
    let snapshot = list(store, "").await;
    assert!(snapshot.revision >= head, "{case}");
    assert_eq!(snapshot.entries[0].revision, made, "{case}");
}

pub(super) async fn a_leader_commits_behind_its_fence(store: &dyn Store) {
    let case = "a_leader_commits_behind_its_fence";
    let leadership = store.campaign("first").await.expect(case);
    assert!(!leadership.is_lost(), "{case}");
    let guards: Vec<Guard> = leadership.fence().into_iter().collect();
    let fenced = Commit {
        guards: guards.clone(),
        writes: vec![put("decision", "1")],
    };
    store.commit(fenced.clone()).await.expect(case);
    assert_eq!(
        list(store, "").await.entries.len(),
        1,
        "{case}: what leading needs is not shown"
    );
    leadership.resign().await;
    if !guards.is_empty() {
        let late = store.commit(fenced).await;
        assert!(
            late.expect_err(case).is_conflict(),
            "{case}: after resigning"
        );
    }
    let again = store.campaign("second").await.expect(case);
    let fenced = Commit {
        guards: again.fence().into_iter().collect(),
        writes: vec![put("decision", "2")],
    };
    store.commit(fenced).await.expect(case);
}

pub(super) async fn an_announcement_is_read(store: &dyn Store) {
    let case = "an_announcement_is_read";
    let start = list(store, "").await.revision;
    let mut seen = watch(store, "replica/", start).await;
    let presence = store
        .announce(key("replica/a"), Bytes::from_static(b"here"))
        .await
        .expect(case);
    let found = get(store, "replica/a").await.expect(case);
    assert_eq!(&*found.value, b"here", "{case}");
    assert_eq!(next(&mut seen).await.revision, found.revision, "{case}");
    presence.withdraw().await;
}

async fn others_are_read(stores: &[Arc<dyn Store>; 2]) {
    let case = "others_are_read";
    let [one, other] = stores;
    let start = list(&**other, "").await.revision;
    let mut seen = watch(&**other, "", start).await;
    for n in 0..50 {
        let made = commit(&**one, vec![put("a", &n.to_string())]).await;
        let head = other.head().await.expect(case);
        assert!(head >= made, "{case}: {head} after {made}");
        let found = get(&**other, "a").await.expect(case);
        assert_eq!(found.revision, made, "{case}");
        let batch = next(&mut seen).await;
        assert_eq!(batch.revision, made, "{case}");
        let guards = vec![Guard::Unchanged {
            key: key("a"),
            revision: made,
        }];
        let writes = vec![put("a", "other")];
        let made = other.commit(Commit { guards, writes }).await.expect(case);
        assert_eq!(next(&mut seen).await.revision, made, "{case}");
    }
}

async fn one_leads_at_a_time(stores: &[Arc<dyn Store>; 2]) {
    let case = "one_leads_at_a_time";
    let [one, other] = stores;
    let first = one.campaign("one").await.expect(case);
    let fenced = |leadership: &crate::Leadership, value: &str| Commit {
        guards: vec![leadership.fence().expect("rivals need a fence")],
        writes: vec![put("decision", value)],
    };
    let old = fenced(&first, "old");
    one.commit(old.clone()).await.expect(case);
    let rival = {
        let other = Arc::clone(other);
        tokio::spawn(async move { other.campaign("other").await })
    };
    // The rival waits for as long as the first leads.
    one.commit(old.clone()).await.expect(case);
    assert!(!rival.is_finished() && !first.is_lost(), "{case}");
    first.resign().await;
    let second = tokio::time::timeout(PATIENCE, rival).await;
    let second = second.expect("the rival leads").expect(case).expect(case);
    // A leader that slept through it all changes nothing.
    let late = one.commit(old).await;
    assert!(late.expect_err(case).is_conflict(), "{case}: fenced out");
    other.commit(fenced(&second, "new")).await.expect(case);
    let decision = get(&**one, "decision").await.expect(case);
    assert_eq!(&*decision.value, b"new", "{case}");
    drop(second);
    let third = tokio::time::timeout(PATIENCE, one.campaign("one")).await;
    third.expect("a dropped leadership is free").expect(case);
}

async fn a_presence_ends(stores: &[Arc<dyn Store>; 2]) {
    let case = "a_presence_ends";
    let [one, other] = stores;
    let start = list(&**other, "").await.revision;
    let mut seen = watch(&**other, "replica/", start).await;
    for n in 0..2 {
        let presence = one.announce(key("replica/a"), Bytes::from_static(b"here"));
        let presence = presence.await.expect(case);
        next(&mut seen).await;
        assert!(get(&**other, "replica/a").await.is_some(), "{case}");
        if n == 0 {
            presence.withdraw().await;
        } else {
            drop(presence);
        }
        let gone = tokio::time::timeout(PATIENCE, next(&mut seen)).await;
        gone.expect("the record goes with its presence");
        assert_eq!(get(&**other, "replica/a").await, None, "{case}");
    }
}
