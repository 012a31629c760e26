//! Placement by looking at everything: no index, no classes, each task against each instance. It
//! is the measure for the [`Index`](crate::Index), which must choose the same, and for its speed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use longshore_model::instance::{MACHINE_ATTRIBUTE, Resources, ZONE_ATTRIBUTE, machine_name};
use longshore_model::placement::{
    MAX_PORTS_PER_INSTANCE, PackedResource, PlacementConstraint, PlacementStrategy, SpreadField,
};
use longshore_model::plan::Ctx;
use longshore_model::query::Subject;
use longshore_model::{InstanceId, TaskId, Timestamp};

use crate::order;
use crate::request::{Kind, Request};
use crate::state::{InstanceState, TaskState};

/// One instance with its tasks.
#[derive(Debug, Clone)]
pub struct Host {
    /// The instance.
    pub state: InstanceState,
    /// Its tasks that are not STOPPED.
    pub tasks: BTreeMap<TaskId, TaskState>,
    cpu: u64,
    memory: u64,
    network_interfaces: u64,
}

/// All instances of a cluster, by id.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    hosts: BTreeMap<InstanceId, Host>,
    daemons: BTreeMap<String, Request>,
}

impl Hosts {
    /// Takes over an instance; its tasks stay.
    pub fn upsert(&mut self, state: InstanceState) {
        match self.hosts.get_mut(&state.id) {
            Some(host) => host.state = state,
            None => {
                let host = Host {
                    tasks: BTreeMap::new(),
                    cpu: 0,
                    memory: 0,
                    network_interfaces: 0,
                    state,
                };
                self.hosts.insert(host.state.id, host);
            }
        }
    }

    /// Forgets an instance and its tasks.
    pub fn remove(&mut self, id: InstanceId) {
        self.hosts.remove(&id);
    }

    /// Takes over a task.
    pub fn put_task(&mut self, task: TaskState) {
        self.remove_task(task.instance, task.id);
        if let Some(host) = self.hosts.get_mut(&task.instance) {
            host.cpu += u64::from(task.demand.cpu.0);
            host.memory += u64::from(task.demand.memory.0);
            host.network_interfaces += u64::from(task.demand.network_interfaces);
            host.tasks.insert(task.id, task);
        }
    }

    /// Forgets a task.
    pub fn remove_task(&mut self, instance: InstanceId, id: TaskId) {
        if let Some(host) = self.hosts.get_mut(&instance)
            && let Some(task) = host.tasks.remove(&id)
        {
            host.cpu -= u64::from(task.demand.cpu.0);
            host.memory -= u64::from(task.demand.memory.0);
            host.network_interfaces -= u64::from(task.demand.network_interfaces);
        }
    }

    /// Keeps room for a daemon.
    pub fn put_daemon(&mut self, request: Request) {
        self.daemons.insert(request.group.clone(), request);
    }

