//! The end of faults: of each, and of all of them.

use longshore_store::Key;

use crate::cluster::{Cluster, Event};
use crate::fault::Fault;
use crate::host::MISSING;
use crate::weather::Mend;

impl Cluster {
    /// A fault ends.
    pub(crate) fn mend(&mut self, mend: Mend) {
        let now = self.now;
        self.trace.say(now, || format!("mended: {mend:?}"));
        match mend {
            Mend::Class(fault) => {
                self.active.remove(&fault);
                if fault == Fault::PlanRefused {
                    self.poison = None;
                }
            }
            Mend::ResumeControl(id) => {
                if let Some(control) = &mut self.controls[id] {
                    control.paused = false;
                    self.poison_since = now;
                    let held = std::mem::take(&mut control.held);
                    self.release(held);
                }
                for host in 0..self.hosts.len() {
                    let held = std::mem::take(&mut self.hosts[host].held_to_control);
                    self.release(held);
                }
            }
            Mend::EndZombie(id) if self.healed => self.trace.say(now, || {
                format!("control plane {id} was ended with all other faults")
            }),
            Mend::EndZombie(id) => {
                self.kill_control(id);
                if self.controls.iter().all(Option::is_none) {
                    self.start_control_after(500);
                }
            }
            Mend::ResumeAgent(host) => {
                self.hosts[host].paused = false;
                let mut held = std::mem::take(&mut self.hosts[host].held);
                held.append(&mut self.hosts[host].held_to_agent);
                self.release(held);
            }
            Mend::Connect(host) => {
                let host = &mut self.hosts[host];
                host.cut_to_agent = false;
                host.cut_to_control = false;
                let mut held = std::mem::take(&mut host.held_to_agent);
                held.append(&mut host.held_to_control);
                self.release(held);
            }
            Mend::JournalRoom(index) => {
                if std::mem::take(&mut self.hosts[index].journal_full) {
                    self.kill_agent(index);
                    let life = self.hosts[index].life;
                    self.after(500, Event::StartAgent { host: index, life });
                }
            }
            Mend::DaemonUp(index) => {
                let host = &mut self.hosts[index];
                if std::mem::take(&mut host.engine.is_down) {
                    let life = host.life;
                    self.after(100, Event::List { host: index, life });
                }
            }
            Mend::Record(name) => {
                if let (Some(value), Ok(key)) = (self.damaged.remove(&name), Key::new(&name)) {
                    self.oracle.damaged(&name, false);
                    self.put(&key, value);
                }
            }
        }
    }

    /// All faults end; what is to be true after a while is true from then on.
    pub(crate) fn heal(&mut self) {
        let now = self.now;
        self.trace.say(now, || "all faults end".to_owned());
        self.healed = true;
        self.healed_at = now;
        self.active.clear();
        self.poison = None;
        for record in self.damaged.keys().cloned().collect::<Vec<_>>() {
            self.mend(Mend::Record(record));
        }
        for id in 0..self.controls.len() {
            self.mend(Mend::ResumeControl(id));
            if let Some(control) = &mut self.controls[id] {
                control.skew = 0;
            }
        }
        let newest = self.controls.iter().rposition(Option::is_some);
        for id in 0..newest.unwrap_or(0) {
            self.kill_control(id);
        }
        for index in 0..self.hosts.len() {
            self.hosts[index].engine.images.insert(MISSING.to_owned());
            self.mend(Mend::ResumeAgent(index));
            self.mend(Mend::Connect(index));
            self.mend(Mend::JournalRoom(index));
            self.mend(Mend::DaemonUp(index));
            if !self.hosts[index].exists {
                self.deregister_lost(index);
            }
        }
        if self.scenario.has(Fault::ColdStart) {
            self.start_cold();
        }
        self.after(5000, Event::Judge);
    }

    /// Every process ends, and all of them start within a second; so do, as often as not, the
    /// machines.
    fn start_cold(&mut self) {
        self.fired.count(Fault::ColdStart);
        let machines = self.weather.chance(500);
        for id in 0..self.controls.len() {
            self.kill_control(id);
        }
        self.start_control_after(500);
        for host in 0..self.hosts.len() {
            if !self.hosts[host].exists {
                continue;
            }
            if machines {
                self.reboot(host);
            } else {
                self.kill_agent(host);
            }
            let life = self.hosts[host].life;
            let wait = self.weather.between(1, 1000);
            self.after(wait, Event::StartAgent { host, life });
        }
    }
}
