//! Several control planes on one etcd lose their leaders (`longshore-bench failover` does it for
//! longer).

use std::time::Duration;

use anyhow::ensure;
use longshore_tests::binary;
use longshore_tests::failover::{self, Options};

use crate::ONE_AT_A_TIME;

#[tokio::test(flavor = "multi_thread")]
async fn losing_leaders_stops_nothing_and_loses_nothing() -> anyhow::Result<()> {
    let _turn = ONE_AT_A_TIME.lock().await;
    let options = Options {
        kills: 3,
        every: Duration::from_secs(5),
        pause: Some(Duration::from_secs(5)),
        member_kills: 1,
        member_every: Duration::from_secs(5),
        quorum: Some(Duration::from_secs(5)),
        // Figures of three kills on a machine that does other things say nothing.
        goal: None,
        evidence: std::env::temp_dir().join("longshore-failover-test"),
    };
    let report = failover::run(&binary::directory()?, &options, |line| println!("{line}")).await?;
    println!("measured: {}", report.summary());
    ensure!(report.faults().is_empty(), "{:?}", report.faults());
    ensure!(report.containers.1 > 0, "no container was replaced");
    ensure!(report.acknowledged > 10, "hardly anything was acknowledged");
    ensure!(report.history.0 > 100, "hardly anything was recorded");
    Ok(())
}
