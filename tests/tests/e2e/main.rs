//! End to end: the real binaries, a real Docker daemon, clients as users have them. Each test has an
//! installation of its own; they run one after the other, since some of them measure time.
#![allow(clippy::unwrap_used, missing_docs)]

mod bad_input;
mod capacity;
mod client;
mod deployment;
mod failover;
mod habit;
mod layout;
mod loss;
mod neighbour;
mod placement;
mod replacement;
mod replicas;
mod restore;
mod service;

use longshore_tests::longshore::Longshore;
use tokio::sync::Mutex;

/// Held by the test that runs, under `cargo test`; cargo-nextest has a test group for it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Runs a test on an installation with that many agents. If it fails, the logs are printed.
async fn on_longshore(
    agents: u32,
    test: impl AsyncFnOnce(&Longshore) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let _turn = ONE_AT_A_TIME.lock().await;
    let longshore = Longshore::up(agents).await?;
    let result = test(&longshore).await;
    if let Err(error) = &result {
        println!("{error:#}");
        longshore.print_logs();
    }
    result
}
