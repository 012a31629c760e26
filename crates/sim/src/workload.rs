//! What users do. Each call is made again, as an SDK would, until it gets a definite answer; calls
//! on one service or instance follow each other, so that it is known what is wanted in the end.

use std::collections::{BTreeMap, BTreeSet};

use longshore_door::error::ApiError;
use longshore_model::{InstanceId, TaskId};
use longshore_store::Revision;

use crate::call::{Kind, Placement, definition};
use crate::cluster::{Cluster, Event};
use crate::control::Answer;
use crate::fault::Fault;
use crate::invariant::Invariant;
use crate::mutant::Mutant;
use crate::oracle::history::Resource;
use crate::rng::Rng;

/// Families that services use.
const FAMILIES: &[&str] = &["good", "better", "pair", "port", "crashing", "missing"];
const SERVICES: &[&str] = &["web", "api", "queue"];
/// Percentages that leave room for a deployment of any size.
const PERCENTS: &[(u32, u32)] = &[(0, 100), (0, 200), (50, 200), (100, 200)];
/// A call and what came of it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) answered: bool,
    /// Whether what it asks for was committed at some time since it was made.
    pub(crate) seen: bool,
    /// Task ids it was answered with.
    pub(crate) tasks: Vec<TaskId>,
    pub(crate) acknowledged: bool,
    /// The revision of its newest commit.
    pub(crate) committed_at: Revision,
}

/// What a service is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) family: &'static str,
    pub(crate) desired: u32,
}

/// The calls of one run.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) rng: Rng,
    /// For what is looked at.
    pub(crate) reads: Rng,
    pub(crate) calls: Vec<Call>,
    /// By service; none once deleted.
    pub(crate) wanted: BTreeMap<&'static str, Option<Wanted>>,
    pub(crate) busy: BTreeSet<&'static str>,
    pub(crate) busy_hosts: BTreeSet<usize>,
    pub(crate) left: u32,
}

impl Workload {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed, 4),
            reads: Rng::new(seed, 5),
            calls: Vec::new(),
            wanted: BTreeMap::new(),
            busy: BTreeSet::new(),
            busy_hosts: BTreeSet::new(),
            left: 0,
        }
    }

    /// Whether every call has its answer.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0 && self.calls.iter().all(|call| call.answered)
    }

    /// Calls that were acknowledged with these many tasks.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (String, &[TaskId])> {
        self.calls.iter().filter_map(|call| match &call.kind {
            Kind::Run { token, .. } if call.acknowledged => {
                Some((format!("w{token}"), call.tasks.as_slice()))
            }
            _ => None,
        })
    }
}

impl Cluster {
    /// Makes the cluster and the definitions, then lets the calls come over the time of the run.
    pub(crate) fn plan_workload(&mut self) {
        self.call(Kind::Cluster);
        for family in FAMILIES.iter().chain(&["batch"]) {
            self.call(Kind::Define(definition(family)));
        }
        self.workload.left = self.scenario.calls;
        for _ in 0..self.scenario.calls {
            let span = self.scenario.span;
            let at = self.workload.rng.between(1500, span);
            self.after(at, Event::Call);
        }
        self.after(2000, Event::Read(None));
    }

    fn call(&mut self, kind: Kind) {
        self.workload.busy.extend(kind.service());
        self.workload.busy_hosts.extend(kind.host());
        if let Kind::Run { count, token, .. } = &kind {
            self.oracle.asked.insert(format!("w{token}"), *count);
        }
        let (now, number) = (self.now, self.workload.calls.len());
        self.trace.say(now, || format!("call {number}: {kind:?}"));
        self.workload.calls.push(Call {
            kind,
            answered: false,
            seen: false,
            tasks: Vec::new(),
            acknowledged: false,
            committed_at: 0,
        });
        self.make_call(number);
    }

    /// Makes a call, or makes it again.
    pub(crate) fn make_call(&mut self, number: usize) {
        let call = &mut self.workload.calls[number];
        if call.answered {
            return;
        }
        call.seen |= call.kind.is_so(&self.oracle).unwrap_or(false);
        let kind = call.kind.clone();
        let has_token = !self.is_mutant(Mutant::ClientTokenIgnored);
        if !self.call_control(number, |ecs| kind.make(ecs, has_token)) {
            self.after(700, Event::Retry { call: number });
        }
    }

