//! Services: CreateService (in `create`), UpdateService (in `update`), DescribeServices,
//! ListServices, DeleteService.

pub(super) mod create;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub(super) mod update;

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_door::page::{MAX_RESULTS, PageRequest};
use longshore_model::service::{
    Deployment, DeploymentConfiguration, MAX_DESIRED_COUNT, PropagateTags, Rollout, Service,
    ServiceEvent, ServiceStatus,
};
use longshore_model::task::{DesiredStatus, Task};
use longshore_model::{ClusterName, Realm, ServiceName};
use longshore_proto::ecs;
use longshore_store::{Stored, Txn, View};
use serde::{Deserialize, Serialize};

use super::wire::{self, TaskCounts, creation_key, missing, number, recall, record, show_tags_if};
use super::{advise, identifier, includes_tags, placement, required, word};
use crate::context::Ecs;
use crate::exception;
use crate::touched;

pub use create::CreateService;
pub use update::UpdateService;

/// Page size of ListServices when none is asked for.
const DEFAULT_PAGE: usize = 10;
/// Least and most `maximumPercent`. ECS states no upper bound; ten times is ours.
const MAXIMUM_PERCENT: std::ops::RangeInclusive<i32> = 100..=1000;

/// The document kept with a service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    /// The token it was created with.
    client_token: Option<String>,
    /// What it was created with, to recognise the same request.
    request_digest: String,
    /// Whether it was updated since: then the digest says nothing about how it is now.
    updated: bool,
    /// What it ran last, for when it has no deployment any more.
    last_task_definition: Option<String>,
    /// Members that have no effect; all others are absent.
    members: ecs::CreateServiceRequest,
}

/// A service on the wire, counts taken from the view.
fn show(
    realm: &Realm,
    view: &View,
    service: &Service,
    tags: bool,
) -> Result<ecs::Service, ApiError> {
    let Kept {
        members,
        last_task_definition,
        ..
    } = recall(&service.recorded)?;
    let tasks = || {
        view.service_tasks(&service.cluster, &service.name)
            .map(|task| &**task)
    };
    let counts = TaskCounts::of(tasks());
    let deployments = service
        .deployments
        .iter()
        .enumerate()
        .map(|(index, deployment)| {
            let own = |task: &&Task| {
                task.service
                    .as_ref()
                    .is_some_and(|owner| owner.deployment == deployment.id)
            };
            let own: Vec<&Task> = tasks().filter(own).collect();
            show_deployment(realm, service, deployment, index == 0, &own)
        });
    Ok(ecs::Service {
        service_arn: Some(realm.service(&service.cluster, &service.name)),
        service_name: Some(service.name.to_string()),
        cluster_arn: Some(realm.cluster(&service.cluster)),
        status: Some(service.status.as_str().to_owned()),
        desired_count: Some(number(service.desired_count)),
        running_count: Some(counts.running),
        pending_count: Some(counts.pending),
        launch_type: Some(service.launch_type.clone()),
        task_definition: task_definition(realm, service).or(last_task_definition),
        deployment_configuration: Some(show_configuration(
            service.deployment_configuration,
            members.deployment_configuration.unwrap_or_default(),
        )),
        deployments: deployments.collect(),
        events: service.events.iter().map(show_event).collect(),
        created_at: Some(wire::time(service.created_at)),
        placement_constraints: placement::show_constraints(&service.placement_constraints),
        placement_strategy: placement::show_strategy(&service.placement_strategy),
        health_check_grace_period_seconds: Some(
            members
                .health_check_grace_period_seconds
                .unwrap_or_default(),
        ),
        scheduling_strategy: Some("REPLICA".to_owned()),
        deployment_controller: Some(ecs::DeploymentController {
            r#type: Some("ECS".to_owned()),
        }),
        tags: show_tags_if(tags, &service.tags),
        created_by: Some(service.created_by.clone()),
        enable_ecs_managed_tags: Some(service.enable_ecs_managed_tags),
        propagate_tags: Some(service.propagate_tags.as_str().to_owned()),
        enable_execute_command: Some(false),
        availability_zone_rebalancing: Some(
            members
                .availability_zone_rebalancing
                .unwrap_or_else(|| "DISABLED".to_owned()),
        ),
        ..ecs::Service::default()
    })
}

