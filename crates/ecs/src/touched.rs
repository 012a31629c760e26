//! What requests touch: the ARNs and condition keys that permission is asked for.
//!
//! Which operation is authorised on which resource, and under which condition keys, is in the
//! service authorization reference of ECS. Nothing here refuses: a name that is not valid becomes
//! `*`, which only who may do everything may touch, and the operation itself says what is wrong
//! with it. A key whose value is absent is left out, so that `Null` conditions work.

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use longshore_door::operation::Touched;
use longshore_model::tag::Tags;
use longshore_model::{ClusterName, CpuUnits, Mib};
use longshore_proto::ecs;
use longshore_store::View;

use crate::context::Ecs;
use crate::identifier::{self, DefinitionName};
use crate::{amount, tag};

const CLUSTER: &str = "ecs:cluster";

fn cluster_name(ecs: &Ecs, given: Option<&str>) -> Option<ClusterName> {
    identifier::cluster(&ecs.realm, given).ok()
}

/// Adds what conditions may ask of the tags that a resource has.
pub(crate) fn with_tags(resource: Touched, tags: &Tags) -> Touched {
    tags.iter().fold(resource, |resource, (key, value)| {
        resource
            .with(format!("aws:ResourceTag/{key}"), value.as_str())
            .with(format!("ecs:ResourceTag/{key}"), value.as_str())
    })
}

/// Adds what conditions may ask of the tags that a request brings.
fn with_request_tags(resource: Touched, tags: &[ecs::Tag]) -> Touched {
    tags.iter().fold(resource, |resource, tag| {
        let key = tag.key.as_deref().unwrap_or_default();
        let value = tag.value.as_deref().unwrap_or_default();
        resource
            .with(format!("aws:RequestTag/{key}"), value)
            .with("aws:TagKeys", key)
    })
}

fn with_flag(resource: Touched, key: &str, value: Option<bool>) -> Touched {
    match value {
        Some(value) => resource.with(key, value.to_string()),
        None => resource,
    }
}

fn with_text(resource: Touched, key: &str, value: Option<&str>) -> Touched {
    match value {
        Some(value) => resource.with(key, value),
        None => resource,
    }
}

fn in_cluster(ecs: &Ecs, resource: Touched, cluster: Option<&ClusterName>) -> Touched {
    match cluster {
        Some(cluster) => resource.with(CLUSTER, ecs.realm.cluster(cluster)),
        None => resource,
    }
}

/// Adds the providers of a strategy, by their ARNs.
fn with_providers(
    ecs: &Ecs,
    resource: Touched,
    strategy: &[ecs::CapacityProviderStrategyItem],
) -> Touched {
    strategy
        .iter()
        .filter_map(|item| item.capacity_provider.as_deref())
        .fold(resource, |resource, provider| {
            let arn = match identifier::is_arn(provider) {
                true => provider.to_owned(),
                false => ecs.realm.capacity_provider(provider),
            };
            resource.with("ecs:capacity-provider", arn)
        })
}

/// Adds that volumes of EBS are attached, if any are.
fn with_volumes(resource: Touched, mut managed: impl Iterator<Item = bool>) -> Touched {
    match managed.any(|managed| managed) {
        true => resource.with("ecs:enable-ebs-volumes", "true"),
        false => resource,
    }
}

/// Adds the subnets of a request, and whether its tasks get public addresses.
fn with_network(resource: Touched, network: Option<&ecs::NetworkConfiguration>) -> Touched {
    let Some(network) = network.and_then(|network| network.awsvpc_configuration.as_ref()) else {
        return resource;
    };
    let subnets = network.subnets.iter();
    let resource = subnets.fold(resource, |resource, subnet| {
        resource.with("ecs:subnet", subnet.as_str())
    });
    let public = network.assign_public_ip.as_deref();
    let public = public.map(|public| public == "ENABLED");
    with_flag(resource, "ecs:auto-assign-public-ip", public)
}

