//! What the agent should do next for one task, given its containers.
//!
//! Three pure functions, called in this order whenever something was observed:
//!
//! | function | in one line |
//! |---|---|
//! | [`settle`] | stamps what has come about: the ending, the times, the status |
//! | [`supervise`] | which operation each container needs now, and when to look again |
//! | [`report`] | the task as the control plane is told |
//!
//! The rules they keep:
//!
//! - a container is created once and started at most once; what has run is never started again;
//! - nothing is created or started after the task began to end, and it never stops ending;
//! - a task ends when it is told to, or when an essential container stopped for any reason;
//! - the task is STOPPED only when no container runs or may yet run;
//! - the status only moves forward.
//!
//! The caller marks an operation as in flight ([`ObservedContainer::begin`]) before it carries it
//! out, so that nothing is begun twice.

mod decide;
mod observed;
mod report;
mod settle;

pub use decide::{Action, supervise};
pub use observed::{
    Ending, Exit, Failure, Observed, ObservedContainer, Operation, Phase, Sighting, StartRequest,
};
pub use report::report;
pub use settle::settle;

use std::time::Duration;

/// Time between the stop signal and SIGKILL where a container sets none (ECS developer guide,
/// `stopTimeout`).
pub const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a start whose outcome is unknown is waited for. Docker's own start call is given three
/// minutes by the ECS agent; by then a container that is still only created will not run.
pub const START_LIMIT: Duration = Duration::from_secs(180);

/// How long a pull or create is tried anew while Docker does not answer, before the task is given
/// up so that it can be placed elsewhere. Chosen to outlast a restart of Docker with room to spare.
pub const UNAVAILABLE_LIMIT: Duration = Duration::from_secs(600);