    /// A commit may be what a call asked for.
    pub(crate) fn workload_sees(&mut self) {
        for call in &mut self.workload.calls {
            if !call.answered && !call.seen {
                call.seen = call.kind.is_so(&self.oracle).unwrap_or(false);
            }
        }
    }

    /// A call has an answer, of this process where one stands behind it.
    pub(crate) fn call_answered(&mut self, number: usize, answer: Answer, by: Option<usize>) {
        let now = self.now;
        self.trace.say(now, || match &answer {
            Ok(_) => format!("call {number} is answered"),
            Err(error) => format!("call {number} is refused: {error}"),
        });
        let kind = self.workload.calls[number].kind.clone();
        let name = match &kind {
            Kind::Create { service, .. }
            | Kind::Update { service, .. }
            | Kind::Delete { service } => {
                format!("service/{}/{service}", self.name)
            }
            Kind::SetState { host, .. } | Kind::Deregister { host, .. } => {
                format!(
                    "instance/{}/{}",
                    self.name,
                    InstanceId::new(*host as u128 + 1)
                )
            }
            Kind::Stop { task } => format!("task/{}/{task}", self.name),
            _ => String::new(),
        };
        let damaged = self.oracle.is_damaged(&name)
            || (matches!(
                kind,
                Kind::Create { .. } | Kind::Update { .. } | Kind::Run { .. }
            ) && !self.damaged.is_empty());
        // A view that was listed while a record was damaged does not have what it is about.
        let is_missed = |error: &ApiError| {
            self.scenario.has(Fault::RecordDamaged)
                && error.message.contains("not found")
                && match &kind {
                    // An earlier try may have done it already.
                    Kind::Update { service, .. } => {
                        let delete = Kind::Delete { service };
                        delete.is_so(&self.oracle) == Some(false)
                    }
                    _ => kind.is_so(&self.oracle) == Some(false),
                }
        };
        let again = match &answer {
            Ok(_) => false,
            Err(error) => error.kind.is_retryable() || damaged || is_missed(error),
        };
        if again {
            return self.after(1000, Event::Retry { call: number });
        }
        let mut is_so = self.workload.calls[number].seen;
        match (&kind, &answer) {
            (_, Err(_)) => {}
            (Kind::Run { .. }, Ok(output)) => {
                let tasks = output["tasks"].as_array().cloned().unwrap_or_default();
                let ids = tasks.iter().filter_map(|task| {
                    let arn = task["taskArn"].as_str()?;
                    arn.rsplit('/').next()?.parse::<TaskId>().ok()
                });
                let ids: Vec<TaskId> = ids.collect();
                is_so = !output.is_null() && ids.iter().all(|id| self.oracle.ever.contains_key(id));
                self.workload.calls[number].tasks = ids;
            }
            (Kind::SetState { .. }, Ok(output))
                if output["failures"].as_array().is_some_and(|f| !f.is_empty()) =>
            {
                is_so = true;
            }
            _ => {}
        }
        if answer.is_ok() {
            self.oracle.exercise(Invariant::S4);
            if !is_so {
                let what = format!("{kind:?} is acknowledged and was never committed");
                self.oracle.violate(Invariant::S4, now, what);
            }
        }
        let call = &mut self.workload.calls[number];
        call.answered = true;
        call.acknowledged = answer.is_ok();
        if let Some(service) = kind.service() {
            self.workload.busy.remove(service);
        }
        if let Some(host) = kind.host() {
            self.workload.busy_hosts.remove(&host);
        }
        if answer.is_ok() {
            // What one that was replaced is told, its successor need not have seen yet.
            let newest = self.controls.iter().rposition(Option::is_some);
            self.look_again(number, by.is_some() && by >= newest);
        }
        match (kind, answer.is_ok()) {
            (
                Kind::Create {
                    service,
                    family,
                    desired,
                    ..
                }
                | Kind::Update {
                    service,
                    family,
                    desired,
                },
                true,
            ) => {
                let wanted = Wanted { family, desired };
                self.workload.wanted.insert(service, Some(wanted));
            }
            // Refused means that it is not there any more.
            (Kind::Delete { service }, _) => {
                self.workload.wanted.insert(service, None);
            }
            (Kind::Deregister { host, .. }, true) => self.hosts[host].deregistered = true,
            _ => {}
        }
    }

