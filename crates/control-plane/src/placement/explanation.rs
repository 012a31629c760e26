//! `longshore.placement.v1.Placement`: why tasks are where they are. Reads only.
//!
//! Requests are read by the operations of the ECS API themselves and explained with the index that
//! placement uses, so what is said is what would happen; where a tie is broken by chance, another
//! of the equals may be taken then.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use longshore_ecs::context::Ecs;
use longshore_ecs::dry_run;
use longshore_model::instance::InstanceStatus;
use longshore_model::service::Service;
use longshore_model::task::{DesiredStatus, Task};
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{ClusterName, InstanceId, Realm};
use longshore_proto::placement::explain_placement_request::Subject;
use longshore_proto::placement::placement_server::Placement;
use longshore_proto::placement::plan_service_request::Service as Planned;
use longshore_proto::placement::{
    Count, ExplainPlacementRequest, ExplainPlacementResponse, Fix, PlanServiceRequest,
    PlanServiceResponse, PlannedTask, Question, ReadStatisticsRequest, ReadStatisticsResponse,
    Refusal, Verdict,
};
use longshore_reconcile::placement;
use longshore_scheduler::{Explanation, Fix as Remedy, Index, Request as Asked, TaskState};
use longshore_store::View;
use tonic::{Request, Response, Status};

use super::placer::Scheduling;
use super::statistics::Counter;

/// Verdicts that are listed where none says how many.
const DEFAULT_VERDICTS: u32 = 20;
/// Most that are listed; each has a line per filter that turns the task down.
const MAX_VERDICTS: u32 = 10_000;

/// Serves the RPCs; the door's gate stands in front of them.
pub struct PlacementService {
    ecs: Arc<Ecs>,
    scheduling: Arc<Scheduling>,
}

/// What is to be explained.
struct Query {
    cluster: ClusterName,
    request: Asked,
    definition: TaskDefinition,
    /// The task that it is about, which then does not count.
    task: Option<Task>,
}

impl PlacementService {
    /// Explains from this state with the indexes that placement itself uses.
    pub fn new(ecs: Arc<Ecs>, scheduling: Arc<Scheduling>) -> Self {
        Self { ecs, scheduling }
    }

    /// Explains one subject.
    ///
    /// # Errors
    /// Those of the ECS operation that the subject is a request of, and `invalid_argument` without
    /// one.
    pub fn explain(
        &self,
        subject: Option<Subject>,
        max_verdicts: u32,
    ) -> Result<ExplainPlacementResponse, Status> {
        let view = self.ecs.db.view();
        let query = self.query(&view, subject)?;
        let mut indexes = self.scheduling.indexes(&view);
        let index = indexes.index(&query.cluster);
        let own = query.task.as_ref().filter(|task| task.is_live());
        if let Some(task) = own {
            index.remove_task(task.instance, task.id);
        }
        let answer = self.answer(index, &query, max_verdicts);
        if let Some(task) = own {
            index.put_task(TaskState::from(task));
        }
        Ok(answer)
    }

    fn query(&self, view: &View, subject: Option<Subject>) -> Result<Query, Status> {
        let ecs = &self.ecs;
        match subject {
            Some(Subject::RunTask(mut input)) => {
                input.count = None;
                input.client_token = None;
                let asked = dry_run::run_task(ecs, view, input)?;
                let (constraints, strategy) = (&asked.constraints, &asked.strategy);
                let (group, definition) = (&asked.group, &asked.definition);
                Ok(Query {
                    request: placement::of_standalone(group, definition, constraints, strategy),
                    cluster: asked.cluster,
                    definition: asked.definition,
                    task: None,
                })
            }
            Some(Subject::Service(named)) => {
                let service = dry_run::existing_service(ecs, view, &named.cluster, &named.service)?;
                of_service(view, service, None)
            }
            Some(Subject::Task(named)) => {
                let task = dry_run::existing_task(ecs, view, &named.cluster, &named.task)?;
                of_task(view, task)
            }
            None => Err(Status::invalid_argument(
                "subject is missing; name a run_task request, a service or a task",
            )),
        }
    }

    fn answer(&self, index: &mut Index, query: &Query, max: u32) -> ExplainPlacementResponse {
        let realm = &self.ecs.realm;
        let arn = |id: InstanceId| realm.instance(&query.cluster, id);
        let explanation = index.explain(&query.request);
        let request = Arc::new(query.request.clone());
        let next = index
            .attempt()
            .place(&request, 1, &mut self.ecs.ctx())
            .placed;
        let next = next.first().map(|placed| placed.instance);
        let max = match max {
            0 => DEFAULT_VERDICTS,
            max => max.min(MAX_VERDICTS),
        };
        let verdicts = closest(&explanation, max as usize);
        ExplainPlacementResponse {
            question: Some(question(realm, query)),
            container_instance_arn: next.map(arn).unwrap_or_default(),
            instances: count(explanation.verdicts.len()),
            fitting: count(explanation.fitting().count()),
            refused: refused(&explanation),
            more_verdicts: verdicts.len() < explanation.verdicts.len(),
            verdicts: verdicts
                .into_iter()
                .map(|verdict| Verdict {
                    container_instance_arn: arn(verdict.instance),
                    fits: verdict.failures.is_empty(),
                    refusals: verdict.failures.iter().map(refusal).collect(),
                })
                .collect(),
            fixes: explanation.fixes.iter().map(fix).collect(),
            summary: explanation
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
            placed_on: query
                .task
                .as_ref()
                .map(|task| arn(task.instance))
                .unwrap_or_default(),
        }
    }

