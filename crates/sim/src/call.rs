//! What users call: the real handlers of the API, called as the doors would call them.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use longshore_door::auth::{AccessKeys, Caller, bearer};
use longshore_door::operation::Operation;
use longshore_ecs::cluster::CreateCluster;
use longshore_ecs::context::Ecs;
use longshore_ecs::exception;
use longshore_ecs::instance::{DeregisterContainerInstance, UpdateContainerInstancesState};
use longshore_ecs::service::{CreateService, DeleteService, UpdateService};
use longshore_ecs::task::{RunTask, StopTask};
use longshore_ecs::task_definition::RegisterTaskDefinition;
use longshore_model::instance::InstanceStatus;
use longshore_model::service::ServiceStatus;
use longshore_model::task::DesiredStatus;
use longshore_model::{InstanceId, ServiceName, TaskId};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::control::{Answer, Doing};
use crate::host::{BATCH, BETTER, CRASHING, FIRST_ZONE, GOOD, MISSING};
use crate::oracle::Oracle;

/// What is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Cluster,
    Define(Value),
    Create {
        service: &'static str,
        family: &'static str,
        desired: u32,
        percents: (u32, u32),
        placement: Placement,
    },
    Update {
        service: &'static str,
        family: &'static str,
        desired: u32,
    },
    Delete {
        service: &'static str,
    },
    Run {
        family: &'static str,
        count: u32,
        /// The call whose client token this is.
        token: usize,
    },
    Stop {
        task: TaskId,
    },
    SetState {
        host: usize,
        draining: bool,
    },
    Deregister {
        host: usize,
        force: bool,
    },
}

/// Where the tasks of a service may go, and where they rather go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    Default,
    Instances,
    Packed,
    Random,
    /// In the first zone only.
    Zone,
    Distinct,
}

impl Placement {
    pub(crate) const ALL: &[Self] = &[
        Self::Default,
        Self::Instances,
        Self::Packed,
        Self::Random,
        Self::Zone,
        Self::Distinct,
    ];

    /// Adds it to a request.
    fn add_to(self, input: &mut Value) {
        let (member, value) = match self {
            Self::Default => return,
            Self::Instances => (
                "placementStrategy",
                json!({"type": "spread", "field": "instanceId"}),
            ),
            Self::Packed => (
                "placementStrategy",
                json!({"type": "binpack", "field": "memory"}),
            ),
            Self::Random => ("placementStrategy", json!({"type": "random"})),
            Self::Zone => (
                "placementConstraints",
                json!({"type": "memberOf",
                    "expression": format!("attribute:ecs.availability-zone == {FIRST_ZONE}")}),
            ),
            Self::Distinct => ("placementConstraints", json!({"type": "distinctInstance"})),
        };
        input[member] = json!([value]);
    }
}

/// Someone who passed the gate, with a token that was minted for it.
fn caller() -> Option<Caller> {
    static CALLER: OnceLock<Option<Caller>> = OnceLock::new();
    let made = CALLER.get_or_init(|| {
        let (id, secret) = (
            "AKIASIMULATION00",
            "0123456789012345678901234567890123456789",
        );
        let mut keys = AccessKeys::new();
        let arn = "arn:aws:iam::000000000000:user/simulation";
        keys.insert(id, Zeroizing::new(secret.to_owned()), arn)
            .ok()?;
        let token = bearer::mint(id, secret, 1_700_000_060, [7; 16]);
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        Some(bearer::verify(&token, &keys, now).ok()?.caller().clone())
    });
    made.clone()
}

/// A call of this operation.
pub(crate) fn call<T: Operation<Context = Ecs>>(ecs: Arc<Ecs>, input: Value) -> Doing<Answer> {
    Box::pin(async move {
        let caller = caller().ok_or_else(|| exception::client("nobody may call"))?;
        let read = serde_json::from_value(input);
        let input: T::Input = read.map_err(|error| exception::client(error.to_string()))?;
        let output = T::run(&ecs, &caller, input).await?;
        serde_json::to_value(&output).map_err(|error| exception::client(error.to_string()))
    })
}

/// The definition of a family.
pub(crate) fn definition(family: &str) -> Value {
    let container = |name: &str, image: &str| json!({"name": name, "image": image, "cpu": 256, "memory": 256, "essential": true});
    let containers = match family {
        "better" => json!([container("app", BETTER)]),
        "crashing" => json!([container("app", CRASHING)]),
        "missing" => json!([container("app", MISSING)]),
        "batch" => json!([container("app", BATCH)]),
        "port" => json!([{"name": "app", "image": GOOD, "cpu": 128, "memory": 128,
            "portMappings": [{"containerPort": 80, "hostPort": 8080}]}]),
        "pair" => json!([
            {"name": "app", "image": GOOD, "cpu": 128, "memory": 128, "essential": true},
            {"name": "side", "image": BETTER, "cpu": 128, "memory": 128, "essential": false},
        ]),
        _ => json!([container("app", GOOD)]),
    };
    json!({"family": family, "containerDefinitions": containers})
}

