//! Faults that begin and end at a time, what they hold up meanwhile, and the end of all of them.

use longshore_agent::runtime::Change;
use longshore_reconcile::Key;
use longshore_store::{Commit, Key as StoreKey, Write};
use longshore_supervisor::Sighting;

use crate::cluster::{Cluster, Event};
use crate::fault::Fault;

/// The end of a fault.
#[derive(Debug, Clone)]
pub(crate) enum Mend {
    /// Of a class that is on or off.
    Class(Fault),
    /// A control plane goes on.
    ResumeControl(usize),
    /// A control plane that has been replaced ends.
    EndZombie(usize),
    /// An agent goes on.
    ResumeAgent(usize),
    /// The ways to and from a node are open.
    Connect(usize),
    /// There is room for a journal again.
    JournalRoom(usize),
    /// The container daemon answers.
    DaemonUp(usize),
    /// A damaged record is as it was.
    Record(String),
}

/// Classes that strike at times drawn at the start; the others strike where something is done.
const TIMED: &[Fault] = &[
    Fault::StoreDown,
    Fault::PlanRefused,
    Fault::WatchDelay,
    Fault::RecordDamaged,
    Fault::ControlCrash,
    Fault::ControlPause,
    Fault::ControlZombie,
    Fault::ControlClock,
    Fault::CutBoth,
    Fault::CutToAgent,
    Fault::CutToControl,
    Fault::NetSlow,
    Fault::NetBreak,
    Fault::AgentCrash,
    Fault::AgentPause,
    Fault::JournalFull,
    Fault::HostReboot,
    Fault::HostLost,
    Fault::HostJoins,
    Fault::HostClockJumps,
    Fault::DaemonDown,
    Fault::ContainerVanishes,
    Fault::ContainerRevived,
    // An agent starts anew for its journal to be missed.
    Fault::JournalLost,
    Fault::JournalOld,
];

impl Cluster {
    /// Draws when what strikes, and when it all ends.
    pub(crate) fn plan_weather(&mut self) {
        let span = self.scenario.span;
        for fault in TIMED {
            if !self.scenario.has(*fault) {
                continue;
            }
            let most = match fault {
                Fault::HostLost => 1,
                Fault::ContainerRevived | Fault::ContainerVanishes => 6,
                Fault::RecordDamaged => 4,
                _ => 3,
            };
            for _ in 0..self.weather.between(1, most) {
                let at = self.weather.between(1000, span);
                self.after(at, Event::Fault(*fault));
            }
        }
        self.after(span, Event::Heal);
    }

    /// Whether what this event is for stands still or cannot be reached.
    pub(crate) fn is_held(&self, event: &Event) -> bool {
        let control = |id: usize| self.controls[id].as_ref().is_some_and(|c| c.paused);
        match event {
            Event::Answer { control: id, .. }
            | Event::Watch { control: id, .. }
            | Event::Relist { control: id }
            | Event::Wake { control: id, .. } => control(*id),
            Event::Dial { host, .. }
            | Event::AgentWake { host, .. }
            | Event::Journal { host, .. }
            | Event::Input { host, .. }
            | Event::Listed { host, .. } => self.hosts[*host].paused,
            Event::ToAgent { conn, .. } => self.conns.get(conn).is_some_and(|link| {
                let host = &self.hosts[link.host];
                host.paused || host.cut_to_agent
            }),
            Event::ToControl { conn, .. } => self
                .conns
                .get(conn)
                .is_some_and(|link| self.hosts[link.host].cut_to_control || control(link.control)),
            _ => false,
        }
    }

    /// Keeps an event until its process goes on or its way is open.
    pub(crate) fn hold(&mut self, event: Event) {
        let place = match &event {
            Event::Answer { control, .. }
            | Event::Watch { control, .. }
            | Event::Relist { control }
            | Event::Wake { control, .. } => Ok(*control),
            Event::Dial { host, .. }
            | Event::AgentWake { host, .. }
            | Event::Journal { host, .. }
            | Event::Input { host, .. }
            | Event::Listed { host, .. } => Err((*host, false, false)),
            Event::ToAgent { conn, .. } => match self.conns.get(conn) {
                // One line for whatever holds them, so that they stay in order.
                Some(link) => Err((link.host, true, false)),
                None => return,
            },
            Event::ToControl { conn, .. } => match self.conns.get(conn) {
                Some(link) => Err((link.host, false, true)),
                None => return,
            },
            _ => return,
        };
        match place {
            Ok(control) => {
                if let Some(control) = &mut self.controls[control] {
                    control.held.push(event);
                }
            }
            Err((host, to_agent, to_control)) => {
                let host = &mut self.hosts[host];
                if to_agent {
                    host.held_to_agent.push(event);
                } else if to_control {
                    host.held_to_control.push(event);
                } else {
                    host.held.push(event);
                }
            }
        }
    }

