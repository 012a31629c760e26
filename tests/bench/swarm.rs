//! Docker Swarm mode on the shared engine.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use bollard::models::{
    Limit, LocalNodeState, ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated,
    ServiceSpecUpdateConfig, ServiceSpecUpdateConfigFailureActionEnum,
    ServiceSpecUpdateConfigOrderEnum, ServiceUpdateStatusStateEnum, SwarmInitRequest, Task,
    TaskSpec, TaskSpecContainerSpec, TaskSpecResources, TaskSpecRestartPolicy,
    TaskSpecRestartPolicyConditionEnum, TaskState,
};
use bollard::query_parameters::{
    InspectServiceOptions, LeaveSwarmOptions, ListTasksOptions, UpdateServiceOptions,
};

use crate::engine::Engine;
use crate::system::{
    MEMORY_MIB, PIDS_LIMIT, RELEASE_VARIABLE, Release, SeenTask, Surge, System, TaskPhase, command,
};

/// Shortest that Swarm accepts, in nanoseconds: watching a new task costs it nothing.
const SHORTEST_MONITOR: i64 = 1_000_000;
/// Any failure ratio is fine: no task fails, and Longshore runs without a circuit breaker.
const MAX_FAILURE_RATIO: f64 = 1.0;

/// A one-node swarm.
pub(crate) struct Swarm {
    engine: Engine,
    started_here: bool,
}

impl Swarm {
    /// Uses the swarm that the engine manages, or starts one until [`Self::leave`].
    pub(crate) async fn start(engine: &Engine) -> Result<Self> {
        let info = engine.docker.info().await?;
        let swarm = info.swarm.unwrap_or_default();
        let started_here = match swarm.local_node_state {
            Some(LocalNodeState::ACTIVE) if swarm.control_available == Some(true) => false,
            None | Some(LocalNodeState::INACTIVE | LocalNodeState::EMPTY) => {
                let request = SwarmInitRequest {
                    listen_addr: Some("127.0.0.1:0".to_owned()),
                    advertise_addr: Some("127.0.0.1".to_owned()),
                    ..SwarmInitRequest::default()
                };
                engine
                    .docker
                    .init_swarm(request)
                    .await
                    .context("cannot start a swarm")?;
                true
            }
            Some(state) => bail!("the engine is in a swarm that it does not manage ({state})"),
        };
        Ok(Self {
            engine: engine.clone(),
            started_here,
        })
    }

    /// Leaves the swarm if [`Self::start`] started it; its services go with it.
    pub(crate) async fn leave(self) -> Result<()> {
        if self.started_here {
            let options = LeaveSwarmOptions { force: true };
            self.engine.docker.leave_swarm(Some(options)).await?;
        }
        Ok(())
    }

    fn spec(&self, service: &str, count: u32, surge: Surge, release: Release) -> ServiceSpec {
        let (order, parallelism) = match surge {
            Surge::Double => (ServiceSpecUpdateConfigOrderEnum::START_FIRST, count),
            Surge::Half => (
                ServiceSpecUpdateConfigOrderEnum::STOP_FIRST,
                count.div_ceil(2),
            ),
        };
        ServiceSpec {
            name: Some(service.to_owned()),
            mode: Some(ServiceSpecMode {
                replicated: Some(ServiceSpecModeReplicated {
                    replicas: Some(i64::from(count)),
                }),
                ..ServiceSpecMode::default()
            }),
            update_config: Some(ServiceSpecUpdateConfig {
                parallelism: Some(i64::from(parallelism)),
                delay: Some(0),
                failure_action: Some(ServiceSpecUpdateConfigFailureActionEnum::CONTINUE),
                monitor: Some(SHORTEST_MONITOR),
                max_failure_ratio: Some(MAX_FAILURE_RATIO),
                order: Some(order),
            }),
            task_template: Some(TaskSpec {
                container_spec: Some(TaskSpecContainerSpec {
                    // By id, Swarm starts what is there; by name it would first ask a registry.
                    image: Some(self.engine.image_id.clone()),
                    command: Some(command()),
                    env: Some(vec![format!("{RELEASE_VARIABLE}={}", release.number())]),
                    ..TaskSpecContainerSpec::default()
                }),
                resources: Some(TaskSpecResources {
                    limits: Some(Limit {
                        memory_bytes: Some(i64::from(MEMORY_MIB) * 1024 * 1024),
                        pids: Some(PIDS_LIMIT),
                        ..Limit::default()
                    }),
                    ..TaskSpecResources::default()
                }),
                restart_policy: Some(TaskSpecRestartPolicy {
                    condition: Some(TaskSpecRestartPolicyConditionEnum::ANY),
                    delay: Some(0),
                    ..TaskSpecRestartPolicy::default()
                }),
                ..TaskSpec::default()
            }),
            ..ServiceSpec::default()
        }
    }
}

