//! Instances: S5, S8, S13.

use std::collections::BTreeSet;

use longshore_model::InstanceId;
use longshore_model::instance::{Connection, Instance, InstanceStatus};
use longshore_store::Revision;

use super::Reporting;
use crate::invariant::Invariant;

impl super::Oracle {
    pub(super) fn instance_changes(&mut self, now: i64, instance: Instance, revision: Revision) {
        let id = instance.id;
        let known = self.registered.get(&id).map(|(known, _)| known);
        if known != Some(&instance.incarnation) {
            self.registered
                .insert(id, (instance.incarnation.clone(), revision));
        }
        if let Some(old) = self.instances.get(&id) {
            let back = old.status == InstanceStatus::Inactive
                && instance.status != InstanceStatus::Inactive;
            self.check(Invariant::S13, now, !back, || {
                format!("instance {} comes back from INACTIVE", id.value())
            });
        }
        self.instances.insert(id, instance);
        self.history.push((revision, self.away()));
    }

    /// The same at this revision.
    pub(super) fn away_at(&self, view: Revision) -> (usize, usize) {
        let known = self.history.iter().rev().find(|(at, _)| *at <= view);
        known.map_or((0, 0), |(_, away)| *away)
    }

    /// Agents away, of all that are registered.
    pub(super) fn away(&self) -> (usize, usize) {
        let registered = self
            .instances
            .values()
            .filter(|i| i.status != InstanceStatus::Inactive);
        let all: Vec<&Instance> = registered.collect();
        let gone = all
            .iter()
            .filter(|i| matches!(i.connection, Connection::Disconnected(_)));
        (gone.count(), all.len())
    }

    pub(super) fn report_applied(&mut self, now: i64, reporting: &Reporting, view: Revision) {
        let Some((incarnation, since)) = self.registered.get(&reporting.instance).cloned() else {
            return;
        };
        let known = view >= since;
        let older = incarnation != reporting.incarnation;
        self.check(Invariant::S8, now, !(known && older), || {
            format!(
                "a report of {:?} is applied after {incarnation:?} registered",
                reporting.incarnation
            )
        });
    }

    pub(super) fn capacity(&mut self, now: i64, id: InstanceId) {
        // A task whose record was damaged holds what nobody can see; ARCHITECTURE.md says so.
        if self.hidden.contains(&id) {
            return;
        }
        let Some(instance) = self.instances.get(&id) else {
            return;
        };
        let (mut cpu, mut memory, mut ports) = (0_u64, 0_u64, BTreeSet::new());
        let mut clash = None;
        for task in self
            .tasks
            .values()
            .filter(|t| t.is_live() && t.instance == id)
        {
            cpu += u64::from(task.demand.cpu.0);
            memory += u64::from(task.demand.memory.0);
            for port in &task.demand.tcp_ports {
                if !ports.insert(*port) {
                    clash = Some(*port);
                }
            }
        }
        let (most_cpu, most_memory) = (
            u64::from(instance.registered.cpu.0),
            u64::from(instance.registered.memory.0),
        );
        let fits = cpu <= most_cpu && memory <= most_memory && clash.is_none();
        self.check(Invariant::S5, now, fits, || {
            format!(
                "instance {} has {cpu} of {most_cpu} CPU, {memory} of {most_memory} MiB, port {clash:?} twice",
                id.value()
            )
        });
    }
}
