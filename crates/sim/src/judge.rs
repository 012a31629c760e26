//! After all faults have ended: what is wanted must come about, and then nothing more may happen.

use std::collections::BTreeSet;

use longshore_model::instance::{Instance, InstanceStatus};
use longshore_model::service::{Rollout, Service, ServiceStatus};
use longshore_model::task::{DesiredStatus, TaskStatus};
use longshore_model::{ServiceName, TaskId};
use longshore_supervisor::Sighting;

use crate::cluster::{Cluster, Event};
use crate::fault::Fault;
use crate::invariant::Invariant;

/// How long it may take, in virtual ms: the longest wait between failing tasks is 5 minutes, a
/// daemon is waited for 10, and a start of unknown outcome 3.
const DEADLINE: i64 = 1_500_000;
/// How often is looked.
const EVERY: i64 = 5000;
/// How long nothing may be committed once all is as wanted.
const QUIET: i64 = 25_000;

impl Cluster {
    /// Looks whether everything is as it should be.
    pub(crate) fn judge(&mut self) {
        let (now, waited) = (self.now, self.now - self.healed_at);
        let fault = self.amiss();
        let quiet = now - self.oracle.last_commit_at >= QUIET && waited >= QUIET;
        match fault {
            None if quiet => {
                for invariant in [Invariant::L1, Invariant::L2, Invariant::L3] {
                    self.oracle.exercise(invariant);
                }
                if self.fired.of(Fault::ColdStart) > 0 {
                    self.oracle.exercise(Invariant::L8);
                }
                self.trace.say(now, || "all is as wanted".to_owned());
                self.done = true;
            }
            None if waited < DEADLINE => self.after(EVERY, Event::Judge),
            None => {
                let what = "everything is as wanted, and still something is written";
                self.oracle.violate(Invariant::L1, now, what);
            }
            Some(_) if waited < DEADLINE => self.after(EVERY, Event::Judge),
            Some((Invariant::L1 | Invariant::L2 | Invariant::L3, what))
                if self.fired.of(Fault::ColdStart) > 0 =>
            {
                self.oracle.violate(Invariant::L8, now, what);
            }
            Some((invariant, what)) => self.oracle.violate(invariant, now, what),
        }
    }

    /// What is not as it should be.
    fn amiss(&self) -> Option<(Invariant, String)> {
        if !self.workload.is_over() {
            let open = self.workload.calls.iter().find(|call| !call.answered);
            return Some((Invariant::L1, format!("a call gets no answer: {open:?}")));
        }
        self.calls_amiss()
            .or_else(|| self.services_amiss())
            .or_else(|| self.tasks_amiss())
            .or_else(|| self.hosts_amiss())
            .or_else(|| self.sizes_amiss())
    }

    fn calls_amiss(&self) -> Option<(Invariant, String)> {
        for (by, tasks) in self.workload.runs() {
            let started = self.oracle.started_by(&by) as usize;
            // A call that found no room is not remembered, and its twin may find some.
            if started != tasks.len() && !tasks.is_empty() {
                let said = tasks.len();
                let what = format!("call {by} was answered with {said} tasks and made {started}");
                return Some((Invariant::S4, what));
            }
        }
        None
    }

    fn services_amiss(&self) -> Option<(Invariant, String)> {
        for (name, wanted) in &self.workload.wanted {
            let Ok(name) = name.parse::<ServiceName>() else {
                continue;
            };
            let service = self.oracle.services.get(&name);
            let live = self.oracle.live_tasks(&name);
            let Some(wanted) = wanted else {
                if !live.is_empty() || service.is_some_and(|s| s.status != ServiceStatus::Inactive)
                {
                    let what = format!("service {name} is deleted and has {} tasks", live.len());
                    return Some((Invariant::L1, what));
                }
                continue;
            };
            let Some(service) = service else {
                return Some((Invariant::S4, format!("service {name} is gone")));
            };
            let primary = service.primary();
            let family = primary.map(|p| p.family.as_str());
            if service.status != ServiceStatus::Active
                || service.desired_count != wanted.desired
                || family != Some(wanted.family)
            {
                let what = format!(
                    "service {name} is {} of {family:?}, and {wanted:?} was acknowledged",
                    service.desired_count
                );
                return Some((Invariant::S4, what));
            }
            let deployment = primary.map(|p| p.id);
            let good = live.iter().all(|task| {
                task.desired_status == DesiredStatus::Running
                    && task.last_status == TaskStatus::Running
                    && task.service.as_ref().map(|s| s.deployment) == deployment
                    && self
                        .oracle
                        .instances
                        .get(&task.instance)
                        .is_some_and(|i| i.status == InstanceStatus::Active)
            });
            let complete = good && live.len() == wanted.desired as usize;
            if !complete && self.has_room(service, wanted.family) {
                let what = format!(
                    "service {name}: {} tasks, desired {}: {:?}",
                    live.len(),
                    wanted.desired,
                    live.iter()
                        .map(|t| (
                            t.id.to_string(),
                            t.desired_status.as_str(),
                            t.last_status.as_str()
                        ))
                        .collect::<Vec<_>>()
                );
                return Some((Invariant::L1, what));
            }
            let rollout = primary.map(|p| p.rollout);
            if complete && rollout != Some(Rollout::Completed) {
                return Some((
                    Invariant::L1,
                    format!("service {name} is complete, its deployment is not"),
                ));
            }
        }
        None
    }

