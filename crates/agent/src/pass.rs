//! The agent's loop: waits, lets the core decide, does what it says.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::{FutureExt, StreamExt};
use longshore_model::Timestamp;
use longshore_model::assignment::Assignment;
use longshore_proto::agent::agent_message::Body;
use longshore_proto::agent::{AgentMessage, AssignmentsAck};
use longshore_supervisor::Operation;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::journal::Journal;
use crate::node::{Effect, Input, Node, Outcome};
use crate::runtime::{Runtime, RuntimeError, Since, container_name};
use crate::wire;

/// Inputs that may wait. Senders wait beyond it.
pub const QUEUE: usize = 4096;
/// Inputs that are taken in together.
const BATCH: usize = 512;
/// How often all containers are listed, which finds what no event told.
const LIST_EVERY: Duration = Duration::from_secs(30);
/// Waits between tries to reach Docker.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A container that nobody knows is stopped like any other.
const ORPHAN_GRACE: Duration = Duration::from_secs(30);

/// Something for the loop.
#[derive(Debug)]
pub enum Event {
    /// For the core.
    Input(Input),
    /// A session began; what is sent here goes to the control plane.
    SessionOpened(Sender<AgentMessage>),
}

/// The time by this node's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// The loop and what it acts on.
#[derive(Debug)]
pub struct Pass<R> {
    /// Decides.
    pub node: Node,
    /// Where containers run.
    pub runtime: Arc<R>,
    /// Where records are kept.
    pub journal: Journal,
    /// Where the loop's own operations answer to.
    pub events: Sender<Event>,
    /// The operations under way. They outlive the loop, so that a call to Docker that was begun is
    /// not cut off in the middle when the agent is told to end.
    pub operations: TaskTracker,
}

impl<R: Runtime> Pass<R> {
    /// Runs until all senders of `inbox` are gone, that is until it is dropped.
    pub async fn run(mut self, mut inbox: Receiver<Event>) {
        let clock = Clock::start();
        let mut session = None;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let wake = self.node.wake_at().map(|at| at.since(clock.now()));
            // No wake-up within a day is none; the listings touch every task anyway.
            let wake = Instant::now() + wake.unwrap_or(Duration::from_secs(86_400));
            let mut inputs = tokio::select! {
                count = inbox.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.take(batch.drain(..), &mut session)
                }
                () = sleep_until(wake) => vec![Input::Tick],
            };
            while !inputs.is_empty() {
                let effects = self.node.step_all(clock.now(), inputs);
                inputs = self.carry_out(effects, &mut session, &clock);
            }
        }
    }

    fn take(
        &self,
        events: impl Iterator<Item = Event>,
        session: &mut Option<Sender<AgentMessage>>,
    ) -> Vec<Input> {
        let inputs = events.map(|event| match event {
            Event::Input(input) => {
                if matches!(input, Input::SessionClosed) {
                    *session = None;
                }
                input
            }
            Event::SessionOpened(sender) => {
                *session = Some(sender);
                Input::SessionOpened
            }
        });
        inputs.collect()
    }

    /// Starts what takes long, does the rest. Returns what failed at once.
    fn carry_out(
        &self,
        effects: Vec<Effect>,
        session: &mut Option<Sender<AgentMessage>>,
        clock: &Clock,
    ) -> Vec<Input> {
        let mut failed = Vec::new();
        for effect in effects {
            match effect {
                Effect::Journal { sequence, writes } => {
                    if !self.journal.write(sequence, writes) {
                        tracing::error!("the journal does not keep up with its writes");
                        failed.push(Input::JournalFailed { sequence });
                    }
                }
                Effect::Operate {
                    task,
                    container,
                    operation,
                } => self.spawn(operate(
                    Arc::clone(&self.runtime),
                    task,
                    container,
                    operation,
                )),
                Effect::Release { task } => {
                    let runtime = Arc::clone(&self.runtime);
                    self.spawn(async move {
                        let outcome = runtime.release(task).await;
                        Input::Released { task, outcome }
                    });
                }
                Effect::RemoveOrphan { runtime_id } => {
                    let runtime = Arc::clone(&self.runtime);
                    self.spawn(remove_orphan(runtime, runtime_id));
                }
                Effect::Report {
                    sequence,
                    mut tasks,
                } => {
                    clock.correct(&mut tasks);
                    let body = Body::Reports(wire::reports(sequence, &tasks));
                    send(session, body, &mut failed);
                }
                Effect::AcknowledgeAssignments { generation } => {
                    let body = Body::AssignmentsAck(AssignmentsAck { generation });
                    send(session, body, &mut failed);
                }
            }
        }
        failed
    }

    fn spawn(&self, operation: impl Future<Output = Input> + Send + 'static) {
        let events = self.events.clone();
        self.operations.spawn(async move {
            let input = operation.await;
            // It fails only when the loop is gone, and then nobody needs the answer.
            events.send(Event::Input(input)).await.ok();
        });
    }
}

