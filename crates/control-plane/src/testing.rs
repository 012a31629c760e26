//! Records for unit tests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use longshore_model::instance::{Connection, Incarnation, Instance, InstanceStatus, Resources};
use longshore_model::recorded::Recorded;
use longshore_model::replica::Replica;
use longshore_model::service::{DeploymentConfiguration, PropagateTags, Service, ServiceStatus};
use longshore_model::task::{NewTask, Overrides, ServiceTask, Task};
use longshore_model::task_definition::{TaskDefinition, TaskDefinitionStatus};
use longshore_model::{ClusterName, DeploymentId, InstanceId, ReplicaId, TaskId, Timestamp};
use longshore_store::table::{self, Record};
use longshore_store::{Change, Entry, Event, View};

/// Writes a record into a view. Returns what is announced.
pub(crate) fn put<R: Record>(view: &mut View, record: &R) -> Option<Change> {
    write(view, record, table::encode(record).unwrap())
}

/// Writes something in its place that does not decode.
pub(crate) fn damage<R: Record>(view: &mut View, record: &R) {
    write(view, record, Bytes::from_static(b"\x01????{}"));
}

fn write<R: Record>(view: &mut View, record: &R, value: Bytes) -> Option<Change> {
    let revision = view.revision + 1;
    let entry = Entry {
        key: record.key(),
        value,
        revision,
    };
    view.apply(&Event::Put(entry), revision)
}

/// A control plane.
pub(crate) fn replica(id: ReplicaId) -> Replica {
    Replica {
        id,
        people: None,
        agents: None,
        started_at: Timestamp::default(),
    }
}

/// A container instance of the default cluster.
pub(crate) fn instance(id: InstanceId, connection: Connection) -> Instance {
    Instance {
        id,
        cluster: ClusterName::default_cluster(),
        status: InstanceStatus::Active,
        status_reason: None,
        registered: Resources::default(),
        attributes: BTreeMap::new(),
        custom_attributes: BTreeMap::new(),
        hostname: String::new(),
        agent_version: String::new(),
        agent_hash: None,
        docker_version: String::new(),
        incarnation: Incarnation {
            boot_id: "boot".to_owned(),
            agent_started_at: Timestamp::default(),
        },
        connection,
        replica: None,
        registered_at: Timestamp::default(),
        version: 1,
        tags: BTreeMap::new(),
    }
}

/// What the tasks of `web` run.
pub(crate) fn definition() -> TaskDefinition {
    TaskDefinition {
        family: "web".parse().unwrap(),
        revision: 1,
        status: TaskDefinitionStatus::Active,
        network_mode: None,
        cpu: None,
        memory: None,
        containers: Vec::new(),
        requires_compatibilities: BTreeSet::new(),
        requires_attributes: BTreeSet::new(),
        placement_constraints: Vec::new(),
        registered_at: Timestamp::default(),
        registered_by: String::new(),
        deregistered_at: None,
        tags: BTreeMap::new(),
        recorded: Recorded::default(),
    }
}

/// The service `web`, which has no task yet.
pub(crate) fn service(desired_count: u32) -> Service {
    let mut service = Service {
        cluster: ClusterName::default_cluster(),
        name: "web".parse().unwrap(),
        status: ServiceStatus::Active,
        desired_count,
        deployment_configuration: DeploymentConfiguration {
            minimum_healthy_percent: 100,
            maximum_percent: 200,
        },
        launch_type: "EC2".to_owned(),
        placement_constraints: Vec::new(),
        placement_strategy: Vec::new(),
        deployments: Vec::new(),
        events: VecDeque::new(),
        created_at: Timestamp::default(),
        created_by: String::new(),
        tags: BTreeMap::new(),
        propagate_tags: PropagateTags::None,
        enable_ecs_managed_tags: false,
        recorded: Recorded::default(),
    };
    let family = "web".parse().unwrap();
    service.deploy(DeploymentId::new(1), family, 1, Timestamp::default());
    service
}

/// A PENDING task of the service `web`.
pub(crate) fn service_task() -> Task {
    let new = NewTask {
        id: TaskId::new(1),
        instance: InstanceId::new(2),
        cluster: ClusterName::default_cluster(),
        group: "service:web".to_owned(),
        started_by: None,
        service: Some(ServiceTask {
            name: "web".parse().unwrap(),
            deployment: DeploymentId::new(1),
        }),
        launch_type: "EC2".to_owned(),
        overrides: Overrides::default(),
        tags: BTreeMap::new(),
    };
    Task::new(new, &definition(), Timestamp::default())
}
