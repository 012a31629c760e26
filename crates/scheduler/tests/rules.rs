//! Every rule of placement, one small cluster each.
#![allow(clippy::unwrap_used)]

mod fleet;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet::{Fleet, plain, plain_request};
use longshore_model::instance::{Resources, ZONE_ATTRIBUTE};
use longshore_model::placement::{PlacementConstraint, PlacementStrategy, Rejection};
use longshore_model::plan::Ctx;
use longshore_model::unit::Protocol;
use longshore_model::{CpuUnits, InstanceId, Mib, TaskId, Timestamp};
use longshore_scheduler::{InstanceState, Kind, Lack, Request, Standing, TaskState};

fn ctx() -> Ctx {
    Ctx::new(Timestamp::default(), 11)
}

fn instance(id: u32) -> InstanceId {
    InstanceId::new(u128::from(id))
}

fn web() -> Request {
    plain_request(Kind::Service, 10, &[])
}

fn rule(kind: &str, field: &str) -> PlacementStrategy {
    PlacementStrategy::new(kind, Some(field)).unwrap()
}

fn member_of(text: &str) -> PlacementConstraint {
    PlacementConstraint::new("memberOf", Some(text)).unwrap()
}

fn task(id: u32, on: u32, group: &str, size: u32) -> TaskState {
    TaskState {
        id: TaskId::new(u128::from(id)),
        instance: instance(on),
        group: group.to_owned(),
        wanted: true,
        running: true,
        demand: Resources {
            cpu: CpuUnits(size),
            memory: Mib(size),
            ..Resources::default()
        },
    }
}

/// Instances of two zones with room for 100 each.
fn cluster(zones: &[&str]) -> Fleet {
    let mut fleet = Fleet::default();
    for (id, zone) in zones.iter().enumerate() {
        fleet.join(plain(id as u128, zone, 100));
    }
    fleet
}

/// Where so many tasks go, as counts per instance.
fn place(fleet: &mut Fleet, request: &Request, count: u32) -> Vec<u32> {
    let request = Arc::new(request.clone());
    let placed = fleet
        .index
        .attempt()
        .place(&request, count, &mut ctx())
        .placed;
    let on = |id: &InstanceId| {
        placed
            .iter()
            .filter(|placed| placed.instance == *id)
            .count() as u32
    };
    let ids: Vec<InstanceId> = fleet.index.instances().collect();
    ids.iter().map(on).collect()
}

type Change = fn(&mut InstanceState, &mut Request);

