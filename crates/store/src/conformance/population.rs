//! The records of a large installation, for tests and measurements of everything that grows.

use std::collections::BTreeMap;

use bytes::Bytes;
use longshore_model::cluster::{Cluster, ClusterStatus};
use longshore_model::instance::{Connection, Incarnation, Instance, InstanceStatus, Resources};
use longshore_model::report::{ContainerReport, TaskReport};
use longshore_model::service::{
    Deployment, DeploymentConfiguration, PropagateTags, Rollout, Service, ServiceEvent,
    ServiceStatus,
};
use longshore_model::task::{ContainerStatus, NewTask, Overrides, ServiceTask, Task, TaskStatus};
use longshore_model::task_definition::{
    ContainerDefinition, NetworkMode, TaskDefinition, TaskDefinitionStatus,
};
use longshore_model::{
    ClusterName, CpuUnits, DeploymentId, Family, InstanceId, Mib, ServiceName, TaskId, Timestamp,
};

use crate::contract::{Commit, CommitError, Store, Write};
use crate::table::{
    self, AccountSetting, ClientToken, FamilyCounter, Installation, JoinToken, Record,
};
use longshore_state::Key;

/// Tasks on one container instance.
const TASKS_PER_INSTANCE: usize = 50;
/// Task definition families.
const FAMILIES: usize = 100;

/// Writes in one commit of [`fill`], below etcd's default limits.
const COMMIT_WRITES: usize = 100;

/// Puts the records into a store.
///
/// # Errors
/// [`CommitError`].
pub async fn fill(store: &dyn Store, records: &[(Key, Bytes)]) -> Result<(), CommitError> {
    for records in records.chunks(COMMIT_WRITES) {
        let put = |(key, value): &(Key, Bytes)| Write::Put {
            key: key.clone(),
            value: value.clone(),
        };
        let commit = Commit {
            guards: Vec::new(),
            writes: records.iter().map(put).collect(),
        };
        store.commit(commit).await?;
    }
    Ok(())
}

/// One cluster with that many services and tasks, and what they refer to: whole and free of
/// dangling references. In key order; the same for the same numbers.
pub fn population(services: usize, tasks: usize) -> Vec<(Key, Bytes)> {
    let mut records = BTreeMap::new();
    let cluster = ClusterName::default_cluster();
    put(&mut records, &installation());
    put(
        &mut records,
        &Cluster {
            name: cluster.clone(),
            status: ClusterStatus::Active,
            created_at: Timestamp::default(),
            tags: BTreeMap::new(),
            recorded: Default::default(),
        },
    );
    let definitions: Vec<TaskDefinition> = (0..FAMILIES).map(definition).collect();
    for definition in &definitions {
        put(&mut records, definition);
        let counter = FamilyCounter {
            family: definition.family.clone(),
            newest: definition.revision,
        };
        put(&mut records, &counter);
    }
    let client_token = ClientToken {
        operation: "RunTask".to_owned(),
        cluster: cluster.clone(),
        token: "deploy 17".to_owned(),
        request_digest: "ef".repeat(32),
        made: vec!["0".repeat(32)],
        failures: "[]".to_owned(),
        used_at: Timestamp::default(),
    };
    put(&mut records, &client_token);
    let join_token = JoinToken {
        id: "0123456789abcdef".to_owned(),
        secret_digest: "01".repeat(32),
        cluster: cluster.clone(),
        uses_left: 1,
        expires_at: Timestamp::from_millis(3_600_000),
    };
    put(&mut records, &join_token);
    let setting = AccountSetting {
        name: "containerInsights".to_owned(),
        principal: None,
        value: "enabled".to_owned(),
    };
    put(&mut records, &setting);
    for n in 0..tasks.div_ceil(TASKS_PER_INSTANCE) {
        put(&mut records, &instance(&cluster, n));
    }
    for n in 0..services {
        let desired = (n..tasks).step_by(services).count();
        put(
            &mut records,
            &service(&cluster, n, desired, &definitions[n % FAMILIES]),
        );
    }
    for n in 0..tasks {
        let of = (services > 0).then(|| n % services);
        let definition = &definitions[of.unwrap_or(n) % FAMILIES];
        put(&mut records, &task(&cluster, n, of, definition));
    }
    records.into_iter().collect()
}

fn put<R: Record>(records: &mut BTreeMap<Key, Bytes>, record: &R) {
    let value = table::encode(record).expect("nouns have string keys and finite numbers");
    records.insert(record.key(), value);
}

fn installation() -> Installation {
    Installation {
        authority: "ab".repeat(32),
        history: "cd".repeat(16),
        made_at: Timestamp::default(),
    }
}

fn family(n: usize) -> Family {
    format!("family-{n:03}").parse().expect("it is a name")
}

