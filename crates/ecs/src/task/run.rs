//! RunTask and StartTask: tasks that no service owns.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use longshore_door::ApiError;
use longshore_door::Faults;
use longshore_door::auth::Caller;
use longshore_door::operation::{Operation, Touched};
use longshore_model::instance::{Instance, InstanceStatus};
use longshore_model::placement::{PlacementConstraint, PlacementStrategy, Rejection, Unplaced};
use longshore_model::plan::Ctx;
use longshore_model::tag::Tags;
use longshore_model::task::{ContainerOverride, NewTask, Overrides, Task};
use longshore_model::task_definition::TaskDefinition;
use longshore_model::{ClusterName, CpuUnits, InstanceId, Mib, TaskId, Timestamp};
use longshore_proto::ecs;
use longshore_store::table::ClientToken;
use longshore_store::{Stored, Txn, View};

use super::show;
use crate::context::{Ecs, PlacementRequest};
use crate::exception;
use crate::identifier::{self, Asked, DefinitionName};
use crate::placement::{self, Placement};
use crate::task_definition::read_environment;
use crate::touched;
use crate::wire::{failure, from_json, merge_tags, missing, read_tags, request_digest, to_json};
use crate::{amount, at_most, client_token, launch_type, no_network_configuration, required, word};

/// Tasks one RunTask may start.
const MAX_COUNT: i32 = 10;
/// Longest `startedBy`, in characters.
const MAX_STARTED_BY: usize = 128;
/// Longest group, in characters.
const MAX_GROUP: usize = 255;
/// Longest `overrides`, in characters of JSON.
const MAX_OVERRIDES: usize = 8192;
/// Longest client token, in characters.
const MAX_TOKEN: usize = 64;
/// How long a client token is remembered.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What RunTask and StartTask have in common, read and checked.
struct Launch {
    cluster: ClusterName,
    definition: DefinitionName,
    overrides: Overrides,
    /// `family:FAMILY` where none is given.
    group: Option<String>,
    started_by: Option<String>,
    launch_type: String,
    /// `None`: the request names the instances, and nothing constrains it.
    placement: Option<Placement>,
    tags: Vec<ecs::Tag>,
    tags_of_definition: bool,
    managed_tags: bool,
}

impl Launch {
    /// Reads a RunTask request, but for its count and client token.
    fn of_run(ecs: &Ecs, input: ecs::RunTaskRequest) -> Result<Self, ApiError> {
        let placement = Placement::read(
            input.launch_type.as_deref(),
            &input.placement_constraints,
            &input.placement_strategy,
        )?;
        let launch_type = launch_type(input.launch_type.as_deref())?;
        Self::read(ecs, as_start(input), launch_type, Some(placement))
    }

    /// Reads the members that both requests have; `input` is written as StartTask's.
    fn read(
        ecs: &Ecs,
        input: ecs::StartTaskRequest,
        launch: String,
        placement: Option<Placement>,
    ) -> Result<Self, ApiError> {
        no_network_configuration(input.network_configuration.is_some())?;
        let text = required("taskDefinition", input.task_definition)?;
        check_group(input.group.as_deref())?;
        check_started_by(input.started_by.as_deref())?;
        read_tags(input.tags.clone())?;
        let tags_of_definition = match input.propagate_tags.as_deref() {
            None | Some("NONE") => false,
            Some("TASK_DEFINITION") => true,
            Some("SERVICE") => {
                return Err(ApiError::invalid_parameter(
                    "propagateTags SERVICE is for services only. Use TASK_DEFINITION or NONE.",
                ));
            }
            Some(other) => {
                word("propagateTags", other, &["TASK_DEFINITION", "NONE"])?;
                false
            }
        };
        Ok(Self {
            cluster: identifier::cluster(&ecs.realm, input.cluster.as_deref())?,
            definition: DefinitionName::parse(&ecs.realm, &text)?,
            overrides: read_overrides(input.overrides.unwrap_or_default())?,
            group: input.group,
            started_by: input.started_by,
            launch_type: launch,
            placement,
            tags: input.tags,
            tags_of_definition,
            managed_tags: input.enable_ecs_managed_tags.unwrap_or_default(),
        })
    }

