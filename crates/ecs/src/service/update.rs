//! UpdateService.

use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_door::{ApiError, ErrorKind};
use longshore_model::plan::Ctx;
use longshore_model::service::{Service, ServiceStatus};
use longshore_model::{ClusterName, Family, ServiceName};
use longshore_proto::ecs;
use longshore_store::{Stored, Txn, View};

use super::{
    Kept, check_controller, check_kept, find, read_configuration, read_desired_count,
    read_propagate_tags, show,
};
use crate::context::Ecs;
use crate::exception;
use crate::identifier::{self, DefinitionName};
use crate::placement::{read_constraints, read_strategy};
use crate::touched;
use crate::wire::{recall, record};
use crate::{advise, no_network_configuration, placement, required};

/// Deployments a service keeps at once: one in front, the others on their way out. The service
/// controller takes away those that have no tasks left, so only a storm of updates gets here.
const MAX_DEPLOYMENTS: usize = 50;

/// Changes a service; where what its tasks run changes, a new deployment does it.
pub struct UpdateService;

impl Operation for UpdateService {
    const NAME: &'static str = "UpdateService";
    type Context = Ecs;
    type Input = ecs::UpdateServiceRequest;
    type Output = ecs::UpdateServiceResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::update_service(ecs, view, input)
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let update = Update::read(ecs, input)?;
        let ctx = ecs.ctx();
        let service = ecs
            .transact(|view| {
                let mut txn = Txn::new();
                let (existing, service) = update.apply(view, &mut txn, &mut ctx.clone())?;
                if service == **existing {
                    return Ok((Txn::new(), show(&ecs.realm, view, existing, true)?));
                }
                txn.replace(existing, &service);
                Ok((txn, show(&ecs.realm, view, &service, true)?))
            })
            .await?;
        Ok(ecs::UpdateServiceResponse {
            service: Some(service),
        })
    }
}

/// The service as a request would leave it now; nothing is written.
///
/// Errors: those of UpdateService.
pub(crate) fn dry_run(
    ecs: &Ecs,
    view: &View,
    input: ecs::UpdateServiceRequest,
) -> Result<Service, ApiError> {
    let update = Update::read(ecs, input)?;
    let (_, service) = update.apply(view, &mut Txn::new(), &mut ecs.ctx())?;
    Ok(service)
}

/// A request, read and checked as far as that can be done without the view.
struct Update {
    cluster: ClusterName,
    name: ServiceName,
    definition: Option<DefinitionName>,
    input: ecs::UpdateServiceRequest,
}

impl Update {
    fn read(ecs: &Ecs, input: ecs::UpdateServiceRequest) -> Result<Self, ApiError> {
        check_controller(input.deployment_controller.as_ref())?;
        no_network_configuration(input.network_configuration.is_some())?;
        check_kept(
            input.availability_zone_rebalancing.as_deref(),
            input.health_check_grace_period_seconds,
        )?;
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let text = required("service", input.service.clone())?;
        let name = identifier::service(&ecs.realm, &cluster, &text)?;
        let definition = input.task_definition.as_deref();
        let definition = definition
            .map(|text| DefinitionName::parse(&ecs.realm, text))
            .transpose()?;
        Ok(Self {
            cluster,
            name,
            definition,
            input,
        })
    }