/// Adds the size of a task definition: CPU units and MiB.
fn with_size(resource: Touched, cpu: Option<CpuUnits>, memory: Option<Mib>) -> Touched {
    let cpu = cpu.map(|cpu| cpu.0.to_string());
    let memory = memory.map(|memory| memory.0.to_string());
    let resource = with_text(resource, "ecs:task-cpu", cpu.as_deref());
    with_text(resource, "ecs:task-memory", memory.as_deref())
}

/// One resource for each name, or `*` for none.
fn each<'a>(names: &'a [String], resource: impl Fn(&'a str) -> Touched) -> Vec<Touched> {
    if names.is_empty() {
        return vec![Touched::any()];
    }
    names.iter().map(|name| resource(name)).collect()
}

/// A cluster to be created.
pub(crate) fn named_cluster(ecs: &Ecs, input: &ecs::CreateClusterRequest) -> Vec<Touched> {
    let name = match input.cluster_name.as_deref() {
        None => Some(ClusterName::default_cluster()),
        Some(text) => text.parse().ok(),
    };
    let resource = name.map_or_else(Touched::any, |name| Touched::new(ecs.realm.cluster(&name)));
    let mut resource = with_providers(ecs, resource, &input.default_capacity_provider_strategy);
    for provider in &input.capacity_providers {
        resource = resource.with(
            "ecs:capacity-provider",
            ecs.realm.capacity_provider(provider),
        );
    }
    let configuration = input.configuration.as_ref();
    let storage = configuration.and_then(|all| all.managed_storage_configuration.as_ref());
    let key = storage.and_then(|storage| storage.fargate_ephemeral_storage_kms_key_id.as_deref());
    let resource = with_text(resource, "ecs:fargate-ephemeral-storage-kms-key", key);
    vec![with_request_tags(resource, &input.tags)]
}

/// A cluster that may exist; `default` where none is given.
pub(crate) fn cluster(ecs: &Ecs, view: &View, given: Option<&str>) -> Vec<Touched> {
    let Some(name) = cluster_name(ecs, given) else {
        return vec![Touched::any()];
    };
    let resource = Touched::new(ecs.realm.cluster(&name));
    vec![match view.clusters.get(&name) {
        Some(cluster) => with_tags(resource, &cluster.tags),
        None => resource,
    }]
}

/// Clusters; `default` where none is given.
pub(crate) fn clusters(ecs: &Ecs, view: &View, given: &[String]) -> Vec<Touched> {
    if given.is_empty() {
        return cluster(ecs, view, None);
    }
    let each = given.iter();
    each.flat_map(|name| cluster(ecs, view, Some(name)))
        .collect()
}

/// An operation without a resource of its own, which says in which cluster it looks.
pub(crate) fn within_cluster(ecs: &Ecs, given: Option<&str>) -> Vec<Touched> {
    let cluster = cluster_name(ecs, given);
    vec![in_cluster(ecs, Touched::any(), cluster.as_ref())]
}

/// Tasks of a cluster.
pub(crate) fn tasks(
    ecs: &Ecs,
    view: &View,
    cluster: Option<&str>,
    given: &[String],
) -> Vec<Touched> {
    let cluster = cluster_name(ecs, cluster);
    each(given, |text| {
        let found = cluster.as_ref().and_then(|cluster| {
            let asked = identifier::task(&ecs.realm, cluster, "task", text).ok()?;
            let resource = Touched::new(ecs.realm.task(cluster, &asked));
            Some(
                match asked.id().and_then(|id| view.tasks.get(cluster, id)) {
                    Some(task) => with_tags(resource, &task.tags),
                    None => resource,
                },
            )
        });
        in_cluster(ecs, found.unwrap_or_else(Touched::any), cluster.as_ref())
    })
}

