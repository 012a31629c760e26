//! A service: the desired number of tasks of its newest deployment, healthy; and none of older ones.
//!
//! The rules are those of the ECS service scheduler (developer guide, "service scheduler
//! concepts"). With `lower` and `upper` from the two percentages of the desired count:
//!
//! - A task counts against `upper` until it is STOPPED, and towards `lower` once it is healthy:
//!   RUNNING for `healthy_after`. Tasks that are to be replaced count as long as they are RUNNING.
//! - Missing tasks of the primary deployment start as far as `upper` and the instances allow.
//! - Tasks to be replaced (of older deployments, or on DRAINING instances) stop as replacements
//!   become healthy. Only where a replacement cannot start first, for want of room under `upper`
//!   or on the instances, is the service taken down to `lower`.
//! - Tasks of the primary beyond the desired count stop at once.

mod event;
mod start;
mod stop;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use longshore_model::instance::InstanceStatus;
use longshore_model::plan::{Ctx, Plan, Reason};
use longshore_model::service::{Rollout, Service, ServiceStatus};
use longshore_model::task::{DesiredStatus, Task, TaskStatus};
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{ClusterName, Family, InstanceId, ServiceName};
use longshore_scheduler::{Attempt, Request};
use longshore_state::{Change, View};

use crate::controller::{Controller, Pace, Scope, Times, Wake};
use crate::{Action, placement};
use event::Events;
use tally::Tally;

/// The controller of services.
#[derive(Debug)]
pub struct Services;

impl Controller for Services {
    type Key = (ClusterName, ServiceName);

    const TAKES_TURNS: bool = true;

    fn all(view: &View) -> impl Iterator<Item = Self::Key> {
        view.services.keys().cloned()
    }

    fn wakes(change: &Change, view: &View, wake: Wake<'_, Self::Key>) {
        match change {
            Change::Service(cluster, name) => wake((cluster.clone(), name.clone()), Pace::Together),
            Change::Task {
                cluster,
                id,
                service: Some(name),
                ..
            } => {
                let task = view.tasks.get(cluster, *id);
                let pace = match task.is_some_and(|task| only_starts(task)) {
                    true => Pace::Seldom,
                    false => Pace::Now,
                };
                wake((cluster.clone(), name.clone()), pace);
            }
            Change::Instance {
                cluster,
                id,
                is_other: true,
            } => {
                let tasks = view.instance_tasks(cluster, *id);
                for service in tasks.filter_map(|task| task.service.as_ref()) {
                    wake((cluster.clone(), service.name.clone()), Pace::Now);
                }
            }
            _ => {}
        }
    }

    fn cluster((cluster, _): &Self::Key) -> Option<&ClusterName> {
        Some(cluster)
    }

    fn decide(view: &View, key: &Self::Key, scope: &mut Scope<'_, '_>) -> Option<Plan<Action>> {
        let seen = gather(view, key, scope.times, scope.most_changes)?;
        Some(reconcile(&seen, scope.attempt, scope.ctx))
    }

    fn weight(view: &View, (cluster, name): &Self::Key) -> usize {
        view.count_service_tasks(cluster, name)
    }

    fn request(view: &View, key: &Self::Key) -> Option<Request> {
        let service = view.services.get(key)?;
        let primary = service.primary()?;
        let definition = (primary.family.clone(), primary.revision);
        let definition = view.task_definitions.get(&definition)?;
        Some(placement::of_service(service, definition))
    }
}

/// Whether no more can be new of a task than that it has started: it was not just made, nor is it
/// to stop.
fn only_starts(task: &Task) -> bool {
    task.desired_status == DesiredStatus::Running
        && matches!(
            task.last_status,
            TaskStatus::Activating | TaskStatus::Running
        )
}

/// What the decision reads.
#[derive(Debug, Clone)]
pub struct ServiceView<'a> {
    /// The service.
    pub service: &'a Service,
    /// Its tasks, STOPPED ones included.
    pub tasks: Vec<&'a Task>,
    /// The definition of each of its deployments.
    pub definitions: BTreeMap<(Family, u32), &'a TaskDefinition>,
    /// The instances of its cluster that are DRAINING.
    pub draining: BTreeSet<InstanceId>,
    /// How long a task must be RUNNING to count as healthy.
    pub healthy_after: Duration,
    /// Most tasks the decision starts, most it stops for either reason and most it counts. What is
    /// left follows in the next one, which the first one's commit wakes; a plan must stay a commit
    /// of bounded size.
    pub most_changes: usize,
}

