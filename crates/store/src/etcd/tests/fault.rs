//! Servers that die, stop and come back.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::conformance::keyspace;
use crate::conformance::recorder::{Recorder, call_one_key};

/// Longest that a cluster may take to serve again after a leader died.
const ELECTION: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_when_leaders_are_killed() {
    const WRITERS: usize = 8;
    const KILLS: usize = 5;
    let mut cluster = Cluster::start(3).await;
    let stores = [open(&cluster, "kill").await, open(&cluster, "kill").await];
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&stores[writer % 2]);
        let stop = Arc::clone(&stop);
        writers.spawn(async move { add_up(&store, writer, &stop).await });
    }
    for _ in 0..KILLS {
        let leader = cluster.leader().await;
        cluster.kill(leader);
        // The others elect another and serve on.
        served_again(&stores[0]).await;
        cluster.restart(leader).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (mut acknowledged, mut unknown) = (BTreeMap::new(), 0);
    for (writer, sum, doubts) in writers.join_all().await {
        acknowledged.insert(writer, sum);
        unknown += doubts;
    }
    for (writer, sum) in acknowledged {
        let found = stores[0].get(&key(&format!("sum/{writer}"))).await.unwrap();
        let found: u64 = std::str::from_utf8(&found.unwrap().value)
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(found, sum, "writer {writer}");
        assert!(sum > 10, "writer {writer} got nowhere");
    }
    println!("{unknown} commits of unknown outcome in {KILLS} kills");
}

/// Adds one again and again without a guard on what was read: a commit done twice, or one
/// that comes late, would show. Returns the sum, and how many outcomes were unknown.
async fn add_up(
    store: &Etcd,
    writer: usize,
    stop: &std::sync::atomic::AtomicBool,
) -> (usize, u64, usize) {
    let (sum, token) = (format!("sum/{writer}"), format!("token/{writer}"));
    let (mut value, mut doubts) = (0_u64, 0);
    let mut token_at = 0;
    while !stop.load(Ordering::Relaxed) {
        // The token makes the commit one that can be told apart: it is swapped by every one.
        let guard = Guard::Unchanged {
            key: key(&token),
            revision: token_at,
        };
        let next = (value + 1).to_string();
        let writes = vec![put(&sum, next.clone()), put(&token, next)];
        match store.commit(commit(vec![guard], writes)).await {
            Ok(made) => (value, token_at) = (value + 1, made),
            Err(CommitError::Unreachable(_)) => {
                doubts += 1;
                (value, token_at) = settle(store, &token).await;
            }
            Err(error) => panic!("writer {writer}: a commit was done twice: {error}"),
        }
    }
    (writer, value, doubts)
}

/// Replaces the token, so that a commit that was given up cannot happen any more, and returns how
/// far the sum is and where the token is.
async fn settle(store: &Etcd, token: &str) -> (u64, Revision) {
    loop {
        let Ok(read) = store.get(&key(token)).await else {
            continue;
        };
        let (at, value) = read.map_or((0, Bytes::from_static(b"0")), |e| (e.revision, e.value));
        let guard = Guard::Unchanged {
            key: key(token),
            revision: at,
        };
        let swap = commit(vec![guard], vec![put(token, value.clone())]);
        if let Ok(made) = store.commit(swap).await {
            return (std::str::from_utf8(&value).unwrap().parse().unwrap(), made);
        }
    }
}

async fn served_again(store: &Etcd) -> Revision {
    let deadline = Instant::now() + ELECTION;
    loop {
        match store
            .commit(commit(Vec::new(), vec![put("probe", "")]))
            .await
        {
            Ok(revision) => return revision,
            Err(error) => {
                assert!(matches!(error, CommitError::Unreachable(_)), "{error:?}");
                assert!(Instant::now() < deadline, "{error}");
            }
        }
    }
}