    /// Plans one service.
    ///
    /// # Errors
    /// Those of CreateService and UpdateService, and `invalid_argument` without a service.
    pub fn plan(&self, planned: Option<Planned>) -> Result<PlanServiceResponse, Status> {
        let ecs = &self.ecs;
        let view = ecs.db.view();
        let service = match planned {
            Some(Planned::Create(input)) => dry_run::create_service(ecs, &view, input)?,
            Some(Planned::Update(input)) => dry_run::update_service(ecs, &view, input)?,
            None => {
                return Err(Status::invalid_argument(
                    "service is missing; give a create or an update request",
                ));
            }
        };
        let query = of_service(&view, &service, None)?;
        let wanted = wanted(&view, &service);
        let mut indexes = self.scheduling.indexes(&view);
        let index = indexes.index(&query.cluster);
        let mut attempt = index.attempt();
        let request = Arc::new(query.request.clone());
        let placed = attempt.place(&request, wanted, &mut ecs.ctx()).placed;
        let tasks: Vec<PlannedTask> = placed
            .iter()
            .map(|placed| planned_task(&view, &ecs.realm, &query.cluster, placed.instance))
            .collect();
        let waiting = wanted - count(tasks.len());
        // Explained with what was placed before it still there.
        let batch = attempt.keep();
        let why = (waiting > 0).then(|| self.answer(index, &query, DEFAULT_VERDICTS));
        index.forget(batch);
        Ok(PlanServiceResponse {
            wanted,
            tasks,
            waiting,
            why,
        })
    }
}

/// What a service's next task asks, or `task` of it.
fn of_service(view: &View, service: &Service, task: Option<&Task>) -> Result<Query, Status> {
    let primary = service.primary().ok_or_else(|| {
        Status::failed_precondition(format!("service {} has no deployment", service.name))
    })?;
    let definition = definition(view, &primary.family, primary.revision)?;
    Ok(Query {
        cluster: service.cluster.clone(),
        request: placement::of_service(service, &definition),
        definition,
        task: task.cloned(),
    })
}

/// What a task asked, as far as that is known: of a standalone task, neither the constraints nor
/// the strategies of its call are kept.
fn of_task(view: &View, task: &Task) -> Result<Query, Status> {
    let owner = task.service.as_ref().and_then(|owner| {
        view.services
            .get(&(task.cluster.clone(), owner.name.clone()))
    });
    let definition = definition(view, &task.family, task.revision)?;
    let definition = task.overrides.apply(&definition).unwrap_or(definition);
    let mut request = match owner {
        Some(service) => placement::of_service(service, &definition),
        None => {
            let constraints = &definition.placement_constraints;
            placement::of_standalone(&task.group, &definition, constraints, &[])
        }
    };
    request.demand = task.demand.clone();
    Ok(Query {
        cluster: task.cluster.clone(),
        request,
        definition,
        task: Some(task.clone()),
    })
}

fn definition(
    view: &View,
    family: &longshore_model::Family,
    revision: u32,
) -> Result<TaskDefinition, Status> {
    let found = view.task_definitions.get(&(family.clone(), revision));
    found
        .map(|found| TaskDefinition::clone(found))
        .ok_or_else(|| {
            Status::failed_precondition(format!("task definition {family}:{revision} is gone"))
        })
}

/// Tasks that the service would start now: what is missing, as far as `maximumPercent` lets it.
fn wanted(view: &View, service: &Service) -> u32 {
    let primary = service.primary().map(|deployment| deployment.id);
    let drains = |task: &Task| {
        let instance = view.instances.get(&(task.cluster.clone(), task.instance));
        instance.is_some_and(|instance| instance.status == InstanceStatus::Draining)
    };
    let live = view.service_tasks(&service.cluster, &service.name);
    let live: Vec<&Task> = live.map(|task| &**task).filter(|t| t.is_live()).collect();
    let kept = live.iter().filter(|task| {
        let deployment = task.service.as_ref().map(|owner| owner.deployment);
        task.desired_status == DesiredStatus::Running && deployment == primary && !drains(task)
    });
    let desired = service.desired_count;
    let missing = desired.saturating_sub(count(kept.count()));
    let upper = service.deployment_configuration.upper(desired);
    missing.min(upper.saturating_sub(count(live.len())))
}

