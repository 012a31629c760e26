//! Operations on containers, and what containers do by themselves.

use std::sync::Arc;

use longshore_agent::node::{Input, Outcome};
use longshore_agent::runtime::{Change, Notice, RuntimeError, container_name};
use longshore_model::TaskId;
use longshore_model::assignment::Assignment;
use longshore_supervisor::{Exit, Operation, Sighting};

use crate::cluster::{Cluster, End, Event};
use crate::fault::Fault;
use crate::host::{BATCH, CRASHING, LIST_EVERY};
use crate::mutant::Mutant;

/// An operation that is being carried out.
#[derive(Debug)]
pub(crate) struct Operating {
    pub(crate) host: usize,
    pub(crate) life: u64,
    pub(crate) task: Arc<Assignment>,
    pub(crate) container: usize,
    pub(crate) operation: Operation,
    /// Whether the answer gets lost, and whether it then happens.
    pub(crate) uncertain: Option<bool>,
    pub(crate) refused: bool,
    pub(crate) answer_after: i64,
}

impl Cluster {
    pub(crate) fn begin_operation(
        &mut self,
        index: usize,
        life: u64,
        task: Arc<Assignment>,
        container: usize,
        operation: Operation,
    ) {
        let id = task.task;
        let now = self.now;
        self.trace.say(now, || {
            format!("host {index} {operation:?} container {container} of {id}")
        });
        let host = &self.hosts[index];
        match operation {
            Operation::Create | Operation::Start => {
                let durable = host.journal.contains_key(&id);
                let told_gone = host.told_gone.contains(&id);
                self.oracle
                    .agent_starts(now, index, id, operation, durable, told_gone);
            }
            Operation::Stop { .. } => {
                let own = host.trouble.contains(&id);
                self.oracle.agent_stops(now, index, host.instance, id, own);
            }
            Operation::Pull | Operation::Remove | Operation::Inspect => {}
        }
        let (mut run, mut answer) = match operation {
            Operation::Pull => (self.rng.between(0, self.scenario.pull), 1),
            Operation::Create | Operation::Start => {
                (self.rng.between(1, 200), self.rng.between(1, 100))
            }
            Operation::Stop { .. } => (self.rng.between(10, 1500), 2),
            Operation::Remove | Operation::Inspect => (self.rng.between(1, 20), 1),
        };
        let mut refused = false;
        match operation {
            Operation::Pull => {
                if self.strikes(Fault::PullSlow, 300) {
                    run += self.rng.between(5000, 120_000);
                }
                refused = self.strikes(Fault::PullFails, 300);
            }
            Operation::Create => refused = self.strikes(Fault::CreateFails, 200),
            Operation::Start => refused = self.strikes(Fault::StartFails, 200),
            Operation::Stop { .. } => {
                if self.strikes(Fault::StopHangs, 200) {
                    run += self.rng.between(30_000, 120_000);
                }
            }
            Operation::Remove | Operation::Inspect => {}
        }
        let mut uncertain = None;
        if !refused && self.strikes(Fault::CallUncertain, 100) {
            uncertain = Some(self.rng.chance(500));
            answer += self.rng.between(0, 5000);
        }
        let operating = self.id();
        self.operating.insert(
            operating,
            Operating {
                host: index,
                life,
                task,
                container,
                operation,
                uncertain,
                refused,
                answer_after: answer,
            },
        );
        self.after(
            run,
            Event::Run {
                host: index,
                operating,
            },
        );
    }

    /// An operation takes effect, and its answer goes on its way.
    pub(crate) fn run_operation(&mut self, index: usize, operating: u64) {
        let Some(call) = self.operating.remove(&operating) else {
            return;
        };
        let name = container_name(&call.task, call.container);
        let task = call.task.task;
        let now = self.now;
        let host = &mut self.hosts[index];
        if !host.exists {
            return;
        }
        let before = host.engine.containers.get(&name).map(|c| c.starts);
        let happens = call.uncertain.unwrap_or(true) && !call.refused;
        let mut outcome = if happens {
            host.engine
                .operate(host.instance, &call.task, call.container, call.operation)
        } else {
            Err(RuntimeError::refused(
                "CannotDoThatError",
                "the daemon says no",
            ))
        };
        let after = host.engine.containers.get(&name).map(|c| c.starts);
        if happens && outcome.is_ok() {
            match call.operation {
                Operation::Start if after > before => {
                    self.oracle.started(now, index, task, &name);
                    self.container_runs(index, &call.task, call.container, &name);
                }
                Operation::Create if before.is_none() => {
                    self.oracle.created(now, index, task, &name)
                }
                _ => {}
            }
        }
        if call.uncertain.is_some() && !self.hosts[index].engine.is_down {
            outcome = Err(RuntimeError::Uncertain("the answer is lost".to_owned()));
            if call.operation == Operation::Start && self.is_mutant(Mutant::StartRepeated) {
                outcome = Err(RuntimeError::Unavailable("the answer is lost".to_owned()));
            }
        }
        let begins = matches!(
            call.operation,
            Operation::Pull | Operation::Create | Operation::Start
        );
        if begins && outcome.is_err() {
            self.hosts[index].trouble.insert(task);
        }
        if let Ok(Outcome::Looked(look)) = &outcome
            && matches!(look.sighting, Sighting::Exited(_) | Sighting::Missing)
        {
            self.hosts[index].trouble.insert(task);
        }
        let input = Box::new(Input::Done {
            task,
            container: call.container,
            operation: call.operation,
            outcome,
        });
        self.after(
            call.answer_after,
            Event::Input {
                host: index,
                life: call.life,
                input,
            },
        );
    }