    /// A host whose machine exists, by chance.
    fn some_host(&mut self) -> Option<usize> {
        let existing: Vec<usize> = (0..self.hosts.len())
            .filter(|index| self.hosts[*index].exists)
            .collect();
        (!existing.is_empty()).then(|| existing[self.weather.index(existing.len())])
    }

    /// A fault begins.
    pub(crate) fn strike(&mut self, fault: Fault) {
        if self.healed {
            return;
        }
        let now = self.now;
        self.trace.say(now, || format!("fault {}", fault.name()));
        let short = self.weather.between(500, 8000);
        let long = self.weather.between(2000, 90_000);
        let struck = match fault {
            Fault::WatchDelay | Fault::NetSlow => {
                self.active.insert(fault);
                self.after(long, Event::Mend(Mend::Class(fault)));
                true
            }
            Fault::StoreDown => {
                self.active.insert(fault);
                self.after(short * 2, Event::Mend(Mend::Class(fault)));
                // It counts where it hurts.
                return;
            }
            Fault::PlanRefused => {
                self.poison = self.some_key();
                self.poison_since = self.now;
                self.after(long, Event::Mend(Mend::Class(fault)));
                return;
            }
            Fault::ControlCrash => match self.serving() {
                Some(id) => {
                    self.kill_control(id);
                    self.start_control_after(short);
                    true
                }
                None => false,
            },
            Fault::ControlPause => self.pause_control(long).is_some(),
            Fault::ControlZombie => match self.pause_control(long) {
                Some(id) => {
                    self.start_control_after(short);
                    let end = long + self.weather.between(100, 20_000);
                    self.after(end, Event::Mend(Mend::EndZombie(id)));
                    true
                }
                None => false,
            },
            Fault::ControlClock => {
                let skew = self.weather.between(-20_000, 20_000);
                match self.serving().and_then(|id| self.controls[id].as_mut()) {
                    Some(control) => {
                        control.skew = skew;
                        true
                    }
                    None => false,
                }
            }
            Fault::RecordDamaged => self.damage(long),
            Fault::HostJoins => {
                if self.hosts.len() < 7 {
                    self.add_host();
                }
                true
            }
            _ => match self.some_host() {
                Some(host) => self.strike_host(fault, host, short, long),
                None => false,
            },
        };
        // Losing a journal counts where it happens.
        if struck && !matches!(fault, Fault::JournalLost | Fault::JournalOld) {
            self.fired.count(fault);
        }
    }

    /// A service or a task, by chance.
    fn some_key(&mut self) -> Option<Key> {
        let services = self.oracle.services.keys();
        let services = services.map(|name| Key::Service((self.name.clone(), name.clone())));
        let tasks = self.oracle.tasks.values().filter(|task| task.is_live());
        let tasks = tasks.map(|task| Key::Task((self.name.clone(), task.id)));
        let mut keys: Vec<Key> = services.collect();
        // As often one as the other.
        if self.weather.chance(500) || keys.is_empty() {
            keys = tasks.collect();
        }
        (!keys.is_empty()).then(|| keys[self.weather.index(keys.len())].clone())
    }