    fn group(&self, definition: &TaskDefinition) -> String {
        self.group
            .clone()
            .unwrap_or_else(|| format!("family:{}", definition.family))
    }

    /// The definition as it is to run.
    fn overridden(&self, definition: &TaskDefinition) -> Result<TaskDefinition, ApiError> {
        let overridden = self.overrides.apply(definition).map_err(|name| {
            ApiError::invalid_parameter(format!(
                "Override for container named {name} is not a container in the TaskDefinition. Name one of {}.",
                definition.containers.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
            ))
        })?;
        let faults = overridden.faults();
        if !faults.is_empty() {
            let faults: Vec<String> = faults.into_iter().map(|fault| fault.0).collect();
            return Err(ApiError::invalid_parameter(format!(
                "The overrides do not fit {}. {}",
                definition.name(),
                faults.join(" ")
            )));
        }
        Ok(overridden)
    }

    /// Tags of the new tasks; where a key clashes, what the request says wins.
    fn tags(&self, definition: &TaskDefinition) -> Result<Tags, ApiError> {
        let mut tags = Tags::new();
        if self.tags_of_definition {
            tags.clone_from(&definition.tags);
        }
        merge_tags(&mut tags, self.tags.clone())?;
        if self.managed_tags {
            tags.insert("aws:ecs:clusterName".to_owned(), self.cluster.to_string());
        }
        Ok(tags)
    }
}

/// Tasks in the making, together with what guards them.
struct Placing<'a> {
    launch: &'a Launch,
    view: &'a View,
    /// Overrides applied.
    definition: TaskDefinition,
    /// Those of the definition and those of the request.
    constraints: Vec<PlacementConstraint>,
    tags: Tags,
    txn: Txn,
    tasks: Vec<Task>,
    touched: BTreeSet<InstanceId>,
}

impl<'a> Placing<'a> {
    /// Looks up what the tasks depend on and guards that.
    fn start(launch: &'a Launch, view: &'a View) -> Result<Self, ApiError> {
        let mut txn = Txn::new();
        txn.guard(identifier::active_cluster(view, &launch.cluster)?);
        let definition = launch
            .definition
            .find_active(view, ApiError::invalid_parameter)?;
        txn.guard(definition);
        let constraints = match &launch.placement {
            Some(asked) => placement::binding(definition, &asked.constraints)?,
            None => Vec::new(),
        };
        Ok(Self {
            launch,
            view,
            constraints,
            definition: launch.overridden(definition)?,
            tags: launch.tags(definition)?,
            txn,
            tasks: Vec::new(),
            touched: BTreeSet::new(),
        })
    }

    /// Has tasks placed and makes them. Returns why the rest was not placed.
    fn place(
        &mut self,
        ecs: &Ecs,
        count: u32,
        only: Option<InstanceId>,
        ctx: &mut Ctx,
    ) -> Result<Unplaced, ApiError> {
        let group = self.launch.group(&self.definition);
        let request = PlacementRequest {
            cluster: &self.launch.cluster,
            definition: &self.definition,
            count,
            group: &group,
            constraints: &self.constraints,
            strategy: self
                .launch
                .placement
                .as_ref()
                .map_or(&[], |asked| &asked.strategy),
            only,
        };
        let answer = ecs.placer.place(self.view, &request, ctx);
        for instance in answer.placed {
            self.touch(instance)?;
            let new = NewTask {
                id: ctx.task_id(),
                instance,
                cluster: self.launch.cluster.clone(),
                group: group.clone(),
                started_by: self.launch.started_by.clone(),
                service: None,
                launch_type: self.launch.launch_type.clone(),
                overrides: self.launch.overrides.clone(),
                tags: self.tags.clone(),
            };
            let task = Task::new(new, &self.definition, ctx.now);
            self.txn.create(&task);
            self.tasks.push(task);
        }
        Ok(answer.unplaced.unwrap_or_default())
    }

