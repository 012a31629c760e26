//! The service controller against a small world: nodes that start and stop tasks when they please.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use longshore_model::instance::{Resources, ZONE_ATTRIBUTE};
use longshore_model::plan::{Ctx, Plan, Reason};
use longshore_model::recorded::Recorded;
use longshore_model::report::{ContainerReport, TaskReport};
use longshore_model::service::{
    DeploymentConfiguration, PropagateTags, Rollout, Service, ServiceStatus,
};
use longshore_model::tag::Tags;
use longshore_model::task::{ContainerStatus, DesiredStatus, StopCode, Task, TaskStatus};
use longshore_model::task_definition::{ContainerDefinition, TaskDefinition, TaskDefinitionStatus};
use longshore_model::{ClusterName, CpuUnits, Family, InstanceId, Mib, TaskId, Timestamp};
use longshore_reconcile::Action;
use longshore_reconcile::service::{ServiceView, reconcile};
use longshore_scheduler::{Index, InstanceState, TaskState};
use longshore_state::table::list::AnyRecord;
use proptest::{prop_assert, prop_assert_eq, proptest};

const HEALTHY_AFTER: Duration = Duration::from_secs(5);

struct World {
    now: i64,
    seed: u128,
    service: Service,
    tasks: BTreeMap<TaskId, Task>,
    definitions: BTreeMap<(Family, u32), TaskDefinition>,
    nodes: Vec<InstanceState>,
    draining: BTreeSet<InstanceId>,
    most_changes: usize,
}

fn definition(revision: u32) -> TaskDefinition {
    TaskDefinition {
        family: "web".parse().unwrap(),
        revision,
        status: TaskDefinitionStatus::Active,
        network_mode: None,
        cpu: None,
        memory: None,
        containers: vec![ContainerDefinition {
            name: "web".into(),
            image: "web".into(),
            cpu: CpuUnits(100),
            memory: Some(Mib(100)),
            essential: true,
            ..ContainerDefinition::default()
        }],
        requires_compatibilities: BTreeSet::new(),
        requires_attributes: BTreeSet::new(),
        placement_constraints: Vec::new(),
        registered_at: Timestamp::default(),
        registered_by: String::new(),
        deregistered_at: None,
        tags: Tags::new(),
        recorded: Recorded::default(),
    }
}

