//! What is known of a task's containers. Nothing here goes back.

use std::time::Duration;

use longshore_model::Timestamp;
use longshore_model::task::{NetworkBinding, TaskStatus};
use serde::{Deserialize, Serialize};

use crate::{START_LIMIT, UNAVAILABLE_LIMIT};

/// Everything known of one task. Kept in the agent's journal; what is in flight is not part of
/// that, since it ends with the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// In the order of the assignment.
    pub containers: Vec<ObservedContainer>,
    /// The furthest status reached.
    pub last_status: TaskStatus,
    /// Why it ends; set once.
    pub ending: Option<Ending>,
    /// When the first pull began.
    pub pull_started_at: Option<Timestamp>,
    /// When the last pull ended.
    pub pull_stopped_at: Option<Timestamp>,
    /// When every container had started.
    pub started_at: Option<Timestamp>,
    /// When the first essential container stopped.
    pub execution_stopped_at: Option<Timestamp>,
    /// When the last container stopped.
    pub stopped_at: Option<Timestamp>,
    /// Whether its stopped containers are to be removed now.
    pub discard: bool,
}

impl Observed {
    /// A task with this many containers, of which nothing has been seen.
    pub fn new(containers: usize) -> Self {
        Self {
            containers: vec![ObservedContainer::default(); containers],
            last_status: TaskStatus::Pending,
            ending: None,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            discard: false,
        }
    }

    /// Whether it is STOPPED.
    pub fn is_stopped(&self) -> bool {
        self.last_status == TaskStatus::Stopped
    }

    /// Whether nothing of it is left in the runtime, nor may come to be.
    pub fn is_removed(&self) -> bool {
        self.containers
            .iter()
            .all(|c| c.in_flight.is_none() && !c.is_up() && !c.exists())
    }
}

/// Why a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Its desired status became STOPPED.
    Told,
    /// This essential container could not be pulled, created or started.
    Failed {
        /// Its place in the assignment.
        container: usize,
    },
    /// An essential container exited or vanished by itself.
    Exited,
}

/// What is known of one container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObservedContainer {
    /// Where it is; only moves down the list of phases.
    pub phase: Phase,
    /// Whether its image was found on the node.
    pub image_present: bool,
    /// Why it will not run.
    pub failure: Option<Failure>,
    /// Docker's id.
    pub runtime_id: Option<String>,
    /// Digest of its image.
    pub image_digest: Option<String>,
    /// Where its ports are reached.
    pub network_bindings: Vec<NetworkBinding>,
    /// Whether it was removed from the runtime after it stopped.
    pub removed: bool,
    /// Whether someone else started it again after it had stopped.
    #[serde(skip)]
    pub revived: bool,
    /// Whether nothing may be made out or done before it is looked at: the last look failed, or
    /// there was none yet in this life of the agent.
    #[serde(skip)]
    pub look_due: bool,
    /// The operation that is being carried out.
    #[serde(skip)]
    pub in_flight: Option<Operation>,
    /// The start that was asked for, until it is seen to have happened or not.
    #[serde(skip)]
    pub start_request: Option<StartRequest>,
    /// Not to be operated on before this time.
    #[serde(skip)]
    pub retry_at: Option<Timestamp>,
    /// When Docker first failed to answer, until it answers.
    #[serde(skip)]
    pub unavailable_since: Option<Timestamp>,
}

/// Where a container is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Phase {
    /// The runtime has never had it.
    #[default]
    NotCreated,
    /// Exists, has never run.
    Created,
    /// Runs.
    Running,
    /// Ran and stopped.
    Exited(Exit),
    /// Existed and was removed behind the agent's back.
    Gone,
}

/// How a container stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exit {
    /// Of its first process.
    pub code: i32,
    /// Whether the kernel killed it for its memory use.
    pub oom_killed: bool,
    /// What the runtime says went wrong; empty where nothing did.
    pub error: String,
}

/// Why a container could not be brought to run, as ECS names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For example `CannotPullContainerError`.
    pub name: String,
    /// In the runtime's words.
    pub detail: String,
}

/// A start that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartRequest {
    /// When.
    pub at: Timestamp,
}

/// What can be done with one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Makes its image present; a local one is used as it is.
    Pull,
    /// Creates it. Creating one that exists adopts it.
    Create,
    /// Starts it. Never repeated.
    Start,
    /// Sends the stop signal, then SIGKILL after the timeout.
    Stop {
        /// Between the two.
        timeout: Duration,
    },
    /// Removes it, stopped.
    Remove,
    /// Looks at it.
    Inspect,
}

