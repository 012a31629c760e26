//! What the tests of the operations work with: a store in memory, a simple placer, a fixed clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use longshore_door::ApiError;
use longshore_door::Operation;
use longshore_door::auth::Caller;
use longshore_model::instance::{
    Connection, Incarnation, Instance, InstanceStatus, Resources, ZONE_ATTRIBUTE,
};
use longshore_model::placement::{PlacementConstraint, Rejection, Unplaced};
use longshore_model::plan::Ctx;
use longshore_model::query::Subject as _;
use longshore_model::report::{ContainerReport, TaskReport};
use longshore_model::service::Service;
use longshore_model::task::{ContainerStatus, NewTask, ServiceTask, Task, TaskStatus};
use longshore_model::{
    ClusterName, CpuUnits, InstanceId, Mib, Realm, ServiceName, TaskId, Timestamp,
};
use longshore_store::table::Record;
use longshore_store::{Db, Memory, Store, Stored, Txn, View};

use super::instance::Queried;
use super::validity;
use crate::context::{Ecs, PlacementAnswer, PlacementRequest, Placer};

/// When the clock of a test starts.
pub(super) const START_SECONDS: u64 = 1_700_000_000;

/// The realm of all tests.
pub(super) fn realm() -> Realm {
    Realm {
        partition: "aws".into(),
        region: "us-east-1".into(),
        account: "000000000000".into(),
    }
}

/// An ARN of the realm.
pub(super) fn arn(resource: &str) -> String {
    format!("arn:aws:ecs:us-east-1:000000000000:{resource}")
}

/// Places on the first instance with room; looks at status, link, CPU, memory, ports and
/// constraints. Of strategies it only notes that they were asked for.
#[derive(Default)]
struct FirstFit {
    /// The constraints and strategies of every request, as text.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Placer for FirstFit {
    fn place(&self, view: &View, request: &PlacementRequest<'_>, _: &mut Ctx) -> PlacementAnswer {
        let mut asked: Vec<String> = request.constraints.iter().map(|c| c.to_string()).collect();
        asked.extend(request.strategy.iter().map(|rule| rule.to_string()));
        self.asked.lock().unwrap().push(asked.join(", "));
        let demand = request.definition.demand();
        let mut taken: Vec<(&Instance, Resources)> = view
            .cluster_instances(request.cluster)
            .filter(|instance| instance.status != InstanceStatus::Inactive)
            .filter(|instance| request.only.is_none_or(|only| only == instance.id))
            .map(|instance| (&**instance, view.taken(instance)))
            .collect();
        let mut answer = PlacementAnswer::default();
        for _ in 0..request.count {
            let mut unplaced = Unplaced::default();
            let fitting = taken.iter_mut().find(|(instance, taken)| {
                let rejection = reject(instance, taken, &demand).or_else(|| {
                    let holds_group = answer.placed.contains(&instance.id);
                    constrain(view, instance, request, holds_group)
                });
                match rejection {
                    None => true,
                    Some(rejection) => {
                        unplaced.rejections.insert(instance.id, rejection);
                        false
                    }
                }
            });
            match fitting {
                Some((instance, taken)) => {
                    taken.add(&demand);
                    answer.placed.push(instance.id);
                }
                None => {
                    answer.unplaced = Some(unplaced);
                    break;
                }
            }
        }
        answer
    }
}

/// The first constraint that the instance does not meet. `holds_group` is whether a task of the
/// group was placed there by this request.
fn constrain(
    view: &View,
    instance: &Instance,
    request: &PlacementRequest<'_>,
    holds_group: bool,
) -> Option<Rejection> {
    let queried = Queried { view, instance };
    request
        .constraints
        .iter()
        .find_map(|constraint| match constraint {
            PlacementConstraint::MemberOf(expression) => {
                (!expression.evaluate(&queried)).then(|| Rejection::MemberOf(expression.clone()))
            }
            PlacementConstraint::DistinctInstance => (holds_group
                || queried.hosts_group(&|group| group == request.group))
            .then_some(Rejection::DistinctInstance),
        })
}

fn reject(instance: &Instance, taken: &Resources, demand: &Resources) -> Option<Rejection> {
    let cpu = instance.registered.cpu.less(taken.cpu);
    let memory = instance.registered.memory.less(taken.memory);
    let port = demand.tcp_ports.intersection(&taken.tcp_ports).next();
    if instance.status != InstanceStatus::Active {
        Some(Rejection::NotActive)
    } else if !instance.connection.is_connected() {
        Some(Rejection::AgentDisconnected)
    } else if demand.cpu > cpu {
        Some(Rejection::Cpu {
            wanted: demand.cpu,
            left: cpu,
        })
    } else if demand.memory > memory {
        Some(Rejection::Memory {
            wanted: demand.memory,
            left: memory,
        })
    } else {
        port.map(|port| Rejection::Port {
            port: *port,
            protocol: longshore_model::unit::Protocol::Tcp,
        })
    }
}