/// The ARN of what its new tasks run.
fn task_definition(realm: &Realm, service: &Service) -> Option<String> {
    service
        .primary()
        .map(|primary| realm.task_definition(&primary.family, primary.revision))
}

/// The members that have no effect as they were kept, the others from the model.
fn show_configuration(
    configuration: DeploymentConfiguration,
    kept: ecs::DeploymentConfiguration,
) -> ecs::DeploymentConfiguration {
    let breaker = kept.deployment_circuit_breaker.unwrap_or_default();
    ecs::DeploymentConfiguration {
        maximum_percent: Some(number(configuration.maximum_percent)),
        minimum_healthy_percent: Some(number(configuration.minimum_healthy_percent)),
        deployment_circuit_breaker: Some(ecs::DeploymentCircuitBreaker {
            enable: Some(false),
            rollback: Some(breaker.rollback.unwrap_or_default()),
            ..breaker
        }),
        strategy: Some("ROLLING".to_owned()),
        ..kept
    }
}

/// A deployment with the tasks it made.
fn show_deployment(
    realm: &Realm,
    service: &Service,
    deployment: &Deployment,
    primary: bool,
    tasks: &[&Task],
) -> ecs::Deployment {
    let counts = TaskCounts::of(tasks.iter().copied());
    let wanted = |task: &&&Task| task.desired_status == DesiredStatus::Running;
    let desired = if primary {
        number(service.desired_count)
    } else {
        number(tasks.iter().filter(wanted).count())
    };
    let came = match deployment.rollout {
        Rollout::InProgress => "in progress",
        Rollout::Completed => "completed",
    };
    ecs::Deployment {
        id: Some(deployment.id.to_string()),
        status: Some(if primary { "PRIMARY" } else { "ACTIVE" }.to_owned()),
        task_definition: Some(realm.task_definition(&deployment.family, deployment.revision)),
        desired_count: Some(desired),
        pending_count: Some(counts.pending),
        running_count: Some(counts.running),
        failed_tasks: Some(number(deployment.failed_tasks)),
        created_at: Some(wire::time(deployment.created_at)),
        updated_at: Some(wire::time(deployment.updated_at)),
        launch_type: Some(service.launch_type.clone()),
        rollout_state: Some(deployment.rollout.as_str().to_owned()),
        rollout_state_reason: Some(format!("ECS deployment {} {came}.", deployment.id)),
        ..ecs::Deployment::default()
    }
}

fn show_event(event: &ServiceEvent) -> ecs::ServiceEvent {
    ecs::ServiceEvent {
        id: Some(event.id.clone()),
        created_at: Some(wire::time(event.created_at)),
        message: Some(event.message.clone()),
    }
}

/// How many tasks a request wants.
fn read_desired_count(given: i32) -> Result<u32, ApiError> {
    u32::try_from(given)
        .ok()
        .filter(|count| *count <= MAX_DESIRED_COUNT)
        .ok_or_else(|| {
            ApiError::invalid_parameter(format!(
                "desiredCount is {given}. Use 0 to {MAX_DESIRED_COUNT}."
            ))
        })
}