    /// The instances by id.
    pub fn iter(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// Places one task and puts it, under this id; `None` if it fits nowhere.
    pub fn place(&mut self, request: &Request, id: TaskId, ctx: &mut Ctx) -> Option<InstanceId> {
        let chosen = self.choose(request, ctx)?;
        let mut demand = request.demand.clone();
        let free = self.hosts.get(&chosen)?.free_gpus();
        demand.gpus = free.into_iter().take(request.gpus as usize).collect();
        self.put_task(TaskState {
            id,
            instance: chosen,
            group: request.group.clone(),
            wanted: true,
            running: false,
            demand,
        });
        Some(chosen)
    }

    /// Where the next task would go.
    pub fn choose(&self, request: &Request, ctx: &mut Ctx) -> Option<InstanceId> {
        let fitting: Vec<&Host> = self
            .hosts
            .values()
            .filter(|host| self.fits(host, request))
            .collect();
        let chain = request.chain();
        let scores: Vec<Vec<u64>> = self.scores(&fitting, &chain, &request.group);
        let best = scores.iter().min()?.clone();
        let equal = fitting.iter().zip(&scores).filter(|(_, s)| **s == best);
        // Ties: first among the tuples of spread values, then among the instances of one.
        let mut cells: BTreeMap<u64, BTreeMap<u64, InstanceId>> = BTreeMap::new();
        for (host, _) in equal {
            let values = chain.iter().filter_map(|rule| match rule {
                PlacementStrategy::Spread(SpreadField::Attribute(name)) => Some(host.value(name)),
                _ => None,
            });
            let cell = order::of_values(values);
            let instance = order::of_instance(host.state.id);
            cells
                .entry(cell)
                .or_default()
                .insert(instance, host.state.id);
        }
        let cell = cells.values().nth(draw(cells.len(), ctx))?;
        cell.values().nth(draw(cell.len(), ctx)).copied()
    }

    /// One score per fitting host and rule; less is better.
    fn scores(&self, fitting: &[&Host], chain: &[PlacementStrategy], group: &str) -> Vec<Vec<u64>> {
        let mut scores = vec![Vec::new(); fitting.len()];
        for rule in chain {
            let mut by_value: BTreeMap<Option<&str>, u64> = BTreeMap::new();
            if let PlacementStrategy::Spread(SpreadField::Attribute(name)) = rule {
                for host in self.hosts.values() {
                    *by_value.entry(host.value(name)).or_default() += host.wanted(group);
                }
            }
            for (host, score) in fitting.iter().zip(&mut scores) {
                score.push(match rule {
                    PlacementStrategy::Random => 0,
                    PlacementStrategy::Spread(SpreadField::Attribute(name)) => {
                        let value = host.value(name);
                        let absent = if value.is_none() { 1 << 40 } else { 0 };
                        absent + by_value.get(&value).copied().unwrap_or_default()
                    }
                    PlacementStrategy::Spread(_) => host.wanted(group),
                    PlacementStrategy::Binpack(PackedResource::Cpu) => self.left(host).0,
                    PlacementStrategy::Binpack(PackedResource::Memory) => self.left(host).1,
                });
            }
        }
        scores
    }

    /// CPU and memory left, room for daemons apart.
    fn left(&self, host: &Host) -> (u64, u64) {
        let (mut cpu, mut memory) = (host.cpu, host.memory);
        for daemon in self.expected_daemons(host) {
            cpu += u64::from(daemon.demand.cpu.0);
            memory += u64::from(daemon.demand.memory.0);
        }
        let registered = &host.state.registered;
        (
            u64::from(registered.cpu.0).saturating_sub(cpu),
            u64::from(registered.memory.0).saturating_sub(memory),
        )
    }

    /// Daemons that belong on the host and are not there.
    fn expected_daemons<'a>(&'a self, host: &'a Host) -> impl Iterator<Item = &'a Request> {
        self.daemons.values().filter(|daemon| {
            let registered = &host.state.registered;
            let demand = &daemon.demand;
            let there = host.tasks.values().any(|task| task.group == daemon.group);
            !there
                && host.state.active
                && host.meets(daemon, false)
                && demand.cpu <= registered.cpu
                && demand.memory <= registered.memory
                && demand.network_interfaces <= registered.network_interfaces
                && daemon.gpus as usize <= registered.gpus.len()
                && demand.tcp_ports.is_disjoint(&registered.tcp_ports)
                && demand.udp_ports.is_disjoint(&registered.udp_ports)
        })
    }

    /// Whether one task fits on the host.
    pub fn fits(&self, host: &Host, request: &Request) -> bool {
        let kept: Vec<&Request> = if request.kind == Kind::Daemon {
            Vec::new()
        } else {
            self.expected_daemons(host).collect()
        };
        let registered = &host.state.registered;
        let demand = &request.demand;
        let sum = |of: fn(&Resources) -> u64| -> u64 {
            of(demand) + kept.iter().map(|daemon| of(&daemon.demand)).sum::<u64>()
        };
        let within = |taken: u64, of: fn(&Resources) -> u64| {
            of(demand) == 0 || taken + sum(of) <= of(registered)
        };
        let mut tcp: BTreeSet<u16> = registered.tcp_ports.clone();
        let mut udp: BTreeSet<u16> = registered.udp_ports.clone();
        let tasks = host.tasks.values().map(|task| &task.demand);
        for taken in tasks.chain(kept.iter().map(|daemon| &daemon.demand)) {
            tcp.extend(&taken.tcp_ports);
            udp.extend(&taken.udp_ports);
        }
        let ports = demand.tcp_ports.len() + demand.udp_ports.len();
        let kept_gpus: u32 = kept.iter().map(|daemon| daemon.gpus).sum();
        host.state.active
            && host.state.connected
            && host.meets(request, true)
            && within(host.cpu, |r| u64::from(r.cpu.0))
            && within(host.memory, |r| u64::from(r.memory.0))
            && within(host.network_interfaces, |r| u64::from(r.network_interfaces))
            && demand.tcp_ports.is_disjoint(&tcp)
            && demand.udp_ports.is_disjoint(&udp)
            && (ports == 0 || tcp.len() + udp.len() + ports <= MAX_PORTS_PER_INSTANCE as usize)
            && (request.gpus == 0
                || host.free_gpus().len() >= request.gpus as usize + kept_gpus as usize)
    }
}

impl Host {
    fn value(&self, name: &str) -> Option<&str> {
        let value = self.state.attributes.get(name)?;
        Some(value.as_deref().unwrap_or_default())
    }

