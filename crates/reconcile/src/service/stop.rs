//! Stopping what is too much, and what is replaced.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use longshore_model::InstanceId;
use longshore_model::plan::Reason;
use longshore_model::task::{StopCode, Task};

use super::tally::{Tally, count, running};
use super::{Draft, MAX_CHANGES};
use crate::Action;

impl Draft<'_> {
    /// Tells these tasks to stop, with the event and the words ECS uses.
    pub(super) fn stop(&mut self, tasks: &[&Task]) {
        let tasks = &tasks[..tasks.len().min(MAX_CHANGES)];
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
    /// those where the service has most, newest first.
    pub(super) fn stop_surplus(&mut self, tally: &Tally<'_>) {
        let surplus = tally.kept().saturating_sub(self.service.desired_count);
        let mut candidates: Vec<&Task> = Vec::new();
        candidates.extend(&tally.starting);
        candidates.extend(&tally.settling);
        candidates.extend(&tally.healthy);
        let victims = self.victims(candidates, surplus);
        self.stop(&victims);
    }

    fn victims<'t>(&self, mut candidates: Vec<&'t Task>, surplus: u32) -> Vec<&'t Task> {
        let zones: BTreeMap<InstanceId, &str> = self
            .view
            .nodes
            .iter()
            .map(|node| (node.id, node.zone.as_str()))
            .collect();
        let zone = |task: &Task| zones.get(&task.instance).copied().unwrap_or_default();
        let mut victims = Vec::new();
        for _ in 0..surplus {
            let mut in_zone: BTreeMap<&str, u32> = BTreeMap::new();
            let mut on_node: BTreeMap<InstanceId, u32> = BTreeMap::new();
            for task in &candidates {
                *in_zone.entry(zone(task)).or_default() += 1;
                *on_node.entry(task.instance).or_default() += 1;
            }
            let rank = |task: &Task| {
                (
                    Reverse(running(task)),
                    in_zone.get(zone(task)).copied(),
                    on_node.get(&task.instance).copied(),
                    task.created_at,
                    task.id,
                )
            };
            let Some(index) = (0..candidates.len()).max_by_key(|&i| rank(candidates[i])) else {
                break;
            };
            victims.push(candidates.swap_remove(index));
        }
        victims
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