/// Hands a message to the session. One that cannot take it is dead or far behind: it is dropped,
/// which ends it, and the next one starts from a complete set.
fn send(session: &mut Option<Sender<AgentMessage>>, body: Body, failed: &mut Vec<Input>) {
    let Some(sender) = session else {
        return;
    };
    let message = AgentMessage { body: Some(body) };
    if sender.try_send(message).is_err() {
        tracing::warn!("the session does not keep up; it is ended");
        *session = None;
        failed.push(Input::SessionClosed);
    }
}

/// Carries out one operation; always answers, even if the runtime's code panics.
async fn operate<R: Runtime>(
    runtime: Arc<R>,
    task: Arc<Assignment>,
    container: usize,
    operation: Operation,
) -> Input {
    let done = AssertUnwindSafe(attempt(&*runtime, &task, container, operation));
    let outcome = done
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(RuntimeError::Uncertain("the call panicked".to_owned())));
    Input::Done {
        task: task.task,
        container,
        operation,
        outcome,
    }
}

async fn attempt<R: Runtime>(
    runtime: &R,
    task: &Assignment,
    container: usize,
    operation: Operation,
) -> Result<Outcome, RuntimeError> {
    let name = container_name(task, container);
    match operation {
        Operation::Pull => {
            let image = task.containers.get(container).map(|c| c.image.as_str());
            runtime
                .pull(image.unwrap_or_default())
                .await
                .map(Outcome::Pulled)
        }
        Operation::Create => runtime.create(task, container).await.map(Outcome::Looked),
        Operation::Start => runtime.start(task, container).await.map(Outcome::Looked),
        Operation::Stop { timeout } => runtime.stop(&name, timeout).await.map(Outcome::Looked),
        Operation::Inspect => runtime.inspect(&name).await.map(Outcome::Looked),
        Operation::Remove => runtime.remove(&name).await.map(|()| Outcome::Removed),
    }
}

async fn remove_orphan<R: Runtime>(runtime: Arc<R>, runtime_id: String) -> Input {
    let stopped = runtime.stop(&runtime_id, ORPHAN_GRACE).await;
    let removed = match stopped {
        Ok(_) => runtime.remove(&runtime_id).await,
        Err(error) => Err(error),
    };
    if let Err(error) = removed {
        tracing::warn!(runtime_id, %error, "cannot remove a container that nobody knows; trying again");
    }
    Input::OrphanRemoved { runtime_id }
}

/// Tells the loop what happens to containers, until the loop is gone: events as they come, and a
/// listing first, at every reconnection, and regularly.
pub async fn observe<R: Runtime>(runtime: Arc<R>, events: Sender<Event>) {
    // Events that happen during the first listing are replayed; a second covers a coarse clock.
    let mut since = Since((now().millis() - 1000) * 1_000_000);
    let mut wait = FIRST_WAIT;
    loop {
        match observe_once(&*runtime, &events, &mut since, &mut wait).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, wait_ms = wait.as_millis(), "Docker's events are lost; reconnecting");
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// `Ok` when the loop is gone.
async fn observe_once<R: Runtime>(
    runtime: &R,
    events: &Sender<Event>,
    since: &mut Since,
    wait: &mut Duration,
) -> Result<(), RuntimeError> {
    let mut notices = runtime.watch(*since);
    let mut listing = interval(LIST_EVERY);
    listing.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let input = tokio::select! {
            // The first tick is at once.
            _ = listing.tick() => {
                let listed = runtime.list().await?;
                *wait = FIRST_WAIT;
                Input::Listed(listed)
            }
            notice = notices.next() => match notice {
                Some(Ok((notice, at))) => {
                    *since = Since(at.0 + 1);
                    Input::Noticed(notice)
                }
                Some(Err(error)) => return Err(error),
                None => return Err(RuntimeError::Unavailable("Docker closed the event stream".to_owned())),
            },
        };
        if events.send(Event::Input(input)).await.is_err() {
            return Ok(());
        }
    }
}

/// Calls until it succeeds, with growing waits, logging each failure.
pub async fn persist<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    let mut wait = FIRST_WAIT;
    loop {
        match timeout(LIST_EVERY, attempt()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(error)) => tracing::warn!(%error, "{what}; trying again"),
            Err(_) => tracing::warn!("{what}: no answer within 30 s; trying again"),
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
