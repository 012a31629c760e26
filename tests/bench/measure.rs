//! One measurement each. The same code, with the same polling, watches every orchestrator.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use crate::engine::{Engine, PATIENCE};
use crate::system::{Release, SeenTask, Surge, System, TaskPhase};

/// Between two looks at a few tasks.
const POLL: Duration = Duration::from_millis(5);
/// Between two looks at more. Answering about many tasks costs the engine and the control plane
/// milliseconds, and looking as often as at a few would slow down what is measured.
const POLL_MORE: Duration = Duration::from_millis(40);
/// Between two looks at many of which a good part is still to come.
const POLL_EARLY: Duration = Duration::from_millis(200);
/// A service of more tasks than this has more than a few.
const FEW: usize = 5;
/// A service of more tasks than this has many.
const MORE: usize = 10;
/// Percent of the tasks of a service that must run to have the rest watched closely.
const MOST: usize = 90;

/// How everyone is polled, in words.
pub(crate) const POLLING: &str = "status polled every 5 ms up to 5 tasks, every 40 ms up to 10; \
    of more, every 200 ms, and every 40 ms from 90 % on";

/// A service launch.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// When the call was made, nanoseconds since the epoch.
    pub(crate) called_at: i128,
    /// Until the API had answered.
    pub(crate) acked: Duration,
    /// Until the API showed all tasks RUNNING.
    pub(crate) running: Duration,
    /// The tasks as shown then.
    pub(crate) tasks: Vec<SeenTask>,
}

/// A healed service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heal {
    /// When the container was killed, nanoseconds since the epoch.
    pub(crate) called_at: i128,
    /// Until the engine had answered the kill.
    pub(crate) killed: Duration,
    /// Until another task ran in its place.
    pub(crate) healed: Duration,
}

/// A rolling update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update {
    /// Until all tasks of the new release were RUNNING.
    pub(crate) started: Duration,
    /// Until, besides, all tasks of the old one had stopped.
    pub(crate) done: Duration,
    /// Until the API said that the update is complete.
    pub(crate) reported: Duration,
}

/// How long to wait before looking again at so many tasks of which so many run.
fn poll(count: usize, running: usize) -> Duration {
    if count <= FEW {
        POLL
    } else if count > MORE && running * 100 < count * MOST {
        POLL_EARLY
    } else {
        POLL_MORE
    }
}

/// Nanoseconds since the epoch, by the clock that the engine stamps its events with.
pub(crate) fn now() -> Result<i128> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock is before 1970")?;
    Ok(i128::try_from(since.as_nanos())?)
}

/// From the create call until all tasks are RUNNING.
pub(crate) async fn launch<S: System>(
    system: &mut S,
    service: &str,
    count: u32,
    surge: Surge,
) -> Result<Launch> {
    let called_at = now()?;
    let begin = Instant::now();
    system.create(service, count, surge).await?;
    let acked = begin.elapsed();
    loop {
        let tasks = system.tasks(service).await?;
        let running = running(&tasks).count();
        if running >= count as usize {
            return Ok(Launch {
                called_at,
                acked,
                running: begin.elapsed(),
                tasks,
            });
        }
        patient(system.name(), begin, &tasks)?;
        tokio::time::sleep(poll(count as usize, running)).await;
    }
}

/// From killing a container until as many other tasks as before are RUNNING.
pub(crate) async fn heal<S: System>(
    system: &mut S,
    engine: &Engine,
    service: &str,
) -> Result<Heal> {
    let before = system.tasks(service).await?;
    let count = running(&before).count();
    let victim = running(&before).next().context("no task to kill")?;
    let container = victim
        .container
        .as_deref()
        .context("the system does not say which container the task has")?;
    let called_at = now()?;
    let begin = Instant::now();
    engine.kill(container).await?;
    let killed = begin.elapsed();
    loop {
        let tasks = system.tasks(service).await?;
        let others = running(&tasks).filter(|task| task.id != victim.id).count();
        if others >= count {
            return Ok(Heal {
                called_at,
                killed,
                healed: begin.elapsed(),
            });
        }
        patient(system.name(), begin, &tasks)?;
        tokio::time::sleep(poll(count, others)).await;
    }
}

/// From the update call until only the new release runs and the system says so.
pub(crate) async fn update<S: System>(
    system: &mut S,
    service: &str,
    count: u32,
    surge: Surge,
    to: Release,
) -> Result<Update> {
    let begin = Instant::now();
    system.update(service, count, surge, to).await?;
    let mut started = None;
    let mut done = None;
    let mut reported = None;
    loop {
        let tasks = system.tasks(service).await?;
        let new = running(&tasks).filter(|task| task.release == to).count();
        if new >= count as usize {
            started.get_or_insert_with(|| begin.elapsed());
            let old_left = tasks
                .iter()
                .any(|task| task.release != to && task.phase != TaskPhase::Stopped);
            if !old_left {
                done.get_or_insert_with(|| begin.elapsed());
            }
        }
        if reported.is_none() && system.update_complete(service).await? {
            reported = Some(begin.elapsed());
        }
        if let (Some(started), Some(done), Some(reported)) = (started, done, reported) {
            return Ok(Update {
                started,
                done,
                reported,
            });
        }
        patient(system.name(), begin, &tasks)?;
        tokio::time::sleep(poll(count as usize, new)).await;
    }
}

fn running(tasks: &[SeenTask]) -> impl Iterator<Item = &SeenTask> {
    tasks.iter().filter(|task| task.phase == TaskPhase::Running)
}

fn patient(system: &str, begin: Instant, tasks: &[SeenTask]) -> Result<()> {
    if begin.elapsed() < PATIENCE {
        return Ok(());
    }
    let count = |phase| tasks.iter().filter(|task| task.phase == phase).count();
    let trouble = tasks.iter().find_map(|task| task.trouble.as_deref());
    bail!(
        "{system} was not done after {PATIENCE:?}: {} tasks starting, {} running, {} stopping, \
         {} stopped; it says: {}",
        count(TaskPhase::Starting),
        count(TaskPhase::Running),
        count(TaskPhase::Stopping),
        count(TaskPhase::Stopped),
        trouble.unwrap_or("nothing"),
    )
}