/// Services of a cluster.
pub(crate) fn services(
    ecs: &Ecs,
    view: &View,
    cluster: Option<&str>,
    given: &[String],
) -> Vec<Touched> {
    let cluster = cluster_name(ecs, cluster);
    each(given, |text| {
        let found = cluster.as_ref().and_then(|cluster| {
            let name = identifier::service(&ecs.realm, cluster, text).ok()?;
            let resource = Touched::new(ecs.realm.service(cluster, &name));
            Some(match view.services.get(&(cluster.clone(), name)) {
                Some(service) => with_tags(resource, &service.tags),
                None => resource,
            })
        });
        in_cluster(ecs, found.unwrap_or_else(Touched::any), cluster.as_ref())
    })
}

/// Container instances of a cluster.
pub(crate) fn instances(
    ecs: &Ecs,
    view: &View,
    cluster: Option<&str>,
    given: &[String],
) -> Vec<Touched> {
    let cluster = cluster_name(ecs, cluster);
    each(given, |text| {
        let found = cluster.as_ref().and_then(|cluster| {
            let asked = identifier::instance(&ecs.realm, cluster, text).ok()?;
            let resource = Touched::new(ecs.realm.instance(cluster, &asked));
            let id = asked.id();
            Some(
                match id.and_then(|id| view.instances.get(&(cluster.clone(), id))) {
                    Some(instance) => with_tags(resource, &instance.tags),
                    None => resource,
                },
            )
        });
        in_cluster(ecs, found.unwrap_or_else(Touched::any), cluster.as_ref())
    })
}

/// The container instance that tasks are listed of; any of the cluster where none is named.
pub(crate) fn listed_instance(
    ecs: &Ecs,
    view: &View,
    input: &ecs::ListTasksRequest,
) -> Vec<Touched> {
    let of = input.cluster.as_deref();
    let named = input.container_instance.as_slice();
    if !named.is_empty() {
        return instances(ecs, view, of, named);
    }
    let cluster = cluster_name(ecs, of);
    let any = cluster.as_ref().map_or_else(Touched::any, |cluster| {
        Touched::new(ecs.realm.instance(cluster, "*"))
    });
    vec![in_cluster(ecs, any, cluster.as_ref())]
}

/// The container instances that attributes are put on or taken from.
pub(crate) fn targets(
    ecs: &Ecs,
    view: &View,
    cluster: Option<&str>,
    attributes: &[ecs::Attribute],
) -> Vec<Touched> {
    let mut targets: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| attribute.target_id.clone())
        .collect();
    targets.sort_unstable();
    targets.dedup();
    instances(ecs, view, cluster, &targets)
}

/// A revision to be registered.
pub(crate) fn new_task_definition(
    ecs: &Ecs,
    input: &ecs::RegisterTaskDefinitionRequest,
) -> Vec<Touched> {
    let resource = match input.family.as_deref().map(str::parse) {
        Some(Ok(family)) => Touched::new(ecs.realm.task_definition(&family, "*")),
        _ => Touched::any(),
    };
    // Absent where no container says anything about it; true where one of them is.
    let containers = input.container_definitions.iter();
    let privileged = containers
        .filter_map(|container| container.privileged)
        .max();
    let resource = with_flag(resource, "ecs:privileged", privileged);
    let resource = input
        .requires_compatibilities
        .iter()
        .fold(resource, |resource, name| {
            resource.with("ecs:compute-compatibility", name.as_str())
        });
    let resource = with_size(
        resource,
        input.cpu.as_deref().and_then(amount::cpu),
        input.memory.as_deref().and_then(amount::memory),
    );
    vec![with_request_tags(resource, &input.tags)]
}

