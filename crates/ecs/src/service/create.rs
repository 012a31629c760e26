//! CreateService.

use std::collections::VecDeque;

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_model::ClusterName;
use longshore_model::plan::Ctx;
use longshore_model::service::{DeploymentConfiguration, Service, ServiceStatus};
use longshore_model::task_definition::TaskDefinition;
use longshore_proto::ecs;
use longshore_store::{Stored, Txn, View};

use super::{
    Kept, check_controller, check_kept, read_configuration, read_desired_count,
    read_propagate_tags, show,
};
use crate::context::Ecs;
use crate::exception;
use crate::identifier::{self, DefinitionName};
use crate::placement::{self, Placement};
use crate::touched;
use crate::wire::{number, read_tags, recall, record, request_digest, show_tags};
use crate::{client_token, launch_type, no_network_configuration, required, word};

/// Services of one cluster (ECS service quotas).
const MAX_SERVICES: usize = 5000;
/// Longest client token, in characters.
const MAX_TOKEN: usize = 36;

/// A service as asked for, but for what only the view and the context can say.
struct NewService {
    definition: DefinitionName,
    service: Service,
    kept: Kept,
}

impl NewService {
    fn read(
        ecs: &Ecs,
        created_by: &str,
        mut input: ecs::CreateServiceRequest,
    ) -> Result<Self, ApiError> {
        client_token(input.client_token.as_deref(), MAX_TOKEN)?;
        let placement = Placement::read(
            input.launch_type.as_deref(),
            &input.placement_constraints,
            &input.placement_strategy,
        )?;
        check_strategy(input.scheduling_strategy.as_deref(), &placement)?;
        check_controller(input.deployment_controller.as_ref())?;
        no_network_configuration(input.network_configuration.is_some())?;
        check_kept(
            input.availability_zone_rebalancing.as_deref(),
            input.health_check_grace_period_seconds,
        )?;
        let name = required("serviceName", input.service_name.clone())?.parse()?;
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let text = required("taskDefinition", input.task_definition.clone())?;
        let definition = DefinitionName::parse(&ecs.realm, &text)?;
        let launch_type = launch_type(input.launch_type.as_deref())?;
        let desired_count = input.desired_count.ok_or_else(|| {
            ApiError::invalid_parameter(
                "desiredCount is required for a service of schedulingStrategy REPLICA. Set it; 0 is allowed.",
            )
        })?;
        let desired_count = read_desired_count(desired_count)?;
        let deployment_configuration = read_configuration(
            DeploymentConfiguration::default(),
            input.deployment_configuration.as_ref(),
        )?;
        let propagate_tags = read_propagate_tags(input.propagate_tags.as_deref())?;
        let enable_ecs_managed_tags = input.enable_ecs_managed_tags.unwrap_or_default();
        let tags = read_tags(input.tags.clone())?;
        let service = Service {
            cluster,
            name,
            status: ServiceStatus::Active,
            desired_count,
            deployment_configuration,
            launch_type,
            placement_constraints: placement.constraints,
            placement_strategy: placement.strategy,
            deployments: Vec::new(),
            events: VecDeque::new(),
            created_at: ecs.ctx().now,
            created_by: created_by.to_owned(),
            tags,
            propagate_tags,
            enable_ecs_managed_tags,
            recorded: longshore_model::recorded::Recorded::default(),
        };
        let client_token = input.client_token.take();
        let request_digest = request_digest(&canonical(&input, &service, &definition))?;
        let kept = Kept {
            client_token,
            request_digest,
            members: members(input),
            ..Kept::default()
        };
        Ok(Self {
            definition,
            service,
            kept,
        })
    }

    /// Whether `existing` is what this very request made before.
    fn made(&self, existing: &Service) -> Result<bool, ApiError> {
        let kept: Kept = recall(&existing.recorded)?;
        let same_token =
            self.kept.client_token.is_some() && kept.client_token == self.kept.client_token;
        Ok(kept.request_digest == self.kept.request_digest && (same_token || !kept.updated))
    }