/// The filters and constraints, in the order they are checked: each instance also fails every
/// later one, and only the first counts.
#[test]
fn each_check_gives_its_own_reason_and_the_first_counts() {
    let cases: Vec<(Change, Rejection, &str)> = vec![
        (
            |state, _| state.active = false,
            Rejection::NotActive,
            "INACTIVE",
        ),
        (
            |state, _| state.connected = false,
            Rejection::AgentDisconnected,
            "AGENT",
        ),
        (
            |_, request| {
                request.attributes.insert("gpu".into(), None);
            },
            Rejection::Attribute("gpu".into()),
            "ATTRIBUTE",
        ),
        (
            |_, request| {
                request.zones.insert("b".into());
            },
            Rejection::Zone { zone: "a".into() },
            "LOCATION",
        ),
        (
            |state, _| state.registered.cpu = CpuUnits(9),
            Rejection::Cpu {
                wanted: CpuUnits(10),
                left: CpuUnits(9),
            },
            "RESOURCE:CPU",
        ),
        (
            |state, _| state.registered.memory = Mib(9),
            Rejection::Memory {
                wanted: Mib(10),
                left: Mib(9),
            },
            "RESOURCE:MEMORY",
        ),
        (
            |state, request| {
                state.registered.tcp_ports.insert(80);
                request.demand.tcp_ports.insert(80);
            },
            Rejection::Port {
                port: 80,
                protocol: Protocol::Tcp,
            },
            "RESOURCE:PORTS",
        ),
        (
            |state, request| {
                state.registered.udp_ports.insert(53);
                request.demand.udp_ports.insert(53);
            },
            Rejection::Port {
                port: 53,
                protocol: Protocol::Udp,
            },
            "RESOURCE:PORTS_UDP",
        ),
        (
            |state, request| {
                state.registered.network_interfaces = 1;
                request.demand.network_interfaces = 2;
            },
            Rejection::NetworkInterfaces { wanted: 2, left: 1 },
            "RESOURCE:ENI",
        ),
        (
            |state, request| {
                state.registered.gpus.insert("gpu-0".into());
                request.gpus = 2;
            },
            Rejection::Gpus { wanted: 2, left: 1 },
            "RESOURCE:GPU",
        ),
        (
            |state, request| {
                state.registered.tcp_ports.extend(1000..1099);
                request.demand.tcp_ports.extend([1, 2]);
            },
            Rejection::PortCount { wanted: 3, left: 0 },
            "RESOURCE:PORTS",
        ),
        (
            |_, request| {
                request
                    .constraints
                    .insert(0, member_of("attribute:rack exists"))
            },
            Rejection::MemberOf("attribute:rack exists".parse().unwrap()),
            "MemberOf placement constraint unsatisfied.",
        ),
        (
            |_, request| {
                request
                    .constraints
                    .push(PlacementConstraint::DistinctInstance)
            },
            Rejection::DistinctInstance,
            "DistinctInstance placement constraint unsatisfied.",
        ),
    ];
    // From the last to the first, so that each is checked with all later ones failing too.
    let (mut state, mut request) = (plain(1, "a", 100), web());
    let mut fleet = Fleet::default();
    for (change, rejection, reason) in cases.into_iter().rev() {
        change(&mut state, &mut request);
        fleet.join(state.clone());
        fleet.put(task(1, 1, &request.group, 0));
        let request = Arc::new(request.clone());
        let placement = fleet.index.attempt().place(&request, 1, &mut ctx());
        assert_eq!(placement.placed, []);
        let unplaced = placement.unplaced.unwrap();
        let found = &unplaced.rejections[&instance(1)];
        let port_counts = |r: &Rejection| matches!(r, Rejection::PortCount { .. });
        assert!(
            *found == rejection || port_counts(found) && port_counts(&rejection),
            "{found:?}"
        );
        assert_eq!(found.ecs_reason(), reason);
        assert_eq!(
            unplaced.counts(),
            format!("1 {}", reason.trim_end_matches('.'))
        );
    }
}

#[test]
fn an_empty_cluster_places_nothing_and_names_nothing() {
    let mut fleet = Fleet::default();
    let placement = fleet.index.attempt().place(&Arc::new(web()), 2, &mut ctx());
    assert_eq!(placement.unplaced.unwrap().instances(), 0);
    assert!(placement.lack.is_some());
}

/// What each kind does where no strategy is named, and each strategy where one is.
#[test]
fn strategies_choose() {
    let zones = ["a", "a", "b", "b"];
    let chain = |rules: &[PlacementStrategy]| plain_request(Kind::Service, 10, rules);
    let by_zone = rule("spread", "attribute:ecs.availability-zone");
    // The default of a service: zones, then instances.
    let counts = place(&mut cluster(&zones), &web(), 6);
    assert_eq!(counts[0] + counts[1], 3);
    assert!(
        counts.iter().all(|count| (1..=2).contains(count)),
        "{counts:?}"
    );
    // Over three instances of one zone and one of another, zones come first.
    let counts = place(&mut cluster(&["a", "a", "a", "b"]), &web(), 6);
    assert_eq!(counts, [1, 1, 1, 3]);
    // Instances first.
    let counts = place(
        &mut cluster(&["a", "a", "a", "b"]),
        &chain(&[rule("spread", "host")]),
        8,
    );
    assert_eq!(counts, [2, 2, 2, 2]);
    // Packed: one instance is filled before the next.
    let mut counts = place(
        &mut cluster(&zones),
        &chain(&[rule("binpack", "memory")]),
        15,
    );
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 5, 10]);
    // Zones, and packed within each.
    let counts = place(
        &mut cluster(&zones),
        &chain(&[by_zone.clone(), rule("binpack", "cpu")]),
        8,
    );
    let mut packed = counts.clone();
    packed.sort_unstable();
    assert_eq!((packed, counts[0] + counts[1]), (vec![0, 0, 4, 4], 4));
    // Nothing breaks a tie that random broke.
    let random = chain(&[PlacementStrategy::Random, rule("binpack", "cpu")]);
    assert_eq!(random.chain(), []);
    assert_eq!(
        chain(&[by_zone.clone(), by_zone.clone()]).chain(),
        [by_zone]
    );
    let standalone = plain_request(Kind::Standalone, 10, &[]);
    assert_eq!(standalone.chain(), []);
}