/// A read that may meet one more election; each try ends in time.
async fn reads_again<T>(mut read: impl AsyncFnMut() -> Result<T, ReadError>) {
    let deadline = Instant::now() + ELECTION;
    let mut is_read = false;
    while !is_read {
        in_time("a read", async {
            match read().await {
                Ok(_) => is_read = true,
                Err(error) => {
                    assert!(matches!(error, ReadError::Unreachable(_)), "{error:?}");
                    assert!(Instant::now() < deadline, "{error}");
                }
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_are_linearizable_while_leaders_are_killed() {
    let mut cluster = Cluster::start(3).await;
    let stores = [
        open(&cluster, "linear").await,
        open(&cluster, "linear").await,
    ];
    let recorder = Arc::new(Recorder::default());
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for client in 0..6_u64 {
        let (recorder, stop) = (Arc::clone(&recorder), Arc::clone(&stop));
        let store = Arc::clone(&stores[client as usize % 2]);
        clients.spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            for n in 0_u64.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let name = format!("register/{}", (client + n / 5) % 16);
                call_one_key(&recorder, &*store, &name, &format!("{client}:{n}"), n % 8).await;
                // Few enough calls for the checker.
                pace.tick().await;
            }
        });
    }
    for _ in 0..3 {
        let leader = cluster.leader().await;
        cluster.kill(leader);
        served_again(&stores[0]).await;
        cluster.restart(leader).await;
    }
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    let history = recorder.history();
    assert!(history.len() > 100, "{} calls", history.len());
    if let Err(violation) = keyspace::check(&history) {
        panic!("{violation}\n{history:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_calls_end_in_time_and_resume_by_themselves() {
    let cluster = Cluster::start(3).await;
    let store = open(&cluster, "majority").await;
    let made = store
        .commit(commit(Vec::new(), vec![put("a", "1")]))
        .await
        .unwrap();
    let mut watch = store.watch("", made).await.unwrap();
    let leader = cluster.leader().await;
    let away = [leader, (leader + 1) % 3];
    away.iter().for_each(|node| cluster.stop(*node));
    for _ in 0..3 {
        let calls = async {
            let committed = store.commit(commit(Vec::new(), vec![put("a", "2")])).await;
            assert!(
                matches!(committed, Err(CommitError::Unreachable(_))),
                "{committed:?}"
            );
        };
        in_time("commit", calls).await;
        in_time("get", async {
            let read = store.get(&key("a")).await;
            assert!(matches!(read, Err(ReadError::Unreachable(_))), "{read:?}");
        })
        .await;
        in_time("list", async {
            let read = store.list("").await;
            assert!(matches!(read, Err(ReadError::Unreachable(_))), "{read:?}");
        })
        .await;
        in_time("head", async {
            let read = store.head().await;
            assert!(matches!(read, Err(ReadError::Unreachable(_))), "{read:?}");
        })
        .await;
        in_time("campaign", async {
            let elected = store.campaign("me").await.map(drop);
            assert!(
                matches!(elected, Err(ReadError::Unreachable(_))),
                "{elected:?}"
            );
        })
        .await;
        in_time("announce", async {
            let announced = store.announce(key("replica/a"), Bytes::new()).await;
            assert!(
                matches!(announced, Err(ReadError::Unreachable(_))),
                "{announced:?}"
            );
        })
        .await;
    }
    away.iter().for_each(|node| cluster.resume(*node));
    let made = served_again(&store).await;
    loop {
        let batch = watch.next().await.unwrap().unwrap();
        if batch.revision >= made {
            break;
        }
    }
}

/// 2 s is what is promised; the rest is a busy machine.
async fn in_time(what: &str, call: impl Future<Output = ()>) {
    let begun = Instant::now();
    call.await;
    let took = begun.elapsed();
    assert!(
        took < CALL_LIMIT + Duration::from_millis(500),
        "{what} took {took:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_or_silent_is_gone_round() {
    let mut cluster = Cluster::start(3).await;
    let store = open(&cluster, "round").await;
    for node in 0..3 {
        cluster.stop(node);
        served_again(&store).await;
        reads_again(async || store.get(&key("probe")).await).await;
        cluster.resume(node);
        cluster.kill(node);
        served_again(&store).await;
        reads_again(async || store.list("").await).await;
        cluster.restart(node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_out_of_sight_is_fenced_out() {
    let cluster = Cluster::start(1).await;
    let (old, new) = (open(&cluster, "fence").await, open(&cluster, "fence").await);
    let leadership = old.campaign("old").await.unwrap();
    let fence: Vec<Guard> = leadership.fence().into_iter().collect();
    assert_eq!(fence.len(), 1);
    old.commit(commit(fence.clone(), vec![put("a", "old")]))
        .await
        .unwrap();
    // As a pause of the old leader's process looks to etcd: its lease ends.
    let mut client = cluster.client(0).await;
    let held = client.get("fence/leader", None).await.unwrap();
    assert_eq!(held.kvs()[0].value(), b"old");
    client
        .lease_client()
        .revoke(held.kvs()[0].lease())
        .await
        .unwrap();
    let elected = new.campaign("new").await.unwrap();
    let guards = elected.fence().into_iter().collect();
    new.commit(commit(guards, vec![put("a", "new")]))
        .await
        .unwrap();
    let late = old
        .commit(commit(fence.clone(), vec![put("a", "late")]))
        .await;
    let Err(CommitError::Conflict { guard }) = late else {
        panic!("{late:?}")
    };
    assert_eq!(guard, fence[0]);
    leadership.lost().await;
    assert!(!elected.is_lost());
    assert_eq!(new.get(&key("a")).await.unwrap().unwrap().value, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_is_announced_no_more_and_who_comes_back_is_again() {
    let cluster = Cluster::start(1).await;
    let (one, other) = (open(&cluster, "here").await, open(&cluster, "here").await);
    let presence = one
        .announce(key("replica/1"), Bytes::from_static(b"1"))
        .await
        .unwrap();
    let start = other.head().await.unwrap();
    let mut watch = other.watch("replica/", start).await.unwrap();
    let mut client = cluster.client(0).await;
    let kept = client.get("here/announced/replica/1", None).await.unwrap();
    client
        .lease_client()
        .revoke(kept.kvs()[0].lease())
        .await
        .unwrap();
    // It notices by itself, whether or not the others have removed the record meanwhile.
    loop {
        let batch = watch.next().await.unwrap().unwrap();
        if matches!(&batch.events[..], [crate::Event::Put(entry)] if entry.value == "1") {
            break;
        }
    }
    presence.withdraw().await;
    assert_eq!(other.get(&key("replica/1")).await.unwrap(), None);
    // What a process that died without a word has left.
    for left in ["here/data/replica/2", "here/roster/replica/2"] {
        client.put(left, "", None).await.unwrap();
    }
    let deadline = Instant::now() + ELECTION;
    while other
        .get(&key("replica/2"))
        .await
        .is_ok_and(|found| found.is_some())
    {
        assert!(Instant::now() < deadline, "it is still announced");
        tokio::task::yield_now().await;
    }
}