fn planned_task(view: &View, realm: &Realm, cluster: &ClusterName, id: InstanceId) -> PlannedTask {
    let instance = view.instances.get(&(cluster.clone(), id));
    PlannedTask {
        container_instance_arn: realm.instance(cluster, id),
        zone: instance.map(|i| i.zone().to_owned()).unwrap_or_default(),
    }
}

fn question(realm: &Realm, query: &Query) -> Question {
    let request = &query.request;
    let demand = &request.demand;
    let chain = request.chain();
    let mut strategies: Vec<String> = chain.iter().map(ToString::to_string).collect();
    // What is left equal is decided by chance, always.
    strategies.push("random".to_owned());
    let attributes = request.attributes.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    });
    Question {
        cluster_arn: realm.cluster(&query.cluster),
        task_definition_arn: realm
            .task_definition(&query.definition.family, query.definition.revision),
        group: request.group.clone(),
        cpu: demand.cpu.0,
        memory: demand.memory.0,
        tcp_ports: demand
            .tcp_ports
            .iter()
            .map(|port| u32::from(*port))
            .collect(),
        udp_ports: demand
            .udp_ports
            .iter()
            .map(|port| u32::from(*port))
            .collect(),
        attributes: attributes.collect(),
        constraints: request.binding().iter().map(ToString::to_string).collect(),
        strategies,
    }
}

/// How many instances each reason is the first of, in the order of checking.
fn refused(explanation: &Explanation) -> Vec<Count> {
    let first = explanation.tallies.iter().filter(|tally| tally.first > 0);
    let mut counts: Vec<Count> = Vec::new();
    for tally in first {
        match counts.iter_mut().find(|count| count.reason == tally.reason) {
            Some(count) => count.instances += tally.first,
            None => counts.push(Count {
                reason: tally.reason.to_owned(),
                instances: tally.first,
            }),
        }
    }
    counts
}

/// The instances that come closest: those that fit, then those with fewest refusals, of these the
/// ones that got furthest.
fn closest(explanation: &Explanation, most: usize) -> Vec<&longshore_scheduler::Verdict> {
    let mut verdicts: Vec<_> = explanation.verdicts.iter().collect();
    verdicts.sort_by_key(|verdict| {
        let first = verdict.failures.first();
        let reached = first.map(|failure| failure.rejection.closeness());
        (verdict.failures.len(), Reverse(reached), verdict.instance)
    });
    verdicts.truncate(most);
    verdicts
}

fn refusal(failure: &longshore_scheduler::Failure) -> Refusal {
    Refusal {
        reason: failure.rejection.ecs_reason().to_owned(),
        detail: failure.rejection.to_string(),
    }
}

fn fix(remedy: &Remedy) -> Fix {
    let instances = match remedy {
        Remedy::Demand { instances, .. }
        | Remedy::Constraint { instances, .. }
        | Remedy::Attribute { instances, .. }
        | Remedy::Zone { instances, .. }
        | Remedy::Agent { instances }
        | Remedy::Active { instances } => *instances,
        Remedy::TaskEnds { .. } => 1,
    };
    Fix {
        what: remedy.to_string(),
        instances,
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[tonic::async_trait]
impl Placement for PlacementService {
    async fn explain_placement(
        &self,
        request: Request<ExplainPlacementRequest>,
    ) -> Result<Response<ExplainPlacementResponse>, Status> {
        let request = request.into_inner();
        self.explain(request.subject, request.max_verdicts)
            .map(Response::new)
    }

    async fn plan_service(
        &self,
        request: Request<PlanServiceRequest>,
    ) -> Result<Response<PlanServiceResponse>, Status> {
        self.plan(request.into_inner().service).map(Response::new)
    }

    async fn read_statistics(
        &self,
        _: Request<ReadStatisticsRequest>,
    ) -> Result<Response<ReadStatisticsResponse>, Status> {
        let statistics = &self.scheduling.statistics;
        let micros = |counter: &Counter| counter.get() / 1000;
        Ok(Response::new(ReadStatisticsResponse {
            decisions: statistics.decisions.get(),
            commits: statistics.commits.get(),
            conflicts: statistics.conflicts.get(),
            placed: statistics.placed.get(),
            waiting_services: statistics.waiting.load(Ordering::Relaxed),
            wakes: statistics.wakes.get(),
            index_rebuilds: statistics.index_rebuilds.get(),
            index_changes: statistics.index_changes.get(),
            decide_micros: micros(&statistics.decide),
            index_micros: micros(&statistics.index),
            encode_micros: micros(&statistics.encode),
            commit_micros: micros(&statistics.commit),
            view_micros: self
                .ecs
                .db
                .spent_applying()
                .as_micros()
                .try_into()
                .unwrap_or(u64::MAX),
            dispatch_micros: micros(&statistics.dispatch),
            report_micros: micros(&statistics.report),
            placed_at_millis: statistics.placed_at.load(Ordering::Relaxed),
        }))
    }
}
