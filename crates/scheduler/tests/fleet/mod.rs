//! Clusters for tests: the index and the exhaustive scan, told the same.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use longshore_model::instance::{Resources, ZONE_ATTRIBUTE};
use longshore_model::placement::{PlacementConstraint, PlacementStrategy};
use longshore_model::{CpuUnits, InstanceId, Mib, TaskId, Timestamp};
use longshore_scheduler::exhaustive::Hosts;
use longshore_scheduler::{Delta, Index, InstanceState, Kind, Request, TaskState};

#[derive(Default)]
pub struct Fleet {
    pub index: Index,
    pub hosts: Hosts,
    pub tasks: BTreeMap<TaskId, TaskState>,
}

impl Fleet {
    pub fn join(&mut self, state: InstanceState) -> Option<Delta> {
        self.hosts.upsert(state.clone());
        Some(self.index.upsert(state))
    }

    pub fn leave(&mut self, id: InstanceId) {
        self.hosts.remove(id);
        self.index.remove(id);
        self.tasks.retain(|_, task| task.instance != id);
    }

    pub fn put(&mut self, task: TaskState) -> Option<Delta> {
        self.hosts.put_task(task.clone());
        self.tasks.insert(task.id, task.clone());
        self.index.put_task(task)
    }

    pub fn start(
        &mut self,
        id: TaskId,
        instance: InstanceId,
        request: &Request,
        gpus: &[String],
    ) -> Option<Delta> {
        let mut demand = request.demand.clone();
        demand.gpus = gpus.iter().cloned().collect();
        self.put(TaskState {
            id,
            instance,
            group: request.group.clone(),
            wanted: true,
            running: false,
            demand,
        })
    }

    fn nth(&self, nth: u8) -> Option<TaskState> {
        let all = self.tasks.len();
        let at = usize::from(nth) % all.max(1);
        self.tasks.values().nth(at).cloned()
    }

    pub fn stop(&mut self, nth: u8) -> Option<Delta> {
        let task = self.nth(nth)?;
        self.tasks.remove(&task.id);
        self.hosts.remove_task(task.instance, task.id);
        self.index.remove_task(task.instance, task.id)
    }

    pub fn change(&mut self, nth: u8, change: impl Fn(&mut TaskState)) -> Option<Delta> {
        let mut task = self.nth(nth)?;
        change(&mut task);
        self.put(task)
    }

    /// Nothing is oversubscribed by tasks that were placed while the instance was as it is, which
    /// here only shrinks when it joins again.
    pub fn check(&self) {
        for host in self.hosts.iter() {
            let mut gpus = BTreeSet::new();
            let mut tcp = BTreeSet::new();
            for task in host.tasks.values() {
                for gpu in &task.demand.gpus {
                    assert!(gpus.insert(gpu.clone()), "{gpu} is given twice");
                }
                for port in &task.demand.tcp_ports {
                    assert!(tcp.insert(*port), "port {port} is taken twice");
                }
            }
        }
    }
}

/// An instance with room for so much CPU and memory, and nothing special.
pub fn plain(id: u128, zone: &str, size: u32) -> InstanceState {
    InstanceState {
        id: InstanceId::new(id),
        active: true,
        connected: true,
        registered: Resources {
            cpu: CpuUnits(size),
            memory: Mib(size),
            ..Resources::default()
        },
        attributes: BTreeMap::from([(ZONE_ATTRIBUTE.to_owned(), Some(zone.to_owned()))]),
        agent_version: "1.0.0".to_owned(),
        registered_at: Timestamp::default(),
    }
}

/// A request for so much CPU and memory, and nothing special.
pub fn plain_request(kind: Kind, size: u32, strategies: &[PlacementStrategy]) -> Request {
    Request {
        kind,
        group: "service:web".to_owned(),
        demand: Resources {
            cpu: CpuUnits(size),
            memory: Mib(size),
            ..Resources::default()
        },
        gpus: 0,
        attributes: BTreeMap::new(),
        zones: BTreeSet::new(),
        constraints: Vec::new(),
        strategies: strategies.to_vec(),
    }
}

/// Takes bits off a number.
struct Bits(u32);