/// The percentages of a request; those it leaves out stay as they are.
fn read_configuration(
    now: DeploymentConfiguration,
    given: Option<&ecs::DeploymentConfiguration>,
) -> Result<DeploymentConfiguration, ApiError> {
    let maximum = given.and_then(|given| given.maximum_percent);
    let minimum = given.and_then(|given| given.minimum_healthy_percent);
    let percent =
        |member: &str, allowed: std::ops::RangeInclusive<i32>, given: Option<i32>, now| {
            let Some(given) = given else {
                return Ok(now);
            };
            u32::try_from(given)
                .ok()
                .filter(|_| allowed.contains(&given))
                .ok_or_else(|| {
                    ApiError::invalid_parameter(format!(
                        "deploymentConfiguration.{member} is {given}. Use {} to {}.",
                        allowed.start(),
                        allowed.end()
                    ))
                })
        };
    // With at most 100 and at least 100, the two can be equal at 100 only, which ECS accepts.
    Ok(DeploymentConfiguration {
        maximum_percent: percent(
            "maximumPercent",
            MAXIMUM_PERCENT,
            maximum,
            now.maximum_percent,
        )?,
        minimum_healthy_percent: percent(
            "minimumHealthyPercent",
            0..=100,
            minimum,
            now.minimum_healthy_percent,
        )?,
    })
}

fn read_propagate_tags(given: Option<&str>) -> Result<PropagateTags, ApiError> {
    match given {
        None | Some("NONE") => Ok(PropagateTags::None),
        Some("SERVICE") => Ok(PropagateTags::Service),
        Some("TASK_DEFINITION") => Ok(PropagateTags::TaskDefinition),
        Some(other) => {
            word(
                "propagateTags",
                other,
                &["SERVICE", "TASK_DEFINITION", "NONE"],
            )?;
            Ok(PropagateTags::None)
        }
    }
}

/// Checks members that are only kept, so that nonsense is not kept.
fn check_kept(
    rebalancing: Option<&str>,
    grace_period_seconds: Option<i32>,
) -> Result<(), ApiError> {
    if let Some(rebalancing) = rebalancing {
        word(
            "availabilityZoneRebalancing",
            rebalancing,
            &["ENABLED", "DISABLED"],
        )?;
    }
    match grace_period_seconds {
        Some(seconds) if seconds < 0 => Err(ApiError::invalid_parameter(format!(
            "healthCheckGracePeriodSeconds is {seconds}. It must not be negative."
        ))),
        _ => Ok(()),
    }
}

/// Only the rolling deployments of ECS are done here.
fn check_controller(controller: Option<&ecs::DeploymentController>) -> Result<(), ApiError> {
    match controller.and_then(|controller| controller.r#type.as_deref()) {
        None | Some("ECS") => Ok(()),
        Some(other @ ("CODE_DEPLOY" | "EXTERNAL")) => Err(ApiError::unsupported(format!(
            "deploymentController {other} is not supported. Use ECS, or leave it out."
        ))),
        Some(other) => word("deploymentController.type", other, &["ECS"]).map(|_| ()),
    }
}

fn not_found(cluster: &ClusterName, name: &ServiceName) -> ApiError {
    advise(
        exception::service_not_found(),
        format_args!("Cluster {cluster} has no service {name}; see ListServices."),
    )
}

pub(super) fn find<'a>(
    view: &'a View,
    cluster: &ClusterName,
    name: &ServiceName,
) -> Result<&'a Stored<Service>, ApiError> {
    view.services
        .get(&(cluster.clone(), name.clone()))
        .ok_or_else(|| not_found(cluster, name))
}

/// Shows services; INACTIVE ones too.
pub struct DescribeServices;

impl Operation for DescribeServices {
    const NAME: &'static str = "DescribeServices";
    type Context = Ecs;
    type Input = ecs::DescribeServicesRequest;
    type Output = ecs::DescribeServicesResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::services(ecs, view, input.cluster.as_deref(), &input.services)
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let tags = includes_tags(&input.include, &["TAGS"])?;
        let names: Vec<ServiceName> = input
            .services
            .iter()
            .map(|text| identifier::service(&ecs.realm, &cluster, text))
            .collect::<Result<_, _>>()?;
        let view = ecs.db.view();
        identifier::active_cluster(&view, &cluster)?;
        let mut output = ecs::DescribeServicesResponse::default();
        for name in names {
            match view.services.get(&(cluster.clone(), name.clone())) {
                Some(service) => output
                    .services
                    .push(show(&ecs.realm, &view, service, tags)?),
                // ECS names one that it does not know without its cluster.
                None => output
                    .failures
                    .push(missing(ecs.realm.short_service(&name))),
            }
        }
        Ok(output)
    }
}