    /// Tasks of the group that are meant to run.
    pub fn wanted(&self, group: &str) -> u64 {
        let of_group = |task: &&TaskState| task.wanted && task.group == group;
        self.tasks.values().filter(of_group).count() as u64
    }

    fn free_gpus(&self) -> Vec<String> {
        let taken: BTreeSet<&String> = self
            .tasks
            .values()
            .flat_map(|task| &task.demand.gpus)
            .collect();
        let all = self.state.registered.gpus.iter();
        all.filter(|gpu| !taken.contains(gpu)).cloned().collect()
    }

    /// Attributes, zone and constraints.
    fn meets(&self, request: &Request, distinct: bool) -> bool {
        let has = |(name, value): (&String, &Option<String>)| match self.state.attributes.get(name)
        {
            None => false,
            Some(actual) => value.is_none() || actual == value,
        };
        let zone = self.value(ZONE_ATTRIBUTE).unwrap_or_default();
        let constraints = request.binding().iter();
        request.attributes.iter().all(has)
            && (request.zones.is_empty() || request.zones.contains(zone))
            && constraints.into_iter().all(|constraint| match constraint {
                PlacementConstraint::MemberOf(expression) => expression.evaluate(self),
                PlacementConstraint::DistinctInstance => {
                    !distinct || !self.tasks.values().any(|task| task.group == request.group)
                }
            })
    }
}

impl Subject for Host {
    fn agent_connected(&self) -> bool {
        self.state.connected
    }

    fn agent_version(&self) -> &str {
        &self.state.agent_version
    }

    fn ec2_instance_id(&self) -> Option<Cow<'_, str>> {
        let said = self.attribute(MACHINE_ATTRIBUTE).flatten();
        Some(machine_name(self.state.id, said))
    }

    fn registered_at(&self) -> Timestamp {
        self.state.registered_at
    }

    fn running_tasks_count(&self) -> u32 {
        self.tasks.values().filter(|task| task.running).count() as u32
    }

    fn attribute(&self, name: &str) -> Option<Option<&str>> {
        self.state.attributes.get(name).map(Option::as_deref)
    }

    fn hosts_group(&self, test: &dyn Fn(&str) -> bool) -> bool {
        self.tasks.values().any(|task| test(&task.group))
    }
}

fn draw(among: usize, ctx: &mut Ctx) -> usize {
    match among {
        0 | 1 => 0,
        several => (ctx.draw() % several as u64) as usize,
    }
}