#[test]
fn chance_is_fair_and_follows_the_seed() {
    let mut fleet = Fleet::default();
    for id in 0..10 {
        fleet.join(plain(id, "a", 1_000_000));
    }
    let request = plain_request(Kind::Standalone, 10, &[]);
    let counts = place(&mut fleet, &request, 10_000);
    // Expected 1000 each; five standard deviations are 150.
    assert!(
        counts.iter().all(|count| (850..1150).contains(count)),
        "{counts:?}"
    );
    assert_eq!(place(&mut fleet, &request, 10_000), counts);
    let request = Arc::new(request);
    let other = fleet
        .index
        .attempt()
        .place(&request, 50, &mut Ctx::new(Timestamp::default(), 12));
    let same = fleet.index.attempt().place(&request, 50, &mut ctx());
    assert_ne!(other.placed, same.placed);
}

#[test]
fn instances_without_the_attribute_rank_after_all_others_as_one_value() {
    let mut fleet = Fleet::default();
    for id in 0..4_u32 {
        let mut state = plain(u128::from(id), "a", 100);
        if id < 2 {
            state.attributes.insert("rack".into(), Some("r".into()));
        }
        fleet.join(state);
    }
    let request = plain_request(Kind::Service, 50, &[rule("spread", "attribute:rack")]);
    let counts = place(&mut fleet, &request, 6);
    assert_eq!((counts[0], counts[1]), (2, 2));
    assert_eq!(counts[2] + counts[3], 2);
}

#[test]
fn only_tasks_of_the_group_that_are_meant_to_run_count_for_spreading() {
    let mut fleet = cluster(&["a", "b"]);
    fleet.put(task(1, 0, "service:other", 0));
    fleet.put(TaskState {
        wanted: false,
        ..task(2, 0, "service:web", 0)
    });
    fleet.put(task(3, 1, "service:web", 0));
    assert_eq!(place(&mut fleet, &web(), 1), [1, 0]);
}

#[test]
fn distinct_instances_and_affinity_look_at_tasks_that_are_not_stopped() {
    let mut fleet = cluster(&["a", "a", "a"]);
    fleet.put(TaskState {
        wanted: false,
        ..task(1, 0, "service:web", 0)
    });
    fleet.put(task(2, 1, "service:db", 0));
    let mut request = web();
    request.constraints = vec![PlacementConstraint::DistinctInstance];
    assert_eq!(place(&mut fleet, &request, 5), [0, 1, 1]);
    request.constraints = vec![member_of("task:group == service:db")];
    assert_eq!(place(&mut fleet, &request, 2), [0, 2, 0]);
    request
        .constraints
        .push(member_of("not(task:group == service:web)"));
    assert_eq!(place(&mut fleet, &request, 2), [0, 1, 0]);
}

#[test]
fn a_start_looks_at_room_and_not_at_constraints() {
    let mut fleet = cluster(&["a"]);
    let mut request = web();
    request.constraints = vec![member_of("attribute:rack exists")];
    request.kind = Kind::Start;
    let request = Arc::new(request);
    let mut attempt = fleet.index.attempt();
    for _ in 0..10 {
        assert_eq!(
            attempt.place_on(instance(0), &request).unwrap().instance,
            instance(0)
        );
    }
    assert_eq!(
        attempt
            .place_on(instance(0), &request)
            .unwrap_err()
            .ecs_reason(),
        "RESOURCE:CPU"
    );
    assert_eq!(
        attempt.place_on(instance(9), &request),
        Err(Rejection::NotActive)
    );
}

#[test]
fn each_gpu_is_given_once() {
    let mut fleet = Fleet::default();
    let mut state = plain(0, "a", 100);
    state.registered.gpus = ["g0", "g1", "g2"].map(str::to_owned).into();
    fleet.join(state);
    let request = Arc::new(Request { gpus: 2, ..web() });
    let placed = fleet.index.attempt().place(&request, 2, &mut ctx()).placed;
    assert_eq!(placed.len(), 1);
    assert_eq!(placed[0].gpus, ["g0", "g1"]);
    fleet.start(TaskId::new(1), instance(0), &request, &placed[0].gpus);
    let one = Arc::new(Request { gpus: 1, ..web() });
    let placed = fleet.index.attempt().place(&one, 2, &mut ctx()).placed;
    assert_eq!(placed.len(), 1);
    assert_eq!(placed[0].gpus, ["g2"]);
}