/// One look at a container in the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// The runtime does not have it.
    Missing,
    /// Exists, has never run.
    Created,
    /// Runs.
    Running,
    /// Ran and stopped.
    Exited(Exit),
}

impl ObservedContainer {
    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        self.phase == Phase::Running || self.revived
    }

    /// Whether the runtime has it, as far as is known.
    pub fn exists(&self) -> bool {
        match self.phase {
            Phase::NotCreated | Phase::Gone => false,
            Phase::Created | Phase::Running | Phase::Exited(_) => !self.removed,
        }
    }

    /// Whether it has run.
    pub fn has_run(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Exited(_) | Phase::Gone)
    }

    /// Whether it is over for a reason of its own: it exited, vanished or could not be started.
    pub fn is_finished(&self) -> bool {
        !self.is_up()
            && (matches!(self.phase, Phase::Exited(_) | Phase::Gone)
                || (self.failure.is_some() && self.start_request.is_none()))
    }

    /// Whether it does not run and will not, given that its task ends.
    pub fn is_at_rest(&self) -> bool {
        let may_yet_run = matches!(
            self.in_flight,
            Some(Operation::Create | Operation::Start | Operation::Inspect)
        ) || self.start_request.is_some()
            || self.look_due;
        self.is_finished() || (!self.is_up() && !may_yet_run)
    }

    /// Marks an operation as begun.
    pub fn begin(&mut self, operation: Operation, now: Timestamp) {
        self.in_flight = Some(operation);
        self.retry_at = None;
        if operation == Operation::Start {
            self.start_request = Some(StartRequest { at: now });
        }
    }

    /// Marks the operation in flight as ended by an answer of the runtime.
    pub fn end(&mut self) {
        self.in_flight = None;
        self.unavailable_since = None;
    }

    /// Marks the operation in flight as not carried out, since the runtime could not be reached.
    /// It is tried again at `retry_at`, but a pull or create not for ever.
    pub fn put_off(&mut self, detail: &str, now: Timestamp, retry_at: Timestamp) {
        let operation = self.in_flight.take();
        self.retry_at = Some(retry_at);
        match operation {
            Some(Operation::Start) => self.start_request = None,
            Some(Operation::Pull | Operation::Create) => {}
            Some(Operation::Inspect) => {
                self.look_due = true;
                return;
            }
            _ => return,
        }
        let since = *self.unavailable_since.get_or_insert(now);
        if now.since(since) >= UNAVAILABLE_LIMIT {
            self.fail(Failure {
                name: "DockerTimeoutError".to_owned(),
                detail: format!("Docker could not be reached for 10 minutes: {detail}"),
            });
        }
    }

    /// Notes that it cannot be brought to run. The first failure stands.
    pub fn fail(&mut self, failure: Failure) {
        self.in_flight = None;
        self.start_request = None;
        self.failure.get_or_insert(failure);
    }

    /// Takes in one look at it. A look that is older than what is known changes nothing.
    pub fn see(&mut self, sighting: Sighting) {
        self.look_due = false;
        match (&self.phase, sighting) {
            (Phase::NotCreated, Sighting::Missing) => {}
            (Phase::Exited(_), Sighting::Missing) => {
                self.removed = true;
                self.revived = false;
            }
            // Never started, so nothing was lost with it but the chance to.
            (Phase::Created, Sighting::Missing) if self.failure.is_some() => self.removed = true,
            (_, Sighting::Missing) => {
                self.phase = Phase::Gone;
                self.revived = false;
            }
            (Phase::NotCreated, Sighting::Created) => self.phase = Phase::Created,
            (_, Sighting::Created) => return,
            (Phase::NotCreated | Phase::Created, Sighting::Running) => self.phase = Phase::Running,
            (Phase::Running, Sighting::Running) => {}
            (Phase::Exited(_) | Phase::Gone, Sighting::Running) => self.revived = true,
            (Phase::Exited(_) | Phase::Gone, Sighting::Exited(_)) => self.revived = false,
            (_, Sighting::Exited(exit)) => self.phase = Phase::Exited(exit),
        }
        if self.has_run() {
            self.start_request = None;
        }
    }

    /// When a start whose outcome is unknown is given up.
    pub(crate) fn start_given_up_at(&self) -> Option<Timestamp> {
        match (self.start_request, self.in_flight) {
            (Some(request), None) => Some(request.at.after(START_LIMIT)),
            _ => None,
        }
    }
}
