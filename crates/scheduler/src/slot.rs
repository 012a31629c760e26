//! One instance of the index, with all that is on it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use longshore_model::instance::{MACHINE_ATTRIBUTE, Resources, ZONE_ATTRIBUTE, machine_name};
use longshore_model::placement::MAX_PORTS_PER_INSTANCE;
use longshore_model::query::Subject;
use longshore_model::{InstanceId, Port, TaskId, Timestamp};

use crate::group::{GroupCount, Groups};
use crate::lack::Delta;
use crate::order;
use crate::request::{Kind, Request};
use crate::state::{InstanceState, TaskState};

/// Host ports of one protocol and by how many each is taken. More than one only where something
/// was placed by other means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ports(Vec<(Port, u32)>);

impl Ports {
    pub(crate) fn has(&self, port: Port) -> bool {
        self.0
            .binary_search_by_key(&port, |(port, _)| *port)
            .is_ok()
    }

    fn take(&mut self, port: Port) {
        match self.0.binary_search_by_key(&port, |(port, _)| *port) {
            Ok(at) => self.0[at].1 += 1,
            Err(at) => self.0.insert(at, (port, 1)),
        }
    }

    fn free(&mut self, port: Port) {
        if let Ok(at) = self.0.binary_search_by_key(&port, |(port, _)| *port) {
            self.0[at].1 -= 1;
            if self.0[at].1 == 0 {
                self.0.remove(at);
            }
        }
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of them are not among the others.
    fn beside(&self, others: &Self) -> usize {
        self.0.iter().filter(|(port, _)| !others.has(*port)).count()
    }
}

/// Amounts. Wide, so that adding and taking away are exact whatever was registered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    cpu: u64,
    memory: u64,
    network_interfaces: u64,
}

impl Sums {
    fn of(resources: &Resources) -> Self {
        Self {
            cpu: u64::from(resources.cpu.0),
            memory: u64::from(resources.memory.0),
            network_interfaces: u64::from(resources.network_interfaces),
        }
    }

    fn take(&mut self, demand: &Resources) {
        let more = Self::of(demand);
        self.cpu += more.cpu;
        self.memory += more.memory;
        self.network_interfaces += more.network_interfaces;
    }

    fn free(&mut self, demand: &Resources) {
        let less = Self::of(demand);
        self.cpu = self.cpu.saturating_sub(less.cpu);
        self.memory = self.memory.saturating_sub(less.memory);
        self.network_interfaces = self
            .network_interfaces
            .saturating_sub(less.network_interfaces);
    }
}

/// Host ports of both protocols.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct HostPorts {
    tcp: Ports,
    udp: Ports,
}

impl HostPorts {
    fn take(&mut self, demand: &Resources) {
        demand
            .tcp_ports
            .iter()
            .for_each(|port| self.tcp.take(*port));
        demand
            .udp_ports
            .iter()
            .for_each(|port| self.udp.take(*port));
    }

    fn free(&mut self, demand: &Resources) {
        demand
            .tcp_ports
            .iter()
            .for_each(|port| self.tcp.free(*port));
        demand
            .udp_ports
            .iter()
            .for_each(|port| self.udp.free(*port));
    }
}

/// One task on an instance. Most take no ports and no devices, so those are behind a box.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) group: Arc<str>,
    pub(crate) wanted: bool,
    pub(crate) running: bool,
    pub(crate) demand: Arc<Resources>,
}

/// What the index keeps of one instance.
///
/// A placement touches another instance than the one before, so what it costs in a large cluster is
/// the memory it has to wait for: what every placement reads is here, the rest is behind boxes.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    id: InstanceId,
    /// Place among ties.
    pub(crate) order: u64,
    /// Tells this registration of an id from an earlier one.
    pub(crate) born: u64,
    /// Another number whenever `state` is another, never used again.
    pub(crate) generation: u64,
    registered: Sums,
    taken: Sums,
    /// Room kept for daemons that are not there yet.
    reserved: Sums,
    reserved_gpus: u32,
    keeps: bool,
    active: bool,
    connected: bool,
    groups: Groups,
    pub(crate) state: Box<InstanceState>,
    ports: Box<HostPorts>,
    reserved_ports: Box<HostPorts>,
    /// The set of its attribute names; equal numbers, equal sets.
    pub(crate) names: u64,
    /// GPU ids in use, with by how many.
    devices: BTreeMap<String, u32>,
    pub(crate) tasks: BTreeMap<TaskId, Held>,
    running: u32,
}