    /// A container began to run: it may end by itself.
    fn container_runs(&mut self, index: usize, task: &Assignment, place: usize, name: &str) {
        let image = task.containers.get(place).map(|c| c.image.as_str());
        let end = match image {
            Some(BATCH) => Some((self.rng.between(1000, 20_000), End::Own(0))),
            Some(CRASHING) if !self.healed => Some((self.rng.between(0, 4000), End::Own(1))),
            _ if self.strikes(Fault::ContainerOom, 100) => {
                Some((self.rng.between(0, 30_000), End::OutOfMemory))
            }
            _ if self.strikes(Fault::ContainerExits, 200) => {
                Some((self.rng.between(0, 60_000), End::Crash))
            }
            _ => None,
        };
        let container = self.hosts[index].engine.containers.get(name);
        let Some(runtime_id) = container.map(|c| c.runtime_id.clone()) else {
            return;
        };
        self.tell(index, task.task, name, Change::Started);
        if let Some((after, end)) = end {
            let name = name.to_owned();
            self.after(
                after,
                Event::Exit {
                    host: index,
                    name,
                    runtime_id,
                    end,
                },
            );
        }
    }

    /// A container exits by itself.
    pub(crate) fn container_exits(&mut self, index: usize, name: &str, id: &str, end: End) {
        if self.healed && end != End::Own(0) {
            return;
        }
        let host = &mut self.hosts[index];
        let Some(found) = host.engine.containers.get_mut(name) else {
            return;
        };
        if found.runtime_id != id || found.sighting != Sighting::Running {
            return;
        }
        let code = match end {
            End::Own(code) => code,
            End::Crash => 139,
            End::OutOfMemory => 137,
        };
        found.sighting = Sighting::Exited(Exit {
            code,
            oom_killed: end == End::OutOfMemory,
            error: String::new(),
        });
        let task = found.task;
        host.trouble.insert(task);
        let now = self.now;
        self.trace
            .say(now, || format!("on host {index} {name} exits with {code}"));
        self.tell(index, task, name, Change::Died);
    }

    /// The daemon tells the agent, unless that gets lost.
    pub(crate) fn tell(&mut self, index: usize, task: TaskId, name: &str, change: Change) {
        if self.hosts[index].engine.is_down || self.strikes(Fault::NoticeLost, 300) {
            return;
        }
        let container = self.hosts[index].engine.containers.get(name);
        let Some(container) = container.map(|c| c.container.clone()) else {
            return;
        };
        let notice = Notice {
            task,
            container,
            change,
        };
        let (delay, life) = (self.rng.between(1, 50), self.hosts[index].life);
        let input = Box::new(Input::Noticed(notice));
        self.after(
            delay,
            Event::Input {
                host: index,
                life,
                input,
            },
        );
    }

    pub(crate) fn list_containers(&mut self, index: usize, life: u64) {
        if !self.agent_lives(index, life) {
            return;
        }
        let host = &self.hosts[index];
        match host.engine.list(host.instance) {
            Ok(containers) => {
                let delay = self.rng.between(1, 300);
                self.after(
                    delay,
                    Event::Listed {
                        host: index,
                        life,
                        containers,
                    },
                );
                self.after(LIST_EVERY, Event::List { host: index, life });
            }
            Err(_) => self.after(2000, Event::List { host: index, life }),
        }
    }

    pub(crate) fn remove_orphan(&mut self, index: usize, life: u64, runtime_id: String) {
        let now = self.now;
        let host = &self.hosts[index];
        let mut all = host.engine.containers.iter();
        let found = all.find(|(_, c)| c.runtime_id == runtime_id);
        let found = found.map(|(name, c)| (name.clone(), c.task));
        if let Some((name, task)) = &found {
            self.trace.say(now, || {
                format!("host {index} removes {name} of {task}, which nobody knows")
            });
            self.oracle
                .agent_removes_orphan(now, index, host.instance, *task, host.told_all);
        }
        if self.is_mutant(Mutant::OrphansKept) {
            return;
        }
        let host = &mut self.hosts[index];
        if !host.engine.is_down {
            host.engine.remove_by_id(&runtime_id);
        }
        let delay = self.rng.between(10, 1000);
        let input = Box::new(Input::OrphanRemoved { runtime_id });
        self.after(
            delay,
            Event::Input {
                host: index,
                life,
                input,
            },
        );
    }
}
