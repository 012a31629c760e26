//! What every controller is: which keys it has, what wakes them, and what it decides about one.

use std::fmt;
use std::time::Duration;

use longshore_model::ClusterName;
use longshore_model::plan::{Ctx, Plan};
use longshore_scheduler::{Attempt, Request};
use longshore_state::{Change, View};

use crate::Action;

/// The times that decisions go by. Each is a flag of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// How long a task without health checks must be RUNNING to count as healthy. ECS waits 40 s
    /// and its users suffer; a program that dies at start mostly does so in the first seconds.
    pub healthy_after: Duration,
    /// How long an agent may be away before its instance counts as lost.
    pub lost_after: Duration,
    /// How long STOPPED tasks stay visible. ECS promises an hour.
    pub stopped_retention: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            healthy_after: Duration::from_secs(5),
            lost_after: Duration::from_secs(60),
            stopped_retention: Duration::from_secs(3600),
        }
    }
}

/// What a decision is given besides the view of everything.
pub struct Scope<'a, 'i> {
    /// The time, and a source of ids and of chance.
    pub ctx: &'a mut Ctx,
    /// The times that it goes by.
    pub times: Times,
    /// Most tasks or other records that the plan changes for one reason. What is left follows in
    /// the next one; a plan must stay a commit of bounded size.
    pub most_changes: usize,
    /// For how long, by a clock that never jumps, all decisions about this key have waited for
    /// what they saw to last; see [`Plan::waits`]. Zero if the one before did not.
    pub waited: Duration,
    /// An attempt at placing in the cluster of the key. What the plan places counts in it. That of
    /// a key that takes no turns has no instances.
    pub attempt: &'a mut Attempt<'i>,
}

/// How soon a key that was woken is decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    Now,
    /// Within milliseconds, together with others that were woken so.
    Together,
    /// As rarely as [`Controller::weight`] asks for: not much can be new.
    Seldom,
}

/// Where the keys go that a change wakes.
pub type Wake<'a, K> = &'a mut dyn FnMut(K, Pace);

/// A controller. Everything here is a function of its arguments.
pub trait Controller {
    /// Names what a decision is about. It never says what happened.
    type Key: Clone + Ord + fmt::Debug;

    /// Whether the keys of one cluster take turns: they are decided about one after the other,
    /// against one index of its instances, and committed together. So it is for all that places.
    const TAKES_TURNS: bool = false;

    /// All keys that there may be something to decide about.
    fn all(view: &View) -> impl Iterator<Item = Self::Key>;

    /// Names the keys that a change may matter to. One that is missed is only late: the loop goes
    /// through [`Controller::all`] now and then.
    fn wakes(change: &Change, view: &View, wake: Wake<'_, Self::Key>);

    /// The cluster whose tasks a plan may change; `None` if it changes other records only.
    fn cluster(key: &Self::Key) -> Option<&ClusterName>;

    /// Decides about one key, from the view alone. `None` if what it names is gone.
    fn decide(view: &View, key: &Self::Key, scope: &mut Scope<'_, '_>) -> Option<Plan<Action>>;

    /// How many records a decision looks at.
    fn weight(view: &View, key: &Self::Key) -> usize {
        let _ = (view, key);
        1
    }

    /// What is asked of placement for the next task of this key, so that it is woken when an
    /// instance gains what the request lacked.
    fn request(view: &View, key: &Self::Key) -> Option<Request> {
        let _ = (view, key);
        None
    }
}
