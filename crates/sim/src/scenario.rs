//! What a seed means: topology, workload, fault mix, patience. Everything else follows from the
//! run itself.

use std::collections::BTreeSet;
use std::time::Duration;

use longshore_control_plane::settings::Settings;
use longshore_reconcile::Times;

use crate::fault::Fault;
use crate::rng::Rng;

/// Changes to what a seed means, for shrinking and for regression cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Classes that do not occur, whatever the seed says.
    pub without: BTreeSet<Fault>,
    /// Most calls of the workload.
    pub calls: Option<u32>,
    /// Most nodes at the start.
    pub nodes: Option<u32>,
}

/// What one seed means.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    /// Nodes at the start.
    pub(crate) nodes: u32,
    pub(crate) zones: u32,
    /// CPU units of a node; it has as many MiB.
    pub(crate) capacity: u32,
    /// How many calls the workload makes.
    pub(crate) calls: u32,
    /// How long faults happen, in ms.
    pub(crate) span: i64,
    pub(crate) faults: BTreeSet<Fault>,
    pub(crate) settings: Settings,
    /// How long agents keep the containers of stopped tasks.
    pub(crate) keep_stopped: Duration,
    /// Usual latencies, in ms.
    pub(crate) net: i64,
    pub(crate) commit: i64,
    pub(crate) pull: i64,
}

impl Scenario {
    /// What this seed means within these limits.
    pub(crate) fn new(seed: u64, limits: &Limits) -> Self {
        let mut rng = Rng::new(seed, 1);
        let density = rng.pick(&[60, 150, 300]);
        let mut faults = BTreeSet::new();
        for fault in Fault::ALL {
            // A stream for each, so that a new class does not change what a seed means to others.
            let mut own = Rng::named(seed, fault.name());
            if own.chance(density) && !limits.without.contains(fault) {
                faults.insert(*fault);
            }
        }
        // A journal and the containers lost together are a new machine under an old name: nothing
        // on the node could know what it ran.
        if faults.contains(&Fault::JournalLost) || faults.contains(&Fault::JournalOld) {
            faults.remove(&Fault::ContainerVanishes);
        }
        let secs = Duration::from_secs;
        let nodes = u32::try_from(rng.between(1, 5)).unwrap_or(1);
        Self {
            seed,
            nodes: nodes.min(limits.nodes.unwrap_or(u32::MAX)).max(1),
            zones: u32::try_from(rng.between(1, 3)).unwrap_or(1),
            capacity: rng.pick(&[1024, 2048, 2048, 4096]),
            calls: u32::try_from(rng.between(2, 12))
                .unwrap_or(1)
                .min(limits.calls.unwrap_or(u32::MAX)),
            span: rng.between(20_000, 150_000),
            faults,
            settings: Settings {
                times: Times {
                    healthy_after: secs(rng.pick(&[0, 1, 5, 5])),
                    lost_after: secs(rng.pick(&[10, 30, 60])),
                    stopped_retention: secs(rng.pick(&[5, 60, 3600])),
                },
                ..Settings::default()
            },
            keep_stopped: secs(rng.pick(&[0, 20, 3600])),
            net: rng.pick(&[1, 5, 50]),
            commit: rng.pick(&[0, 2, 20]),
            pull: rng.pick(&[10, 500, 3000]),
        }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}