/// Lists ACTIVE services, oldest first.
pub struct ListServices;

impl Operation for ListServices {
    const NAME: &'static str = "ListServices";
    type Context = Ecs;
    type Input = ecs::ListServicesRequest;
    type Output = ecs::ListServicesResponse;

    fn resources(ecs: &Ecs, _: &View, input: &Self::Input) -> Vec<Touched> {
        touched::within_cluster(ecs, input.cluster.as_deref())
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let page = PageRequest::new(
            Self::NAME,
            input.next_token.as_deref(),
            input.max_results,
            DEFAULT_PAGE,
            MAX_RESULTS,
        )?;
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let launch_type = input.launch_type.as_deref();
        let strategy = input.scheduling_strategy.as_deref().unwrap_or("REPLICA");
        word("schedulingStrategy", strategy, &["REPLICA", "DAEMON"])?;
        let view = ecs.db.view();
        identifier::active_cluster(&view, &cluster)?;
        let mut found: Vec<(String, String)> = view
            .cluster_services(&cluster)
            .filter(|service| service.status == ServiceStatus::Active)
            .filter(|service| launch_type.is_none_or(|wanted| service.launch_type == wanted))
            .filter(|_| strategy == "REPLICA")
            .map(|service| {
                let key = creation_key(service.created_at, &service.name);
                (key, ecs.realm.service(&cluster, &service.name))
            })
            .collect();
        found.sort();
        let page = page.cut(found, |(key, _)| key.clone());
        Ok(ecs::ListServicesResponse {
            service_arns: page.items.into_iter().map(|(_, arn)| arn).collect(),
            next_token: page.next_token,
        })
    }
}

/// Deletes a service: DRAINING while it has tasks, then INACTIVE.
pub struct DeleteService;

impl Operation for DeleteService {
    const NAME: &'static str = "DeleteService";
    type Context = Ecs;
    type Input = ecs::DeleteServiceRequest;
    type Output = ecs::DeleteServiceResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::services(
            ecs,
            view,
            input.cluster.as_deref(),
            input.service.as_slice(),
        )
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let text = required("service", input.service)?;
        let name = identifier::service(&ecs.realm, &cluster, &text)?;
        let force = input.force.unwrap_or_default();
        let service = ecs
            .transact(|view| {
                identifier::active_cluster(view, &cluster)?;
                let service = find(view, &cluster, &name)?;
                match service.status {
                    ServiceStatus::Inactive => return Err(not_found(&cluster, &name)),
                    ServiceStatus::Draining => {
                        return Ok((Txn::new(), show(&ecs.realm, view, service, true)?));
                    }
                    ServiceStatus::Active => {}
                }
                if service.desired_count > 0 && !force {
                    return Err(ApiError::invalid_parameter(format!(
                        "The service cannot be stopped while it is scaled above 0. Its desiredCount is {}: set it to 0 with UpdateService, or delete with force.",
                        service.desired_count
                    )));
                }
                let mut kept: Kept = recall(&service.recorded)?;
                kept.last_task_definition = task_definition(&ecs.realm, service);
                let mut deleted = Service {
                    status: ServiceStatus::Draining,
                    desired_count: 0,
                    recorded: record(&kept)?,
                    ..Service::clone(service)
                };
                if !view.service_tasks(&cluster, &name).any(|task| task.is_live()) {
                    // What the service controller would do next.
                    deleted.status = ServiceStatus::Inactive;
                    deleted.deployments.clear();
                }
                let mut txn = Txn::new();
                txn.replace(service, &deleted);
                Ok((txn, show(&ecs.realm, view, &deleted, true)?))
            })
            .await?;
        Ok(ecs::DeleteServiceResponse {
            service: Some(service),
        })
    }
}
