//! What agents and containers do: S1, S2, S4, S6, S7, S12, S14.

use std::collections::BTreeSet;

use longshore_model::task::DesiredStatus;
use longshore_model::{InstanceId, TaskId};
use longshore_supervisor::Operation;

use crate::conn::Reported;
use crate::invariant::Invariant;

impl super::Oracle {
    /// An agent is about to create or start a container.
    pub(crate) fn agent_starts(
        &mut self,
        now: i64,
        host: usize,
        task: TaskId,
        operation: Operation,
        durable: bool,
        told_gone: bool,
    ) {
        self.check(Invariant::S1, now, durable, || {
            format!("host {host} begins {operation:?} of task {task} before its journal holds it")
        });
        let over = self.is_over(task);
        let excused = (self.given_up.contains(&task) && !told_gone) || self.forgetful;
        self.check(Invariant::S2, now, !over || excused, || {
            format!("host {host} begins {operation:?} of task {task}, which is STOPPED")
        });
    }

    /// An agent reports a task STOPPED, of which a container may run.
    pub(crate) fn agent_reports_stop(&mut self, now: i64, host: usize, task: TaskId, runs: bool) {
        self.check(Invariant::S12, now, !runs, || {
            format!("host {host} reports task {task} STOPPED, and a container of it runs")
        });
    }

    /// An agent hears that these reports are committed, but for those on tasks that could not be
    /// read.
    pub(crate) fn reports_acknowledged(
        &mut self,
        now: i64,
        reports: Vec<Reported>,
        unread: &BTreeSet<TaskId>,
    ) {
        let reports = reports.into_iter().flat_map(|(_, tasks)| tasks);
        for (task, status) in reports.filter(|(task, _)| !unread.contains(task)) {
            // What is forgotten was STOPPED.
            let committed = self.tasks.get(&task).map(|task| task.last_status);
            let holds = committed.is_none_or(|committed| committed >= status);
            self.check(Invariant::S4, now, holds, || {
                format!("a report of task {task} as {status} is acknowledged, it is {committed:?}")
            });
        }
    }

    /// Whether a task is STOPPED or forgotten.
    pub(super) fn is_over(&self, task: TaskId) -> bool {
        match self.tasks.get(&task) {
            Some(task) => !task.is_live(),
            None => self.ever.contains_key(&task),
        }
    }

    /// A container was created.
    pub(crate) fn created(&mut self, now: i64, host: usize, task: TaskId, name: &str) {
        let created = self.creates.entry(name.to_owned()).or_insert((host, 0));
        created.1 += 1;
        let (first, times) = *created;
        let excused = self.hosts_vanish || self.old_journal;
        self.check(
            Invariant::S1,
            now,
            first == host && (times == 1 || excused || !self.starts.contains_key(name)),
            || {
                format!(
                    "{name} of task {task} is created {times} times, on hosts {first} and {host}"
                )
            },
        );
    }

    /// A container was started by the agent.
    pub(crate) fn started(&mut self, now: i64, host: usize, task: TaskId, name: &str) {
        let started = self.starts.entry(name.to_owned()).or_insert((host, 0));
        started.1 += 1;
        let (first, times) = *started;
        self.started_tasks.insert(task, host);
        let old = self.old_journal;
        self.check(
            Invariant::S1,
            now,
            first == host && (times == 1 || old),
            || {
                format!(
                    "{name} of task {task} is started {times} times, on hosts {first} and {host}"
                )
            },
        );
    }

    /// An agent is about to stop a container.
    pub(crate) fn agent_stops(
        &mut self,
        now: i64,
        host: usize,
        instance: InstanceId,
        task: TaskId,
        own: bool,
    ) {
        let told = self.is_unwanted(instance, task);
        let invariant = if self.damaged.is_empty() {
            Invariant::S6
        } else {
            Invariant::S14
        };
        self.check(invariant, now, told || own, || {
            format!("host {host} stops task {task}, which is to run and had no trouble")
        });
    }

    /// Whether a task is not to run on this instance.
    pub(super) fn is_unwanted(&self, instance: InstanceId, task: TaskId) -> bool {
        match self.tasks.get(&task) {
            Some(task) => {
                task.desired_status == DesiredStatus::Stopped
                    || !task.is_live()
                    || task.instance != instance
            }
            None => true,
        }
    }

    /// An agent is about to remove a container that it thinks nobody knows.
    pub(crate) fn agent_removes_orphan(
        &mut self,
        now: i64,
        host: usize,
        instance: InstanceId,
        task: TaskId,
        told_all: bool,
    ) {
        let unwanted = self.is_unwanted(instance, task);
        self.check(Invariant::S7, now, told_all && unwanted, || {
            format!(
                "host {host} removes a container of task {task} (complete set seen: {told_all}, unwanted: {unwanted})"
            )
        });
    }
}