/// One installation in memory.
pub(super) struct Fixture {
    pub(super) ecs: Arc<Ecs>,
    pub(super) store: Arc<Memory>,
    millis: Arc<AtomicU64>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fixture {
    /// An empty installation.
    pub(super) async fn new() -> Self {
        let store = Arc::new(Memory::default());
        let db = Db::open(Arc::clone(&store) as Arc<dyn Store>)
            .await
            .unwrap();
        let millis = Arc::new(AtomicU64::new(START_SECONDS * 1000));
        let placer = FirstFit::default();
        let asked = Arc::clone(&placer.asked);
        let (clock, drawn) = (Arc::clone(&millis), AtomicU64::new(1));
        let ecs = Arc::new(Ecs {
            backend: longshore_door::Backend {
                realm: realm(),
                db,

                clock: Arc::new(move || {
                    UNIX_EPOCH + Duration::from_millis(clock.load(Ordering::Relaxed))
                }),
                entropy: Arc::new(move || {
                    u128::from(drawn.fetch_add(1, Ordering::Relaxed))
                        * 0x9e37_79b9_7f4a_7c15_f39c_c060
                }),
            },
            placer: Arc::new(placer),
        });
        Self {
            ecs,
            store,
            millis,
            asked,
        }
    }

    /// With the cluster `default` and the task definition `web:1`.
    pub(super) async fn with_cluster() -> Self {
        let fixture = Self::new().await;
        fixture.ok::<super::cluster::CreateCluster>("{}").await;
        fixture.register("web").await;
        fixture
    }

    /// The same with one instance, id 1.
    pub(super) async fn with_instance() -> Self {
        let fixture = Self::with_cluster().await;
        fixture.add_instance(1).await;
        fixture
    }

    /// The constraints and strategies of the placement requests since it was last asked.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Moves the clock.
    pub(super) fn advance(&self, by: Duration) {
        self.millis
            .fetch_add(by.as_millis() as u64, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.ecs.ctx().now
    }

    /// Calls an operation as the AWS JSON door does: JSON in, JSON out. The field ledger is not
    /// asked, so that handlers are tested with members that it refuses.
    pub(super) async fn call<T: Operation<Context = Ecs>>(
        &self,
        input: &str,
    ) -> Result<serde_json::Value, ApiError> {
        let input: T::Input = serde_json::from_str(input).unwrap();
        let tree = serde_json::to_value(&input).unwrap();
        if let Some((kind, message)) = validity::check(T::NAME, &tree).into_parts() {
            return Err(ApiError::new(kind, message));
        }
        let output = T::run(&self.ecs, &Caller::for_test(), input).await?;
        Ok(serde_json::to_value(&output).unwrap())
    }

    /// Starts a call that runs at the same time as others.
    pub(super) fn spawn<T: Operation<Context = Ecs>>(
        &self,
        input: &str,
    ) -> tokio::task::JoinHandle<Result<serde_json::Value, ApiError>> {
        let (ecs, input) = (Arc::clone(&self.ecs), serde_json::from_str(input).unwrap());
        tokio::spawn(async move {
            let output = T::run(&ecs, &Caller::for_test(), input).await?;
            Ok(serde_json::to_value(&output).unwrap())
        })
    }

    /// Calls an operation that must succeed.
    pub(super) async fn ok<T: Operation<Context = Ecs>>(&self, input: &str) -> serde_json::Value {
        match self.call::<T>(input).await {
            Ok(output) => output,
            Err(error) => panic!("{} {input}: {error}", T::NAME),
        }
    }

    /// Calls an operation that must be refused, and checks that it left nothing behind.
    pub(super) async fn refused<T: Operation<Context = Ecs>>(
        &self,
        input: &str,
        kind: &str,
        message: &str,
    ) {
        let before = self.store.list("").await.unwrap();
        let error = match self.call::<T>(input).await {
            Ok(output) => panic!("{} {input} was not refused: {output}", T::NAME),
            Err(error) => error,
        };
        assert_eq!(error.kind.name(), kind, "{} {input}: {error}", T::NAME);
        assert!(
            error.message.contains(message),
            "{} {input}: {error}",
            T::NAME
        );
        let after = self.store.list("").await.unwrap();
        assert_eq!(before, after, "{} {input} was refused and wrote", T::NAME);
    }

    /// Calls that must each be refused: input, exception, part of the message.
    pub(super) async fn check<T: Operation<Context = Ecs>>(&self, cases: &[(&str, &str, &str)]) {
        for (input, kind, message) in cases {
            self.refused::<T>(input, kind, message).await;
        }
    }

    /// Registers a revision with one container of 64 MiB and 100 CPU units.
    pub(super) async fn register(&self, family: &str) {
        let input = format!(
            r#"{{"family":"{family}","containerDefinitions":[
                {{"name":"app","image":"busybox","memory":64,"cpu":100}}]}}"#
        );
        self.ok::<super::task_definition::RegisterTaskDefinition>(&input)
            .await;
    }

    /// Writes a record as another writer would, whatever is there.
    pub(super) async fn write<R: Record>(&self, record: &R) {
        let entry = self.store.get(&record.key()).await.unwrap();
        let there = Stored::new(entry.map_or(0, |entry| entry.revision), record.clone());
        let mut txn = Txn::new();
        txn.replace(&there, record);
        self.ecs.db.commit(txn).await.unwrap();
    }

    /// Adds an instance of the cluster `default`: one core, 1024 MiB, port 22 reserved.
    pub(super) async fn add_instance(&self, id: u128) {
        let now = self.now();
        let attributes = [
            (ZONE_ATTRIBUTE.to_owned(), Some("zone-a".to_owned())),
            ("ecs.capability.task-cpu-mem-limit".to_owned(), None),
        ];
        self.write(&Instance {
            id: InstanceId::new(id),
            cluster: ClusterName::default_cluster(),
            status: InstanceStatus::Active,
            status_reason: None,
            registered: Resources {
                cpu: CpuUnits(1024),
                memory: Mib(1024),
                tcp_ports: [22].into(),
                udp_ports: [].into(),
                ..Resources::default()
            },
            attributes: attributes.into(),
            custom_attributes: [].into(),
            hostname: format!("node-{id}"),
            agent_version: "0.1.0".into(),
            agent_hash: None,
            docker_version: "20.10.24".into(),
            incarnation: Incarnation {
                boot_id: "boot".into(),
                agent_started_at: now,
            },
            connection: Connection::Connected(now),
            replica: None,
            registered_at: now,
            version: 1,
            tags: [].into(),
        })
        .await;
    }

    /// An instance as it is now.
    pub(super) fn instance(&self, id: u128) -> Instance {
        let key = (ClusterName::default_cluster(), InstanceId::new(id));
        Instance::clone(&self.ecs.db.view().instances[&key])
    }

    /// The only task there is.
    pub(super) fn only_task(&self) -> Task {
        let view = self.ecs.db.view();
        assert_eq!(view.tasks.len(), 1);
        let (_, task) = view.tasks.iter().next().unwrap();
        Task::clone(task)
    }

    /// Writes what an agent would report of a task.
    pub(super) async fn report(&self, id: TaskId, status: TaskStatus) {
        let cluster = ClusterName::default_cluster();
        let mut task = Task::clone(self.ecs.db.view().tasks.get(&cluster, id).unwrap());
        let containers = task.containers.iter().map(|container| ContainerReport {
            name: container.name.clone(),
            last_status: match status {
                TaskStatus::Running => ContainerStatus::Running,
                TaskStatus::Stopped => ContainerStatus::Stopped,
                _ => ContainerStatus::Pending,
            },
            exit_code: (status == TaskStatus::Stopped).then_some(0),
            ..ContainerReport::default()
        });
        let report = TaskReport {
            containers: containers.collect(),
            started_at: (status == TaskStatus::Running).then(|| self.now()),
            ..TaskReport::new(id, status)
        };
        task.apply_report(&report, self.now());
        self.write(&task).await;
    }

    /// Makes a PENDING task of a service's primary deployment on instance 1, as the service
    /// controller would.
    pub(super) async fn add_service_task(&self, service: &str) -> TaskId {
        let mut ctx = self.ecs.ctx();
        let task = {
            let view = self.ecs.db.view();
            let name: ServiceName = service.parse().unwrap();
            let key = (ClusterName::default_cluster(), name.clone());
            let service: &Service = &view.services[&key];
            let primary = service.primary().unwrap();
            let definition = &view.task_definitions[&(primary.family.clone(), primary.revision)];
            let new = NewTask {
                id: ctx.task_id(),
                instance: InstanceId::new(1),
                cluster: ClusterName::default_cluster(),
                group: service.group(),
                started_by: Some(primary.id.to_string()),
                service: Some(ServiceTask {
                    name,
                    deployment: primary.id,
                }),
                launch_type: service.launch_type.clone(),
                overrides: longshore_model::task::Overrides::default(),
                tags: [].into(),
            };
            Task::new(new, definition, ctx.now)
        };
        self.write(&task).await;
        task.id
    }
}