/// The revision that a request names, resolved if it can be: permission is asked for
/// `FAMILY:REVISION`, and of a family that has none for any of its revisions.
fn definition(ecs: &Ecs, view: &View, given: Option<&str>) -> Touched {
    let Some(name) = given.and_then(|text| DefinitionName::parse(&ecs.realm, text).ok()) else {
        return Touched::any();
    };
    match (name.find(view), &name) {
        (Some(found), _) => {
            let arn = ecs.realm.task_definition(&found.family, found.revision);
            with_tags(Touched::new(arn), &found.tags)
        }
        (None, DefinitionName::Exact(family, revision)) => {
            Touched::new(ecs.realm.task_definition(family, revision))
        }
        (None, DefinitionName::Newest(family)) => {
            Touched::new(ecs.realm.task_definition(family, "*"))
        }
    }
}

/// The task definition of a RunTask.
pub(crate) fn run_task(ecs: &Ecs, view: &View, input: &ecs::RunTaskRequest) -> Vec<Touched> {
    let cluster = cluster_name(ecs, input.cluster.as_deref());
    let resource = definition(ecs, view, input.task_definition.as_deref());
    let resource = in_cluster(ecs, resource, cluster.as_ref());
    let resource = with_flag(
        resource,
        "ecs:enable-execute-command",
        input.enable_execute_command,
    );
    let resource = with_providers(ecs, resource, &input.capacity_provider_strategy);
    let resource = with_volumes(
        resource,
        input
            .volume_configurations
            .iter()
            .map(|volume| volume.managed_ebs_volume.is_some()),
    );
    let resource = with_network(resource, input.network_configuration.as_ref());
    vec![with_request_tags(resource, &input.tags)]
}

/// The task definition of a StartTask, with the instances it is started on.
pub(crate) fn start_task(ecs: &Ecs, view: &View, input: &ecs::StartTaskRequest) -> Vec<Touched> {
    let cluster = cluster_name(ecs, input.cluster.as_deref());
    let resource = definition(ecs, view, input.task_definition.as_deref());
    let mut resource = in_cluster(ecs, resource, cluster.as_ref());
    for text in &input.container_instances {
        let arn = cluster.as_ref().and_then(|cluster| {
            let asked = identifier::instance(&ecs.realm, cluster, text).ok()?;
            Some(ecs.realm.instance(cluster, asked))
        });
        resource = resource.with(
            "ecs:container-instances",
            arn.unwrap_or_else(|| text.clone()),
        );
    }
    let resource = with_flag(
        resource,
        "ecs:enable-execute-command",
        input.enable_execute_command,
    );
    let resource = with_volumes(
        resource,
        input
            .volume_configurations
            .iter()
            .map(|volume| volume.managed_ebs_volume.is_some()),
    );
    vec![with_request_tags(resource, &input.tags)]
}

/// What conditions may ask of the members that CreateService and UpdateService have in common.
struct ServiceMembers<'a> {
    task_definition: Option<&'a str>,
    enable_execute_command: Option<bool>,
    enable_ecs_managed_tags: Option<bool>,
    propagate_tags: Option<&'a str>,
    providers: &'a [ecs::CapacityProviderStrategyItem],
    network: Option<&'a ecs::NetworkConfiguration>,
    volumes: &'a [ecs::ServiceVolumeConfiguration],
    connect: Option<&'a ecs::ServiceConnectConfiguration>,
    lattice: &'a [ecs::VpcLatticeConfiguration],
}

impl ServiceMembers<'_> {
    fn add_to(&self, ecs: &Ecs, view: &View, mut resource: Touched) -> Touched {
        if self.task_definition.is_some() {
            let arn = definition(ecs, view, self.task_definition).arn;
            resource = resource.with("ecs:task-definition", arn);
            let name = self.task_definition.unwrap_or_default();
            let name = DefinitionName::parse(&ecs.realm, name).ok();
            if let Some(found) = name.as_ref().and_then(|name| name.find(view)) {
                resource = with_size(resource, found.cpu, found.memory);
            }
        }
        let resource = with_flag(
            resource,
            "ecs:enable-execute-command",
            self.enable_execute_command,
        );
        let resource = with_flag(
            resource,
            "ecs:enable-ecs-managed-tags",
            self.enable_ecs_managed_tags,
        );
        let resource = with_text(resource, "ecs:propagate-tags", self.propagate_tags);
        let resource = with_providers(ecs, resource, self.providers);
        let resource = with_network(resource, self.network);
        let managed = self.volumes.iter();
        let resource = with_volumes(
            resource,
            managed.map(|volume| volume.managed_ebs_volume.is_some()),
        );
        let connected = self.connect.and_then(|connect| connect.enabled);
        let resource = with_flag(resource, "ecs:enable-service-connect", connected);
        let namespace = self
            .connect
            .and_then(|connect| connect.namespace.as_deref());
        let resource = with_text(resource, "ecs:namespace", namespace);
        let lattice = (!self.lattice.is_empty()).then_some(true);
        with_flag(resource, "ecs:enable-vpc-lattice", lattice)
    }
}

