//! Waiting for what takes a while: the one place in the tests that sleeps.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::bail;

/// How often something is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(50);

/// Looks until `look` finds what is waited for. `look` returns the thing, or what is the case
/// instead; the latest of that is in the error after `within`.
pub async fn eventually<T, E: Display>(
    within: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(instead) if started.elapsed() > within => {
                bail!("waited {within:?} for {what}; last seen: {instead:#}")
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// Ticks for whoever samples at a fixed pace; a tick that comes late is not made up for.
pub fn ticks(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}
