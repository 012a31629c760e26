//! What requests touch: the ARNs and condition keys that permission is asked for.
//!
//! Which operation is authorised on which resource, and under which condition keys, is in the
//! service authorization reference of ECS. Nothing here refuses: a name that is not valid becomes
//! `*`, which only who may do everything may touch, and the operation itself says what is wrong
//! with it. A key whose value is absent is left out, so that `Null` conditions work.

use longshore_door::operation::Touched;
use longshore_model::ClusterName;
use longshore_model::tag::Tags;
use longshore_proto::ecs;
use longshore_store::View;

use crate::context::Ecs;
use crate::identifier::{self, DefinitionName};

const CLUSTER: &str = "ecs:cluster";

fn cluster_name(ecs: &Ecs, given: Option<&str>) -> Option<ClusterName> {
    identifier::cluster(&ecs.realm, given).ok()
}

/// Adds what conditions may ask of the tags that a resource has.
fn with_tags(resource: Touched, tags: &Tags) -> Touched {
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

/// One resource for each name, or `*` for none.
fn each<'a>(names: &'a [String], resource: impl Fn(&'a str) -> Touched) -> Vec<Touched> {
    if names.is_empty() {
        return vec![Touched::any()];
    }
    names.iter().map(|name| resource(name)).collect()
}

/// A cluster to be created.
pub(crate) fn named_cluster(ecs: &Ecs, name: Option<&str>, tags: &[ecs::Tag]) -> Vec<Touched> {
    let name = match name {
        None => Some(ClusterName::default_cluster()),
        Some(text) => text.parse().ok(),
    };
    let resource = name.map_or_else(Touched::any, |name| Touched::new(ecs.realm.cluster(&name)));
    vec![with_request_tags(resource, tags)]
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
        Some(Ok(family)) => Touched::new(format!(
            "{}:*",
            ecs.realm
                .task_definition(&family, 1)
                .trim_end_matches(|c: char| c.is_ascii_digit())
                .trim_end_matches(':')
        )),
        _ => Touched::any(),
    };
    let privileged = input
        .container_definitions
        .iter()
        .any(|container| container.privileged == Some(true));
    let resource = with_flag(resource, "ecs:privileged", Some(privileged));
    let resource = input
        .requires_compatibilities
        .iter()
        .fold(resource, |resource, name| {
            resource.with("ecs:compute-compatibility", name.as_str())
        });
    let resource = with_text(resource, "ecs:task-cpu", input.cpu.as_deref());
    let resource = with_text(resource, "ecs:task-memory", input.memory.as_deref());
    vec![with_request_tags(resource, &input.tags)]
}

/// The revision that a request names, resolved if it can be.
fn definition(ecs: &Ecs, view: &View, given: Option<&str>) -> Touched {
    let name = given.and_then(|text| DefinitionName::parse(&ecs.realm, text).ok());
    let found = name.as_ref().and_then(|name| name.find(view));
    match found {
        Some(definition) => with_tags(
            Touched::new(
                ecs.realm
                    .task_definition(&definition.family, definition.revision),
            ),
            &definition.tags,
        ),
        None => Touched::any(),
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
    let resource = input
        .capacity_provider_strategy
        .iter()
        .filter_map(|item| item.capacity_provider.as_deref())
        .fold(resource, |resource, provider| {
            resource.with("ecs:capacity-provider", provider)
        });
    vec![with_request_tags(resource, &input.tags)]
}

/// The task definition of a StartTask, with the instances it is started on.
pub(crate) fn start_task(ecs: &Ecs, view: &View, input: &ecs::StartTaskRequest) -> Vec<Touched> {
    let cluster = cluster_name(ecs, input.cluster.as_deref());
    let resource = definition(ecs, view, input.task_definition.as_deref());
    let mut resource = in_cluster(ecs, resource, cluster.as_ref());
    for text in &input.container_instances {
        let arn = cluster.as_ref().and_then(|cluster| {
            let id = identifier::instance(&ecs.realm, cluster, text).ok()?;
            Some(ecs.realm.instance(cluster, id))
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
    vec![with_request_tags(resource, &input.tags)]
}

/// A service to be created.
pub(crate) fn create_service(
    ecs: &Ecs,
    view: &View,
    input: &ecs::CreateServiceRequest,
) -> Vec<Touched> {
    let mut resources = services(
        ecs,
        view,
        input.cluster.as_deref(),
        input.service_name.as_slice(),
    );
    if let Some(resource) = resources.pop() {
        let resource = with_definition(ecs, view, resource, input.task_definition.as_deref());
        let resource = with_flag(
            resource,
            "ecs:enable-execute-command",
            input.enable_execute_command,
        );
        let resource = with_flag(
            resource,
            "ecs:enable-ecs-managed-tags",
            input.enable_ecs_managed_tags,
        );
        let resource = with_text(
            resource,
            "ecs:propagate-tags",
            input.propagate_tags.as_deref(),
        );
        resources.push(with_request_tags(resource, &input.tags));
    }
    resources
}

/// A service to be changed.
pub(crate) fn update_service(
    ecs: &Ecs,
    view: &View,
    input: &ecs::UpdateServiceRequest,
) -> Vec<Touched> {
    let mut resources = services(
        ecs,
        view,
        input.cluster.as_deref(),
        input.service.as_slice(),
    );
    if let Some(resource) = resources.pop() {
        let resource = with_definition(ecs, view, resource, input.task_definition.as_deref());
        let resource = with_flag(
            resource,
            "ecs:enable-execute-command",
            input.enable_execute_command,
        );
        let resource = with_flag(
            resource,
            "ecs:enable-ecs-managed-tags",
            input.enable_ecs_managed_tags,
        );
        resources.push(with_text(
            resource,
            "ecs:propagate-tags",
            input.propagate_tags.as_deref(),
        ));
    }
    resources
}

/// Adds the revision that a service is to run.
fn with_definition(ecs: &Ecs, view: &View, resource: Touched, given: Option<&str>) -> Touched {
    match given {
        None => resource,
        Some(_) => {
            let arn = definition(ecs, view, given).arn;
            resource.with("ecs:task-definition", arn)
        }
    }
}

/// An account setting, which is a condition of `*`.
pub(crate) fn account_setting(name: Option<&str>) -> Vec<Touched> {
    vec![with_text(Touched::any(), "ecs:account-setting", name)]
}

/// What is tagged, or asked for its tags.
pub(crate) fn tagged(arn: Option<&str>, tags: &[ecs::Tag]) -> Vec<Touched> {
    let resource = arn.map_or_else(Touched::any, Touched::new);
    vec![with_request_tags(resource, tags)]
}

/// What loses tags.
pub(crate) fn untagged(arn: Option<&str>, keys: &[String]) -> Vec<Touched> {
    let resource = arn.map_or_else(Touched::any, Touched::new);
    vec![keys.iter().fold(resource, |resource, key| {
        resource.with("aws:TagKeys", key.as_str())
    })]
}
