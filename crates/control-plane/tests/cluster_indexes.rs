//! The index that is kept in step by changes says the same as one that is made anew.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use longshore_control_plane::placement::{ClusterIndexes, Statistics};
use longshore_model::instance::{Connection, Incarnation, Instance, InstanceStatus, Resources};
use longshore_model::recorded::Recorded;
use longshore_model::task::{NewTask, Overrides, StopCode, Task};
use longshore_model::task_definition::{TaskDefinition, TaskDefinitionStatus};
use longshore_model::{ClusterName, CpuUnits, InstanceId, Mib, TaskId, Timestamp};
use longshore_scheduler::{Explanation, Kind, Request};
use longshore_store::{Db, Memory, Snapshot, Store, Txn, View};

const INSTANCES: u64 = 6;
const STEPS: u64 = 400;

fn resources(cpu: u32) -> Resources {
    Resources {
        cpu: CpuUnits(cpu),
        memory: Mib(cpu),
        ..Resources::default()
    }
}

fn instance(number: u64) -> Instance {
    let now = Timestamp::default();
    let zone = Some(format!("zone-{}", number % 2));
    Instance {
        id: InstanceId::new(u128::from(number) + 1),
        cluster: ClusterName::default_cluster(),
        status: InstanceStatus::Active,
        status_reason: None,
        registered: resources(1000),
        attributes: BTreeMap::from([("ecs.availability-zone".to_owned(), zone)]),
        custom_attributes: BTreeMap::new(),
        hostname: String::new(),
        agent_version: String::new(),
        agent_hash: None,
        docker_version: String::new(),
        incarnation: Incarnation {
            boot_id: String::new(),
            agent_started_at: now,
        },
        connection: Connection::Connected(now),
        replica: None,
        registered_at: now,
        version: 1,
        tags: BTreeMap::new(),
    }
}

fn task(number: u64, on: u64) -> Task {
    let definition = TaskDefinition {
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
    };
    let new = NewTask {
        id: TaskId::new(u128::from(number) + 1),
        instance: InstanceId::new(u128::from(on) + 1),
        cluster: ClusterName::default_cluster(),
        group: format!("family:{}", number % 2),
        started_by: None,
        service: None,
        launch_type: "EC2".to_owned(),
        overrides: Overrides::default(),
        tags: BTreeMap::new(),
    };
    let mut task = Task::new(new, &definition, Timestamp::default());
    task.demand = resources(100 + (number % 3) as u32 * 50);
    task
}

/// One change drawn from a seed, whatever it is.
fn change(view: &View, drawn: u64) -> Txn {
    let mut txn = Txn::new();
    let cluster = ClusterName::default_cluster();
    let (kind, on) = (drawn % 8, (drawn >> 8) % INSTANCES);
    let id = InstanceId::new(u128::from(on) + 1);
    match (kind, view.instances.get(&(cluster.clone(), id))) {
        (0 | 1, None) => txn.create(&instance(on)),
        (0, Some(read)) => {
            let mut other = Instance::clone(read);
            other.status = match other.status {
                InstanceStatus::Active => InstanceStatus::Draining,
                InstanceStatus::Draining => InstanceStatus::Inactive,
                InstanceStatus::Inactive => InstanceStatus::Active,
            };
            txn.replace(read, &other);
        }
        (1, Some(read)) => {
            let mut other = Instance::clone(read);
            other.version += 1;
            other.registered = resources(800 + (drawn >> 16) as u32 % 400);
            txn.replace(read, &other);
        }
        (2, Some(read)) if drawn.is_multiple_of(5) => txn.delete(read),
        (3..=5, _) => {
            let task = task(drawn >> 20, on);
            if view.tasks.get(&cluster, task.id).is_none() {
                txn.create(&task);
            }
        }
        _ => {
            let tasks: Vec<_> = view.tasks.iter().map(|(_, task)| task).collect();
            if let Some(read) = tasks.get((drawn >> 16) as usize % tasks.len().max(1)) {
                let mut other = Task::clone(read);
                if other.is_live() && drawn.is_multiple_of(2) {
                    other.lose(StopCode::UserInitiated, "", Timestamp::default());
                    txn.replace(read, &other);
                } else if other.stop(StopCode::UserInitiated, "", Timestamp::default()) {
                    txn.replace(read, &other);
                } else {
                    txn.delete(read);
                }
            }
        }
    }
    txn
}

fn explained(live: &mut ClusterIndexes, view: &View) -> Explanation {
    live.catch_up(view, &Statistics::default());
    let request = Request {
        kind: Kind::Service,
        group: "family:1".to_owned(),
        demand: resources(700),
        gpus: 0,
        attributes: BTreeMap::new(),
        zones: BTreeSet::new(),
        constraints: Vec::new(),
        strategies: Vec::new(),
    };
    live.index(&ClusterName::default_cluster())
        .explain(&request)
}

#[tokio::test]
async fn an_index_that_catches_up_says_what_a_new_one_says() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let db = Db::open(Arc::clone(&store)).await.unwrap();
    let mut live = ClusterIndexes::default();
    let mut drawn = 0x2545_f491_4f6c_dd1d_u64;
    let mut refused = 0;
    for step in 0..STEPS {
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        let txn = change(&db.view(), drawn);
        db.commit(txn).await.unwrap();
        // Sometimes it falls behind by more than one, and once the view is listed anew.
        if step == STEPS / 2 {
            let Snapshot { revision, entries } = store.list("").await.unwrap();
            db.replace(Snapshot { revision, entries });
        }
        if step.is_multiple_of(3) {
            let view = db.view();
            let followed = explained(&mut live, &view);
            assert_eq!(
                followed,
                explained(&mut ClusterIndexes::default(), &view),
                "step {step}"
            );
            refused += usize::from(followed.fitting().next().is_none());
        }
    }
    assert!(refused > 10, "the changes make no difference");
}