fn left(registered: u64, taken: u64) -> u32 {
    u32::try_from(registered.saturating_sub(taken)).unwrap_or(u32::MAX)
}

impl Slot {
    pub(crate) fn new(state: InstanceState, born: u64) -> Self {
        let mut slot = Self {
            id: state.id,
            order: order::of_instance(state.id),
            born,
            generation: born,
            registered: Sums::default(),
            taken: Sums::default(),
            reserved: Sums::default(),
            reserved_gpus: 0,
            keeps: false,
            active: false,
            connected: false,
            groups: Groups::default(),
            state: Box::new(state),
            ports: Box::default(),
            reserved_ports: Box::default(),
            names: 0,
            devices: BTreeMap::new(),
            tasks: BTreeMap::new(),
            running: 0,
        };
        slot.take_over();
        slot
    }

    /// Takes over another state of the same instance.
    pub(crate) fn replace(&mut self, state: InstanceState, generation: u64) {
        self.ports.free(&self.state.registered);
        *self.state = state;
        self.generation = generation;
        self.take_over();
    }

    /// Brings what is derived from the state up to it. The ports that it registers are its own.
    fn take_over(&mut self) {
        self.registered = Sums::of(&self.state.registered);
        self.active = self.state.active;
        self.connected = self.state.connected;
        self.ports.take(&self.state.registered);
    }

    pub(crate) fn id(&self) -> InstanceId {
        self.id
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    /// The zone it is in, or the empty string.
    pub(crate) fn zone(&self) -> &str {
        let zone = self.state.attributes.get(ZONE_ATTRIBUTE);
        zone.and_then(Option::as_deref).unwrap_or_default()
    }

    pub(crate) fn add_task(&mut self, task: TaskState) {
        let group = Arc::from(task.group);
        let group = self.count(&group, 1, i64::from(task.wanted));
        self.running += u32::from(task.running);
        self.take(&task.demand);
        let held = Held {
            group,
            wanted: task.wanted,
            running: task.running,
            demand: Arc::new(task.demand),
        };
        self.tasks.insert(task.id, held);
    }

    /// Takes over whether a task that is here runs, if no more of it is new; else does nothing.
    pub(crate) fn take_over_running(&mut self, task: &TaskState) -> bool {
        let known = self.tasks.get_mut(&task.id).filter(|held| {
            *held.group == *task.group && held.wanted == task.wanted && *held.demand == task.demand
        });
        let Some(held) = known else {
            return false;
        };
        self.running = self.running - u32::from(held.running) + u32::from(task.running);
        held.running = task.running;
        true
    }

    /// Puts a task back that [`Slot::drop_task`] took.
    pub(crate) fn add_held(&mut self, id: TaskId, held: Held) {
        self.count(&held.group, 1, i64::from(held.wanted));
        self.running += u32::from(held.running);
        self.take(&held.demand);
        self.tasks.insert(id, held);
    }

    pub(crate) fn drop_task(&mut self, id: TaskId) -> Option<Held> {
        let held = self.tasks.remove(&id)?;
        self.count(&held.group, -1, -i64::from(held.wanted));
        self.running -= u32::from(held.running);
        self.free(&held.demand);
        Some(held)
    }

    /// Takes what one placed task takes, its devices among it.
    pub(crate) fn take(&mut self, demand: &Resources) {
        self.taken.take(demand);
        self.ports.take(demand);
        for device in &demand.gpus {
            *self.devices.entry(device.clone()).or_default() += 1;
        }
    }

    /// Gives back what [`Slot::take`] took.
    pub(crate) fn free(&mut self, demand: &Resources) {
        self.taken.free(demand);
        self.ports.free(demand);
        for device in &demand.gpus {
            if let Some(users) = self.devices.get_mut(device) {
                *users -= 1;
                if *users == 0 {
                    self.devices.remove(device);
                }
            }
        }
    }

    /// Counts tasks of a group; returns the group's shared name.
    pub(crate) fn count(&mut self, group: &Arc<str>, live: i64, wanted: i64) -> Arc<str> {
        self.groups.count(group, live, wanted)
    }

    pub(crate) fn group(&self, group: &str) -> GroupCount {
        self.groups.of(group)
    }

    /// Keeps room for daemons: what they demand, and how many devices. Returns whether that is
    /// other room than before.
    pub(crate) fn reserve<'a>(&mut self, daemons: impl Iterator<Item = &'a Request>) -> bool {
        let before = (self.reserved, self.reserved_gpus);
        let ports = std::mem::take(&mut *self.reserved_ports);
        self.reserved = Sums::default();
        self.reserved_gpus = 0;
        self.keeps = false;
        for daemon in daemons {
            self.keeps = true;
            self.reserved.take(&daemon.demand);
            self.reserved_ports.take(&daemon.demand);
            self.reserved_gpus += daemon.gpus;
        }
        before != (self.reserved, self.reserved_gpus) || ports != *self.reserved_ports
    }