    /// The service with its first deployment, and what that runs.
    fn service<'a>(
        &self,
        view: &'a View,
        ctx: &mut Ctx,
    ) -> Result<(Service, &'a Stored<TaskDefinition>), ApiError> {
        let definition = self.definition.find_active(view, exception::client)?;
        placement::binding(definition, &self.service.placement_constraints)?;
        let mut service = self.service.clone();
        service.recorded = record(&self.kept)?;
        service.deploy(
            ctx.deployment_id(),
            definition.family.clone(),
            definition.revision,
            ctx.now,
        );
        Ok((service, definition))
    }

    fn create(
        &self,
        ecs: &Ecs,
        view: &View,
        ctx: &mut Ctx,
    ) -> Result<(Txn, ecs::Service), ApiError> {
        let (cluster, name) = (&self.service.cluster, &self.service.name);
        let mut txn = Txn::new();
        txn.guard(identifier::active_cluster(view, cluster)?);
        let existing = view.services.get(&(cluster.clone(), name.clone()));
        match existing.map(|existing| (existing.status, existing)) {
            None => check_quota(view, cluster)?,
            Some((ServiceStatus::Inactive, _)) => {}
            Some((ServiceStatus::Draining, _)) => {
                return Err(ApiError::invalid_parameter(format!(
                    "Unable to Start a service that is still Draining. Wait until service {name} is INACTIVE, or choose another name."
                )));
            }
            Some((ServiceStatus::Active, existing)) if self.made(existing)? => {
                return Ok((Txn::new(), show(&ecs.realm, view, existing, true)?));
            }
            Some((ServiceStatus::Active, _)) => {
                return Err(ApiError::invalid_parameter(format!(
                    "Creation of service was not idempotent. A service {name} with other parameters exists in cluster {cluster}: change it with UpdateService, or choose another name."
                )));
            }
        }
        let (service, definition) = self.service(view, ctx)?;
        txn.guard(definition);
        match existing {
            Some(inactive) => txn.replace(inactive, &service),
            None => txn.create(&service),
        }
        Ok((txn, show(&ecs.realm, view, &service, true)?))
    }
}

/// The service that a request would make now; nothing is written.
///
/// Errors: those of CreateService.
pub(crate) fn dry_run(
    ecs: &Ecs,
    view: &View,
    input: ecs::CreateServiceRequest,
) -> Result<Service, ApiError> {
    let new = NewService::read(ecs, "", input)?;
    let mut ctx = ecs.ctx();
    new.create(ecs, view, &mut ctx)?;
    Ok(new.service(view, &mut ctx)?.0)
}

fn check_strategy(strategy: Option<&str>, placement: &Placement) -> Result<(), ApiError> {
    match strategy {
        None | Some("REPLICA") => Ok(()),
        Some("DAEMON") if !placement.strategy.is_empty() => Err(ApiError::invalid_parameter(
            "placementStrategy can not be used with schedulingStrategy DAEMON, which places one task on every instance. Leave it out.",
        )),
        Some("DAEMON") => Err(ApiError::unsupported(
            "schedulingStrategy DAEMON is not supported yet. Use REPLICA with a desiredCount.",
        )),
        Some(other) => word("schedulingStrategy", other, &["REPLICA"]).map(|_| ()),
    }
}

fn check_quota(view: &View, cluster: &ClusterName) -> Result<(), ApiError> {
    let kept = view.cluster_services(cluster).count();
    if kept >= MAX_SERVICES {
        return Err(exception::client(format!(
            "The quota of {MAX_SERVICES} services is reached in cluster {cluster}. Delete one, or create the service in another cluster."
        )));
    }
    Ok(())
}

/// The request with its defaults filled in, so that two ways to write it are the same.
fn canonical(
    input: &ecs::CreateServiceRequest,
    service: &Service,
    definition: &DefinitionName,
) -> ecs::CreateServiceRequest {
    let percents = service.deployment_configuration;
    let mut canonical = ecs::CreateServiceRequest {
        cluster: Some(service.cluster.to_string()),
        task_definition: Some(definition.to_string()),
        launch_type: Some(service.launch_type.clone()),
        scheduling_strategy: None,
        deployment_controller: None,
        propagate_tags: Some(service.propagate_tags.as_str().to_owned()),
        enable_ecs_managed_tags: Some(service.enable_ecs_managed_tags),
        enable_execute_command: None,
        client_token: None,
        tags: show_tags(&service.tags),
        placement_constraints: placement::show_constraints(&service.placement_constraints),
        placement_strategy: placement::show_strategy(&service.placement_strategy),
        ..input.clone()
    };
    let configuration = canonical.deployment_configuration.get_or_insert_default();
    configuration.maximum_percent = Some(number(percents.maximum_percent));
    configuration.minimum_healthy_percent = Some(number(percents.minimum_healthy_percent));
    canonical
}

/// The members that are only kept.
fn members(input: ecs::CreateServiceRequest) -> ecs::CreateServiceRequest {
    ecs::CreateServiceRequest {
        availability_zone_rebalancing: input.availability_zone_rebalancing,
        health_check_grace_period_seconds: input.health_check_grace_period_seconds,
        deployment_configuration: input.deployment_configuration,
        ..ecs::CreateServiceRequest::default()
    }
}

/// Makes a service with its first deployment.
pub struct CreateService;

impl Operation for CreateService {
    const NAME: &'static str = "CreateService";
    type Context = Ecs;
    type Input = ecs::CreateServiceRequest;
    type Output = ecs::CreateServiceResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::create_service(ecs, view, input)
    }

    async fn run(ecs: &Ecs, caller: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let new = NewService::read(ecs, caller.arn(), input)?;
        let ctx = ecs.ctx();
        let service = ecs
            .transact(|view| new.create(ecs, view, &mut ctx.clone()))
            .await?;
        Ok(ecs::CreateServiceResponse {
            service: Some(service),
        })
    }
}
