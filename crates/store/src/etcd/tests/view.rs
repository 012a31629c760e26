//! The view of a control plane over etcd: behind a barrier it has everything, whatever happens.

use std::time::Duration;

use longshore_model::ClusterName;
use longshore_model::cluster::{Cluster as Record, ClusterStatus};
use longshore_model::recorded::Recorded;
use longshore_model::tag::Tags;
use longshore_model::time::Timestamp;

use super::*;
use crate::{Db, TransactError, Txn};

fn record(created: i64) -> Record {
    Record {
        name: ClusterName::default_cluster(),
        status: ClusterStatus::Active,
        created_at: Timestamp::from_millis(created),
        tags: Tags::new(),
        recorded: Recorded::default(),
    }
}

async fn count_up(db: &Db) -> Result<(), TransactError<()>> {
    db.transact(|view| {
        let mut txn = Txn::new();
        match view.clusters.get(&ClusterName::default_cluster()) {
            Some(read) => txn.replace(read, &record(read.created_at.millis() + 1)),
            None => txn.create(&record(1)),
        }
        Ok((txn, ()))
    })
    .await
}

fn counted(db: &Db) -> i64 {
    let view = db.view();
    let read = view.clusters.values().next();
    read.map_or(0, |read| read.created_at.millis())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_was_told_another_reads_behind_a_barrier() {
    let cluster = Cluster::start(3).await;
    let one = Db::open(open(&cluster, "view").await as Arc<dyn Store>)
        .await
        .unwrap();
    let other = Db::open(open(&cluster, "view").await as Arc<dyn Store>)
        .await
        .unwrap();
    for n in (0..60).step_by(2) {
        count_up(&one).await.unwrap();
        other.barrier().await.unwrap();
        assert_eq!(counted(&other), n + 1);
        count_up(&other).await.unwrap();
        one.barrier().await.unwrap();
        assert_eq!(counted(&one), n + 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_without_etcd_waits_and_goes_on() {
    let mut cluster = Cluster::start(1).await;
    let db = Db::open(open(&cluster, "away").await as Arc<dyn Store>)
        .await
        .unwrap();
    count_up(&db).await.unwrap();
    cluster.kill(0);
    let begun = Instant::now();
    let barrier = db.barrier().await;
    assert!(
        matches!(barrier, Err(ReadError::Unreachable(_))),
        "{barrier:?}"
    );
    let late = count_up(&db).await;
    assert!(
        matches!(late, Err(TransactError::Store(CommitError::Unreachable(_)))),
        "{late:?}"
    );
    assert!(begun.elapsed() < CALL_LIMIT * 2 + Duration::from_secs(1));
    assert_eq!(counted(&db), 1, "what is known stays");
    cluster.restart(0).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = db.barrier().await {
        assert!(Instant::now() < deadline, "{error}");
    }
    // The commit that was given up has happened, or never will once another has.
    let before = counted(&db);
    count_up(&db).await.unwrap();
    assert_eq!(counted(&db), before + 1);
    assert!((1..=2).contains(&before), "{before}");
}