impl World {
    fn new(desired: u32, minimum: u32, maximum: u32, nodes: u32) -> Self {
        let mut service = Service {
            cluster: ClusterName::default_cluster(),
            name: "web".parse().unwrap(),
            status: ServiceStatus::Active,
            desired_count: desired,
            deployment_configuration: DeploymentConfiguration {
                minimum_healthy_percent: minimum,
                maximum_percent: maximum,
            },
            launch_type: "EC2".into(),
            placement_constraints: Vec::new(),
            placement_strategy: Vec::new(),
            deployments: Vec::new(),
            events: Default::default(),
            created_at: Timestamp::default(),
            created_by: String::new(),
            tags: Tags::new(),
            propagate_tags: PropagateTags::None,
            enable_ecs_managed_tags: false,
            recorded: Recorded::default(),
        };
        let now = Timestamp::from_millis(1_000_000);
        service.deploy(
            longshore_model::DeploymentId::new(1),
            "web".parse().unwrap(),
            1,
            now,
        );
        let nodes = (0..nodes)
            .map(|i| InstanceState {
                id: InstanceId::new(u128::from(i) + 1),
                active: true,
                connected: true,
                registered: Resources {
                    cpu: CpuUnits(100_000),
                    memory: Mib(100_000),
                    ..Resources::default()
                },
                attributes: BTreeMap::from([(
                    ZONE_ATTRIBUTE.to_owned(),
                    Some(if i % 2 == 0 { "a" } else { "b" }.to_owned()),
                )]),
                agent_version: String::new(),
                registered_at: Timestamp::default(),
            })
            .collect();
        let definitions = (1..4)
            .map(|r| (("web".parse().unwrap(), r), definition(r)))
            .collect();
        Self {
            now: now.millis(),
            seed: 1,
            service,
            tasks: BTreeMap::new(),
            definitions,
            nodes,
            draining: BTreeSet::new(),
            most_changes: 200,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn deploy(&mut self, revision: u32) {
        let id = longshore_model::DeploymentId::new(self.now as u64 + u64::from(revision));
        self.service
            .deploy(id, "web".parse().unwrap(), revision, self.now());
    }

    fn index(&self) -> Index {
        let mut index = Index::new();
        for node in &self.nodes {
            let mut node = node.clone();
            node.active = !self.draining.contains(&node.id);
            index.upsert(node);
        }
        for task in self.tasks.values().filter(|task| task.is_live()) {
            index.put_task(TaskState::from(task));
        }
        index
    }

    fn decide(&mut self) -> Plan<Action> {
        let mut index = self.index();
        let view = ServiceView {
            service: &self.service,
            tasks: self.tasks.values().collect(),
            definitions: self
                .definitions
                .iter()
                .map(|(k, v)| (k.clone(), v))
                .collect(),
            draining: self.draining.clone(),
            healthy_after: HEALTHY_AFTER,
            most_changes: self.most_changes,
        };
        self.seed += 1;
        reconcile(
            &view,
            &mut index.attempt(),
            &mut Ctx::new(Timestamp::from_millis(self.now), self.seed),
        )
    }

    fn step(&mut self) -> Plan<Action> {
        let plan = self.decide();
        let now = self.now();
        for action in plan.actions.clone() {
            match action {
                Action::CreateTask(task) => {
                    self.tasks.insert(task.id, *task);
                }
                Action::StopTask { task, code, reason } => {
                    self.tasks.get_mut(&task).unwrap().stop(code, &reason, now);
                }
                Action::AccountTask(task) => self.tasks.get_mut(&task).unwrap().accounted = true,
                Action::Put(AnyRecord::Service(service)) => self.service = *service,
                other => panic!("not an action of this controller: {other:?}"),
            }
        }
        plan
    }

    fn report(&mut self, id: TaskId, status: TaskStatus, code: Option<StopCode>) {
        let now = self.now();
        let container = match status {
            TaskStatus::Stopped => ContainerStatus::Stopped,
            TaskStatus::Running => ContainerStatus::Running,
            _ => ContainerStatus::Pending,
        };
        let report = TaskReport {
            containers: vec![ContainerReport {
                name: "web".into(),
                last_status: container,
                ..ContainerReport::default()
            }],
            started_at: (status == TaskStatus::Running).then_some(now),
            stop_code: code,
            ..TaskReport::new(id, status)
        };
        self.tasks.get_mut(&id).unwrap().apply_report(&report, now);
    }

    /// Every task gets where it is meant to be.
    fn agents_catch_up(&mut self) {
        let live: Vec<TaskId> = self
            .tasks
            .values()
            .filter(|t| t.is_live())
            .map(|t| t.id)
            .collect();
        for id in live {
            let status = match self.tasks[&id].desired_status {
                DesiredStatus::Running => TaskStatus::Running,
                DesiredStatus::Stopped => TaskStatus::Stopped,
            };
            self.report(id, status, None);
        }
    }

    fn settle(&mut self) {
        for _ in 0..200 {
            let plan = self.step();
            self.agents_catch_up();
            self.now += 6000;
            if plan == Plan::default() {
                return;
            }
        }
        panic!("does not settle: {:?}", self.decide());
    }

    fn live(&self) -> u32 {
        self.tasks.values().filter(|t| t.is_live()).count() as u32
    }

    fn running(&self) -> u32 {
        let runs = |t: &&Task| t.shown_status() == TaskStatus::Running;
        self.tasks.values().filter(runs).count() as u32
    }

    fn steady_at(&self, revision: u32) -> bool {
        let right = |t: &Task| t.revision == revision && t.shown_status() == TaskStatus::Running;
        self.service.deployments.len() == 1
            && self.service.deployments[0].rollout == Rollout::Completed
            && self.live() == self.service.desired_count
            && self.tasks.values().filter(|t| t.is_live()).all(right)
    }

    fn said(&self, text: &str) -> usize {
        self.service
            .events
            .iter()
            .filter(|e| e.message.contains(text))
            .count()
    }
}

#[test]
fn a_new_service_starts_its_tasks_spread_and_says_so_once() {
    let mut world = World::new(4, 100, 200, 2);
    world.settle();
    assert!(world.steady_at(1));
    for node in [1, 2] {
        assert_eq!(
            world
                .tasks
                .values()
                .filter(|t| t.instance == InstanceId::new(node))
                .count(),
            2
        );
    }
    assert_eq!(world.said("has reached a steady state."), 1);
    assert_eq!(world.said("has started 4 tasks"), 1);
    assert_eq!(world.step(), Plan::default());
}

#[test]
fn scaling_goes_both_ways_and_a_deleted_service_ends_inactive() {
    let mut world = World::new(2, 100, 200, 2);
    world.settle();
    world.service.desired_count = 5;
    world.settle();
    assert_eq!(world.running(), 5);
    world.service.desired_count = 1;
    world.settle();
    assert_eq!(world.running(), 1);
    world.service.status = ServiceStatus::Draining;
    world.service.desired_count = 0;
    world.settle();
    assert_eq!(
        (world.live(), world.service.status),
        (0, ServiceStatus::Inactive)
    );
}

#[test]
fn a_decision_changes_no_more_than_it_may_and_the_next_goes_on() {
    let mut world = World::new(8, 100, 200, 2);
    world.most_changes = 3;
    let mut changes = |desired| {
        world.service.desired_count = desired;
        let mut changes = Vec::new();
        loop {
            let plan = world.step();
            world.agents_catch_up();
            world.now += 6000;
            let count = |is: fn(&Action) -> bool| plan.actions.iter().filter(|a| is(a)).count();
            let counts = [
                count(|action| matches!(action, Action::CreateTask(_))),
                count(|action| matches!(action, Action::StopTask { .. })),
                count(|action| matches!(action, Action::AccountTask(_))),
            ];
            if counts == [0; 3] {
                return changes;
            }
            changes.push(counts);
        }
    };
    assert_eq!(changes(8), [[3, 0, 0], [3, 0, 0], [2, 0, 0]]);
    assert_eq!(changes(1), [[0, 3, 0], [0, 3, 3], [0, 1, 3], [0, 0, 1]]);
}

#[test]
fn surge_room_is_used_before_capacity_is_given_up() {
    let mut world = World::new(4, 50, 200, 1);
    world.settle();
    world.deploy(2);
    let plan = world.step();
    let stops = plan
        .actions
        .iter()
        .filter(|a| matches!(a, Action::StopTask { .. }))
        .count();
    assert_eq!((stops, world.live()), (0, 8));
    world.settle();
    assert!(world.steady_at(2));
}

#[test]
fn a_full_node_is_freed_down_to_the_floor() {
    let mut world = World::new(4, 50, 200, 1);
    world.nodes[0].registered.cpu = CpuUnits(400);
    world.settle();
    world.deploy(2);
    world.step();
    assert_eq!(world.running(), 2, "two old tasks make room");
    world.settle();
    assert!(world.steady_at(2));
}

#[test]
fn a_configuration_that_allows_nothing_is_named() {
    let mut world = World::new(1, 100, 100, 1);
    world.settle();
    world.deploy(2);
    let plan = world.step();
    assert!(
        plan.reasons
            .contains(&Reason::DeploymentConfiguration { lower: 1, upper: 1 })
    );
    assert_eq!(world.said("was unable to stop or start tasks"), 1);
    world.step();
    assert_eq!(
        world.said("was unable to stop or start tasks"),
        1,
        "not repeated"
    );
}

#[test]
fn no_instance_is_a_reason_with_counts() {
    let mut world = World::new(2, 100, 200, 1);
    world.nodes[0].connected = false;
    let plan = world.step();
    assert!(
        matches!(plan.reasons[0], Reason::Unplaced { count: 2, .. }),
        "{:?}",
        plan.reasons
    );
    assert_eq!(world.said("Of 1 instances: 1 AGENT"), 1);
}

#[test]
fn tasks_that_keep_failing_are_tried_later_and_later() {
    let mut world = World::new(1, 100, 200, 1);
    let mut attempts = Vec::new();
    for _ in 0..40_000 {
        world.step();
        let live = world.tasks.values().find(|t| t.is_live()).map(|t| t.id);
        if let Some(id) = live {
            attempts.push(world.now);
            world.report(id, TaskStatus::Stopped, Some(StopCode::TaskFailedToStart));
        }
        world.now += 100;
    }
    let waits: Vec<i64> = attempts.windows(2).map(|w| (w[1] - w[0]) / 1000).collect();
    assert_eq!(waits[..6], [0, 1, 2, 4, 8, 16]);
    assert_eq!(waits.iter().max(), Some(&300));
    world.deploy(2);
    world.step();
    assert_eq!(world.live(), 1, "a new deployment starts at once");
}

#[test]
fn a_task_that_dies_is_replaced_at_once() {
    let mut world = World::new(3, 100, 200, 1);
    world.settle();
    let id = *world.tasks.keys().next().unwrap();
    world.report(
        id,
        TaskStatus::Stopped,
        Some(StopCode::EssentialContainerExited),
    );
    world.step();
    assert_eq!(world.live(), 3);
    assert!(world.tasks[&id].accounted);
}

#[test]
fn tasks_leave_a_draining_instance_under_the_percentages() {
    let mut world = World::new(4, 100, 200, 2);
    world.settle();
    world.draining.insert(InstanceId::new(1));
    let before = world.running();
    world.step();
    assert_eq!(world.running(), before, "replacements first");
    world.settle();
    assert!(
        world
            .tasks
            .values()
            .filter(|t| t.is_live())
            .all(|t| t.instance == InstanceId::new(2))
    );
    assert_eq!(world.running(), 4);
}

proptest! {
    /// Without faults a rolling update never leaves the envelope and always gets there, whatever
    /// the order in which agents get round to their tasks.
    #[test]
    fn a_rolling_update_stays_in_its_envelope(
        desired in 1_u32..12, minimum in 0_u32..=100, maximum in 100_u32..=250,
        nodes in 1_u32..4, choices in proptest::collection::vec(0_u8..=255, 400),
    ) {
        let mut world = World::new(desired, minimum, maximum, nodes);
        world.settle();
        prop_assert!(world.steady_at(1));
        world.deploy(2);
        let configuration = world.service.deployment_configuration;
        let (lower, upper) = (configuration.lower(desired), configuration.upper(desired));
        for choice in choices {
            world.step();
            prop_assert!(world.running() >= lower, "{} < {lower}", world.running());
            prop_assert!(world.live() <= upper, "{} > {upper}", world.live());
            let live: Vec<TaskId> =
                world.tasks.values().filter(|t| t.is_live()).map(|t| t.id).collect();
            if let Some(&id) = live.get(usize::from(choice) % live.len().max(1)) {
                let status = match world.tasks[&id].desired_status {
                    DesiredStatus::Running => TaskStatus::Running,
                    DesiredStatus::Stopped => TaskStatus::Stopped,
                };
                world.report(id, status, None);
            }
            world.now += i64::from(choice) * 20;
        }
        if lower < desired || upper > desired {
            world.settle();
            prop_assert!(world.steady_at(2), "{:?}", world.decide());
        } else {
            prop_assert_eq!(world.tasks.len() as u32, desired);
        }
    }

    /// With tasks dying at any time there are never more than the ceiling, and once they stop
    /// dying the service gets to what it should be.
    #[test]
    fn deaths_are_made_good(
        desired in 0_u32..8, choices in proptest::collection::vec(0_u8..=255, 120),
    ) {
        let mut world = World::new(desired, 50, 150, 2);
        for (i, choice) in choices.iter().enumerate() {
            world.step();
            let upper = world.service.deployment_configuration.upper(desired);
            prop_assert!(world.live() <= upper);
            if i == 60 {
                world.deploy(2);
            }
            let live: Vec<TaskId> =
                world.tasks.values().filter(|t| t.is_live()).map(|t| t.id).collect();
            if let Some(&id) = live.get(usize::from(*choice) % live.len().max(1)) {
                let dies = choice % 3 == 0;
                let status = if dies { TaskStatus::Stopped } else { TaskStatus::Running };
                world.report(id, status, dies.then_some(StopCode::EssentialContainerExited));
            }
            world.now += 1000;
        }
        world.now += 400_000;
        world.settle();
        world.now += 400_000;
        world.settle();
        prop_assert!(world.steady_at(2), "{:?}", world.decide());
    }
}
