//! Taking a node out of service: stops and removes everything this agent ever made on it.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;

use crate::runtime::{Runtime, RuntimeError, Standing};

/// Containers that are stopped and removed at once.
const CONCURRENCY: usize = 16;

/// Stops what runs, with `timeout` between the stop signal and SIGKILL, removes every container of
/// this agent, and gives back what its tasks had besides. Returns how many containers there were.
/// The agent itself must not run; the lock on its data directory sees to that.
///
/// # Errors
/// The first failure; what could be removed is removed. Running it again goes on.
pub async fn purge(runtime: &impl Runtime, timeout: Duration) -> Result<usize, RuntimeError> {
    let listed = runtime.list().await?;
    let tasks: BTreeSet<_> = listed.iter().map(|container| container.task).collect();
    let count = listed.len();
    let removals = stream::iter(listed).map(|container| async move {
        if container.standing == Standing::Running {
            runtime.stop(&container.runtime_id, timeout).await?;
        }
        runtime.remove(&container.runtime_id).await
    });
    let results: Vec<_> = removals.buffer_unordered(CONCURRENCY).collect().await;
    for task in tasks {
        runtime.release(task).await?;
    }
    results.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(count)
}
