//! Tasks: RunTask and StartTask (in `run`), StopTask, DescribeTasks, ListTasks.

mod run;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::BTreeMap;

use longshore_door::ApiError;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_door::page::{MAX_RESULTS, PageRequest};
use longshore_model::instance::Connection;
use longshore_model::task::{
    Container, ContainerOverride, DesiredStatus, NetworkBinding, Overrides, StopCode, Task,
};
use longshore_model::{ClusterName, Realm, TaskId};
use longshore_proto::ecs;
use longshore_store::{Stored, Txn, View};

use super::wire::{self, creation_key, memory_text, missing, number, show_tags_if};
use super::{advise, identifier, includes_tags, instance, required, word};
use crate::context::Ecs;
use crate::exception;
use crate::identifier::Asked;
use crate::touched;

pub(super) use run::dry_run;
pub use run::{AskedTasks, RunTask, StartTask};

/// Why a task stopped, where StopTask gives no reason.
const STOPPED_BY_USER: &str = "Task stopped by user";
/// Container health checks are not run, so health is not known.
const HEALTH: &str = "UNKNOWN";

/// A task on the wire; where it runs is looked up in the view.
fn show(realm: &Realm, view: &View, task: &Task, tags: bool) -> ecs::Task {
    let instance = view.instances.get(&(task.cluster.clone(), task.instance));
    let (connectivity, since) = match instance.map(|instance| instance.connection) {
        None => (None, None),
        Some(Connection::Connected(since)) => (Some("CONNECTED"), Some(since)),
        Some(Connection::Disconnected(since) | Connection::Lost(since)) => {
            (Some("DISCONNECTED"), Some(since))
        }
    };
    let containers = task.containers.iter().enumerate();
    ecs::Task {
        availability_zone: instance
            .map(|instance| instance.zone().to_owned())
            .filter(|zone| !zone.is_empty()),
        cluster_arn: Some(realm.cluster(&task.cluster)),
        connectivity: connectivity.map(str::to_owned),
        connectivity_at: since.map(wire::time),
        container_instance_arn: Some(realm.instance(&task.cluster, task.instance)),
        containers: containers
            .map(|(i, c)| show_container(realm, task, i, c))
            .collect(),
        cpu: Some(task.demand.cpu.0.to_string()),
        created_at: Some(wire::time(task.created_at)),
        desired_status: Some(task.desired_status.as_str().to_owned()),
        enable_execute_command: Some(false),
        execution_stopped_at: task.execution_stopped_at.map(wire::time),
        group: Some(task.group.clone()),
        health_status: Some(HEALTH.to_owned()),
        last_status: Some(task.shown_status().as_str().to_owned()),
        launch_type: Some(task.launch_type.clone()),
        memory: Some(memory_text(task.demand.memory)),
        overrides: Some(show_overrides(task)),
        pull_started_at: task.pull_started_at.map(wire::time),
        pull_stopped_at: task.pull_stopped_at.map(wire::time),
        started_at: task.started_at.map(wire::time),
        started_by: task.started_by.clone(),
        stop_code: task.stop_code.map(|code| code.as_str().to_owned()),
        stopped_at: task.stopped_at.map(wire::time),
        stopped_reason: task.stopped_reason.clone(),
        stopping_at: task.stopping_at.map(wire::time),
        tags: show_tags_if(tags, &task.tags),
        task_arn: Some(realm.task(&task.cluster, task.id)),
        task_definition_arn: Some(realm.task_definition(&task.family, task.revision)),
        version: Some(i64::try_from(task.version).unwrap_or(i64::MAX)),
        ..ecs::Task::default()
    }
}

fn show_container(
    realm: &Realm,
    task: &Task,
    index: usize,
    container: &Container,
) -> ecs::Container {
    ecs::Container {
        container_arn: Some(realm.container(&task.cluster, task.id, index)),
        task_arn: Some(realm.task(&task.cluster, task.id)),
        name: Some(container.name.clone()),
        image: Some(container.image.clone()),
        image_digest: container.image_digest.clone(),
        runtime_id: container.runtime_id.clone(),
        last_status: Some(container.last_status.as_str().to_owned()),
        exit_code: container.exit_code,
        reason: container.reason.clone(),
        network_bindings: container
            .network_bindings
            .iter()
            .map(show_binding)
            .collect(),
        health_status: Some(HEALTH.to_owned()),
        cpu: Some(container.cpu.0.to_string()),
        memory: container.memory.map(memory_text),
        memory_reservation: container.memory_reservation.map(memory_text),
        ..ecs::Container::default()
    }
}