/// From the view of everything to that of one decision; `None` if there is no such service.
pub fn gather<'a>(
    view: &'a View,
    key: &(ClusterName, ServiceName),
    times: Times,
    most_changes: usize,
) -> Option<ServiceView<'a>> {
    let (cluster, name) = key;
    let service = view.services.get(key)?;
    let definitions = service.deployments.iter().filter_map(|deployment| {
        let name = (deployment.family.clone(), deployment.revision);
        let definition = view.task_definitions.get(&name)?;
        Some((name, &**definition))
    });
    let draining = view
        .cluster_instances(cluster)
        .filter(|instance| instance.status == InstanceStatus::Draining);
    let tasks = view.service_tasks(cluster, name);
    Some(ServiceView {
        service,
        tasks: tasks.map(|task| &**task).collect(),
        definitions: definitions.collect(),
        draining: draining.map(|instance| instance.id).collect(),
        healthy_after: times.healthy_after,
        most_changes,
    })
}

/// A plan in the making.
struct Draft<'a> {
    view: &'a ServiceView<'a>,
    service: Service,
    plan: Plan<Action>,
    events: Events,
}

/// Decides about one service. `attempt` is of the index of its cluster, as far as the view; what
/// the plan places counts in it, and the caller keeps it while the plan is committed.
pub fn reconcile(view: &ServiceView<'_>, attempt: &mut Attempt<'_>, ctx: &mut Ctx) -> Plan<Action> {
    let mut draft = Draft {
        view,
        service: view.service.clone(),
        plan: Plan::default(),
        events: Events::new(&view.service.name),
    };
    draft.account_stops(ctx);
    match view.service.status {
        ServiceStatus::Active => draft.keep(attempt, ctx),
        ServiceStatus::Draining => draft.drain(),
        ServiceStatus::Inactive => {}
    }
    draft.finish(ctx)
}

impl Draft<'_> {
    /// An ACTIVE service: start what is missing, stop what is too much, see how far it got.
    fn keep(&mut self, attempt: &mut Attempt<'_>, ctx: &mut Ctx) {
        let tally = Tally::of(self.view, ctx.now);
        let started = self.start_missing(&tally, attempt, ctx);
        self.stop_surplus(&tally, attempt.index(), ctx);
        self.stop_replaced(&tally, started);
        self.retire_deployments(&tally);
        self.judge(&tally, started, ctx);
    }

    /// A deleted service: stop everything, then INACTIVE.
    fn drain(&mut self) {
        let live: Vec<&Task> = self
            .view
            .tasks
            .iter()
            .copied()
            .filter(|t| t.is_live())
            .collect();
        let running: Vec<&Task> = live.iter().copied().filter(|t| tally::wanted(t)).collect();
        self.stop(&running);
        if live.is_empty() {
            self.service.status = ServiceStatus::Inactive;
            self.service.deployments.clear();
        } else {
            self.plan.reasons.push(Reason::WaitingForStop {
                count: tally::count(&live),
            });
        }
    }

    /// Older deployments with no tasks left are gone.
    fn retire_deployments(&mut self, tally: &Tally<'_>) {
        let primary = self.service.primary().map(|d| d.id);
        self.service.deployments.retain(|deployment| {
            Some(deployment.id) == primary || tally.deployments_alive.contains(&deployment.id)
        });
    }

    /// Whether the deployment is complete and the service steady, and what it waits for if not.
    fn judge(&mut self, tally: &Tally<'_>, started: u32, ctx: &mut Ctx) {
        let desired = self.service.desired_count;
        let healthy = tally::count(&tally.healthy);
        let unhealthy = tally::count(&tally.settling);
        if unhealthy > 0 {
            self.plan
                .reasons
                .push(Reason::WaitingForHealth { count: unhealthy });
        }
        if !tally.starting.is_empty() || started > 0 {
            let count = tally::count(&tally.starting) + started;
            self.plan.reasons.push(Reason::WaitingForStart { count });
        }
        if !tally.stopping.is_empty() {
            self.plan.reasons.push(Reason::WaitingForStop {
                count: tally::count(&tally.stopping),
            });
        }
        if let Some(at) = tally.next_healthy_at {
            self.plan.wake(at);
        }
        let settled = healthy == desired && tally.total == desired && tally.replaced.is_empty();
        let alone = self.service.deployments.len() <= 1;
        if let Some(primary) = self.service.deployments.first_mut() {
            let recovered =
                tally
                    .healthy
                    .iter()
                    .filter_map(|task| task.started_at)
                    .any(|started_at| {
                        primary
                            .last_failed_at
                            .is_some_and(|failed| started_at > failed)
                    });
            if primary.failed_tasks > 0 && recovered {
                primary.failed_tasks = 0;
            }
            if settled && alone && primary.rollout == Rollout::InProgress {
                primary.rollout = Rollout::Completed;
                primary.updated_at = ctx.now;
                self.events.deployment_completed(primary.id);
            }
        }
        if settled && alone && desired > 0 && !self.is_announced_steady() {
            self.events.steady();
        }
    }

    /// The record is written only if it says something new.
    fn finish(mut self, ctx: &mut Ctx) -> Plan<Action> {
        self.events.write(&mut self.service, ctx);
        if self.service != *self.view.service {
            self.plan.actions.push(Action::put(self.service));
        }
        self.plan
    }
}
