//! Stopping what is too much, and what is replaced.

use std::collections::BTreeMap;

use longshore_model::TaskId;
use longshore_model::plan::{Ctx, Reason};
use longshore_model::task::{StopCode, Task};
use longshore_scheduler::{Index, Kind, Standing};

use super::Draft;
use super::tally::{Tally, count, running};
use crate::Action;

impl Draft<'_> {
    /// Tells these tasks to stop, with the event and the words ECS uses.
    pub(super) fn stop(&mut self, tasks: &[&Task]) {
        let tasks = &tasks[..tasks.len().min(self.view.most_changes)];
        for task in tasks {
            let by = self
                .service
                .primary()
                .map(|d| format!("deployment {}", d.id));
            let by = by.unwrap_or_else(|| "deletion of the service".to_owned());
            self.plan.actions.push(Action::StopTask {
                task: task.id,
                code: StopCode::ServiceSchedulerInitiated,
                reason: format!("Scaling activity initiated by ({by})"),
            });
        }
        self.events.stopped(tasks);
    }

    /// Scale-in: the primary has more tasks than are desired. Those not RUNNING go first, then
    /// what the strategies of the service say.
    pub(super) fn stop_surplus(&mut self, tally: &Tally<'_>, index: &Index, ctx: &mut Ctx) {
        let surplus = tally.kept().saturating_sub(self.service.desired_count);
        if surplus == 0 {
            return;
        }
        let kept = [&tally.starting, &tally.settling, &tally.healthy];
        let kept: BTreeMap<TaskId, &Task> = kept
            .into_iter()
            .flatten()
            .map(|task| (task.id, *task))
            .collect();
        let standing: Vec<Standing> = kept
            .values()
            .map(|task| Standing {
                task: task.id,
                instance: task.instance,
                turn: Some(u8::from(running(task))),
            })
            .collect();
        let chain = Kind::Service.chain(&self.service.placement_strategy);
        let most = (surplus as usize).min(self.view.most_changes);
        let victims = index.victims(chain, &standing, most, ctx);
        let victims: Vec<&Task> = victims
            .iter()
            .filter_map(|id| kept.get(id).copied())
            .collect();
        self.stop(&victims);
    }

    /// Old tasks stop as new ones become healthy; see the module's rules.
    pub(super) fn stop_replaced(&mut self, tally: &Tally<'_>, started: u32) {
        if tally.replaced.is_empty() {
            return;
        }
        let desired = self.service.desired_count;
        let configuration = self.service.deployment_configuration;
        let (lower, upper) = (configuration.lower(desired), configuration.upper(desired));
        let missing = desired.saturating_sub(tally.kept() + started);
        let throttled = self
            .plan
            .reasons
            .iter()
            .any(|reason| matches!(reason, Reason::Throttled { .. }));
        let floor = if missing > 0 && !throttled {
            lower
        } else {
            lower.max(desired)
        };

        let (mut serving, mut victims): (Vec<&Task>, Vec<&Task>) = tally
            .replaced
            .iter()
            .copied()
            .partition(|task| running(task));
        let healthy = count(&tally.healthy) + count(&serving);
        let may_stop = healthy.saturating_sub(floor);
        // Oldest deployments first, oldest tasks first.
        serving.sort_by_key(|task| (task.created_at, task.id));
        victims.extend(serving.iter().take(may_stop as usize));
        if victims.is_empty() && started == 0 && missing > 0 && !throttled {
            let waits = !tally.starting.is_empty()
                || !tally.settling.is_empty()
                || !tally.stopping.is_empty();
            if !waits {
                self.events.blocked();
                self.plan
                    .reasons
                    .push(Reason::DeploymentConfiguration { lower, upper });
            }
        }
        self.stop(&victims);
    }
}