    fn strike_host(&mut self, fault: Fault, index: usize, short: i64, long: i64) -> bool {
        match fault {
            Fault::CutBoth | Fault::CutToAgent | Fault::CutToControl => {
                let host = &mut self.hosts[index];
                host.cut_to_agent |= fault != Fault::CutToControl;
                host.cut_to_control |= fault != Fault::CutToAgent;
                self.after(long, Event::Mend(Mend::Connect(index)));
                true
            }
            Fault::NetBreak => match self.hosts[index].conn {
                Some(conn) => {
                    self.agent_end_closes(conn);
                    true
                }
                None => false,
            },
            Fault::AgentCrash | Fault::JournalLost | Fault::JournalOld => {
                if fault == Fault::JournalOld {
                    self.hosts[index].keep_journal();
                }
                if !self.hosts[index].is_up() {
                    return false;
                }
                let wait = if fault == Fault::JournalOld { long } else { 1 };
                self.kill_agent(index);
                let life = self.hosts[index].life;
                let wait = self.weather.between(50, short) + wait.min(5000);
                self.after(wait, Event::StartAgent { host: index, life });
                true
            }
            Fault::JournalFull => {
                let host = &mut self.hosts[index];
                if host.journal_full {
                    return false;
                }
                host.journal_full = true;
                self.after(long, Event::Mend(Mend::JournalRoom(index)));
                true
            }
            Fault::AgentPause => {
                let host = &mut self.hosts[index];
                if !host.is_up() || host.paused {
                    return false;
                }
                host.paused = true;
                self.after(long, Event::Mend(Mend::ResumeAgent(index)));
                true
            }
            Fault::HostClockJumps => {
                let most = self
                    .weather
                    .pick(&[2000, 60_000, 3_600_000, 31_536_000_000]);
                let by = self.weather.between(-most, most);
                self.hosts[index].set_clock(by);
                true
            }
            Fault::HostReboot => {
                self.reboot(index);
                let life = self.hosts[index].life;
                let wait = self.weather.between(3000, 60_000);
                self.after(wait, Event::StartAgent { host: index, life });
                true
            }
            Fault::HostLost => {
                let left = self.hosts.iter().filter(|h| h.exists && !h.deregistered);
                if left.count() < 2 {
                    return false;
                }
                self.kill_agent(index);
                self.operating
                    .retain(|_, operating| operating.host != index);
                let host = &mut self.hosts[index];
                host.stop_all();
                host.engine.containers.clear();
                host.exists = false;
                true
            }
            Fault::DaemonDown => {
                let keeps = self.weather.chance(500);
                let host = &mut self.hosts[index];
                if host.engine.is_down {
                    return false;
                }
                host.engine.is_down = true;
                if !keeps {
                    host.stop_all();
                }
                self.after(long.min(60_000), Event::Mend(Mend::DaemonUp(index)));
                true
            }
            Fault::ContainerVanishes => {
                let Some(name) = self.some_container(index, |_| true) else {
                    return false;
                };
                let Some(container) = self.hosts[index].engine.containers.get(&name) else {
                    return false;
                };
                let task = container.task;
                // Otherwise nothing on the node could say that it has run.
                if !self.hosts[index].knows_it_ran(task) {
                    return false;
                }
                self.hosts[index].trouble.insert(task);
                self.tell(index, task, &name, Change::Removed);
                self.hosts[index].engine.containers.remove(&name);
                true
            }
            Fault::ContainerRevived => {
                let stopped = |s: &Sighting| matches!(s, Sighting::Exited(_));
                let Some(name) = self.some_container(index, stopped) else {
                    return false;
                };
                let Some(container) = self.hosts[index].engine.containers.get_mut(&name) else {
                    return false;
                };
                container.sighting = Sighting::Running;
                let task = container.task;
                self.hosts[index].trouble.insert(task);
                self.tell(index, task, &name, Change::Started);
                true
            }
            _ => false,
        }
    }

    fn some_container(
        &mut self,
        index: usize,
        which: impl Fn(&Sighting) -> bool,
    ) -> Option<String> {
        let all = self.hosts[index].engine.containers.iter();
        let found: Vec<String> = all
            .filter(|(_, c)| which(&c.sighting))
            .map(|(name, _)| name.clone())
            .collect();
        (!found.is_empty()).then(|| found[self.weather.index(found.len())].clone())
    }

    fn pause_control(&mut self, long: i64) -> Option<usize> {
        let id = self.serving()?;
        self.controls[id].as_mut()?.paused = true;
        self.after(long, Event::Mend(Mend::ResumeControl(id)));
        Some(id)
    }

    /// Flips a bit of some record of a task, service, instance or definition.
    fn damage(&mut self, long: i64) -> bool {
        let entries = self.log.list().entries;
        let tables = ["task/", "service/", "instance/", "task-definition/"];
        let table = self.weather.pick(&tables);
        let own: Vec<_> = entries
            .iter()
            .filter(|e| e.key.as_str().starts_with(table))
            .filter(|e| !self.damaged.contains_key(e.key.as_str()))
            .collect();
        if own.is_empty() {
            return false;
        }
        let entry = own[self.weather.index(own.len())].clone();
        let mut value = entry.value.to_vec();
        let place = self.weather.index(value.len());
        value[place] ^= 1 << self.weather.below(8);
        let name = entry.key.as_str().to_owned();
        self.damaged.insert(name.clone(), entry.value);
        self.oracle.damaged(&name, true);
        self.put(&entry.key, value.into());
        self.after(long, Event::Mend(Mend::Record(name)));
        true
    }

    /// Writes past every guard, as a disk may.
    pub(crate) fn put(&mut self, key: &StoreKey, value: bytes::Bytes) {
        self.write(vec![Write::Put {
            key: key.clone(),
            value,
        }]);
    }

    /// The same for several writes.
    pub(crate) fn write(&mut self, writes: Vec<Write>) {
        let commit = Commit {
            guards: Vec::new(),
            writes,
        };
        let (_, batch) = self.log.commit(commit);
        if let Some(batch) = batch {
            self.oracle.written(&batch);
            self.show_all();
        }
    }
}