    /// Whether room is kept for a daemon now.
    pub(crate) fn keeps_room(&self) -> bool {
        self.keeps
    }

    /// What is kept from a task of this kind. Daemons may use what is kept for daemons: theirs is
    /// among it.
    fn kept(&self, kind: Kind) -> Sums {
        match kind {
            Kind::Daemon => Sums::default(),
            _ => self.reserved,
        }
    }

    fn kept_ports(&self, kind: Kind) -> Option<&HostPorts> {
        (self.keeps && kind != Kind::Daemon).then_some(&self.reserved_ports)
    }

    pub(crate) fn left_cpu(&self, kind: Kind) -> u32 {
        left(self.registered.cpu, self.taken.cpu + self.kept(kind).cpu)
    }

    pub(crate) fn left_memory(&self, kind: Kind) -> u32 {
        let kept = self.kept(kind).memory;
        left(self.registered.memory, self.taken.memory + kept)
    }

    pub(crate) fn left_interfaces(&self, kind: Kind) -> u32 {
        let kept = self.kept(kind).network_interfaces;
        left(
            self.registered.network_interfaces,
            self.taken.network_interfaces + kept,
        )
    }

    /// The free devices in the order they are given out.
    pub(crate) fn free_gpus(&self) -> impl Iterator<Item = &String> {
        let registered = self.state.registered.gpus.iter();
        registered.filter(|device| !self.devices.contains_key(*device))
    }

    pub(crate) fn left_gpus(&self, kind: Kind) -> u32 {
        if self.state.registered.gpus.is_empty() {
            return 0;
        }
        let free = u32::try_from(self.free_gpus().count()).unwrap_or(u32::MAX);
        let kept = if kind == Kind::Daemon {
            0
        } else {
            self.reserved_gpus
        };
        free.saturating_sub(kept)
    }

    /// How many more host ports may be taken.
    pub(crate) fn left_ports(&self, kind: Kind) -> u32 {
        let kept = self.kept_ports(kind).map_or(0, |kept| {
            kept.tcp.beside(&self.ports.tcp) + kept.udp.beside(&self.ports.udp)
        });
        let taken = self.ports.tcp.len() + self.ports.udp.len() + kept;
        MAX_PORTS_PER_INSTANCE.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
    }

    pub(crate) fn has_tcp(&self, kind: Kind, port: Port) -> bool {
        self.ports.tcp.has(port) || self.kept_ports(kind).is_some_and(|kept| kept.tcp.has(port))
    }

    pub(crate) fn has_udp(&self, kind: Kind, port: Port) -> bool {
        self.ports.udp.has(port) || self.kept_ports(kind).is_some_and(|kept| kept.udp.has(port))
    }

    /// What a change that just happened means to those who wait.
    pub(crate) fn delta(&self, gained: bool) -> Delta {
        Delta {
            instance: self.id(),
            takes: self.active && self.connected,
            gained,
            cpu: self.left_cpu(Kind::Daemon),
            memory: self.left_memory(Kind::Daemon),
            network_interfaces: self.left_interfaces(Kind::Daemon),
            gpus: self.left_gpus(Kind::Daemon),
        }
    }
}

impl Subject for Slot {
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
        self.running
    }

    fn attribute(&self, name: &str) -> Option<Option<&str>> {
        self.state.attributes.get(name).map(Option::as_deref)
    }

    fn hosts_group(&self, test: &dyn Fn(&str) -> bool) -> bool {
        self.groups.names().any(test)
    }
}
