//! Starting what is missing, and waiting between attempts that keep failing.

use std::sync::Arc;
use std::time::Duration;

use longshore_model::Timestamp;
use longshore_model::plan::{Ctx, Reason};
use longshore_model::service::{PropagateTags, Service};
use longshore_model::tag::Tags;
use longshore_model::task::{NewTask, Overrides, ServiceTask, StopCode, Task};
use longshore_model::task_definition::TaskDefinition;
use longshore_scheduler::Attempt;

use super::tally::{Tally, count};
use super::{Draft, ServiceView};
use crate::{Action, placement};

/// Wait after the second failure in a row; doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait. ECS goes up to 27 minutes and its users suffer; five keep a broken image from
/// costing anything and a mended one from waiting long.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

impl Draft<'_> {
    /// Counts each stopped task once. A task that stopped by itself before it was healthy is a
    /// failure of its deployment.
    pub(super) fn account_stops(&mut self, ctx: &Ctx) {
        let uncounted = |task: &&&Task| !task.is_live() && !task.accounted;
        let tasks = self.view.tasks.iter().filter(uncounted);
        for task in tasks.take(self.view.most_changes) {
            self.plan.actions.push(Action::AccountTask(task.id));
            let deployment = task.service.as_ref().map(|service| service.deployment);
            if failed(task, self.view)
                && let Some(deployment) = self
                    .service
                    .deployments
                    .iter_mut()
                    .find(|d| Some(d.id) == deployment)
            {
                deployment.failed_tasks = deployment.failed_tasks.saturating_add(1);
                deployment.last_failed_at = Some(ctx.now);
                deployment.updated_at = ctx.now;
                self.events.task_failed(task);
            }
        }
    }

    /// Starts tasks of the primary deployment as far as the configuration, the instances and
    /// earlier failures allow. Returns how many.
    pub(super) fn start_missing(
        &mut self,
        tally: &Tally<'_>,
        attempt: &mut Attempt<'_>,
        ctx: &mut Ctx,
    ) -> u32 {
        let desired = self.service.desired_count;
        let missing = desired.saturating_sub(tally.kept());
        let upper = self.service.deployment_configuration.upper(desired);
        let room = upper.saturating_sub(tally.total);
        let most = u32::try_from(self.view.most_changes).unwrap_or(u32::MAX);
        let wanted = missing.min(room).min(most);
        let Some(primary) = self.service.primary().cloned() else {
            return 0;
        };
        if wanted == 0 {
            return 0;
        }
        if let Some(until) = throttled_until(primary.failed_tasks, primary.last_failed_at, missing)
            && ctx.now < until
        {
            self.plan.wake(until);
            self.plan.reasons.push(Reason::Throttled {
                deployment: primary.id,
                failures: primary.failed_tasks,
                until,
            });
            self.events.throttled();
            return 0;
        }
        let Some(&definition) = self
            .view
            .definitions
            .get(&(primary.family.clone(), primary.revision))
        else {
            return 0;
        };
        let request = Arc::new(placement::of_service(&self.service, definition));
        let placed = attempt.place(&request, wanted, ctx);
        let mut started = Vec::new();
        for place in placed.placed {
            let id = ctx.task_id();
            let new = NewTask {
                id,
                instance: place.instance,
                cluster: self.service.cluster.clone(),
                group: self.service.group(),
                started_by: Some(primary.id.to_string()),
                service: Some(ServiceTask {
                    name: self.service.name.clone(),
                    deployment: primary.id,
                }),
                overrides: Overrides::default(),
                tags: tags(&self.service, definition),
                launch_type: self.service.launch_type.clone(),
            };
            started.push(id);
            let mut task = Task::new(new, definition, ctx.now);
            task.demand.gpus.extend(place.gpus);
            self.plan.actions.push(Action::CreateTask(Box::new(task)));
        }
        self.events.started(&started);
        if let Some(why) = placed.unplaced {
            let waiting = wanted - count(&started);
            self.events.unplaced(&why);
            self.plan.reasons.push(Reason::Unplaced {
                count: waiting,
                why,
            });
        }
        count(&started)
    }
}

/// Whether the task's stop counts against its deployment.
fn failed(task: &Task, view: &ServiceView<'_>) -> bool {
    let by_itself = matches!(
        task.stop_code,
        Some(StopCode::TaskFailedToStart | StopCode::EssentialContainerExited)
    );
    let lasted = match (task.started_at, task.stopped_at) {
        (Some(started), Some(stopped)) => stopped.since(started) >= view.healthy_after,
        _ => false,
    };
    by_itself && !lasted
}

/// When the next task may start: at once after the first failure of each missing task, later and
/// later after more.
fn throttled_until(failures: u32, last: Option<Timestamp>, missing: u32) -> Option<Timestamp> {
    let rounds = failures.div_ceil(missing.max(1));
    let doublings = rounds.checked_sub(2)?;
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    let wait = FIRST_WAIT
        .checked_mul(factor)
        .unwrap_or(LONGEST_WAIT)
        .min(LONGEST_WAIT);
    Some(last?.after(wait))
}

/// The tags a service's task starts with (ECS developer guide, "tagging your resources").
fn tags(service: &Service, definition: &TaskDefinition) -> Tags {
    let mut tags = match service.propagate_tags {
        PropagateTags::None => Tags::new(),
        PropagateTags::Service => service.tags.clone(),
        PropagateTags::TaskDefinition => definition.tags.clone(),
    };
    if service.enable_ecs_managed_tags {
        tags.insert(
            "aws:ecs:clusterName".to_owned(),
            service.cluster.to_string(),
        );
        tags.insert("aws:ecs:serviceName".to_owned(), service.name.to_string());
    }
    tags
}