    /// The service as it is and as it becomes; equal where nothing changes. What the change was
    /// decided from is guarded in `txn`.
    fn apply<'a>(
        &self,
        view: &'a View,
        txn: &mut Txn,
        ctx: &mut Ctx,
    ) -> Result<(&'a Stored<Service>, Service), ApiError> {
        let Self {
            cluster,
            name,
            definition,
            input,
        } = self;
        identifier::active_cluster(view, cluster)?;
        let existing = find(view, cluster, name)?;
        if existing.status != ServiceStatus::Active {
            return Err(advise(
                exception::service_not_active(),
                format_args!(
                    "Service {name} is {}; create it anew with CreateService once it is INACTIVE.",
                    existing.status.as_str()
                ),
            ));
        }
        let mut service = Service::clone(existing);
        apply_settings(&mut service, input)?;
        let runs = service
            .primary()
            .map(|primary| (primary.family.clone(), primary.revision));
        let wanted = match definition {
            None => runs.clone(),
            Some(definition) => Some(resolve(view, txn, definition, runs.as_ref())?),
        };
        if wanted != runs || service.placement_constraints != existing.placement_constraints {
            check_binding(view, &service, wanted.as_ref())?;
        }
        let force = input.force_new_deployment.unwrap_or_default();
        if let Some((family, revision)) =
            wanted.filter(|wanted| force || Some(wanted) != runs.as_ref())
        {
            if service.deployments.len() >= MAX_DEPLOYMENTS {
                return Err(ApiError::new(
                    ErrorKind::THROTTLING,
                    format!(
                        "Rate exceeded. Service {name} has {MAX_DEPLOYMENTS} deployments whose tasks are not all gone; try again when some have ended."
                    ),
                ));
            }
            service.deploy(ctx.deployment_id(), family, revision, ctx.now);
        }
        if service != **existing {
            let mut kept: Kept = recall(&service.recorded)?;
            kept.updated = true;
            service.recorded = record(&kept)?;
        }
        Ok((existing, service))
    }
}

/// The revision that is meant. The one that runs already may be INACTIVE; a new one may not.
fn resolve(
    view: &View,
    txn: &mut Txn,
    definition: &DefinitionName,
    runs: Option<&(Family, u32)>,
) -> Result<(Family, u32), ApiError> {
    if let (DefinitionName::Exact(family, revision), Some(runs)) = (definition, runs)
        && (family, revision) == (&runs.0, &runs.1)
    {
        return Ok(runs.clone());
    }
    let found = definition.find_active(view, exception::client)?;
    txn.guard(found);
    Ok((found.family.clone(), found.revision))
}

/// The constraints of a service bind together with those of what it is to run.
fn check_binding(
    view: &View,
    service: &Service,
    wanted: Option<&(Family, u32)>,
) -> Result<(), ApiError> {
    let definition = wanted.and_then(|wanted| view.task_definitions.get(wanted));
    match definition {
        Some(definition) => {
            placement::binding(definition, &service.placement_constraints).map(drop)
        }
        None => Ok(()),
    }
}

/// Placement members; what is left out stays as it is, and an empty list takes away what is there.
/// The one empty object that the ECS API reference names for strategies does too.
fn apply_placement(
    service: &mut Service,
    input: &ecs::UpdateServiceRequest,
) -> Result<(), ApiError> {
    if let Some(given) = &input.placement_constraints {
        service.placement_constraints = read_constraints(&given.items)?;
    }
    if let Some(given) = &input.placement_strategy {
        let empty = [ecs::PlacementStrategy::default()];
        service.placement_strategy = match given.items.as_slice() {
            items if items == empty => Vec::new(),
            items => read_strategy(items)?,
        };
    }
    Ok(())
}

/// The members that need no deployment; what is left out stays as it is.
fn apply_settings(
    service: &mut Service,
    input: &ecs::UpdateServiceRequest,
) -> Result<(), ApiError> {
    if let Some(count) = input.desired_count {
        service.desired_count = read_desired_count(count)?;
    }
    service.deployment_configuration = read_configuration(
        service.deployment_configuration,
        input.deployment_configuration.as_ref(),
    )?;
    if let Some(propagate) = input.propagate_tags.as_deref() {
        service.propagate_tags = read_propagate_tags(Some(propagate))?;
    }
    if let Some(managed) = input.enable_ecs_managed_tags {
        service.enable_ecs_managed_tags = managed;
    }
    apply_placement(service, input)?;
    let mut kept: Kept = recall(&service.recorded)?;
    let members = &mut kept.members;
    if let Some(rebalancing) = &input.availability_zone_rebalancing {
        members.availability_zone_rebalancing = Some(rebalancing.clone());
    }
    if let Some(seconds) = input.health_check_grace_period_seconds {
        members.health_check_grace_period_seconds = Some(seconds);
    }
    if let Some(given) = &input.deployment_configuration {
        let configuration = members.deployment_configuration.get_or_insert_default();
        if let Some(alarms) = &given.alarms {
            configuration.alarms = Some(alarms.clone());
        }
        if let Some(breaker) = &given.deployment_circuit_breaker {
            configuration.deployment_circuit_breaker = Some(breaker.clone());
        }
    }
    service.recorded = record(&kept)?;
    Ok(())
}