#[test]
fn placements_are_undone_unless_kept_and_gone_when_forgotten() {
    let mut fleet = cluster(&["a"]);
    let request = Arc::new(web());
    let room = |fleet: &mut Fleet| {
        fleet
            .index
            .attempt()
            .place(&request, 99, &mut ctx())
            .placed
            .len()
    };
    assert_eq!(room(&mut fleet), 10);
    let mut attempt = fleet.index.attempt();
    attempt.place(&request, 4, &mut ctx());
    let first = attempt.keep();
    let mut attempt = fleet.index.attempt();
    attempt.place(&request, 3, &mut ctx());
    let second = attempt.keep();
    assert_eq!(room(&mut fleet), 3);
    let lack = Lack::new(Arc::clone(&request));
    let deltas = fleet.index.forget(first);
    assert!(deltas.iter().all(|delta| lack.may_be_met_by(delta)) && deltas.len() == 4);
    assert_eq!(room(&mut fleet), 7);
    assert_eq!(fleet.index.forget(first), []);
    fleet.leave(instance(0));
    fleet.join(plain(0, "a", 100));
    assert_eq!(fleet.index.forget(second), []);
    assert_eq!(room(&mut fleet), 10);
}

#[test]
fn tasks_may_be_told_before_their_instance() {
    let mut fleet = Fleet::default();
    assert_eq!(fleet.index.put_task(task(1, 0, "service:web", 95)), None);
    fleet.index.put_task(task(2, 0, "service:web", 95));
    fleet.index.remove_task(instance(0), TaskId::new(2));
    fleet.index.upsert(plain(0, "a", 100));
    assert!(!fleet.index.can_take(instance(0), &web()));
    fleet.index.remove_task(instance(0), TaskId::new(1));
    assert!(fleet.index.can_take(instance(0), &web()));
}

#[test]
fn a_lack_is_met_by_what_frees_enough_and_by_nothing_else() {
    let mut fleet = cluster(&["a", "b"]);
    for (id, on) in [(1, 0), (2, 1)] {
        fleet.put(task(id, on, "service:other", 95));
    }
    let lack = |request: Request| {
        let mut fleet = cluster(&[]);
        let placement = fleet
            .index
            .attempt()
            .place(&Arc::new(request), 1, &mut ctx());
        placement.lack.unwrap()
    };
    let (small, large) = (lack(web()), lack(plain_request(Kind::Service, 200, &[])));
    let reader = Request {
        constraints: vec![member_of("task:group == service:other")],
        ..web()
    };
    let reader = lack(reader);
    let met = |delta: &longshore_scheduler::Delta| {
        [&small, &large, &reader].map(|lack| lack.may_be_met_by(delta))
    };
    // A task more frees nothing, but may be what a constraint looks for.
    assert_eq!(
        met(&fleet.put(task(3, 0, "service:x", 1)).unwrap()),
        [false; 3]
    );
    let freed = fleet
        .index
        .remove_task(instance(0), TaskId::new(1))
        .unwrap();
    assert_eq!(met(&freed), [true, false, true]);
    let more = fleet.put(task(4, 0, "service:other", 1)).unwrap();
    assert_eq!(met(&more), [false, false, true]);
    let mut big = plain(1, "b", 500);
    big.connected = false;
    assert_eq!(met(&fleet.join(big.clone()).unwrap()), [false; 3]);
    big.connected = true;
    assert_eq!(met(&fleet.join(big.clone()).unwrap()), [true; 3]);
    assert_eq!(met(&fleet.join(big).unwrap()), [false, false, true]);
}

