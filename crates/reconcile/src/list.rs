//! All controllers, named once. From this list come [`Key`] and what is done with one: naming all of
//! them, waking those that a change may matter to, deciding.

use longshore_model::ClusterName;
use longshore_model::plan::Plan;
use longshore_scheduler::Request;
use longshore_state::{Change, View};

use crate::controller::{Controller, Scope, Wake};
use crate::{Action, absence, instance, service, task, token};

macro_rules! controllers {
    ($($(#[$doc:meta])* $name:ident: $controller:ty;)*) => {
        /// What one decision is about.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Key {
            $($(#[$doc])* $name(<$controller as Controller>::Key),)*
        }

        impl Key {
            /// Names everything that there may be something to decide about.
            pub fn all(view: &View, name: &mut dyn FnMut(Key)) {
                $(<$controller>::all(view).for_each(|key| name(Key::$name(key)));)*
            }

            /// Names what a change may matter to.
            pub fn wakes(change: &Change, view: &View, wake: Wake<'_, Key>) {
                $(<$controller>::wakes(change, view, &mut |key, pace| {
                    wake(Key::$name(key), pace);
                });)*
            }

            /// The cluster whose tasks a plan may change.
            pub fn cluster(&self) -> Option<&ClusterName> {
                match self {
                    $(Self::$name(key) => <$controller>::cluster(key),)*
                }
            }

            /// The cluster in which it takes turns with other keys.
            pub fn turn(&self) -> Option<&ClusterName> {
                match self {
                    $(Self::$name(key) => {
                        let cluster = <$controller>::cluster(key);
                        cluster.filter(|_| <$controller>::TAKES_TURNS)
                    })*
                }
            }

            /// Decides about it. `None` if what it names is gone.
            pub fn decide(&self, view: &View, scope: &mut Scope<'_, '_>) -> Option<Plan<Action>> {
                match self {
                    $(Self::$name(key) => <$controller>::decide(view, key, scope),)*
                }
            }

            /// How many records a decision looks at.
            pub fn weight(&self, view: &View) -> usize {
                match self {
                    $(Self::$name(key) => <$controller>::weight(view, key),)*
                }
            }

            /// What is asked of placement for its next task.
            pub fn request(&self, view: &View) -> Option<Request> {
                match self {
                    $(Self::$name(key) => <$controller>::request(view, key),)*
                }
            }
        }
    };
}

controllers! {
    /// A service: as many tasks as are wanted, healthy, of its newest deployment.
    Service: service::Services;
    /// A container instance: lost when its agent has been away too long.
    Instance: instance::Instances;
    /// A task: given up with its instance, forgotten in time.
    Task: task::Tasks;
    /// A control plane that agents are noted to be with: away when it is gone.
    Absence: absence::Absences;
    /// Tokens that have had their time.
    Tokens: token::Tokens;
}
