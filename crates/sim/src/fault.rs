//! What can go wrong around Longshore. Each seed enables its own mix; every class counts how often
//! it fired, and a run over many seeds in which one never did fails.

use std::collections::BTreeMap;

macro_rules! faults {
    ($($(#[$doc:meta])* $kind:ident = $name:literal;)*) => {
        /// A class of faults.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[$doc])* $kind,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Its name on the command line and in regression files.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

faults! {
    /// The store takes up to two seconds for a commit.
    StoreSlow = "store-slow";
    /// The store does not answer for a while; what it was asked for may have happened.
    StoreDown = "store-down";
    /// The store takes no plan for one service or task, for what the plan is.
    PlanRefused = "plan-refused";
    /// The watch is seconds behind.
    WatchDelay = "watch-delay";
    /// The watch loses commits; the next one shows the gap.
    WatchGap = "watch-gap";
    /// The watch loses the last commit of a burst; nothing shows that.
    WatchLastLost = "watch-last-lost";
    /// A record is damaged on the disk, and mended later.
    RecordDamaged = "record-damaged";
    /// The control plane is killed and started again.
    ControlCrash = "control-crash";
    /// Everything is started at once, when all other faults are over.
    ColdStart = "cold-start";
    /// The control plane stands still for a while.
    ControlPause = "control-pause";
    /// The control plane stands still, another takes its place, and then it wakes up.
    ControlZombie = "control-zombie";
    /// The control plane's clock is set, forward or back.
    ControlClock = "control-clock";
    /// Nothing gets through between a node and the control plane.
    CutBoth = "cut-both";
    /// Nothing gets through to a node.
    CutToAgent = "cut-to-agent";
    /// Nothing gets through from a node.
    CutToControl = "cut-to-control";
    /// Messages take seconds.
    NetSlow = "net-slow";
    /// An older set of assignments is delivered once more.
    NetReplay = "net-replay";
    /// A connection breaks.
    NetBreak = "net-break";
    /// An agent is killed and started again.
    AgentCrash = "agent-crash";
    /// An agent stands still for a while.
    AgentPause = "agent-pause";
    /// An agent's journal is gone when it starts again.
    JournalLost = "journal-lost";
    /// An agent's journal is an older one when it starts again.
    JournalOld = "journal-old";
    /// The journal's disk refuses writes.
    JournalFails = "journal-fails";
    /// The journal's disk is full for a while; then there is room, and the agent is started again.
    JournalFull = "journal-full";
    /// A node reboots.
    HostReboot = "host-reboot";
    /// A node is gone for good.
    HostLost = "host-lost";
    /// A node joins late.
    HostJoins = "host-joins";
    /// A node's clock is wrong by up to a year, and drifts.
    HostClock = "host-clock";
    /// A node's clock is set while the agent runs, forward or back, by up to a year.
    HostClockJumps = "host-clock-jumps";
    /// Pulls take up to two minutes.
    PullSlow = "pull-slow";
    /// Pulls fail.
    PullFails = "pull-fails";
    /// Creating containers fails.
    CreateFails = "create-fails";
    /// Starting containers fails.
    StartFails = "start-fails";
    /// It stays unknown whether a call did anything.
    CallUncertain = "call-uncertain";
    /// The container daemon is away for a while, with or without its containers.
    DaemonDown = "daemon-down";
    /// Containers exit.
    ContainerExits = "container-exits";
    /// Containers are killed for their memory use.
    ContainerOom = "container-oom";
    /// Containers are removed behind the agent's back.
    ContainerVanishes = "container-vanishes";
    /// Someone starts a stopped container again.
    ContainerRevived = "container-revived";
    /// Stopping takes minutes.
    StopHangs = "stop-hangs";
    /// Events of the container daemon are lost.
    NoticeLost = "notice-lost";
}

impl Fault {
    /// The class with this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }
}

/// How often each class fired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fired(BTreeMap<Fault, u64>);

impl Fired {
    pub(crate) fn count(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    /// How often this class fired.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or(0)
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (fault, count) in &other.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }
}