    /// Raises the version of an instance, once, so that no other placement on it can be decided
    /// from the same view.
    fn touch(&mut self, id: InstanceId) -> Result<(), ApiError> {
        if self.touched.insert(id) {
            let read = self.instance(id).ok_or_else(|| {
                tracing::error!(instance = %id, "placed on an instance that does not exist");
                ApiError::internal()
            })?;
            let placed_on = Instance {
                version: read.version + 1,
                ..Instance::clone(read)
            };
            self.txn.replace(read, &placed_on);
        }
        Ok(())
    }

    fn instance(&self, id: InstanceId) -> Option<&'a Stored<Instance>> {
        self.view.instances.get(&(self.launch.cluster.clone(), id))
    }

    /// One failure for each instance that is named with its rejection, the closest first. The
    /// reason is the word of ECS; the detail says what was wanted and what was there, and how many
    /// instances gave which reason.
    fn failures(&self, ecs: &Ecs, unplaced: &Unplaced) -> Vec<ecs::Failure> {
        let mut named: Vec<(&InstanceId, &Rejection)> = unplaced.rejections.iter().collect();
        named.sort_by_key(|(id, rejection)| (std::cmp::Reverse(rejection.closeness()), **id));
        let all = match unplaced.instances() {
            0 | 1 => String::new(),
            several => format!("; of {several} instances: {}", unplaced.counts()),
        };
        named
            .into_iter()
            .map(|(id, rejection)| {
                let arn = ecs.realm.instance(&self.launch.cluster, *id);
                let detail = format!("{rejection}{all}");
                failure(arn, rejection.ecs_reason(), Some(detail))
            })
            .collect()
    }

    fn shown(&self, ecs: &Ecs) -> Vec<ecs::Task> {
        self.tasks
            .iter()
            .map(|task| show(&ecs.realm, self.view, task, true))
            .collect()
    }
}

/// Starts tasks where there is room.
pub struct RunTask;

impl Operation for RunTask {
    const NAME: &'static str = "RunTask";
    type Context = Ecs;
    type Input = ecs::RunTaskRequest;
    type Output = ecs::RunTaskResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::run_task(ecs, view, input)
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let count = read_count(input.count)?;
        client_token(input.client_token.as_deref(), MAX_TOKEN)?;
        let token = UsedToken::of(ecs, &input)?;
        let launch = Launch::of_run(ecs, input)?;
        let ctx = ecs.ctx();
        ecs.transact(|view| {
            if let Some(replay) = token.as_ref().and_then(|token| token.find(view, ctx.now)) {
                return Ok((Txn::new(), replay.answer(ecs, view)?));
            }
            let mut ctx = ctx.clone();
            let mut placing = Placing::start(&launch, view)?;
            let unplaced = placing.place(ecs, count, None, &mut ctx)?;
            if placing.tasks.is_empty() && unplaced.instances() == 0 {
                return Err(no_instances(view, &launch.cluster));
            }
            let output = ecs::RunTaskResponse {
                failures: placing.failures(ecs, &unplaced),
                tasks: placing.shown(ecs),
            };
            // A call that made nothing is not remembered, so that trying again can help.
            if let (Some(token), false) = (&token, placing.tasks.is_empty()) {
                let made = placing.tasks.iter().map(|task| task.id).collect::<Vec<_>>();
                token.keep(view, &mut placing.txn, &made, &output.failures, ctx.now)?;
            }
            let txn = if placing.tasks.is_empty() {
                Txn::new()
            } else {
                placing.txn
            };
            Ok((txn, output))
        })
        .await
    }
}

/// What a RunTask request asks of placement.
#[derive(Debug)]
pub struct AskedTasks {
    /// Where to.
    pub cluster: ClusterName,
    /// What they run, overrides applied.
    pub definition: TaskDefinition,
    /// Their group.
    pub group: String,
    /// How many.
    pub count: u32,
    /// All that bind: those of the definition, then those of the request.
    pub constraints: Vec<PlacementConstraint>,
    /// In order; may be empty.
    pub strategy: Vec<PlacementStrategy>,
}