fn show_binding(binding: &NetworkBinding) -> ecs::NetworkBinding {
    ecs::NetworkBinding {
        bind_ip: Some(binding.bind_ip.clone()),
        container_port: Some(binding.container_port.into()),
        host_port: Some(binding.host_port.into()),
        protocol: Some(binding.protocol.as_str().to_owned()),
        ..ecs::NetworkBinding::default()
    }
}

/// One entry per container, as ECS shows them, whether or not anything of it was overridden.
fn show_overrides(task: &Task) -> ecs::TaskOverride {
    let Overrides {
        cpu,
        memory,
        containers,
    } = &task.overrides;
    let given: BTreeMap<&str, &ContainerOverride> = containers
        .iter()
        .map(|change| (change.name.as_str(), change))
        .collect();
    let container_overrides = task.containers.iter().map(|container| {
        let mut shown = ecs::ContainerOverride {
            name: Some(container.name.clone()),
            ..ecs::ContainerOverride::default()
        };
        if let Some(change) = given.get(container.name.as_str()) {
            shown.command = change.command.clone().unwrap_or_default();
            shown.environment = change
                .environment
                .iter()
                .map(|(name, value)| wire::pair(name, value))
                .collect();
            shown.cpu = change.cpu.map(|cpu| number(cpu.0));
            shown.memory = change.memory.map(|memory| number(memory.0));
            shown.memory_reservation = change.memory_reservation.map(|memory| number(memory.0));
        }
        shown
    });
    ecs::TaskOverride {
        container_overrides: container_overrides.collect(),
        cpu: cpu.map(|cpu| cpu.0.to_string()),
        memory: memory.map(memory_text),
        ..ecs::TaskOverride::default()
    }
}

/// The task that is asked for.
///
/// Errors: InvalidParameterException where there is none.
pub(super) fn find<'a>(
    view: &'a View,
    cluster: &ClusterName,
    asked: &Asked<TaskId>,
) -> Result<&'a Stored<Task>, ApiError> {
    let found = asked.id().and_then(|id| view.tasks.get(cluster, id));
    found.ok_or_else(|| {
        advise(
            ApiError::invalid_parameter("The referenced task was not found."),
            format_args!(
                "Cluster {cluster} has no task {asked}; tasks are forgotten some time after they stopped. See ListTasks."
            ),
        )
    })
}

/// Tells a task to stop. A task that is stopping or stopped is returned as it is.
pub struct StopTask;

impl Operation for StopTask {
    const NAME: &'static str = "StopTask";
    type Context = Ecs;
    type Input = ecs::StopTaskRequest;
    type Output = ecs::StopTaskResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::tasks(ecs, view, input.cluster.as_deref(), input.task.as_slice())
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let text = required("task", input.task)?;
        let asked = identifier::task(&ecs.realm, &cluster, "task", &text)?;
        let reason = input.reason.filter(|reason| !reason.is_empty());
        let reason = reason.as_deref().unwrap_or(STOPPED_BY_USER);
        let now = ecs.ctx().now;
        let task = ecs
            .transact(|view| {
                identifier::active_cluster(view, &cluster)?;
                let task = find(view, &cluster, &asked)?;
                let mut stopped = Task::clone(task);
                let mut txn = Txn::new();
                if stopped.stop(StopCode::UserInitiated, reason, now) {
                    txn.replace(task, &stopped);
                }
                Ok((txn, show(&ecs.realm, view, &stopped, true)))
            })
            .await?;
        Ok(ecs::StopTaskResponse { task: Some(task) })
    }
}

/// Shows tasks; those that stopped for as long as they are remembered.
pub struct DescribeTasks;

impl Operation for DescribeTasks {
    const NAME: &'static str = "DescribeTasks";
    type Context = Ecs;
    type Input = ecs::DescribeTasksRequest;
    type Output = ecs::DescribeTasksResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::tasks(ecs, view, input.cluster.as_deref(), &input.tasks)
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let tags = includes_tags(&input.include, &["TAGS"])?;
        let all: Vec<Asked<TaskId>> = input
            .tasks
            .iter()
            .map(|text| identifier::task(&ecs.realm, &cluster, "taskId", text))
            .collect::<Result<_, _>>()?;
        let view = ecs.db.view();
        identifier::active_cluster(&view, &cluster)?;
        let mut output = ecs::DescribeTasksResponse::default();
        for asked in all {
            match asked.id().and_then(|id| view.tasks.get(&cluster, id)) {
                Some(task) => output.tasks.push(show(&ecs.realm, &view, task, tags)),
                None => output
                    .failures
                    .push(missing(ecs.realm.task(&cluster, &asked))),
            }
        }
        Ok(output)
    }
}

