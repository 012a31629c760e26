//! Placement by itself: the index of instances beside a scan of all of them, which must choose the
//! same; and the memory of the index.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use longshore_model::instance::Resources;
use longshore_model::placement::{PlacementConstraint, PlacementStrategy};
use longshore_model::plan::Ctx;
use longshore_model::{CpuUnits, InstanceId, Mib, TaskId, Timestamp};
use longshore_scheduler::exhaustive::Hosts;
use longshore_scheduler::{Index, InstanceState, Kind, Request, TaskState};
use serde::Serialize;

/// What is placed, by the names of its strategies and constraints.
pub(crate) const REQUESTS: [&str; 2] = [
    "spread(zone), binpack(memory)",
    "two memberOf, default spread",
];

const ZONE: &str = "ecs.availability-zone";
/// Tasks on each instance before anything is measured.
const TASKS: usize = 10;
/// Tasks of one decision, as a service controller makes them.
const DECISION: u32 = 100;
/// Processor time per measurement.
const LONG: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_millis(100);

/// What was measured for one request and one size of cluster.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Placing {
    pub(crate) request: &'static str,
    pub(crate) instances: usize,
    /// Tasks placed a processor second, in decisions of 100 that are kept.
    pub(crate) per_second: f64,
    /// Likewise, each decision then becoming tasks, and as many older ones ending.
    pub(crate) with_upkeep_per_second: f64,
    /// Tasks placed a processor second by a scan of all instances per task.
    pub(crate) scan_per_second: f64,
}

/// Memory of an index.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Memory {
    pub(crate) instances: usize,
    pub(crate) tasks: usize,
    pub(crate) per_instance: f64,
    pub(crate) per_task: f64,
}

/// Measures both requests at this size.
pub(crate) fn measure(instances: usize, quick: bool) -> Result<Vec<Placing>> {
    let time = if quick { SHORT } else { LONG };
    requests()?
        .into_iter()
        .map(|(name, request)| {
            let request = Arc::new(request);
            agree(instances.min(1000), &request)?;
            Ok(Placing {
                request: name,
                instances,
                per_second: kept(instances, &request, time)?,
                with_upkeep_per_second: with_upkeep(instances, &request, time)?,
                scan_per_second: scanned(instances, &request, time)?,
            })
        })
        .collect()
}

fn requests() -> Result<Vec<(&'static str, Request)>> {
    let request = |constraints, strategies| Request {
        kind: Kind::Service,
        group: "service:measured".to_owned(),
        demand: demand(16, 32),
        gpus: 0,
        attributes: BTreeMap::from([("ecs.os-type".to_owned(), None)]),
        zones: BTreeSet::new(),
        constraints,
        strategies,
    };
    let spread = PlacementStrategy::new("spread", Some(&format!("attribute:{ZONE}")))?;
    let pack = PlacementStrategy::new("binpack", Some("memory"))?;
    let member = "attribute:disk == ssd and attribute:rack in [r1, r2, r3, r4, r5]";
    let member = PlacementConstraint::new("memberOf", Some(member))?;
    let runs = PlacementConstraint::new("memberOf", Some("attribute:ecs.os-type =~ lin.*"))?;
    Ok(vec![
        (REQUESTS[0], request(Vec::new(), vec![spread, pack])),
        (REQUESTS[1], request(vec![member, runs], Vec::new())),
    ])
}

fn demand(cpu: u32, memory: u32) -> Resources {
    Resources {
        cpu: CpuUnits(cpu),
        memory: Mib(memory),
        ..Resources::default()
    }
}

/// Large enough that no measurement fills it; of several sizes, in three zones and forty racks.
fn instance(number: usize) -> InstanceState {
    let attribute = |name: &str, value: String| (name.to_owned(), Some(value));
    InstanceState {
        id: InstanceId::new(number as u128 + 1),
        active: true,
        connected: true,
        registered: demand(1 << 28, (1 << 28) + 1024 * (number % 7) as u32),
        attributes: BTreeMap::from([
            attribute(ZONE, format!("zone-{}", number % 3)),
            attribute("rack", format!("r{}", number % 40)),
            attribute(
                "disk",
                if number.is_multiple_of(2) {
                    "ssd"
                } else {
                    "hdd"
                }
                .to_owned(),
            ),
            attribute("ecs.os-type", "linux".to_owned()),
            attribute("ecs.cpu-architecture", "x86_64".to_owned()),
            attribute("ecs.instance-type", "m5.large".to_owned()),
        ]),
        agent_version: "1.0.0".to_owned(),
        registered_at: Timestamp::from_millis(number as i64),
    }
}

