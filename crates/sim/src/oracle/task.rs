//! Tasks: S3, S4, S12, S13, and S15 of mass loss.

use longshore_model::instance::InstanceStatus;
use longshore_model::placement::PlacementConstraint;
use longshore_model::task::{DesiredStatus, Task, TaskStatus};
use longshore_model::{InstanceId, TaskId};

use super::{Count, serves};
use crate::host::FIRST_ZONE;
use crate::invariant::Invariant;

impl super::Oracle {
    /// Adds a task to what is known.
    fn put_task(&mut self, task: Task) {
        self.weigh(&task, 1);
        self.tasks.insert(task.id, task);
    }

    /// Takes a task out of what is known.
    pub(super) fn take_task(&mut self, id: TaskId) -> Option<Task> {
        let task = self.tasks.remove(&id)?;
        self.weigh(&task, -1);
        Some(task)
    }

    /// Counts a task in, or out again.
    fn weigh(&mut self, task: &Task, by: i64) {
        let Some(service) = task.service.as_ref().filter(|_| task.is_live()) else {
            return;
        };
        if !self.tally.contains_key(&service.name) {
            self.tally.insert(service.name.clone(), Count::default());
        }
        if let Some(count) = self.tally.get_mut(&service.name) {
            count.live = count.live.saturating_add_signed(by);
            if serves(task) {
                count.serving = count.serving.saturating_add_signed(by);
            }
        }
    }

    /// A task is where the constraints of its service let it be.
    fn placed(&mut self, now: i64, task: &Task) {
        let Some(service) = task
            .service
            .as_ref()
            .and_then(|s| self.services.get(&s.name))
        else {
            return;
        };
        // Who has a damaged record on this instance is not seen by anybody.
        if service.placement_constraints.is_empty() || self.hidden.contains(&task.instance) {
            return;
        }
        let allowed = service.placement_constraints.clone();
        let allowed = allowed
            .iter()
            .all(|c| self.allows(c, &task.group, task.instance));
        self.check(Invariant::S5, now, allowed, || {
            format!("task {} breaks a constraint of {}", task.id, task.group)
        });
    }

    /// Whether a task of this group may go there. Of expressions the workload has one.
    pub(crate) fn allows(
        &self,
        constraint: &PlacementConstraint,
        group: &str,
        on: InstanceId,
    ) -> bool {
        match constraint {
            PlacementConstraint::MemberOf(_) => self
                .instances
                .get(&on)
                .is_some_and(|instance| instance.zone() == FIRST_ZONE),
            PlacementConstraint::DistinctInstance => {
                let mut tasks = self.tasks.values();
                !tasks.any(|t| t.is_live() && t.instance == on && t.group == group)
            }
        }
    }

    pub(super) fn task_changes(
        &mut self,
        now: i64,
        old: Option<Task>,
        task: Task,
        away: (usize, usize),
        given_up: bool,
    ) {
        let id = task.id;
        match &old {
            None => {
                self.check(
                    Invariant::S3,
                    now,
                    task.last_status == TaskStatus::Pending
                        && task.desired_status == DesiredStatus::Running,
                    || format!("task {id} begins as {}", task.last_status),
                );
                let again = self.ever.contains_key(&id);
                self.check(Invariant::S3, now, !again, || {
                    format!("task id {id} is used again")
                });
                self.ever
                    .insert(id, (task.started_by.clone(), task.instance));
                self.count_started(now, task.started_by.as_deref());
                self.placed(now, &task);
            }
            Some(old) => {
                let forward = task.last_status >= old.last_status
                    && task.desired_status >= old.desired_status;
                self.check(Invariant::S3, now, forward, || {
                    format!(
                        "task {id} goes from {}/{} to {}/{}",
                        old.desired_status.as_str(),
                        old.last_status,
                        task.desired_status.as_str(),
                        task.last_status
                    )
                });
                let same = task.instance == old.instance
                    && task.service == old.service
                    && task.demand == old.demand
                    && task.family == old.family;
                self.check(Invariant::S3, now, same, || {
                    format!("task {id} changes what it is")
                });
                if old.last_status == TaskStatus::Stopped {
                    let over = Task {
                        accounted: old.accounted,
                        tags: old.tags.clone(),
                        version: old.version,
                        ..task.clone()
                    };
                    self.check(Invariant::S3, now, over == *old, || {
                        format!("task {id} changes after it is STOPPED")
                    });
                }
                let newer = task.version > old.version
                    || Task {
                        accounted: old.accounted,
                        ..task.clone()
                    } == *old;
                self.check(Invariant::S3, now, newer, || {
                    format!("task {id} changes without a new version")
                });
            }
        }
        let was = old.as_ref().map(|old| old.last_status);
        if task.last_status == TaskStatus::Running && was != Some(TaskStatus::Running) {
            self.running_at.entry(id).or_insert(now);
            let ran = self.started_tasks.contains_key(&id);
            self.check(Invariant::S12, now, ran, || {
                format!("task {id} is RUNNING, and nothing of it was ever started")
            });
        }
        if task.last_status == TaskStatus::Stopped && was != Some(TaskStatus::Stopped) {
            self.stopped_at.entry(id).or_insert(now);
            if given_up {
                self.given_up.insert(id);
                let instance = self.instances.get(&task.instance);
                let still_there = instance.is_some_and(|i| i.status != InstanceStatus::Inactive)
                    && task.service.is_some();
                // A damaged record hides an instance from whoever counts.
                if still_there && !self.damages {
                    let (gone, all) = away;
                    self.check(Invariant::S15Mass, now, gone * 2 <= all, || {
                        format!("task {id} is given up while {gone} of {all} agents are away")
                    });
                }
            }
        }
        self.put_task(task);
    }

    pub(super) fn count_started(&mut self, now: i64, by: Option<&str>) {
        let Some(by) = by.filter(|by| self.asked.contains_key(*by)) else {
            return;
        };
        let asked = self.asked.get(by).copied().unwrap_or(0);
        let started = self.started_by(by);
        let by = by.to_owned();
        self.check(Invariant::S4, now, started <= asked, || {
            format!("call {by} asked for {asked} tasks with one client token and got {started}")
        });
    }

    /// How many tasks a call has started.
    pub(crate) fn started_by(&self, by: &str) -> u32 {
        let mine = self.ever.values().filter(|(b, _)| b.as_deref() == Some(by));
        u32::try_from(mine.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn task_forgotten(&mut self, now: i64, id: TaskId) {
        let Some(task) = self.take_task(id) else {
            return;
        };
        let over = task.last_status == TaskStatus::Stopped;
        self.check(Invariant::S13, now, over, || {
            format!("task {id} is removed while {}", task.last_status)
        });
        let shown = now - self.stopped_at.get(&id).copied().unwrap_or(now);
        if !self.clocks_jump && !self.stands_still {
            let (promised, slack) = (self.retention, self.slack);
            self.check(Invariant::S13, now, shown + slack >= promised, || {
                format!("task {id} was visible for {shown} ms after it stopped, not {promised}")
            });
        }
    }
}
