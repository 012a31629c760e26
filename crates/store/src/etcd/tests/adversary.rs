//! A watch that lies: it loses, repeats and cuts what etcd shows, and keeps the last back. Views
//! converge all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

/// How long a view may take to have everything: the goal of the project.
const CONVERGE: Duration = Duration::from_secs(10);

/// Chance from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Counts what was done, so that a run in which nothing happened is no success.
#[derive(Default)]
struct Done {
    lost: AtomicUsize,
    repeated: AtomicUsize,
    cut: AtomicUsize,
    silenced: AtomicUsize,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Tampers with about one delivery in four.
fn tamper(seed: u64, done: Arc<Done>) -> Tamper {
    let mut chance = Chance(seed);
    let mut before: Vec<Shown> = Vec::new();
    Box::new(move |mut shown| {
        if shown.is_empty() {
            return vec![shown];
        }
        let length = shown.len() as u64;
        let place = usize::try_from(chance.below(length)).unwrap();
        let parts = match chance.below(16) {
            0 => {
                count(&done.lost);
                shown.remove(place);
                vec![shown]
            }
            1 => {
                count(&done.repeated);
                vec![before.clone(), shown.clone(), shown]
            }
            2 => {
                count(&done.cut);
                let rest = shown.split_off(place);
                vec![shown, rest[1..].to_vec()]
            }
            3 => {
                count(&done.silenced);
                Vec::new()
            }
            _ => vec![shown],
        };
        before = parts.last().cloned().unwrap_or_default();
        parts
    })
}

/// A view fed by a watch, which lists when it is told to.
struct Mirror {
    store: Arc<Etcd>,
    at: Revision,
    entries: BTreeMap<Key, Bytes>,
    lists: usize,
}

impl Mirror {
    async fn list(&mut self) -> Watch {
        loop {
            let snapshot = self.store.list("").await.unwrap();
            self.lists += 1;
            self.at = snapshot.revision;
            let pair = |entry: Entry| (entry.key, entry.value);
            self.entries = snapshot.entries.into_iter().map(pair).collect();
            if let Ok(watch) = self.store.watch("", self.at).await {
                return watch;
            }
        }
    }

    /// Follows until it is at `goal`.
    async fn reach(&mut self, watch: &mut Watch, goal: Revision) {
        while self.at < goal {
            match watch.next().await {
                Some(Ok(batch)) => {
                    assert!(
                        batch.revision > self.at,
                        "a batch is handed out once, in order"
                    );
                    self.at = batch.revision;
                    for event in batch.events {
                        match event {
                            crate::Event::Put(entry) => {
                                self.entries.insert(entry.key, entry.value);
                            }
                            crate::Event::Deleted { key } => {
                                assert!(self.entries.remove(&key).is_some(), "{key} was not there");
                            }
                        }
                    }
                }
                Some(Err(WatchError::Compacted { .. })) => *watch = self.list().await,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_converges_behind_a_watch_that_lies() {
    let cluster = Cluster::start(1).await;
    let done = Arc::new(Done::default());
    for seed in 0..6 {
        let prefix = format!("seed{seed}");
        let writer = open(&cluster, &prefix).await;
        let tampered = tamper(seed, Arc::clone(&done));
        let reader = Etcd::open_tampered(cluster.options(&prefix), tampered)
            .await
            .unwrap();
        let mut mirror = Mirror {
            store: Arc::new(reader),
            at: 0,
            entries: BTreeMap::new(),
            lists: 0,
        };
        let mut watch = mirror.list().await;
        let mut chance = Chance(seed ^ 0xabcd);
        for round in 0..8 {
            let mut last = 0;
            for n in 0..25 {
                let mut writes = Vec::new();
                for name in 0..=chance.below(3) {
                    let name = format!("k/{}/{name}", chance.below(4));
                    writes.push(match chance.below(4) {
                        0 => Write::Delete { key: key(&name) },
                        _ => put(&name, format!("{round}:{n}")),
                    });
                }
                writes.dedup_by(|a, b| a.key() == b.key());
                let made = writer.commit(commit(Vec::new(), writes)).await;
                match made {
                    Ok(made) => last = made,
                    Err(CommitError::DuplicateKey { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            // Nothing comes after the last commit that would give its loss away.
            let reached = tokio::time::timeout(CONVERGE, mirror.reach(&mut watch, last)).await;
            assert!(reached.is_ok(), "seed {seed}: at {} of {last}", mirror.at);
            let truth = writer.list("").await.unwrap();
            let pair = |entry: Entry| (entry.key, entry.value);
            let truth: BTreeMap<Key, Bytes> = truth.entries.into_iter().map(pair).collect();
            assert_eq!(mirror.entries, truth, "seed {seed}");
        }
    }
    for (what, counter) in [
        ("lost", &done.lost),
        ("repeated", &done.repeated),
        ("cut", &done.cut),
        ("silenced", &done.silenced),
    ] {
        assert!(counter.load(Ordering::Relaxed) > 0, "nothing was {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_hand_is_followed() {
    let cluster = Cluster::start(1).await;
    let store = open(&cluster, "hand").await;
    let made = store
        .commit(commit(Vec::new(), vec![put("a", "1"), put("b", "1")]))
        .await
        .unwrap();
    let mut watch = store.watch("", made).await.unwrap();
    cluster
        .client(0)
        .await
        .delete("hand/data/a", None)
        .await
        .unwrap();
    let after = store
        .commit(commit(Vec::new(), vec![put("b", "2")]))
        .await
        .unwrap();
    let batch = watch.next().await.unwrap().unwrap();
    assert_eq!(batch.events, [crate::Event::Deleted { key: key("a") }]);
    assert_eq!(watch.next().await.unwrap().unwrap().revision, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_all_the_time_loses_nothing() {
    let cluster = Cluster::start(1).await;
    let writer = open(&cluster, "compacted").await;
    let done = Arc::new(Done::default());
    let tampered = tamper(77, Arc::clone(&done));
    let reader = Etcd::open_tampered(cluster.options("compacted"), tampered)
        .await
        .unwrap();
    let mut mirror = Mirror {
        store: Arc::new(reader),
        at: 0,
        entries: BTreeMap::new(),
        lists: 0,
    };
    let mut watch = mirror.list().await;
    let mut client = cluster.client(0).await;
    for round in 0..5 {
        let mut last = 0;
        for n in 0..40 {
            let write = put(&format!("k/{}", n % 7), format!("{round}:{n}"));
            last = writer
                .commit(commit(Vec::new(), vec![write]))
                .await
                .unwrap();
            if n % 4 == 0 {
                let at = i64::try_from(last).unwrap();
                client.compact(at, None).await.unwrap();
            }
        }
        let reached = tokio::time::timeout(CONVERGE, mirror.reach(&mut watch, last)).await;
        assert!(reached.is_ok(), "at {} of {last}", mirror.at);
        let truth = writer.list("").await.unwrap();
        assert!(
            truth
                .entries
                .iter()
                .all(|e| mirror.entries[&e.key] == e.value)
        );
        assert_eq!(mirror.entries.len(), truth.entries.len());
    }
    assert!(mirror.lists > 1, "something was lost to compaction");
}