fn definition(n: usize) -> TaskDefinition {
    let container = |name: &str, essential| ContainerDefinition {
        name: name.to_owned(),
        image: format!("registry.example.com/team/{name}:1.{n}"),
        cpu: CpuUnits(64),
        memory: Some(Mib(128)),
        essential,
        command: vec!["/bin/serve".to_owned(), "--port=8080".to_owned()],
        environment: (0..8)
            .map(|n| (format!("SETTING_{n}"), format!("value of setting {n}")))
            .collect(),
        ..ContainerDefinition::default()
    };
    TaskDefinition {
        family: family(n),
        revision: 3,
        status: TaskDefinitionStatus::Active,
        network_mode: Some(NetworkMode::Bridge),
        cpu: None,
        memory: None,
        containers: vec![container("web", true), container("log", false)],
        requires_compatibilities: Default::default(),
        requires_attributes: Default::default(),
        registered_at: Timestamp::default(),
        registered_by: "arn:aws:iam::000000000000:user/admin".to_owned(),
        deregistered_at: None,
        placement_constraints: Vec::new(),
        tags: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
        recorded: Default::default(),
    }
}

fn instance(cluster: &ClusterName, n: usize) -> Instance {
    Instance {
        id: InstanceId::new(n as u128 + 1),
        cluster: cluster.clone(),
        status: InstanceStatus::Active,
        status_reason: None,
        registered: Resources {
            cpu: CpuUnits(64 * 1024),
            memory: Mib(256 * 1024),
            ..Resources::default()
        },
        attributes: (0..12)
            .map(|n| (format!("ecs.capability.number-{n}"), None))
            .collect(),
        custom_attributes: BTreeMap::new(),
        hostname: format!("node-{n}.example.com"),
        agent_version: "0.1.0".to_owned(),
        agent_hash: None,
        docker_version: "20.10.24".to_owned(),
        incarnation: Incarnation {
            boot_id: format!("{n:032x}"),
            agent_started_at: Timestamp::default(),
        },
        connection: Connection::Disconnected(Timestamp::default()),
        replica: None,
        registered_at: Timestamp::default(),
        version: 1,
        tags: BTreeMap::new(),
    }
}

fn service_name(n: usize) -> ServiceName {
    format!("service-{n:05}").parse().expect("it is a name")
}

fn deployment(n: usize) -> DeploymentId {
    DeploymentId::new(n as u64 + 1)
}

fn service(
    cluster: &ClusterName,
    n: usize,
    desired: usize,
    definition: &TaskDefinition,
) -> Service {
    let at = Timestamp::from_millis(1_700_000_000_000 + n as i64);
    let event = |number: usize| ServiceEvent {
        id: format!("{number:032x}"),
        created_at: at,
        message: format!("(service {}) has reached a steady state.", service_name(n)),
    };
    Service {
        cluster: cluster.clone(),
        name: service_name(n),
        status: ServiceStatus::Active,
        desired_count: desired as u32,
        deployment_configuration: DeploymentConfiguration::default(),
        launch_type: "EC2".to_owned(),
        deployments: vec![Deployment {
            id: deployment(n),
            family: definition.family.clone(),
            revision: definition.revision,
            created_at: at,
            updated_at: at,
            rollout: Rollout::Completed,
            failed_tasks: 0,
            last_failed_at: None,
        }],
        events: (0..3).map(event).collect(),
        placement_constraints: Vec::new(),
        placement_strategy: Vec::new(),
        created_at: at,
        created_by: definition.registered_by.clone(),
        tags: BTreeMap::new(),
        propagate_tags: PropagateTags::None,
        enable_ecs_managed_tags: false,
        recorded: Default::default(),
    }
}

fn task(cluster: &ClusterName, n: usize, of: Option<usize>, definition: &TaskDefinition) -> Task {
    let new = NewTask {
        // Ids are random in life, so their keys are spread.
        id: TaskId::new((n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
        instance: InstanceId::new((n / TASKS_PER_INSTANCE) as u128 + 1),
        cluster: cluster.clone(),
        group: match of {
            Some(service) => format!("service:{}", service_name(service)),
            None => format!("family:{}", definition.family),
        },
        started_by: of.map(|service| deployment(service).to_string()),
        service: of.map(|service| ServiceTask {
            name: service_name(service),
            deployment: deployment(service),
        }),
        launch_type: "EC2".to_owned(),
        overrides: Overrides::default(),
        tags: BTreeMap::new(),
    };
    let at = Timestamp::from_millis(1_700_000_000_000 + n as i64);
    let mut task = Task::new(new, definition, at);
    let containers = task.containers.iter().map(|container| ContainerReport {
        name: container.name.clone(),
        last_status: ContainerStatus::Running,
        runtime_id: Some(format!("{n:064x}")),
        image_digest: Some(format!("sha256:{n:064x}")),
        ..ContainerReport::default()
    });
    let report = TaskReport {
        containers: containers.collect(),
        started_at: Some(at),
        ..TaskReport::new(task.id, TaskStatus::Running)
    };
    task.apply_report(&report, at);
    task
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::list::TABLES;

    #[test]
    fn every_table_that_lasts_has_a_record() {
        let records = population(1, 1);
        for table in TABLES.iter().filter(|table| table.is_lasting) {
            let own = format!("{}/", table.name);
            let mut of_table = records
                .iter()
                .filter(|(key, _)| key.as_str().starts_with(&own));
            let first = of_table.next();
            assert!(first.is_some(), "the population lacks a {}", table.name);
            for (key, value) in first.into_iter().chain(of_table) {
                assert!((table.check)(key, value).is_ok(), "{key}");
            }
        }
    }
}
