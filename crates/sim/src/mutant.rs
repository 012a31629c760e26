//! Seeded faults in our own logic, to show that the invariants bite.
//!
//! Each is put in at a seam the simulation owns: between view and decision, between decision and
//! store, on the wire, between the agent's core and its journal or runtime. So no product code
//! knows of them, and no build of it can have one.

macro_rules! mutants {
    ($($(#[$doc:meta])* $kind:ident = $name:literal;)*) => {
        /// A fault of our own making.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $($(#[$doc])* $kind,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Its name on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

mutants! {
    /// The store commits whatever the guards say.
    NoGuards = "no-guards";
    /// Placing a task does not write the instance, so two placements made at once both stand.
    PlacementUnguarded = "placement-unguarded";
    /// A gap in the watch is not answered with a new list.
    GapIgnored = "gap-ignored";
    /// Nothing is listed anew but after a gap that shows.
    NoPeriodicList = "no-periodic-list";
    /// The agent is told that a journal write is durable when it is not.
    IntentNotDurable = "intent-not-durable";
    /// A refused journal write that says that a task ends is taken for a durable one.
    EndTakenAsWritten = "end-taken-as-written";
    /// The agent drops finished tasks from its journal when it starts.
    FinishedForgotten = "finished-forgotten";
    /// The agent takes an older set of assignments for a newer one.
    OlderSetAccepted = "older-set-accepted";
    /// The agent takes every set for a complete one.
    PartTakenAsWhole = "part-taken-as-whole";
    /// A set is marked complete though a record behind it could not be read.
    DamagedSetComplete = "damaged-set-complete";
    /// A control plane that has not read the store yet tells agents that they hold nothing.
    EmptyViewServed = "empty-view-served";
    /// Changes are not sent within a session.
    DiffNotSent = "diff-not-sent";
    /// The agent is not told of tasks that were stopped before it heard of them.
    StopWithoutTombstone = "stop-without-tombstone";
    /// Reports are acknowledged before they are committed.
    ReportAckedEarly = "report-acked-early";
    /// What could not be taken over, since a record is damaged, is acknowledged and forgotten.
    UnreadAcknowledged = "unread-acknowledged";
    /// The newest report wins, whatever status it carries.
    ReportOrderIgnored = "report-order-ignored";
    /// What an earlier life of an agent said is applied after a later one registered.
    OldIncarnationApplied = "old-incarnation-applied";
    /// A task is reported RUNNING when its first container exists.
    RunningTooEarly = "running-too-early";
    /// A task is reported STOPPED when its containers are told to stop.
    StoppedTooEarly = "stopped-too-early";
    /// The agent goes by the node's clock, whatever that is set to.
    ClockFollowed = "clock-followed";
    /// A later life of an agent begins earlier where the node's clock was set back.
    LifeByClock = "life-by-clock";
    /// The agent never removes containers that nobody knows.
    OrphansKept = "orphans-kept";
    /// A start whose outcome is unknown is made again.
    StartRepeated = "start-repeated";
    /// A task's resources are free as soon as it is told to stop.
    CapacityFreedEarly = "capacity-freed-early";
    /// `minimumHealthyPercent` is rounded down.
    LowerRoundedDown = "lower-rounded-down";
    /// `maximumPercent` does not bind.
    UpperIgnored = "upper-ignored";
    /// Tasks of an agent that is away are replaced before they are given up.
    ReplacedBeforeLost = "replaced-before-lost";
    /// Most agents going away at once is taken for that many losses.
    MassLossBelieved = "mass-loss-believed";
    /// A task counts as healthy at once.
    HealthyAtOnce = "healthy-at-once";
    /// Stopped tasks are forgotten at once.
    ReapedAtOnce = "reaped-at-once";
    /// A service whose record cannot be read counts as deleted.
    DamagedServiceDeleted = "damaged-service-deleted";
    /// A stop is counted again and again.
    StopNotAccounted = "stop-not-accounted";
    /// A decision that met a conflict is dropped, and nothing looks at its key again.
    ConflictDropped = "conflict-dropped";
    /// A plan that is refused for what it is holds up everything else for half a minute.
    PoisonBlocks = "poison-blocks";
    /// Such a plan is made again at once, and again.
    PoisonRetried = "poison-retried";
    /// A session that is over is kept.
    SessionKept = "session-kept";
    /// The agent's journal forgets nothing.
    JournalKept = "journal-kept";
    /// Who looks twice sees the second time what it saw the first time.
    ReadFromCache = "read-from-cache";
    /// A call is answered before its commit.
    CallAnsweredEarly = "call-answered-early";
    /// A client token is not looked at.
    ClientTokenIgnored = "client-token-ignored";
    /// The end of an older session notes the instance as away though a newer one is open.
    OldSessionDisconnects = "old-session-disconnects";
}

impl Mutant {
    /// The mutant with this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|mutant| mutant.name() == name)
    }
}