/// What a request asks of placement now; nothing is placed.
///
/// Errors: those of RunTask but for the client token, which is not looked at.
pub(crate) fn dry_run(
    ecs: &Ecs,
    view: &View,
    input: ecs::RunTaskRequest,
) -> Result<AskedTasks, ApiError> {
    let count = read_count(input.count)?;
    let launch = Launch::of_run(ecs, input)?;
    let placing = Placing::start(&launch, view)?;
    Ok(AskedTasks {
        group: launch.group(&placing.definition),
        definition: placing.definition,
        count,
        constraints: placing.constraints,
        cluster: launch.cluster.clone(),
        strategy: launch
            .placement
            .map_or_else(Vec::new, |asked| asked.strategy),
    })
}

/// Why not one instance could be looked at.
fn no_instances(view: &View, cluster: &ClusterName) -> ApiError {
    match view.count_set_aside::<Instance>(cluster) {
        0 => ApiError::invalid_parameter(format!(
            "No Container Instances were found in your cluster. Let a node join cluster {cluster} with longshore-agent join, then run the task again.",
        )),
        damaged => ApiError::server(format!(
            "No Container Instances can be used in your cluster: the records of {damaged} are damaged. Run longshore-control-plane check, restore a backup, then run the task again.",
        )),
    }
}

/// How many tasks a request starts.
fn read_count(given: Option<i32>) -> Result<u32, ApiError> {
    let count = given.unwrap_or(1);
    u32::try_from(count)
        .ok()
        .filter(|_| (1..=MAX_COUNT).contains(&count))
        .ok_or_else(|| {
            ApiError::invalid_parameter(format!(
                "count is {count}. Use 1 to {MAX_COUNT}; for more, call again or create a service."
            ))
        })
}

/// The members that StartTask has too.
fn as_start(input: ecs::RunTaskRequest) -> ecs::StartTaskRequest {
    ecs::StartTaskRequest {
        cluster: input.cluster,
        container_instances: Vec::new(),
        enable_ecs_managed_tags: input.enable_ecs_managed_tags,
        enable_execute_command: input.enable_execute_command,
        group: input.group,
        network_configuration: input.network_configuration,
        overrides: input.overrides,
        propagate_tags: input.propagate_tags,
        reference_id: input.reference_id,
        started_by: input.started_by,
        tags: input.tags,
        task_definition: input.task_definition,
        volume_configurations: input.volume_configurations,
    }
}

/// The client token of a request, and what the request says.
struct UsedToken {
    cluster: ClusterName,
    token: String,
    digest: String,
}

/// A token that was used before.
enum Replay<'a> {
    Same(&'a ClientToken),
    Different(&'a ClientToken),
}

impl UsedToken {
    fn of(ecs: &Ecs, input: &ecs::RunTaskRequest) -> Result<Option<Self>, ApiError> {
        let Some(token) = input.client_token.clone() else {
            return Ok(None);
        };
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let mut canonical = input.clone();
        canonical.client_token = None;
        canonical.cluster = Some(cluster.to_string());
        Ok(Some(Self {
            cluster,
            token,
            digest: request_digest(&canonical)?,
        }))
    }

    fn record<'a>(&self, view: &'a View) -> Option<&'a Stored<ClientToken>> {
        let name = ClientToken::record_name(RunTask::NAME, &self.cluster, &self.token);
        view.client_tokens.get(&name)
    }

    /// What was made with the token, if it is still remembered.
    fn find<'a>(&self, view: &'a View, now: Timestamp) -> Option<Replay<'a>> {
        let record = self
            .record(view)
            .filter(|record| now.since(record.used_at) < TOKEN_LIFETIME)?;
        if record.request_digest == self.digest {
            Some(Replay::Same(record))
        } else {
            Some(Replay::Different(record))
        }
    }

    /// Remembers the token with what it made.
    fn keep(
        &self,
        view: &View,
        txn: &mut Txn,
        made: &[TaskId],
        failures: &[ecs::Failure],
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let used = ClientToken {
            operation: RunTask::NAME.to_owned(),
            cluster: self.cluster.clone(),
            token: self.token.clone(),
            request_digest: self.digest.clone(),
            made: made.iter().map(ToString::to_string).collect(),
            failures: to_json(&failures)?,
            used_at: now,
        };
        match self.record(view) {
            Some(expired) => txn.replace(expired, &used),
            None => txn.create(&used),
        }
        Ok(())
    }
}