fn task(number: usize, instance: InstanceId, group: &str, demand: &Resources) -> TaskState {
    TaskState {
        id: TaskId::new(number as u128 + 1),
        instance,
        group: group.to_owned(),
        wanted: true,
        running: true,
        demand: demand.clone(),
    }
}

/// The tasks that are there before.
fn residents(instances: usize) -> impl Iterator<Item = TaskState> {
    (0..instances * TASKS).map(move |number| {
        let on = InstanceId::new((number % instances) as u128 + 1);
        let group = format!("service:{}", number % 50);
        task(number, on, &group, &demand(64, 128 + (number % 5) as u32))
    })
}

fn index(instances: usize) -> Index {
    let mut index = Index::new();
    for number in 0..instances {
        let _ = index.upsert(instance(number));
    }
    for task in residents(instances) {
        let _ = index.put_task(task);
    }
    index
}

fn hosts(instances: usize) -> Hosts {
    let mut hosts = Hosts::default();
    (0..instances).for_each(|number| hosts.upsert(instance(number)));
    residents(instances).for_each(|task| hosts.put_task(task));
    hosts
}

fn ctx() -> Ctx {
    Ctx::new(Timestamp::default(), 7)
}

/// Both choose the same instances for the same tasks.
fn agree(instances: usize, request: &Arc<Request>) -> Result<()> {
    let (mut index, mut hosts) = (index(instances), hosts(instances));
    let mut attempt = index.attempt();
    let (mut one, mut other) = (ctx(), ctx());
    for number in 0..50 {
        let placed = attempt.place(request, 1, &mut one).placed;
        let placed = placed.first().map(|placed| placed.instance);
        let id = TaskId::new(1 << 40 | number);
        let scanned = hosts.place(request, id, &mut other);
        ensure!(
            placed.is_some() && placed == scanned,
            "task {number}: the index chose {placed:?}, the scan {scanned:?}"
        );
    }
    Ok(())
}

fn kept(instances: usize, request: &Arc<Request>, time: Duration) -> Result<f64> {
    let mut index = index(instances);
    let mut ctx = ctx();
    // What is learned of a request once is not what a placement costs.
    drop(index.attempt().place(request, 1, &mut ctx));
    rate(time, || {
        let mut attempt = index.attempt();
        let placed = attempt.place(request, DECISION, &mut ctx).placed.len();
        attempt.keep();
        placed
    })
}

fn with_upkeep(instances: usize, request: &Arc<Request>, time: Duration) -> Result<f64> {
    let mut index = index(instances);
    let mut ctx = ctx();
    let mut next = instances * TASKS;
    let mut old = residents(instances).map(|task| (task.instance, task.id));
    rate(time, || {
        let mut attempt = index.attempt();
        let placed = attempt.place(request, DECISION, &mut ctx).placed;
        let batch = attempt.keep();
        for placed in &placed {
            next += 1;
            index.put_task(task(next, placed.instance, &request.group, &request.demand));
            if let Some((instance, id)) = old.next() {
                index.remove_task(instance, id);
            }
        }
        index.forget(batch);
        placed.len()
    })
}

fn scanned(instances: usize, request: &Arc<Request>, time: Duration) -> Result<f64> {
    let mut hosts = hosts(instances);
    let mut ctx = ctx();
    let mut next = 1_u128 << 40;
    rate(time, || {
        next += 1;
        usize::from(hosts.place(request, TaskId::new(next), &mut ctx).is_some())
    })
}

/// How much of `work` is done a processor second.
fn rate(time: Duration, mut work: impl FnMut() -> usize) -> Result<f64> {
    let begun = processor_time()?;
    let mut done = 0;
    loop {
        done += work();
        let used = processor_time()?.saturating_sub(begun);
        if used >= time {
            return Ok(done as f64 / used.as_secs_f64());
        }
    }
}

/// Time that this thread has had a processor.
fn processor_time() -> Result<Duration> {
    let path = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let nanos = text.split(' ').next().context("it is empty")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}

/// Measures the memory of an index of that many instances with ten tasks each.
pub(crate) fn memory(instances: usize) -> Result<Memory> {
    let before = resident()?;
    let mut index = Index::new();
    for number in 0..instances {
        let _ = index.upsert(instance(number));
    }
    let empty = resident()?;
    for task in residents(instances) {
        let _ = index.put_task(task);
    }
    let full = resident()?;
    let tasks = instances * TASKS;
    ensure!(index.len() == instances, "instances are missing");
    Ok(Memory {
        instances,
        tasks,
        per_instance: (empty - before) / instances as f64,
        per_task: (full - empty) / tasks as f64,
    })
}

/// Bytes of memory that this process has.
fn resident() -> Result<f64> {
    let path = "/proc/self/status";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("it has no VmRSS")?.parse::<f64>()? * 1024.0)
}