#[test]
fn room_is_kept_for_daemons_until_they_are_there() {
    let mut fleet = cluster(&["a", "b"]);
    let mut draining = plain(2, "a", 100);
    draining.active = false;
    fleet.join(draining);
    let mut daemon = plain_request(Kind::Daemon, 60, &[]);
    daemon.group = "service:agent".to_owned();
    daemon.constraints = vec![member_of("attribute:ecs.availability-zone == a")];
    let daemon = Arc::new(daemon);
    fleet.index.put_daemon(Arc::clone(&daemon));
    assert_eq!(place(&mut fleet, &web(), 99), [4, 10, 0]);
    let set = fleet.index.daemon_set(&daemon);
    assert_eq!(
        (set.belongs, set.missing),
        (vec![instance(0)], vec![instance(0)])
    );
    // It takes its own room, and no more is kept.
    let mut attempt = fleet.index.attempt();
    let placed = attempt.place_on(instance(0), &daemon).unwrap();
    let batch = attempt.keep();
    fleet.start(TaskId::new(1), placed.instance, &daemon, &[]);
    fleet.index.forget(batch);
    assert_eq!(place(&mut fleet, &web(), 99), [4, 10, 0]);
    assert_eq!(fleet.index.daemon_set(&daemon).missing, []);
    // Where it no longer belongs, its task is named.
    fleet.join(plain(0, "c", 100));
    let set = fleet.index.daemon_set(&daemon);
    assert_eq!(set.misplaced, [(instance(0), TaskId::new(1))]);
    fleet.index.remove_task(instance(0), TaskId::new(1));
    assert_eq!(place(&mut fleet, &web(), 99), [10, 10, 0]);
    // Full of others: blocked, and why.
    fleet.join(plain(0, "a", 100));
    fleet.put(task(2, 0, "service:web", 50));
    let set = fleet.index.daemon_set(&daemon);
    assert_eq!(set.blocked.len(), 1);
    assert_eq!(place(&mut fleet, &web(), 99), [0, 10, 0]);
    fleet.index.remove_daemon("service:agent");
    assert_eq!(place(&mut fleet, &web(), 99), [5, 10, 0]);
}

fn standing(fleet: &Fleet) -> Vec<Standing> {
    let tasks = fleet.tasks.values();
    tasks
        .filter(|task| task.group == "service:web")
        .map(|task| Standing {
            task: task.id,
            instance: task.instance,
            turn: Some(0),
        })
        .collect()
}

/// What is left per instance after so many went.
fn after(fleet: &Fleet, chain: &[PlacementStrategy], count: usize) -> Vec<usize> {
    let chain = Kind::Service.chain(chain);
    let victims = fleet
        .index
        .victims(chain, &standing(fleet), count, &mut ctx());
    assert_eq!(victims.iter().collect::<BTreeSet<_>>().len(), count);
    let ids = fleet.index.instances();
    ids.map(|id| {
        let all = standing(fleet);
        let here = all.iter().filter(|task| task.instance == id);
        here.filter(|task| !victims.contains(&task.task)).count()
    })
    .collect()
}

#[test]
fn scale_in_reads_the_strategies_backwards() {
    let mut fleet = cluster(&["a", "a", "b"]);
    for id in 0..10 {
        fleet.put(task(
            id,
            [0, 0, 0, 0, 1, 1, 1, 2, 2, 2][id as usize],
            "service:web",
            5,
        ));
    }
    // Seven in zone a, three in b: zones even out, then the instances of a zone.
    assert_eq!(after(&fleet, &[], 4), [2, 1, 3]);
    assert_eq!(after(&fleet, &[rule("spread", "instanceId")], 1), [3, 3, 3]);
    // Packed: the emptiest instances drain, whole.
    fleet.put(task(20, 1, "service:db", 50));
    fleet.put(task(21, 2, "service:db", 60));
    assert_eq!(after(&fleet, &[rule("binpack", "memory")], 4), [0, 3, 3]);
    assert_eq!(after(&fleet, &[PlacementStrategy::Random], 10), [0, 0, 0]);
}

#[test]
fn the_least_turn_goes_first_and_protected_tasks_never() {
    let mut fleet = cluster(&["a", "b"]);
    for id in 0..6 {
        fleet.put(task(id, u32::from(id > 3), "service:web", 5));
    }
    let mut all = standing(&fleet);
    for task in &mut all {
        task.turn = match task.task.value() {
            0 | 1 => None,
            4 => Some(0),
            _ => Some(1),
        };
    }
    let chain = Kind::Service.chain(&[]);
    let victims = fleet.index.victims(chain, &all, 9, &mut ctx());
    let victims: Vec<u128> = victims.iter().map(|task| task.value()).collect();
    assert_eq!(victims.len(), 4);
    assert_eq!(victims[0], 4);
    assert!(!victims.contains(&0) && !victims.contains(&1));
}