impl System for Swarm {
    fn name(&self) -> &'static str {
        "swarm"
    }

    async fn create(&mut self, service: &str, count: u32, surge: Surge) -> Result<()> {
        let spec = self.spec(service, count, surge, Release::One);
        self.engine.docker.create_service(spec, None).await?;
        Ok(())
    }

    async fn tasks(&mut self, service: &str) -> Result<Vec<SeenTask>> {
        let filters = HashMap::from([("service".to_owned(), vec![service.to_owned()])]);
        let options = ListTasksOptions {
            filters: Some(filters),
        };
        let tasks = self.engine.docker.list_tasks(Some(options)).await?;
        tasks.into_iter().map(seen).collect()
    }

    async fn update(&mut self, service: &str, count: u32, surge: Surge, to: Release) -> Result<()> {
        let docker = &self.engine.docker;
        let current = docker
            .inspect_service(service, None::<InspectServiceOptions>)
            .await?;
        let version = current
            .version
            .and_then(|version| version.index)
            .context("Swarm shows the service without a version")?;
        let options = UpdateServiceOptions {
            version: i32::try_from(version)?,
            ..UpdateServiceOptions::default()
        };
        let spec = self.spec(service, count, surge, to);
        docker.update_service(service, spec, options, None).await?;
        Ok(())
    }

    async fn update_complete(&mut self, service: &str) -> Result<bool> {
        let service = self
            .engine
            .docker
            .inspect_service(service, None::<InspectServiceOptions>)
            .await?;
        let state = service.update_status.and_then(|status| status.state);
        Ok(state == Some(ServiceUpdateStatusStateEnum::COMPLETED))
    }

    async fn delete(&mut self, service: &str) -> Result<()> {
        self.engine.docker.delete_service(service).await?;
        Ok(())
    }
}

fn seen(task: Task) -> Result<SeenTask> {
    let id = task.id.context("Swarm shows a task without an id")?;
    let env = task
        .spec
        .and_then(|spec| spec.container_spec)
        .and_then(|container| container.env)
        .unwrap_or_default();
    let release = Release::ALL
        .into_iter()
        .find(|release| env.contains(&format!("{RELEASE_VARIABLE}={}", release.number())))
        .with_context(|| format!("task {id} has no {RELEASE_VARIABLE} of ours"))?;
    let status = task.status.unwrap_or_default();
    let phase = match status.state {
        Some(TaskState::RUNNING) if task.desired_state == Some(TaskState::RUNNING) => {
            TaskPhase::Running
        }
        Some(TaskState::RUNNING) => TaskPhase::Stopping,
        Some(
            TaskState::COMPLETE
            | TaskState::SHUTDOWN
            | TaskState::FAILED
            | TaskState::REJECTED
            | TaskState::REMOVE
            | TaskState::ORPHANED,
        ) => TaskPhase::Stopped,
        _ => TaskPhase::Starting,
    };
    Ok(SeenTask {
        id,
        container: status
            .container_status
            .and_then(|container| container.container_id),
        release,
        phase,
        created_at: task.created_at.map(|at| at.unix_timestamp_nanos()),
        trouble: status.err.filter(|error| !error.is_empty()),
    })
}