    /// Whether one more task of this family would fit somewhere.
    fn has_room(&self, service: &Service, family: &str) -> bool {
        let mut definitions = self.oracle.definitions.values();
        let Some(definition) = definitions.rfind(|d| d.family.as_str() == family) else {
            return false;
        };
        let demand = definition.demand();
        self.oracle.instances.values().any(|instance| {
            let takes =
                instance.status == InstanceStatus::Active && instance.connection.is_connected();
            let tasks = self.oracle.tasks.values();
            let there = tasks.filter(|t| t.is_live() && t.instance == instance.id);
            let mut taken = longshore_model::instance::Resources::default();
            for task in there {
                taken.add(&task.demand);
            }
            let mut constraints = service.placement_constraints.iter();
            takes
                && constraints.all(|c| self.oracle.allows(c, &service.group(), instance.id))
                && taken.cpu + demand.cpu <= instance.registered.cpu
                && taken.memory + demand.memory <= instance.registered.memory
                && demand.tcp_ports.is_disjoint(&taken.tcp_ports)
        })
    }

    fn tasks_amiss(&self) -> Option<(Invariant, String)> {
        for task in self.oracle.tasks.values().filter(|task| task.is_live()) {
            let stuck = task.last_status != TaskStatus::Running
                || task.desired_status != DesiredStatus::Running;
            if stuck {
                let what = format!(
                    "task {} stays {}/{} on instance {}",
                    task.id,
                    task.desired_status.as_str(),
                    task.last_status,
                    task.instance.value()
                );
                return Some((Invariant::L3, what));
            }
            let host = self.hosts.iter().find(|h| h.instance == task.instance);
            let runs = host.is_some_and(|host| {
                let mut all = host.engine.containers.values();
                all.any(|c| c.task == task.id && c.sighting == Sighting::Running)
            });
            if !runs {
                let what = format!("task {} is RUNNING, and nothing of it runs", task.id);
                return Some((Invariant::L1, what));
            }
        }
        None
    }

    fn hosts_amiss(&self) -> Option<(Invariant, String)> {
        for (index, host) in self.hosts.iter().enumerate() {
            if !host.exists || host.deregistered {
                continue;
            }
            let instance: Option<&Instance> = self.oracle.instances.get(&host.instance);
            if !instance.is_some_and(|i| i.connection.is_connected()) {
                return Some((Invariant::L1, format!("host {index} is not connected")));
            }
            let live: BTreeSet<TaskId> = self
                .oracle
                .tasks
                .values()
                .filter(|task| task.is_live() && task.instance == host.instance)
                .map(|task| task.id)
                .collect();
            for (name, container) in &host.engine.containers {
                if container.sighting == Sighting::Running && !live.contains(&container.task) {
                    let what = format!("{name} runs on host {index}, and nobody wants it");
                    return Some((Invariant::L2, what));
                }
                let kept = self.scenario.keep_stopped.as_secs() > 60;
                if !kept && !live.contains(&container.task) {
                    let what = format!("{name} is left on host {index}");
                    return Some((Invariant::L2, what));
                }
            }
            let forgets = self.scenario.keep_stopped.as_secs() <= 60;
            if forgets && host.held_tasks() > live.len() {
                let (held, live) = (host.held_tasks(), live.len());
                let what = format!("the agent of host {index} holds {held} tasks, {live} are live");
                return Some((Invariant::L2, what));
            }
        }
        None
    }
}