    /// Whoever made a call looks at what it was about.
    fn look_again(&mut self, number: usize, counts: bool) {
        let call = &self.workload.calls[number];
        let revision = call.committed_at;
        let mut about: Vec<Resource> = call.tasks.iter().copied().map(Resource::Task).collect();
        let service = call.kind.service().and_then(|name| name.parse().ok());
        about.extend(service.map(Resource::Service));
        let host = call
            .kind
            .host()
            .map(|host| InstanceId::new(host as u128 + 1));
        about.extend(host.map(Resource::Instance));
        if let Kind::Stop { task } = &call.kind {
            about.push(Resource::Task(*task));
        }
        for resource in about {
            if counts && revision > 0 {
                self.oracle.told(resource.clone(), revision);
            }
            self.after(0, Event::Read(Some(resource)));
        }
    }

    /// The next call of the workload.
    pub(crate) fn next_call(&mut self) {
        self.workload.left = self.workload.left.saturating_sub(1);
        let wanted = self.workload.wanted.clone();
        let rng = &mut self.workload.rng;
        let service = rng.pick(SERVICES);
        let is_free = !self.workload.busy.contains(service);
        // Failing ones are few, or nothing else would be seen.
        let family = match rng.below(8) {
            0 => "crashing",
            1 => "missing",
            _ => rng.pick(&FAMILIES[..4]),
        };
        let desired = u32::try_from(rng.below(6)).unwrap_or(0);
        let chosen = rng.below(100);
        let host = rng.index(self.hosts.len().max(1));
        let host_is_free = host < self.hosts.len()
            && !self.workload.busy_hosts.contains(&host)
            && !self.hosts[host].deregistered;
        let kind = match wanted.get(service).cloned().flatten() {
            None if chosen < 60 && is_free => Kind::Create {
                service,
                family,
                desired: desired.max(1),
                percents: rng.pick(PERCENTS),
                placement: rng.pick(Placement::ALL),
            },
            Some(now) if chosen < 50 && is_free => {
                let (scales, changes) = (rng.chance(600), rng.chance(600));
                Kind::Update {
                    service,
                    family: if changes { family } else { now.family },
                    desired: if scales { desired } else { now.desired },
                }
            }
            Some(_) if chosen < 58 && is_free => Kind::Delete { service },
            _ if chosen < 64 && host_is_free => Kind::SetState {
                host,
                draining: true,
            },
            _ if chosen < 70 && host_is_free => Kind::SetState {
                host,
                draining: false,
            },
            _ if chosen < 73 && host_is_free && self.hosts.len() > 2 => Kind::Deregister {
                host,
                force: rng.chance(500),
            },
            _ if chosen < 82 => {
                let tasks: Vec<TaskId> = self.oracle.tasks.keys().copied().collect();
                match tasks.is_empty() {
                    true => return,
                    false => Kind::Stop {
                        task: tasks[rng.index(tasks.len())],
                    },
                }
            }
            _ => Kind::Run {
                family: rng.pick(&["batch", "good", "pair"]),
                count: u32::try_from(rng.between(1, 3)).unwrap_or(1),
                token: self.workload.calls.len(),
            },
        };
        let twin = matches!(kind, Kind::Run { .. }) && self.workload.rng.chance(300);
        self.call(kind.clone());
        if twin {
            // The same request, sent twice.
            self.call(kind);
        }
    }

    /// What an operator does about a machine that is gone.
    pub(crate) fn deregister_lost(&mut self, host: usize) {
        let id = InstanceId::new(host as u128 + 1);
        if self.oracle.instances.contains_key(&id) && !self.hosts[host].deregistered {
            self.call(Kind::Deregister { host, force: true });
        }
    }
}
