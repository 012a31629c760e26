//! Container instances: ListContainerInstances, DescribeContainerInstances,
//! UpdateContainerInstancesState, DeregisterContainerInstance.

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_door::page::{MAX_RESULTS, PageRequest};
use longshore_model::instance::{Instance, InstanceStatus, Resources};
use longshore_model::query::{Expression, Subject};
use longshore_model::task::{StopCode, Task};
use longshore_model::{ClusterName, InstanceId, Port, Realm, Timestamp};
use longshore_proto::ecs;
use longshore_store::{Stored, Txn, View};

use super::wire::{self, TaskCounts, creation_key, failure, missing, number, show_tags_if};
use super::{identifier, includes_tags, required, word};
use crate::context::Ecs;
use crate::exception;
use crate::identifier::Asked;
use crate::touched;

/// Tasks given up in one commit, so that it stays within the limits of the store.
const MAX_GIVEN_UP: usize = 256;
/// Why a task stopped that was on an instance deregistered by force.
const DEREGISTERED: &str = "Container instance deregistration forced by user";

/// An instance on the wire; what is left on it is computed from the view.
fn show(realm: &Realm, view: &View, instance: &Instance, tags: bool) -> ecs::ContainerInstance {
    let taken = view.taken(instance);
    let registered = &instance.registered;
    let remaining = Resources {
        cpu: registered.cpu.less(taken.cpu),
        memory: registered.memory.less(taken.memory),
        // Of ports, ECS lists in both places those that are taken.
        tcp_ports: taken.tcp_ports,
        udp_ports: taken.udp_ports,
        network_interfaces: registered
            .network_interfaces
            .saturating_sub(taken.network_interfaces),
        gpus: registered.gpus.difference(&taken.gpus).cloned().collect(),
    };
    let tasks = view
        .instance_tasks(&instance.cluster, instance.id)
        .map(|task| &**task);
    let counts = TaskCounts::of(tasks);
    let attributes = instance
        .all_attributes()
        .into_iter()
        .map(|(name, value)| ecs::Attribute {
            name: Some(name),
            value,
            ..ecs::Attribute::default()
        });
    ecs::ContainerInstance {
        container_instance_arn: Some(realm.instance(&instance.cluster, instance.id)),
        ec2_instance_id: Some(instance.machine_name().into_owned()),
        version: Some(i64::try_from(instance.version).unwrap_or(i64::MAX)),
        version_info: Some(ecs::VersionInfo {
            agent_version: Some(instance.agent_version.clone()),
            agent_hash: instance.agent_hash.clone(),
            docker_version: Some(format!("DockerVersion: {}", instance.docker_version)),
        }),
        remaining_resources: show_resources(&remaining, registered),
        registered_resources: show_resources(registered, registered),
        status: Some(instance.status.as_str().to_owned()),
        status_reason: instance.status_reason.clone(),
        agent_connected: Some(instance.connection.is_connected()),
        running_tasks_count: Some(counts.running),
        pending_tasks_count: Some(counts.pending),
        attributes: attributes.collect(),
        registered_at: Some(wire::time(instance.registered_at)),
        tags: show_tags_if(tags, &instance.tags),
        ..ecs::ContainerInstance::default()
    }
}

/// Amounts on the wire; of what the instance never had there is no entry.
fn show_resources(resources: &Resources, registered: &Resources) -> Vec<ecs::Resource> {
    let amount = |name: &str, value: u32| ecs::Resource {
        name: Some(name.to_owned()),
        r#type: Some("INTEGER".to_owned()),
        double_value: Some(0.0),
        long_value: Some(0),
        integer_value: Some(number(value)),
        string_set_value: Vec::new(),
    };
    let set = |name: &str, values: Vec<String>| ecs::Resource {
        name: Some(name.to_owned()),
        r#type: Some("STRINGSET".to_owned()),
        double_value: Some(0.0),
        long_value: Some(0),
        integer_value: Some(0),
        string_set_value: values,
    };
    let ports = |ports: &BTreeSet<Port>| ports.iter().map(Port::to_string).collect();
    let mut shown = vec![
        amount("CPU", resources.cpu.0),
        amount("MEMORY", resources.memory.0),
        set("PORTS", ports(&resources.tcp_ports)),
        set("PORTS_UDP", ports(&resources.udp_ports)),
    ];
    if !registered.gpus.is_empty() {
        shown.push(set("GPU", resources.gpus.iter().cloned().collect()));
    }
    shown
}

/// The instances a request names, in its order.
fn read_ids(
    ecs: &Ecs,
    cluster: &ClusterName,
    given: &[String],
) -> Result<Vec<Asked<InstanceId>>, ApiError> {
    given
        .iter()
        .map(|text| identifier::instance(&ecs.realm, cluster, text))
        .collect()
}

/// The instance that is asked for, if there is one.
fn find<'a>(
    view: &'a View,
    cluster: &ClusterName,
    asked: &Asked<InstanceId>,
) -> Option<&'a Stored<Instance>> {
    view.instances.get(&(cluster.clone(), asked.id()?))
}