impl Replay<'_> {
    /// The first answer again, with the tasks as they are now.
    fn answer(&self, ecs: &Ecs, view: &View) -> Result<ecs::RunTaskResponse, ApiError> {
        let ids = |token: &ClientToken| -> Vec<TaskId> {
            token.made.iter().filter_map(|id| id.parse().ok()).collect()
        };
        match self {
            Self::Same(token) => {
                let show_again = |id: TaskId| match view.tasks.get(&token.cluster, id) {
                    Some(task) => show(&ecs.realm, view, task, true),
                    // Forgotten, so it must have stopped long ago.
                    None => ecs::Task {
                        task_arn: Some(ecs.realm.task(&token.cluster, id)),
                        desired_status: Some("STOPPED".to_owned()),
                        last_status: Some("STOPPED".to_owned()),
                        ..ecs::Task::default()
                    },
                };
                Ok(ecs::RunTaskResponse {
                    tasks: ids(token).into_iter().map(show_again).collect(),
                    failures: from_json(&token.failures)?,
                })
            }
            Self::Different(token) => Err(exception::conflict(
                "The clientToken was used before with other parameters. Send a new clientToken with the new parameters.",
                ids(token)
                    .into_iter()
                    .map(|id| ecs.realm.task(&token.cluster, id))
                    .collect(),
            )),
        }
    }
}

/// Starts one task on each of the instances named.
pub struct StartTask;

impl Operation for StartTask {
    const NAME: &'static str = "StartTask";
    type Context = Ecs;
    type Input = ecs::StartTaskRequest;
    type Output = ecs::StartTaskResponse;

    fn resources(ecs: &Ecs, view: &View, input: &Self::Input) -> Vec<Touched> {
        touched::start_task(ecs, view, input)
    }

    async fn run(ecs: &Ecs, _: &Caller, input: Self::Input) -> Result<Self::Output, ApiError> {
        let cluster = identifier::cluster(&ecs.realm, input.cluster.as_deref())?;
        let mut instances: Vec<Asked<InstanceId>> = Vec::new();
        for text in &input.container_instances {
            let id = identifier::instance(&ecs.realm, &cluster, text)?;
            if instances.contains(&id) {
                return Err(ApiError::invalid_parameter(format!(
                    "containerInstances names {id} twice. Name each once; call again for a second task there."
                )));
            }
            instances.push(id);
        }
        let launch = Launch::read(ecs, input, "EC2".to_owned(), None)?;
        let ctx = ecs.ctx();
        ecs.transact(|view| {
            let mut ctx = ctx.clone();
            let mut placing = Placing::start(&launch, view)?;
            let mut failures = Vec::new();
            for asked in &instances {
                let arn = ecs.realm.instance(&cluster, asked);
                let found = asked.id().and_then(|id| placing.instance(id));
                match found.map(|instance| (instance.status, instance.id)) {
                    Some((InstanceStatus::Active, id)) => {
                        let unplaced = placing.place(ecs, 1, Some(id), &mut ctx)?;
                        failures.extend(placing.failures(ecs, &unplaced));
                    }
                    Some((InstanceStatus::Draining | InstanceStatus::Inactive, _)) => {
                        let rejection = Rejection::NotActive;
                        let detail = Some(rejection.to_string());
                        failures.push(failure(arn, rejection.ecs_reason(), detail));
                    }
                    None => failures.push(missing(arn)),
                }
            }
            let output = ecs::StartTaskResponse {
                failures,
                tasks: placing.shown(ecs),
            };
            let txn = if placing.tasks.is_empty() {
                Txn::new()
            } else {
                placing.txn
            };
            Ok((txn, output))
        })
        .await
    }
}