impl Kind {
    /// The service it is about.
    pub(crate) fn service(&self) -> Option<&'static str> {
        match self {
            Self::Create { service, .. }
            | Self::Update { service, .. }
            | Self::Delete { service } => Some(service),
            _ => None,
        }
    }

    /// The node it is about.
    pub(crate) fn host(&self) -> Option<usize> {
        match self {
            Self::SetState { host, .. } | Self::Deregister { host, .. } => Some(*host),
            _ => None,
        }
    }

    /// Whether what is asked for is so. `None` where that cannot be told without the answer.
    pub(crate) fn is_so(&self, oracle: &Oracle) -> Option<bool> {
        let service = |name: &str| {
            let name: ServiceName = name.parse().ok()?;
            oracle.services.get(&name)
        };
        let runs = |name: &str, family: &str, desired: u32| {
            service(name).is_some_and(|s| {
                s.status == ServiceStatus::Active
                    && s.desired_count == desired
                    && s.primary().is_some_and(|p| p.family.as_str() == family)
            })
        };
        let instance = |host: usize| oracle.instances.get(&InstanceId::new(host as u128 + 1));
        Some(match self {
            Self::Cluster => !oracle.clusters.is_empty(),
            Self::Define(input) => oracle
                .definitions
                .keys()
                .any(|(family, _)| input["family"] == family.as_str()),
            Self::Create {
                service,
                family,
                desired,
                ..
            }
            | Self::Update {
                service,
                family,
                desired,
            } => runs(service, family, *desired),
            Self::Delete { service: name } => {
                service(name).is_none_or(|s| s.status != ServiceStatus::Active)
            }
            Self::Run { .. } => return None,
            Self::Stop { task } => oracle
                .tasks
                .get(task)
                .is_none_or(|t| t.desired_status == DesiredStatus::Stopped),
            Self::SetState { host, draining } => instance(*host).is_none_or(|i| {
                let wanted = if *draining {
                    InstanceStatus::Draining
                } else {
                    InstanceStatus::Active
                };
                i.status == wanted || i.status == InstanceStatus::Inactive
            }),
            Self::Deregister { host, .. } => {
                instance(*host).is_none_or(|i| i.status == InstanceStatus::Inactive)
            }
        })
    }

    /// The call itself.
    pub(crate) fn make(&self, ecs: Arc<Ecs>, has_token: bool) -> Doing<Answer> {
        match self.clone() {
            Self::Cluster => call::<CreateCluster>(ecs, json!({})),
            Self::Define(input) => call::<RegisterTaskDefinition>(ecs, input),
            Self::Create {
                service,
                family,
                desired,
                percents: (lower, upper),
                placement,
            } => {
                let mut input = json!({"serviceName": service, "taskDefinition": family,
                    "desiredCount": desired,
                    "clientToken": format!("create-{service}-{family}-{desired}-{placement:?}"),
                    "deploymentConfiguration":
                        {"minimumHealthyPercent": lower, "maximumPercent": upper}});
                placement.add_to(&mut input);
                call::<CreateService>(ecs, input)
            }
            Self::Update {
                service,
                family,
                desired,
            } => call::<UpdateService>(
                ecs,
                json!({"service": service, "taskDefinition": family, "desiredCount": desired}),
            ),
            Self::Delete { service } => {
                call::<DeleteService>(ecs, json!({"service": service, "force": true}))
            }
            Self::Run {
                family,
                count,
                token,
            } => {
                let by = format!("w{token}");
                let mut input = json!({"taskDefinition": family, "count": count, "startedBy": by});
                if has_token {
                    input["clientToken"] = json!(by);
                }
                call::<RunTask>(ecs, input)
            }
            Self::Stop { task } => call::<StopTask>(ecs, json!({"task": task.to_string()})),
            Self::SetState { host, draining } => call::<UpdateContainerInstancesState>(
                ecs,
                json!({"containerInstances": [InstanceId::new(host as u128 + 1).to_string()],
                    "status": if draining { "DRAINING" } else { "ACTIVE" }}),
            ),
            Self::Deregister { host, force } => call::<DeregisterContainerInstance>(
                ecs,
                json!({"containerInstance": InstanceId::new(host as u128 + 1).to_string(),
                    "force": force}),
            ),
        }
    }
}