/// What is said of one that there is not.
pub(super) fn not_found(cluster: &ClusterName, asked: &Asked<InstanceId>) -> String {
    format!(
        "Referenced container instance {asked} not found. Cluster {cluster} has none with that id; see ListContainerInstances."
    )
}

/// The filter of a request; the empty text is none.
fn read_filter(text: &str) -> Result<Option<Expression>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    Expression::parse(text)
        .map(Some)
        .map_err(|error| ApiError::invalid_parameter(format!("filter is not valid: {error}.")))
}

/// An instance as the cluster query language sees it.
pub(super) struct Queried<'a> {
    pub(super) view: &'a View,
    pub(super) instance: &'a Instance,
}

impl Queried<'_> {
    fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.view
            .instance_tasks(&self.instance.cluster, self.instance.id)
            .map(|task| &**task)
    }
}

impl Subject for Queried<'_> {
    fn agent_connected(&self) -> bool {
        self.instance.connection.is_connected()
    }

    fn agent_version(&self) -> &str {
        &self.instance.agent_version
    }

    fn ec2_instance_id(&self) -> Option<Cow<'_, str>> {
        Some(self.instance.machine_name())
    }

    fn registered_at(&self) -> Timestamp {
        self.instance.registered_at
    }

    /// The number that DescribeContainerInstances shows.
    fn running_tasks_count(&self) -> u32 {
        u32::try_from(TaskCounts::of(self.tasks()).running).unwrap_or_default()
    }

    fn attribute(&self, name: &str) -> Option<Option<&str>> {
        self.instance.attribute(name)
    }

    fn hosts_group(&self, test: &dyn Fn(&str) -> bool) -> bool {
        self.tasks().any(|task| task.is_live() && test(&task.group))
    }
}

/// Lists instances, oldest first; all but INACTIVE ones if no status is asked for.
pub struct ListContainerInstances;

impl Operation for ListContainerInstances {
    const NAME: &'static str = "ListContainerInstances";
    type Context = Ecs;
    type Input = ecs::ListContainerInstancesRequest;
    type Output = ecs::ListContainerInstancesResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::cluster(ecs, view, input.cluster.as_deref())
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let text = input.filter.as_deref().unwrap_or_default();
        let status = input.status.as_deref().filter(|status| !status.is_empty());
        let page = PageRequest::filtered(
            Self::NAME,
            &[text, status.unwrap_or_default()],
            input.next_token.as_deref(),
            input.max_results,
            MAX_RESULTS,
            MAX_RESULTS,
        )?;
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let filter = read_filter(text)?;
        if let Some(status) = status {
            let known = [
                "ACTIVE",
                "DRAINING",
                "INACTIVE",
                "REGISTERING",
                "DEREGISTERING",
                "REGISTRATION_FAILED",
            ];
            word("status", status, &known)?;
        }
        let view = ecs.db.view();
        identifier::active_cluster(&view, &cluster)?;
        let mut found: Vec<(String, String)> = view
            .cluster_instances(&cluster)
            .filter(|instance| match status {
                Some(status) => instance.status.as_str() == status,
                None => instance.status != InstanceStatus::Inactive,
            })
            .filter(|instance| {
                let view = &view;
                filter
                    .as_ref()
                    .is_none_or(|filter| filter.evaluate(&Queried { view, instance }))
            })
            .map(|instance| {
                let key = creation_key(instance.registered_at, instance.id);
                (key, ecs.realm.instance(&cluster, instance.id))
            })
            .collect();
        found.sort();
        let page = page.cut(found, |(key, _)| key.clone());
        Ok(ecs::ListContainerInstancesResponse {
            container_instance_arns: page.items.into_iter().map(|(_, arn)| arn).collect(),
            next_token: page.next_token,
        })
    }
}

/// Shows instances; INACTIVE ones for as long as they are remembered.
pub struct DescribeContainerInstances;

impl Operation for DescribeContainerInstances {
    const NAME: &'static str = "DescribeContainerInstances";
    type Context = Ecs;
    type Input = ecs::DescribeContainerInstancesRequest;
    type Output = ecs::DescribeContainerInstancesResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::instances(
            ecs,
            view,
            input.cluster.as_deref(),
            &input.container_instances,
        )
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let tags = includes_tags(&input.include, &["TAGS", "CONTAINER_INSTANCE_HEALTH"])?;
        let health = input
            .include
            .iter()
            .any(|value| value == "CONTAINER_INSTANCE_HEALTH");
        let ids = read_ids(ecs, &cluster, &input.container_instances)?;
        let view = ecs.db.view();
        identifier::active_cluster(&view, &cluster)?;
        let mut output = ecs::DescribeContainerInstancesResponse::default();
        for asked in ids {
            match find(&view, &cluster, &asked) {
                Some(instance) => {
                    let mut shown = show(&ecs.realm, &view, instance, tags);
                    // Nothing probes the runtime of an instance yet, so nothing can be said.
                    shown.health_status = health.then(|| ecs::ContainerInstanceHealthStatus {
                        overall_status: Some("INSUFFICIENT_DATA".to_owned()),
                        ..ecs::ContainerInstanceHealthStatus::default()
                    });
                    output.container_instances.push(shown);
                }
                None => output
                    .failures
                    .push(missing(ecs.realm.instance(&cluster, &asked))),
            }
        }
        Ok(output)
    }
}