#[test]
fn an_explanation_names_every_failure_and_the_nearest_fix() {
    let mut fleet = Fleet::default();
    let sizes = [(0, 412), (1, 412), (2, 300), (3, 100_000)];
    for (id, memory) in sizes {
        let mut state = plain(id, "a", 1000);
        state.registered.memory = Mib(memory);
        if id == 3 {
            state.attributes.insert("stack".into(), Some("prod".into()));
        } else {
            state.attributes.insert("stack".into(), Some("test".into()));
        }
        fleet.join(state);
    }
    fleet.put(task(7, 2, "service:db", 250));
    let mut request = plain_request(Kind::Service, 0, &[]);
    request.demand.memory = Mib(600);
    request.constraints = vec![member_of("attribute:stack != prod")];
    let explanation = fleet.index.explain(&request);
    let counts: Vec<_> = explanation
        .tallies
        .iter()
        .map(|t| (t.reason, t.first, t.all))
        .collect();
    assert_eq!(
        counts,
        [
            ("RESOURCE:MEMORY", 3, 3),
            ("MemberOf placement constraint unsatisfied.", 1, 1)
        ]
    );
    let text = explanation.to_string();
    for line in [
        "A task of service:web fits on none of 4 instances now.",
        "3 instances: RESOURCE:MEMORY: wants 600 MiB, 412 left",
        "on 2 instances if memory ≤ 412 MiB",
        "on 1 instance if constraint 1, memberOf(attribute:stack != prod), is dropped",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!(explanation.fitting().count(), 0);
    // What a task holds is named with it.
    request.demand.memory = Mib(299);
    request
        .constraints
        .push(member_of("attribute:ecs.availability-zone == a"));
    for id in [0, 1, 3] {
        fleet.leave(instance(id));
    }
    let text = fleet.index.explain(&request).to_string();
    let ends = format!(
        "on instance {} when task {} of service:db ends",
        instance(2),
        TaskId::new(7)
    );
    assert!(text.contains(&ends), "{text}");
    fleet.change(0, |task| task.wanted = false);
    let text = fleet.index.explain(&request).to_string();
    assert!(
        text.contains("of service:db, which is stopping, ends"),
        "{text}"
    );
}

/// The verdicts are those of placing: what explain says fits is what placement may choose.
#[test]
fn an_explanation_agrees_with_placement() {
    let mut fleet = Fleet::default();
    for id in 0..200_u32 {
        fleet.join(fleet::node(u128::from(id), id.wrapping_mul(2_654_435_761)));
    }
    for nth in 0..64_u32 {
        let shape = [1, 2, 3, 4].map(|salt: u32| nth.wrapping_mul(salt.wrapping_mul(40_503)));
        let request = fleet::request(0, shape);
        let explanation = fleet.index.explain(&request);
        let mut first: BTreeMap<&str, u32> = BTreeMap::new();
        for verdict in &explanation.verdicts {
            let host = fleet
                .hosts
                .iter()
                .find(|host| host.state.id == verdict.instance)
                .unwrap();
            assert_eq!(
                verdict.failures.is_empty(),
                fleet.hosts.fits(host, &request)
            );
            if let Some(failure) = verdict.failures.first() {
                *first.entry(failure.rejection.ecs_reason()).or_default() += 1;
            }
        }
        let request = Arc::new(request);
        let unplaced = fleet
            .index
            .attempt()
            .place(&request, 1, &mut ctx())
            .unplaced;
        if let Some(unplaced) = unplaced {
            assert_eq!(unplaced.by_reason(), first);
            assert!(unplaced.rejections.len() <= 100);
        }
    }
}

#[test]
fn zones_count_as_the_attribute_says() {
    let mut fleet = cluster(&["a", "b"]);
    let mut bare = plain(2, "", 100);
    bare.attributes.remove(ZONE_ATTRIBUTE);
    fleet.join(bare);
    let mut request = web();
    request.zones.insert("b".to_owned());
    assert_eq!(place(&mut fleet, &request, 3), [0, 3, 0]);
}
