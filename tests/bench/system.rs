//! What a measurement needs from an orchestrator.

use anyhow::Result;

/// Memory limit of each container. Room for the runtime's own start inside the limit, and a
/// hundred of them fit on a small machine.
pub(crate) const MEMORY_MIB: i32 = 16;

/// Most processes in each container; what Longshore's agent sets unless told otherwise.
pub(crate) const PIDS_LIMIT: i64 = 4096;

/// Name of the variable that tells releases apart.
pub(crate) const RELEASE_VARIABLE: &str = "RELEASE";

/// What every container runs: waits, and ends at once on SIGTERM, so that stopping costs the same
/// everywhere and no grace period is measured.
pub(crate) fn command() -> Vec<String> {
    [
        "/bin/busybox",
        "sh",
        "-c",
        "trap 'exit 0' TERM; /bin/busybox sleep 86400 & wait",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Version of what runs; the environment variable `RELEASE` of its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Release {
    One,
    Two,
}

impl Release {
    pub(crate) const ALL: [Self; 2] = [Self::One, Self::Two];

    pub(crate) fn number(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::One => Self::Two,
            Self::Two => Self::One,
        }
    }
}

/// How far an update may go above and below the desired count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surge {
    /// Never fewer than the desired count, up to twice as many: ECS 100/200; Swarm start-first
    /// with as much parallelism as there are tasks.
    Double,
    /// Never more than the desired count, down to half: ECS 50/100; Swarm stop-first with half
    /// the tasks in parallel.
    Half,
}

/// How far along a task is, as its orchestrator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskPhase {
    Starting,
    Running,
    /// Not counted any more, but its containers may still be there.
    Stopping,
    Stopped,
}

/// A task as the orchestrator's own API shows it.
#[derive(Debug, Clone)]
pub(crate) struct SeenTask {
    pub(crate) id: String,
    /// Docker's id of its container, once there is one.
    pub(crate) container: Option<String>,
    pub(crate) release: Release,
    pub(crate) phase: TaskPhase,
    /// When the orchestrator made it, nanoseconds since the epoch by its clock.
    pub(crate) created_at: Option<i128>,
    /// What it says went wrong.
    pub(crate) trouble: Option<String>,
}

/// An orchestrator under measurement. The calls return when the API has answered, not when the
/// work is done.
pub(crate) trait System {
    fn name(&self) -> &'static str;
    /// Makes a service with this many tasks of release one.
    async fn create(&mut self, service: &str, count: u32, surge: Surge) -> Result<()>;
    /// Its tasks, those that have stopped included as far as the system remembers them.
    async fn tasks(&mut self, service: &str) -> Result<Vec<SeenTask>>;
    /// Rolls the service over to the release.
    async fn update(&mut self, service: &str, count: u32, surge: Surge, to: Release) -> Result<()>;
    /// Whether the system says that the update is complete.
    async fn update_complete(&mut self, service: &str) -> Result<bool>;
    /// Removes the service and has its tasks stopped.
    async fn delete(&mut self, service: &str) -> Result<()>;
}
