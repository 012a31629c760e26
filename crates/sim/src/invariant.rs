//! What must hold, whatever happens, by its number in the reliability design.

use std::fmt;

macro_rules! invariants {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// An invariant, by its number in the reliability design.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Invariant {
            $($(#[$doc])* $name,)*
        }

        impl Invariant {
            /// All that have an oracle.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

invariants! {
    /// A task's containers are started on one node, each at most once, and its assignment is
    /// durable there before.
    S1;
    /// Nothing of a task starts after it is STOPPED.
    S2;
    /// A status never goes back; STOPPED is the end; versions grow.
    S3;
    /// What was acknowledged is there; the same client token makes nothing twice.
    S4;
    /// No instance has more on it than it registered.
    S5;
    /// An agent stops only what it was told to stop or what went wrong by itself.
    S6;
    /// A container nobody knows is removed only if that is so, and after a complete set.
    S7;
    /// What an earlier life of an agent said is not applied.
    S8;
    /// Nothing is committed whose inputs have changed.
    S9;
    /// The service scheduler keeps between the two percentages.
    S10;
    /// What a read shows was so, and is nothing older than what was told before.
    S11;
    /// RUNNING was run, STOPPED runs no more, COMPLETED was healthy.
    S12;
    /// Nothing that is in use is removed, and nothing visible is forgotten before its time.
    S13;
    /// A damaged record stops nothing and starts no crash loop.
    S14;
    /// Queues, sessions and journals stay small, and empty where nothing is to be done.
    S15;
    /// When most agents vanish at once, none is given up.
    S15Mass;
    /// What is wanted comes about after the faults end, and then nothing more is done.
    L1;
    /// No container is left over.
    L2;
    /// No task is stuck.
    L3;
    /// What a watch loses is found.
    L5;
    /// What the store takes no plan for holds up nothing else.
    L6;
    /// However much fails, not much more is tried than usual.
    L7;
    /// Everything may start at once.
    L8;
}

/// What was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub invariant: Invariant,
    /// When, in virtual ms.
    pub at: i64,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {} ms: {}", self.invariant, self.at, self.what)
    }
}