/// Lists tasks, oldest first; those whose desired status is RUNNING if no other is asked for.
pub struct ListTasks;

impl Operation for ListTasks {
    const NAME: &'static str = "ListTasks";
    type Context = Ecs;
    type Input = ecs::ListTasksRequest;
    type Output = ecs::ListTasksResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::listed_instance(ecs, view, input)
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let page = PageRequest::new(
            Self::NAME,
            input.next_token.as_deref(),
            input.max_results,
            MAX_RESULTS,
            MAX_RESULTS,
        )?;
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        check_filters(&input)?;
        let desired = match input.desired_status.as_deref().unwrap_or("RUNNING") {
            "RUNNING" => Some(DesiredStatus::Running),
            "STOPPED" => Some(DesiredStatus::Stopped),
            other => {
                // PENDING is a word of ECS, but no task ever has it as its desired status.
                word("desiredStatus", other, &["RUNNING", "STOPPED", "PENDING"])?;
                None
            }
        };
        let service = input.service_name.as_deref();
        let service = service
            .map(|text| identifier::service(&ecs.realm, &cluster, text))
            .transpose()?;
        let asked = input.container_instance.as_deref();
        let asked = asked
            .map(|text| identifier::instance(&ecs.realm, &cluster, text))
            .transpose()?;
        let instance = asked.as_ref().and_then(Asked::id);
        let view = ecs.db.view();
        identifier::active_cluster(&view, &cluster)?;
        let tasks: Box<dyn Iterator<Item = &Stored<Task>>> = match (&service, &asked) {
            (Some(name), _) => {
                if !view.services.contains_key(&(cluster.clone(), name.clone())) {
                    return Err(advise(
                        exception::service_not_found(),
                        format_args!("Cluster {cluster} has no service {name}; see ListServices."),
                    ));
                }
                Box::new(view.service_tasks(&cluster, name))
            }
            (None, Some(asked)) => match instance {
                Some(id) if view.instances.contains_key(&(cluster.clone(), id)) => {
                    Box::new(view.instance_tasks(&cluster, id))
                }
                _ => {
                    let message = instance::not_found(&cluster, asked);
                    return Err(ApiError::invalid_parameter(message));
                }
            },
            (None, None) => Box::new(view.cluster_tasks(&cluster)),
        };
        let family = input.family.as_deref();
        let started_by = input.started_by.as_deref();
        let launch_type = input.launch_type.as_deref();
        let mut found: Vec<(String, String)> = tasks
            .filter(|task| desired == Some(task.desired_status))
            .filter(|task| asked.is_none() || instance == Some(task.instance))
            .filter(|task| family.is_none_or(|family| task.family.as_str() == family))
            .filter(|task| started_by.is_none_or(|by| task.started_by.as_deref() == Some(by)))
            .filter(|task| launch_type.is_none_or(|wanted| task.launch_type == wanted))
            .map(|task| {
                (
                    creation_key(task.created_at, task.id),
                    ecs.realm.task(&cluster, task.id),
                )
            })
            .collect();
        found.sort();
        let page = page.cut(found, |(key, _)| key.clone());
        Ok(ecs::ListTasksResponse {
            task_arns: page.items.into_iter().map(|(_, arn)| arn).collect(),
            next_token: page.next_token,
        })
    }
}

/// The rules on the filters of ListTasks (ECS API reference).
fn check_filters(input: &ecs::ListTasksRequest) -> Result<(), ApiError> {
    run::check_started_by(input.started_by.as_deref())?;
    let others = [
        ("family", &input.family),
        ("serviceName", &input.service_name),
        ("containerInstance", &input.container_instance),
        ("desiredStatus", &input.desired_status),
        ("launchType", &input.launch_type),
    ];
    let other = others.iter().find(|(_, value)| value.is_some());
    match (&input.started_by, other) {
        (Some(_), Some((other, _))) => Err(ApiError::invalid_parameter(format!(
            "startedBy must be the only filter. Leave {other} out, or startedBy."
        ))),
        _ => Ok(()),
    }
}