/// Drains instances, or takes them back into use.
pub struct UpdateContainerInstancesState;

impl Operation for UpdateContainerInstancesState {
    const NAME: &'static str = "UpdateContainerInstancesState";
    type Context = Ecs;
    type Input = ecs::UpdateContainerInstancesStateRequest;
    type Output = ecs::UpdateContainerInstancesStateResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::instances(
            ecs,
            view,
            input.cluster.as_deref(),
            &input.container_instances,
        )
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let status = required("status", input.status)?;
        let status = match word("status", &status, &["ACTIVE", "DRAINING"])? {
            "ACTIVE" => InstanceStatus::Active,
            _ => InstanceStatus::Draining,
        };
        let ids = read_ids(ecs, &cluster, &input.container_instances)?;
        // One named twice is changed once.
        let ids: BTreeSet<Asked<InstanceId>> = ids.into_iter().collect();
        ecs.transact(|view| {
            identifier::active_cluster(view, &cluster)?;
            let mut txn = Txn::new();
            let mut output = ecs::UpdateContainerInstancesStateResponse::default();
            for asked in &ids {
                let arn = ecs.realm.instance(&cluster, asked);
                let Some(instance) = find(view, &cluster, asked) else {
                    output.failures.push(missing(arn));
                    continue;
                };
                if instance.status == InstanceStatus::Inactive {
                    let detail = "It was deregistered; let the node join again.".to_owned();
                    output.failures.push(failure(arn, "INACTIVE", Some(detail)));
                    continue;
                }
                let updated = Instance {
                    status,
                    status_reason: None,
                    ..Instance::clone(instance)
                };
                if updated != **instance {
                    txn.replace(instance, &updated);
                }
                output
                    .container_instances
                    .push(show(&ecs.realm, view, &updated, true));
            }
            Ok((txn, output))
        })
        .await
    }
}

/// Takes an instance out of its cluster for good. By force its tasks are given up.
pub struct DeregisterContainerInstance;

impl Operation for DeregisterContainerInstance {
    const NAME: &'static str = "DeregisterContainerInstance";
    type Context = Ecs;
    type Input = ecs::DeregisterContainerInstanceRequest;
    type Output = ecs::DeregisterContainerInstanceResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::cluster(ecs, view, input.cluster.as_deref())
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let text = required("containerInstance", input.container_instance)?;
        let asked = identifier::instance(&ecs.realm, &cluster, &text)?;
        let force = input.force.unwrap_or_default();
        let now = ecs.ctx().now;
        // The first commit takes the instance out of use, so no task comes to it after that; where
        // it has more tasks than one commit holds, later ones give up the rest.
        loop {
            let (instance, left) = ecs
                .transact(|view| deregister(ecs, view, &cluster, &asked, force, now))
                .await?;
            if left == 0 {
                return Ok(ecs::DeregisterContainerInstanceResponse {
                    container_instance: Some(instance),
                });
            }
        }
    }
}

/// One commit of a deregistration. Answers with how many tasks are still to be given up.
fn deregister(
    ecs: &Ecs,
    view: &View,
    cluster: &ClusterName,
    asked: &Asked<InstanceId>,
    force: bool,
    now: Timestamp,
) -> Result<(Txn, (ecs::ContainerInstance, usize)), ApiError> {
    identifier::active_cluster(view, cluster)?;
    let instance =
        find(view, cluster, asked).ok_or_else(|| exception::client(not_found(cluster, asked)))?;
    let live: Vec<&Stored<Task>> = view
        .instance_tasks(cluster, instance.id)
        .filter(|task| task.is_live())
        .collect();
    if !live.is_empty() && !force {
        return Err(ApiError::invalid_parameter(format!(
            "Found running tasks on the instance. {} of its tasks have not stopped: drain it with UpdateContainerInstancesState first, or deregister with force.",
            live.len()
        )));
    }
    let mut txn = Txn::new();
    let inactive = Instance {
        status: InstanceStatus::Inactive,
        status_reason: None,
        // As if placed on, so that a placement decided from the same view cannot stand.
        version: instance.version + 1,
        ..Instance::clone(instance)
    };
    if instance.status != InstanceStatus::Inactive {
        txn.replace(instance, &inactive);
    }
    for task in live.iter().take(MAX_GIVEN_UP) {
        let mut lost = Task::clone(task);
        lost.lose(StopCode::TerminationNotice, DEREGISTERED, now);
        txn.replace(task, &lost);
    }
    let mut shown = show(&ecs.realm, view, &inactive, true);
    if force {
        // The view still has the tasks that this commit gives up.
        shown.running_tasks_count = Some(0);
        shown.pending_tasks_count = Some(0);
        shown.remaining_resources = show_resources(&instance.registered, &instance.registered);
    }
    Ok((txn, (shown, live.len().saturating_sub(MAX_GIVEN_UP))))
}