fn check_group(group: Option<&str>) -> Result<(), ApiError> {
    match group {
        Some(group) if group.is_empty() || group.chars().count() > MAX_GROUP => {
            Err(ApiError::invalid_parameter(format!(
                "group is not valid. Use 1 to {MAX_GROUP} characters, or leave it out."
            )))
        }
        Some(group) if group.starts_with("service:") => Err(ApiError::invalid_parameter(format!(
            "group \"{group}\" is not valid: groups that start with service: belong to services. Choose another."
        ))),
        _ => Ok(()),
    }
}

/// Checks what a task is said to be started by, or a filter for that.
pub(super) fn check_started_by(started_by: Option<&str>) -> Result<(), ApiError> {
    let Some(by) = started_by else {
        return Ok(());
    };
    let length = by.chars().count();
    if length > MAX_STARTED_BY {
        return Err(ApiError::invalid_parameter(format!(
            "startedBy longer than {MAX_STARTED_BY}. It has {length} characters: shorten it."
        )));
    }
    // The reference names letters, digits, - _ and /; ECS takes what tools send, such as
    // "ECS Deploy".
    match by.chars().find(|c| c.is_control()) {
        Some(control) => Err(ApiError::invalid_parameter(format!(
            "startedBy is not valid. It holds the control character U+{:04X}: leave it out.",
            u32::from(control)
        ))),
        None => Ok(()),
    }
}

/// The overrides of a request.
fn read_overrides(wire: ecs::TaskOverride) -> Result<Overrides, ApiError> {
    let length = to_json(&wire)?.chars().count();
    if length > MAX_OVERRIDES {
        return Err(ApiError::invalid_parameter(format!(
            "Container Overrides length must be at most {MAX_OVERRIDES}. overrides is {length} characters of JSON long: put what is long into the task definition."
        )));
    }
    let not_an_amount = |member: &str, text: &str| {
        ApiError::invalid_parameter(format!(
            "overrides.{member} \"{text}\" is not an amount. Give it as in a task definition, for example 256."
        ))
    };
    let cpu = wire
        .cpu
        .map(|text| amount::cpu(&text).ok_or_else(|| not_an_amount("cpu", &text)));
    let memory = wire
        .memory
        .map(|text| amount::memory(&text).ok_or_else(|| not_an_amount("memory", &text)));
    at_most(
        "overrides.containerOverrides",
        wire.container_overrides.len(),
        longshore_model::task_definition::MAX_CONTAINERS,
    )?;
    let mut containers: BTreeMap<String, ContainerOverride> = BTreeMap::new();
    for change in wire.container_overrides {
        let change = read_container_override(change)?;
        if let Some(twice) = containers.insert(change.name.clone(), change) {
            return Err(ApiError::invalid_parameter(format!(
                "overrides.containerOverrides names container {} twice. Put all of its overrides into one entry.",
                twice.name
            )));
        }
    }
    Ok(Overrides {
        cpu: cpu.transpose()?,
        memory: memory.transpose()?,
        containers: containers.into_values().collect(),
    })
}

fn read_container_override(wire: ecs::ContainerOverride) -> Result<ContainerOverride, ApiError> {
    let name = required("overrides.containerOverrides[].name", wire.name)?;
    let amount = |member: &str, value: Option<i32>| {
        value
            .map(|value| {
                u32::try_from(value).map_err(|_| {
                    ApiError::invalid_parameter(format!(
                        "The override of {member} for container {name} is {value}. It must not be negative."
                    ))
                })
            })
            .transpose()
    };
    let mut faults = Faults::default();
    let environment = read_environment(
        &format!("the override of container '{name}'"),
        &wire.environment,
        &mut faults,
    );
    if let Some(message) = faults.into_message() {
        return Err(ApiError::invalid_parameter(message));
    }
    Ok(ContainerOverride {
        // ECS cannot tell an empty command from none.
        command: Some(wire.command).filter(|command| !command.is_empty()),
        environment,
        cpu: amount("cpu", wire.cpu)?.map(CpuUnits),
        memory: amount("memory", wire.memory)?.map(Mib),
        memory_reservation: amount("memoryReservation", wire.memory_reservation)?.map(Mib),
        name,
    })
}