/// A service to be created.
pub(crate) fn create_service(
    ecs: &Ecs,
    view: &View,
    input: &ecs::CreateServiceRequest,
) -> Vec<Touched> {
    let members = ServiceMembers {
        task_definition: input.task_definition.as_deref(),
        enable_execute_command: input.enable_execute_command,
        enable_ecs_managed_tags: input.enable_ecs_managed_tags,
        propagate_tags: input.propagate_tags.as_deref(),
        providers: &input.capacity_provider_strategy,
        network: input.network_configuration.as_ref(),
        volumes: &input.volume_configurations,
        connect: input.service_connect_configuration.as_ref(),
        lattice: &input.vpc_lattice_configurations,
    };
    services(
        ecs,
        view,
        input.cluster.as_deref(),
        input.service_name.as_slice(),
    )
    .into_iter()
    .map(|resource| with_request_tags(members.add_to(ecs, view, resource), &input.tags))
    .collect()
}

/// A service to be changed.
pub(crate) fn update_service(
    ecs: &Ecs,
    view: &View,
    input: &ecs::UpdateServiceRequest,
) -> Vec<Touched> {
    let members = ServiceMembers {
        task_definition: input.task_definition.as_deref(),
        enable_execute_command: input.enable_execute_command,
        enable_ecs_managed_tags: input.enable_ecs_managed_tags,
        propagate_tags: input.propagate_tags.as_deref(),
        providers: items(
            input
                .capacity_provider_strategy
                .as_ref()
                .map(|list| &list.items),
        ),
        network: input.network_configuration.as_ref(),
        volumes: items(input.volume_configurations.as_ref().map(|list| &list.items)),
        connect: input.service_connect_configuration.as_ref(),
        lattice: items(
            input
                .vpc_lattice_configurations
                .as_ref()
                .map(|list| &list.items),
        ),
    };
    services(
        ecs,
        view,
        input.cluster.as_deref(),
        input.service.as_slice(),
    )
    .into_iter()
    .map(|resource| members.add_to(ecs, view, resource))
    .collect()
}

/// The items of a list that may be absent.
fn items<T>(list: Option<&Vec<T>>) -> &[T] {
    list.map_or(&[], Vec::as_slice)
}

/// An account setting, which is a condition of `*`.
pub(crate) fn account_setting(name: Option<&str>) -> Vec<Touched> {
    vec![with_text(Touched::any(), "ecs:account-setting", name)]
}

/// What is tagged, or asked for its tags, with the tags that it has and those that it gets.
pub(crate) fn tagged(ecs: &Ecs, view: &View, arn: Option<&str>, tags: &[ecs::Tag]) -> Vec<Touched> {
    vec![with_request_tags(tag::touched(ecs, view, arn), tags)]
}

/// What loses tags.
pub(crate) fn untagged(ecs: &Ecs, view: &View, arn: Option<&str>, keys: &[String]) -> Vec<Touched> {
    let resource = tag::touched(ecs, view, arn);
    vec![keys.iter().fold(resource, |resource, key| {
        resource.with("aws:TagKeys", key.as_str())
    })]
}