impl Bits {
    fn below(&mut self, bound: u32) -> u32 {
        let value = self.0 % bound;
        self.0 = (self.0 / bound).rotate_left(13) ^ self.0.wrapping_mul(0x9e37_79b9);
        value
    }

    fn often(&mut self) -> bool {
        self.below(8) != 0
    }

    fn seldom(&mut self) -> bool {
        !self.often()
    }
}

/// An instance of one of many shapes.
pub fn node(id: u128, shape: u32) -> InstanceState {
    let mut bits = Bits(shape);
    let mut state = plain(id, "z", 0);
    state.active = bits.often();
    state.connected = bits.often();
    state.registered.cpu = CpuUnits(bits.below(5) * 50);
    state.registered.memory = Mib(bits.below(5) * 50);
    state.registered.network_interfaces = bits.below(3);
    state.registered.gpus = (0..bits.below(4)).map(|gpu| format!("gpu-{gpu}")).collect();
    if bits.seldom() {
        state.registered.tcp_ports.insert(80);
    }
    if bits.seldom() {
        state.registered.tcp_ports.extend(1000..1098);
    }
    state.attributes.clear();
    if bits.often() {
        let zone = format!("z{}", bits.below(3));
        state
            .attributes
            .insert(ZONE_ATTRIBUTE.to_owned(), Some(zone));
    }
    if bits.below(2) == 0 {
        let rack = (bits.below(3) != 0).then(|| format!("r{}", bits.below(4)));
        state.attributes.insert("rack".to_owned(), rack);
    }
    if bits.below(2) == 0 {
        state.attributes.insert("linux".to_owned(), None);
    }
    state.agent_version = format!("1.{}", bits.below(3));
    state
}

/// A request of one of many shapes.
pub fn request(nth: usize, shape: [u32; 4]) -> Request {
    let mut bits = Bits(shape[0]);
    let kinds = [Kind::Service, Kind::Standalone, Kind::Service, Kind::Daemon];
    let mut request = plain_request(kinds[bits.below(4) as usize], 0, &[]);
    request.group = format!("service:{}", nth / 2);
    request.demand.cpu = CpuUnits(bits.below(4) * 20);
    request.demand.memory = Mib(bits.below(4) * 20);
    if bits.seldom() {
        request.demand.network_interfaces = 1;
    }
    if bits.below(4) == 0 {
        request.demand.tcp_ports.insert(80 + bits.below(2) as u16);
    }
    if bits.seldom() {
        request.demand.udp_ports.extend([53, 54]);
    }
    if bits.seldom() {
        request.gpus = 1 + bits.below(2);
    }
    let mut bits = Bits(shape[1]);
    if bits.seldom() {
        request.attributes.insert("linux".to_owned(), None);
    }
    if bits.seldom() {
        request
            .attributes
            .insert("rack".to_owned(), Some("r1".to_owned()));
    }
    if bits.seldom() {
        request.zones.extend(["z0".to_owned(), "z1".to_owned()]);
    }
    let expressions = [
        "attribute:rack exists",
        "attribute:rack != r1",
        "attribute:ecs.availability-zone in [z0, z1]",
        "not(task:group == service:0)",
        "task:group == service:1",
        "runningTasksCount < 2",
        "agentVersion >= 1.1",
        "attribute:linux exists or runningTasksCount == 0",
    ];
    let mut bits = Bits(shape[2]);
    for _ in 0..bits.below(3) {
        let text = expressions[bits.below(8) as usize];
        let constraint = PlacementConstraint::new("memberOf", Some(text)).unwrap();
        request.constraints.push(constraint);
    }
    if bits.below(5) == 0 {
        request
            .constraints
            .push(PlacementConstraint::DistinctInstance);
    }
    let rules = [
        ("spread", "attribute:ecs.availability-zone"),
        ("spread", "instanceId"),
        ("spread", "attribute:rack"),
        ("binpack", "cpu"),
        ("binpack", "memory"),
        ("spread", "host"),
        ("random", ""),
    ];
    let mut bits = Bits(shape[3]);
    for _ in 0..bits.below(5) {
        let (kind, field) = rules[bits.below(7) as usize];
        let rule = PlacementStrategy::new(kind, Some(field)).unwrap();
        request.strategies.push(rule);
    }
    request
}
