//! The one shape of a decision: `decide(desired, observed, ctx) -> Plan`.

use std::fmt;

use crate::id::{DeploymentId, InstanceId, TaskId};
use crate::placement::Unplaced;
use crate::time::Timestamp;

/// What a decision is given besides its view: the time, and a source of ids and of chance.
/// The same context and the same view give the same plan.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// The time of the decision.
    pub now: Timestamp,
    seed: u128,
    drawn: u64,
}

impl Ctx {
    /// A context for one decision. `seed` must be unpredictable in production, since ids come
    /// from it; a simulation passes a chosen one.
    pub const fn new(now: Timestamp, seed: u128) -> Self {
        Self {
            now,
            seed,
            drawn: 0,
        }
    }

    /// The next number of the sequence that the seed fixes (SplitMix64's finalizer).
    pub fn draw(&mut self) -> u64 {
        self.drawn += 1;
        let mut z = (self.seed as u64)
            ^ (self.seed >> 64) as u64
            ^ self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = z.wrapping_add(self.seed as u64);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn draw_wide(&mut self) -> u128 {
        let drawn = u128::from(self.draw()) << 64 | u128::from(self.draw());
        drawn ^ self.seed
    }

    /// A new task id.
    pub fn task_id(&mut self) -> TaskId {
        TaskId::new(self.draw_wide())
    }

    /// A new container instance id.
    pub fn instance_id(&mut self) -> InstanceId {
        InstanceId::new(self.draw_wide())
    }

    /// A new deployment id.
    pub fn deployment_id(&mut self) -> DeploymentId {
        DeploymentId::new(self.draw())
    }

    /// A new id in the form of a version 4 UUID, as service events carry.
    pub fn uuid(&mut self) -> String {
        let bits = (self.draw_wide() & !(0xf_u128 << 76) & !(0x3_u128 << 62))
            | (0x4_u128 << 76)
            | (0x2_u128 << 62);
        let hex = format!("{bits:032x}");
        [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ]
        .join("-")
    }
}

/// What to do, when to look again, and why nothing more is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<A> {
    /// In order; committed or carried out together.
    pub actions: Vec<A>,
    /// When time alone may change the decision; `None` if it cannot.
    pub wake_at: Option<Timestamp>,
    /// Why something that is wanted is not done now.
    pub reasons: Vec<Reason>,
    /// Whether it waits for what it saw to last. The next decision about the same is told for how
    /// long all of them have.
    pub waits: bool,
}

impl<A> Default for Plan<A> {
    fn default() -> Self {
        Self {
            actions: Vec::new(),
            wake_at: None,
            reasons: Vec::new(),
            waits: false,
        }
    }
}

impl<A> Plan<A> {
    /// Asks to be woken at `at`, or earlier if that is already asked for.
    pub fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// Why a decision waits or declines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No instance can take this many tasks.
    Unplaced {
        /// Tasks that wait.
        count: u32,
        /// What each instance lacked.
        why: Unplaced,
    },
    /// The percentages leave no room to start or to stop a task.
    DeploymentConfiguration {
        /// Fewest healthy tasks allowed.
        lower: u32,
        /// Most tasks allowed.
        upper: u32,
    },
    /// New tasks run but do not count as healthy yet.
    WaitingForHealth {
        /// How many.
        count: u32,
    },
    /// Tasks were told to stop and have not stopped yet.
    WaitingForStop {
        /// How many.
        count: u32,
    },
    /// Tasks were given to instances and do not run yet.
    WaitingForStart {
        /// How many.
        count: u32,
    },
    /// Tasks of this deployment kept failing, so the next is tried later.
    Throttled {
        /// The deployment.
        deployment: DeploymentId,
        /// Failures in a row.
        failures: u32,
        /// When the next task is started.
        until: Timestamp,
    },
    /// Most instances of the cluster went away at once, so none of them is given up.
    MassDisconnect {
        /// Instances away.
        away: usize,
        /// Instances of the cluster.
        all: usize,
    },
    /// A control plane is gone; its agents have time to move to another.
    ControlPlaneAway {
        /// When they count as away.
        until: Timestamp,
    },
    /// The agent is away; its tasks are kept until the instance counts as lost.
    AgentAway {
        /// When it counts as lost.
        until: Timestamp,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unplaced { count, why } if why.rejections.is_empty() => {
                write!(
                    f,
                    "{count} tasks wait: the cluster has no container instances"
                )
            }
            Self::Unplaced { count, why } => {
                write!(f, "{count} tasks wait for an instance: {}", why.counts())
            }
            Self::DeploymentConfiguration { lower, upper } => write!(
                f,
                "no task may be started or stopped with at least {lower} healthy and at most {upper} in all"
            ),
            Self::WaitingForHealth { count } => write!(f, "{count} new tasks are not healthy yet"),
            Self::WaitingForStop { count } => write!(f, "{count} tasks are still stopping"),
            Self::WaitingForStart { count } => write!(f, "{count} tasks are still starting"),
            Self::Throttled {
                deployment,
                failures,
                until,
            } => write!(
                f,
                "{failures} tasks of {deployment} failed in a row; the next starts at {until}"
            ),
            Self::MassDisconnect { away, all } => write!(
                f,
                "{away} of {all} instances went away together; none is given up until most are back"
            ),
            Self::ControlPlaneAway { until } => {
                write!(
                    f,
                    "the control plane is gone; its agents may move until {until}"
                )
            }
            Self::AgentAway { until } => {
                write!(f, "the agent is away; its tasks are kept until {until}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_no_repeats() {
        let ids = |seed| {
            let mut ctx = Ctx::new(Timestamp::default(), seed);
            (0..1000).map(|_| ctx.task_id()).collect::<BTreeSet<_>>()
        };
        assert_eq!(ids(1), ids(1));
        assert_eq!(ids(1).len(), 1000);
        assert!(ids(1).is_disjoint(&ids(2)));
    }

    #[test]
    fn uuids_are_version_four() {
        let uuid = Ctx::new(Timestamp::default(), 99).uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]));
    }
}
