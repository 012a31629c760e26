//! The index against the exhaustive scan: the same choices, through any churn.
#![allow(clippy::unwrap_used)]

mod fleet;

use std::collections::BTreeSet;
use std::sync::Arc;

use fleet::{Fleet, node, request};
use longshore_model::placement::{PlacementConstraint, PlacementStrategy};
use longshore_model::plan::Ctx;
use longshore_model::{InstanceId, TaskId, Timestamp};
use longshore_scheduler::{Kind, Lack, Request};
use proptest::prelude::*;

/// One thing that happens to a cluster.
#[derive(Debug, Clone)]
enum Step {
    Join {
        id: u8,
        shape: u32,
    },
    Leave {
        id: u8,
    },
    Place {
        request: usize,
        count: u8,
        outcome: u8,
    },
    Stop {
        nth: u8,
    },
    Unwant {
        nth: u8,
    },
    Run {
        nth: u8,
    },
    Daemon {
        request: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..24, any::<u32>()).prop_map(|(id, shape)| Step::Join { id, shape }),
        1 => (0_u8..24).prop_map(|id| Step::Leave { id }),
        6 => (0_usize..8, 1_u8..6, any::<u8>())
            .prop_map(|(request, count, outcome)| Step::Place { request, count, outcome }),
        3 => any::<u8>().prop_map(|nth| Step::Stop { nth }),
        1 => any::<u8>().prop_map(|nth| Step::Unwant { nth }),
        2 => any::<u8>().prop_map(|nth| Step::Run { nth }),
        1 => (0_usize..8).prop_map(|request| Step::Daemon { request }),
    ];
    proptest::collection::vec(step, 1..80)
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    proptest::collection::vec(any::<[u32; 4]>(), 8).prop_map(|shapes| {
        let requests = shapes.into_iter().enumerate();
        requests.map(|(nth, shape)| request(nth, shape)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Equal seeds, equal choices, whatever happened before; nothing oversubscribed; no waiting
    /// request that fits now was left unwoken.
    #[test]
    fn the_index_chooses_what_an_exhaustive_scan_chooses(
        steps in steps(), requests in requests(), seed in any::<u64>(),
    ) {
        let mut fleet = Fleet::default();
        let requests: Vec<Arc<Request>> = requests.into_iter().map(Arc::new).collect();
        let mut waiting: Vec<(Arc<Request>, Lack)> = Vec::new();
        for (at, step) in steps.into_iter().enumerate() {
            let mut deltas = Vec::new();
            match step {
                Step::Join { id, shape } => deltas.extend(fleet.join(node(u128::from(id), shape))),
                Step::Leave { id } => fleet.leave(InstanceId::new(u128::from(id))),
                Step::Stop { nth } => deltas.extend(fleet.stop(nth)),
                Step::Unwant { nth } => deltas.extend(fleet.change(nth, |task| task.wanted = false)),
                Step::Run { nth } => deltas.extend(fleet.change(nth, |task| task.running = true)),
                Step::Daemon { request } => {
                    let daemon = Request { kind: Kind::Daemon, ..(*requests[request]).clone() };
                    deltas.extend(fleet.index.put_daemon(Arc::new(daemon.clone())));
                    fleet.hosts.put_daemon(daemon);
                }
                Step::Place { request, count, outcome } => {
                    let request = &requests[request];
                    let seed = u128::from(seed) + at as u128;
                    let mut ctx = Ctx::new(Timestamp::default(), seed);
                    let mut oracle_ctx = ctx.clone();
                    let mut attempt = fleet.index.attempt();
                    let placement = attempt.place(request, u32::from(count), &mut ctx);
                    // Refused, dropped, or committed.
                    let batch = (outcome % 4 != 0).then(|| attempt.keep());
                    let mut hosts = fleet.hosts.clone();
                    let mut expected = Vec::new();
                    for nth in 0..count {
                        let id = TaskId::new((at as u128) << 8 | u128::from(nth));
                        match hosts.place(request, id, &mut oracle_ctx) {
                            Some(instance) => expected.push((id, instance)),
                            None => break,
                        }
                    }
                    let chosen: Vec<InstanceId> =
                        placement.placed.iter().map(|placed| placed.instance).collect();
                    let wanted: Vec<InstanceId> = expected.iter().map(|(_, i)| *i).collect();
                    prop_assert_eq!(&chosen, &wanted, "{:?}", request);
                    prop_assert_eq!(chosen.len() < usize::from(count), placement.unplaced.is_some());
                    if let Some(unplaced) = &placement.unplaced {
                        prop_assert_eq!(unplaced.instances(), fleet.hosts.iter().count());
                    }
                    let committed = outcome % 4 > 1;
                    if committed {
                        for ((id, instance), placed) in expected.iter().zip(&placement.placed) {
                            deltas.extend(fleet.start(*id, *instance, request, &placed.gpus));
                        }
                    }
                    deltas.extend(batch.into_iter().flat_map(|batch| fleet.index.forget(batch)));
                    if let Some(lack) = placement.lack.filter(|_| committed || chosen.is_empty()) {
                        waiting.push((Arc::clone(request), lack));
                    }
                }
            }
            fleet.check();
            // Whoever could be placed now was named by a delta.
            waiting.retain(|(_, lack)| !deltas.iter().any(|delta| lack.may_be_met_by(delta)));
            for (request, _) in &waiting {
                let fits = fleet.hosts.iter().find(|host| fleet.hosts.fits(host, request));
                prop_assert!(fits.is_none(), "{:?} fits on {:?}", request, fits);
            }
        }
    }

    /// Constraints hold for every task placed.
    #[test]
    fn constraints_are_never_violated(
        nodes in proptest::collection::vec(any::<u32>(), 1..30), shape in any::<[u32; 4]>(),
        count in 1_u32..60,
    ) {
        let mut fleet = Fleet::default();
        for (id, shape) in nodes.into_iter().enumerate() {
            fleet.join(node(id as u128, shape));
        }
        let request = Arc::new(request(0, shape));
        let mut ctx = Ctx::new(Timestamp::default(), 7);
        let mut attempt = fleet.index.attempt();
        let placed = attempt.place(&request, count, &mut ctx).placed;
        if request.constraints.contains(&PlacementConstraint::DistinctInstance) {
            let distinct: BTreeSet<_> = placed.iter().map(|placed| placed.instance).collect();
            prop_assert_eq!(distinct.len(), placed.len());
        }
        for placed in &placed {
            let host = fleet.hosts.iter().find(|host| host.state.id == placed.instance).unwrap();
            for constraint in &request.constraints {
                let reads_tasks = constraint.expression().is_none_or(|e| e.reads().tasks);
                let meets = || constraint.expression().is_some_and(|e| e.evaluate(host));
                prop_assert!(reads_tasks || meets(), "{}", constraint);
            }
            prop_assert_eq!(placed.gpus.len(), request.gpus as usize);
        }
        for host in fleet.hosts.iter() {
            let here = placed.iter().filter(|placed| placed.instance == host.state.id).count();
            let (registered, demand) = (&host.state.registered, &request.demand);
            prop_assert!(here == 0 || demand.cpu.0 * here as u32 <= registered.cpu.0);
            prop_assert!(here == 0 || demand.memory.0 * here as u32 <= registered.memory.0);
            prop_assert!(demand.tcp_ports.is_empty() && demand.udp_ports.is_empty() || here <= 1);
        }
    }

    /// Spread over zones with room everywhere: no zone has two tasks more than another, and no
    /// instance of one zone two more than another there.
    #[test]
    fn spread_is_even_where_it_can_be(
        zones in 1_u32..5, per_zone in 1_u32..6, count in 1_u32..120, seed in any::<u64>(),
    ) {
        let mut fleet = Fleet::default();
        for id in 0..zones * per_zone {
            fleet.join(fleet::plain(u128::from(id), &format!("z{}", id % zones), 100_000));
        }
        let request = Arc::new(fleet::plain_request(Kind::Service, 10, &[]));
        let mut ctx = Ctx::new(Timestamp::default(), u128::from(seed));
        let mut attempt = fleet.index.attempt();
        let placed = attempt.place(&request, count, &mut ctx).placed;
        prop_assert_eq!(placed.len(), count as usize);
        let on = |id: u32| {
            placed.iter().filter(|p| p.instance == InstanceId::new(u128::from(id))).count()
        };
        let skew = |counts: Vec<usize>| {
            counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0)
        };
        let all = 0..zones * per_zone;
        let in_zone = |zone: u32| all.clone().filter(move |id| id % zones == zone);
        let zone_counts = (0..zones).map(|zone| in_zone(zone).map(on).sum()).collect();
        prop_assert!(skew(zone_counts) <= 1);
        for zone in 0..zones {
            prop_assert!(skew(in_zone(zone).map(on).collect()) <= 1);
        }
    }

    /// Equal tasks packed onto instances of one size use as few as there could be.
    #[test]
    fn binpack_uses_the_fewest_instances(
        nodes in 1_u32..20, size in 10_u32..200, demand in 10_u32..60, count in 1_u32..80,
    ) {
        let mut fleet = Fleet::default();
        for id in 0..nodes {
            fleet.join(fleet::plain(u128::from(id), "z", size));
        }
        let chain = [PlacementStrategy::new("binpack", Some("memory")).unwrap()];
        let request = Arc::new(fleet::plain_request(Kind::Service, demand, &chain));
        let mut ctx = Ctx::new(Timestamp::default(), 3);
        let placed = fleet.index.attempt().place(&request, count, &mut ctx).placed;
        let per_node = size / demand;
        prop_assert_eq!(placed.len() as u32, count.min(nodes * per_node));
        let used: BTreeSet<_> = placed.iter().map(|placed| placed.instance).collect();
        let least = (placed.len() as u32).div_ceil(per_node.max(1));
        prop_assert_eq!(used.len() as u32, least);
    }
}
