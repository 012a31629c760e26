//! Services: S10, S12, S13.

use longshore_model::service::{Rollout, Service, ServiceStatus};
use longshore_model::task::Task;
use longshore_model::{ClusterName, InstanceId, ServiceName};
use longshore_store::Revision;

use super::{Count, serves};
use crate::invariant::Invariant;

impl super::Oracle {
    pub(super) fn service_changes(&mut self, now: i64, service: &Service) -> bool {
        let Some(old) = self.services.get(&service.name) else {
            return false;
        };
        let primary = service.primary();
        let was = primary.and_then(|p| old.deployments.iter().find(|d| d.id == p.id));
        let completed = primary.is_some_and(|p| p.rollout == Rollout::Completed)
            && was.is_some_and(|was| was.rollout != Rollout::Completed);
        if service.status == ServiceStatus::Inactive && old.status != ServiceStatus::Inactive {
            let live = self.live(&service.name).count();
            let (name, hidden) = (service.name.clone(), !self.hidden.is_empty());
            self.check(Invariant::S13, now, live == 0 || hidden, || {
                format!("service {name} is INACTIVE and has {live} tasks")
            });
        }
        completed
    }

    pub(super) fn live<'a>(&'a self, name: &'a ServiceName) -> impl Iterator<Item = &'a Task> {
        self.tasks
            .values()
            .filter(|task| task.is_live())
            .filter(move |task| task.service.as_ref().is_some_and(|s| s.name == *name))
    }

    /// All tasks on an instance that are not over.
    pub(crate) fn tasks_on(&self, instance: InstanceId) -> impl Iterator<Item = &Task> {
        let there = move |task: &&Task| task.instance == instance && task.is_live();
        self.tasks.values().filter(there)
    }

    /// How many these are.
    pub(crate) fn live_on(&self, instance: InstanceId) -> usize {
        self.tasks_on(instance).count()
    }

    /// Live tasks of a service.
    pub(crate) fn live_tasks<'a>(&'a self, name: &'a ServiceName) -> Vec<&'a Task> {
        self.live(name).collect()
    }

    pub(super) fn count(&self, name: &ServiceName) -> Count {
        self.tally.get(name).copied().unwrap_or_default()
    }

    /// A commit that starts or stops tasks of a service.
    pub(super) fn envelope(
        &mut self,
        now: i64,
        name: &ServiceName,
        before: Count,
        created: bool,
        view: Revision,
    ) {
        let after = self.count(name);
        let Some(service) = self.services.get(name) else {
            return;
        };
        if service.status != ServiceStatus::Active || self.is_damaged_service(name) {
            return;
        }
        let desired = u64::from(service.desired_count);
        let configuration = service.deployment_configuration;
        let upper = desired * u64::from(configuration.maximum_percent) / 100;
        let lower = (desired * u64::from(configuration.minimum_healthy_percent)).div_ceil(100);
        // A record that was damaged hides a task from whoever counts.
        let hidden = !self.hidden.is_empty();
        if created && !hidden {
            self.check(Invariant::S10, now, after.live <= upper, || {
                format!("service {name} has {} tasks, at most {upper}", after.live)
            });
        }
        if after.serving < before.serving {
            let lost = self.lost_since(name, view) as u64;
            self.check(Invariant::S10, now, after.serving + lost >= lower, || {
                format!(
                    "service {name} is taken from {} to {} running tasks, at least {lower}",
                    before.serving, after.serving
                )
            });
        }
    }

    /// Tasks that stopped by themselves after this revision, which who decided from it could not
    /// know.
    pub(super) fn lost_since(&self, name: &ServiceName, view: Revision) -> usize {
        let losses = self.losses.iter().rev();
        let newer = losses.take_while(|(at, _)| *at > view);
        newer.filter(|(_, of)| of == name).count()
    }

    pub(super) fn is_damaged_service(&self, name: &ServiceName) -> bool {
        let key = format!("service/{}/{name}", ClusterName::default_cluster());
        self.damaged.contains(&key)
    }

    pub(super) fn completion(&mut self, now: i64, name: &ServiceName, view: Revision) {
        let Some(service) = self.services.get(name) else {
            return;
        };
        let Some(primary) = service.primary() else {
            return;
        };
        let (id, desired) = (primary.id, service.desired_count as usize);
        let tasks: Vec<&Task> = self.live(name).collect();
        let healthy = |task: &&&Task| {
            let ran = self.running_at.get(&task.id).copied().unwrap_or(now);
            serves(task)
                && task.service.as_ref().is_some_and(|s| s.deployment == id)
                && (self.clocks_jump
                    || self.stands_still
                    || self.slack > 3000
                    || now - ran + 200 >= self.healthy_after)
        };
        let (all, good) = (tasks.len(), tasks.iter().filter(healthy).count());
        let hidden = !self.hidden.is_empty();
        let lost = self.lost_since(name, view);
        self.check(
            Invariant::S12,
            now,
            (all <= desired && good + lost >= desired) || hidden,
            || {
                format!(
                    "deployment {id} of {name} is COMPLETED with {good} healthy of {all} tasks, desired {desired}"
                )
            },
        );
    }
}
