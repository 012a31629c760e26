use std::collections::BTreeMap;
use std::time::Duration;

use longshore_model::report::TaskReport;
use longshore_model::task::{DesiredStatus, StopCode, TaskStatus};
use longshore_model::task_definition::{ContainerDefinition, NetworkMode};
use longshore_model::{ClusterName, InstanceId};
use longshore_supervisor::Sighting;

use super::*;
use crate::runtime::container_name;
use crate::runtime::fake::Engine;

const ME: InstanceId = InstanceId::new(1);
const IMAGE: &str = "busybox";

/// A node, its journal, its containers and its control plane, in one thread.
struct World {
    node: Node,
    engine: Engine,
    now: Timestamp,
    /// What the journal holds durably.
    journal: BTreeMap<TaskId, Record>,
    disk_is_full: bool,
    /// What the control plane heard, newest last.
    reports: Vec<TaskReport>,
    acknowledged: Vec<u64>,
    generation: u64,
    /// Which history of its store the control plane tells of, and whether that was put back.
    history: String,
    is_put_back: bool,
    /// Whether messages arrive and acknowledgements come back.
    connected: bool,
    acknowledges: bool,
}

impl World {
    fn new() -> Self {
        let mut engine = Engine::default();
        engine.images.insert(IMAGE.to_owned());
        let mut world = Self {
            node: Node::new(Settings::default(), Vec::new()),
            engine,
            now: Timestamp::from_millis(1_000_000),
            journal: BTreeMap::new(),
            disk_is_full: false,
            reports: Vec::new(),
            acknowledged: Vec::new(),
            generation: 0,
            history: "first".to_owned(),
            is_put_back: false,
            connected: false,
            acknowledges: true,
        };
        world.list();
        world.connect();
        world
    }

    fn restart(&mut self) {
        let records = self.journal.values().cloned().collect();
        self.node = Node::new(Settings::default(), records);
        self.connected = false;
    }

    fn connect(&mut self) {
        self.connected = true;
        self.generation = 0;
        self.input(Input::SessionOpened);
    }

    fn list(&mut self) {
        if let Ok(listed) = self.engine.list(ME) {
            self.input(Input::Listed(listed));
        }
    }

    fn tell(&mut self, complete: bool, tasks: &[Assignment], removed: &[TaskId]) {
        self.generation += 1;
        self.input(Input::Assigned(Assignments {
            generation: self.generation,
            complete,
            tasks: tasks.to_vec(),
            removed: removed.to_vec(),
            revision: self.generation,
            history: self.history.clone(),
            is_put_back: self.is_put_back,
        }));
    }

    fn exit(&mut self, task: &Assignment, code: i32) {
        let notice = self.engine.exit(&container_name(task, 0), code).unwrap();
        self.input(Input::Noticed(notice));
    }

    fn pass_time(&mut self, length: Duration) {
        let end = self.now.after(length);
        while let Some(at) = self.node.wake_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Tick);
        }
        self.now = end;
    }

    /// Steps, and carries out what that says until nothing more comes of it.
    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        for _ in 0..1000 {
            let effects = self.node.step_all(self.now, std::mem::take(&mut inputs));
            for effect in effects {
                inputs.extend(self.carry_out(effect));
            }
            if inputs.is_empty() {
                return;
            }
        }
        panic!("never at rest");
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Journal { sequence, writes } => {
                if self.disk_is_full {
                    return Some(Input::JournalFailed { sequence });
                }
                for write in writes {
                    match write {
                        Write::Put(record) => {
                            self.journal.insert(record.assignment.task, *record);
                        }
                        Write::Forget(task) => {
                            self.journal.remove(&task);
                        }
                    }
                }
                Some(Input::Journaled { sequence })
            }
            Effect::Operate {
                task,
                container,
                operation,
            } => {
                if operation == Operation::Create {
                    let record = self.journal.get(&task.task);
                    assert!(record.is_some(), "created before it was journalled");
                }
                let outcome = self.engine.operate(ME, &task, container, operation);
                Some(Input::Done {
                    task: task.task,
                    container,
                    operation,
                    outcome,
                })
            }
            Effect::Release { task } => {
                self.engine.released.push(task);
                Some(Input::Released {
                    task,
                    outcome: Ok(()),
                })
            }
            Effect::RemoveOrphan { runtime_id } => {
                self.engine.remove_by_id(&runtime_id);
                Some(Input::OrphanRemoved { runtime_id })
            }
            Effect::Report { sequence, tasks } => {
                self.reports.extend(tasks);
                (self.connected && self.acknowledges).then_some(Input::ReportsAcknowledged {
                    sequence,
                    unread: BTreeSet::new(),
                })
            }
            Effect::AcknowledgeAssignments { generation } => {
                self.acknowledged.push(generation);
                None
            }
        }
    }

    fn last(&self, task: &Assignment) -> &TaskReport {
        let of_task = self.reports.iter().rev().find(|r| r.task == task.task);
        of_task.unwrap()
    }

    fn running(&self) -> usize {
        let containers = self.engine.containers.values();
        containers
            .filter(|c| c.sighting == Sighting::Running)
            .count()
    }

    fn starts(&self) -> u32 {
        self.engine.containers.values().map(|c| c.starts).sum()
    }
}

fn task(id: u128) -> Assignment {
    Assignment {
        task: TaskId::new(id << 100),
        desired_status: DesiredStatus::Running,
        cluster: ClusterName::default_cluster(),
        task_arn: String::new(),
        family: "web".parse().unwrap(),
        revision: 1,
        network_mode: NetworkMode::Bridge,
        cpu: None,
        memory: None,
        containers: vec![ContainerDefinition {
            name: "main".into(),
            image: IMAGE.into(),
            essential: true,
            ..ContainerDefinition::default()
        }],
    }
}

fn stopped(task: &Assignment) -> Assignment {
    Assignment {
        desired_status: DesiredStatus::Stopped,
        ..task.clone()
    }
}

#[test]
fn a_task_runs_its_whole_life() {
    let mut world = World::new();
    let task = task(1);
    world.tell(true, &[], &[]);
    world.tell(false, std::slice::from_ref(&task), &[]);
    assert_eq!(world.last(&task).last_status, TaskStatus::Running);
    assert_eq!(world.acknowledged, [1, 2]);
    world.tell(false, &[stopped(&task)], &[]);
    assert_eq!(world.last(&task).last_status, TaskStatus::Stopped);
    assert_eq!(world.last(&task).stop_code, None);
    assert_eq!(world.last(&task).containers[0].exit_code, Some(137));
    world.tell(false, &[], &[task.task]);
    assert!(
        world.journal.contains_key(&task.task),
        "kept with its containers"
    );
    world.pass_time(Duration::from_secs(3700));
    assert!(world.engine.containers.is_empty());
    assert!(world.node.is_empty());
    assert!(world.journal.is_empty());
}

#[test]
fn sets_that_come_twice_or_late_change_nothing() {
    let mut world = World::new();
    let task = task(1);
    world.tell(true, std::slice::from_ref(&task), &[]);
    world.tell(true, std::slice::from_ref(&task), &[]);
    world.tell(false, &[stopped(&task)], &[]);
    world.generation = 0;
    world.tell(true, std::slice::from_ref(&task), &[]);
    assert_eq!(world.engine.created.len(), 1);
    // Even a newer set does not bring it back.
    world.generation = 10;
    world.tell(true, &[task], &[]);
    world.list();
    assert_eq!(world.starts(), 1);
}

#[test]
fn lost_reports_are_sent_again_in_the_next_session() {
    let mut world = World::new();
    let task = task(1);
    world.acknowledges = false;
    world.tell(true, std::slice::from_ref(&task), &[]);
    world.input(Input::SessionClosed);
    world.connected = false;
    world.exit(&task, 9);
    world.reports.clear();
    world.acknowledges = true;
    world.connect();
    world.tell(true, std::slice::from_ref(&task), &[]);
    let report = world.last(&task);
    assert_eq!(report.last_status, TaskStatus::Stopped);
    assert_eq!(report.containers[0].exit_code, Some(9));
    assert_eq!(report.stop_code, Some(StopCode::EssentialContainerExited));
}

#[test]
fn a_stopped_task_is_kept_until_its_report_is_acknowledged_and_it_is_removed() {
    let mut world = World::new();
    let task = task(1);
    world.acknowledges = false;
    world.tell(true, &[stopped(&task)], &[]);
    assert!(
        world.engine.created.is_empty(),
        "never started, so nothing is made"
    );
    assert_eq!(world.last(&task).last_status, TaskStatus::Stopped);
    world.tell(false, &[], &[task.task]);
    assert!(!world.node.is_empty());
    world.acknowledges = true;
    world.connect();
    world.tell(true, &[], &[]);
    assert!(world.node.is_empty());
}

#[test]
fn a_tombstone_outlives_the_process_and_its_containers() {
    let mut world = World::new();
    let task = task(1);
    world.tell(true, std::slice::from_ref(&task), &[]);
    world.exit(&task, 0);
    world.pass_time(Duration::from_secs(1));
    world.engine.containers.clear();
    world.restart();
    world.list();
    world.connect();
    world.tell(true, std::slice::from_ref(&task), &[]);
    assert_eq!(world.last(&task).last_status, TaskStatus::Stopped);
    assert_eq!(world.engine.created.len(), 1);
}

#[test]
fn a_restarted_agent_adopts_and_finishes_what_was_begun() {
    let mut world = World::new();
    let (runs, exits, vanishes) = (task(1), task(2), task(3));
    let all = [runs.clone(), exits.clone(), vanishes.clone()];
    world.tell(true, &all, &[]);
    world.pass_time(Duration::from_secs(1));
    world.restart();
    world.engine.exit(&container_name(&exits, 0), 4);
    world.engine.vanish(&container_name(&vanishes, 0));
    world.reports.clear();
    world.list();
    world.connect();
    world.tell(true, &all, &[]);
    assert_eq!(world.last(&runs).last_status, TaskStatus::Running);
    assert_eq!(world.last(&exits).containers[0].exit_code, Some(4));
    let reason = world.last(&vanishes).containers[0].reason.clone().unwrap();
    assert!(reason.starts_with("ContainerVanishedError"));
    assert_eq!(world.engine.created.len(), 3);
    assert!(world.engine.containers.values().all(|c| c.starts == 1));
}

#[test]
fn a_crash_before_the_note_is_written_still_adopts() {
    let mut world = World::new();
    let task = task(1);
    world.tell(true, std::slice::from_ref(&task), &[]);
    // No time for the note on progress: the journal knows the assignment only.
    world.restart();
    world.list();
    world.connect();
    world.tell(true, std::slice::from_ref(&task), &[]);
    assert_eq!(world.last(&task).last_status, TaskStatus::Running);
    assert_eq!(world.engine.created.len(), 1);
    assert_eq!(world.starts(), 1);
}

#[test]
fn without_a_journal_containers_are_adopted_or_removed_on_a_complete_set_only() {
    let mut world = World::new();
    let (stays, goes) = (task(1), task(2));
    world.tell(true, &[stays.clone(), goes.clone()], &[]);
    world.journal.clear();
    world.restart();
    world.list();
    world.connect();
    world.tell(false, std::slice::from_ref(&stays), &[]);
    assert_eq!(world.engine.containers.len(), 2);
    world.tell(true, std::slice::from_ref(&stays), &[]);
    assert_eq!(world.engine.containers.len(), 1);
    assert_eq!(world.last(&stays).last_status, TaskStatus::Running);
    assert_eq!(world.starts(), 1);
}

#[test]
fn a_session_that_begins_with_a_partial_set_works_and_removes_nothing() {
    let mut world = World::new();
    let (old, new) = (task(1), task(2));
    world.tell(true, std::slice::from_ref(&old), &[]);
    world.restart();
    world.list();
    world.connect();
    world.tell(false, std::slice::from_ref(&new), &[]);
    for task in [&old, &new] {
        assert_eq!(world.last(task).last_status, TaskStatus::Running);
    }
    assert_eq!(world.starts(), 2);
}

#[test]
fn orphans_wait_for_the_first_listing_too() {
    let mut world = World::new();
    let task = task(1);
    world.tell(true, std::slice::from_ref(&task), &[]);
    world.journal.clear();
    world.restart();
    world.connect();
    world.tell(true, &[], &[]);
    assert_eq!(world.engine.containers.len(), 1);
    world.list();
    assert!(world.engine.containers.is_empty());
}

#[test]
fn nothing_is_created_before_the_first_listing() {
    let mut world = World::new();
    world.restart();
    world.connect();
    let task = task(1);
    world.tell(true, std::slice::from_ref(&task), &[]);
    assert!(world.engine.created.is_empty());
    world.list();
    assert_eq!(world.starts(), 1);
}

#[test]
fn cut_off_it_keeps_what_it_holds() {
    let mut world = World::new();
    let task = task(1);
    world.tell(true, std::slice::from_ref(&task), &[]);
    world.input(Input::SessionClosed);
    world.pass_time(Duration::from_secs(86_400));
    world.list();
    assert_eq!(world.engine.containers.len(), 1);
    assert_eq!(world.starts(), 1);
}

#[test]
fn a_failed_pull_fails_the_task() {
    let mut world = World::new();
    let mut task = task(1);
    task.containers[0].image = "none".into();
    world.tell(true, std::slice::from_ref(&task), &[]);
    let report = world.last(&task);
    assert_eq!(report.last_status, TaskStatus::Stopped);
    assert_eq!(report.stop_code, Some(StopCode::TaskFailedToStart));
    let reason = report.stopped_reason.clone().unwrap();
    assert!(reason.starts_with("CannotPullContainerError: "), "{reason}");
}

#[test]
fn while_docker_is_away_tasks_wait_and_then_go_on() {
    let mut world = World::new();
    world.engine.is_down = true;
    let task = task(1);
    world.tell(true, std::slice::from_ref(&task), &[]);
    world.pass_time(Duration::from_secs(30));
    world.engine.is_down = false;
    world.pass_time(Duration::from_secs(2));
    assert_eq!(world.last(&task).last_status, TaskStatus::Running);
    world.engine.is_down = true;
    world.tell(false, &[stopped(&task)], &[]);
    world.pass_time(Duration::from_secs(5));
    assert_ne!(world.last(&task).last_status, TaskStatus::Stopped);
    world.engine.is_down = false;
    world.pass_time(Duration::from_secs(2));
    assert_eq!(world.last(&task).last_status, TaskStatus::Stopped);
}

#[test]
fn docker_away_for_too_long_fails_the_task() {
    let mut world = World::new();
    world.engine.is_down = true;
    let task = task(1);
    world.tell(true, std::slice::from_ref(&task), &[]);
    world.pass_time(Duration::from_secs(700));
    assert_eq!(
        world.last(&task).stop_code,
        Some(StopCode::TaskFailedToStart)
    );
}

#[test]
fn a_full_disk_starts_nothing_but_stops_what_is_to_stop() {
    let mut world = World::new();
    let (old, new) = (task(1), task(2));
    world.tell(true, std::slice::from_ref(&old), &[]);
    world.disk_is_full = true;
    world.tell(false, &[stopped(&old), new.clone()], &[]);
    world.pass_time(Duration::from_secs(10));
    assert_eq!(world.last(&old).last_status, TaskStatus::Stopped);
    assert_eq!(world.engine.created.len(), 1);
    assert_eq!(world.acknowledged, [1]);
    world.disk_is_full = false;
    world.pass_time(Duration::from_secs(2));
    assert_eq!(world.last(&new).last_status, TaskStatus::Running);
    assert_eq!(world.acknowledged, [1, 2]);
}

#[test]
fn a_container_that_someone_starts_again_is_stopped() {
    let mut world = World::new();
    let task = task(1);
    world.tell(true, std::slice::from_ref(&task), &[]);
    world.exit(&task, 0);
    let name = container_name(&task, 0);
    let container = world.engine.containers.get_mut(&name).unwrap();
    container.sighting = longshore_supervisor::Sighting::Running;
    world.list();
    let container = &world.engine.containers[&name];
    assert_ne!(container.sighting, longshore_supervisor::Sighting::Running);
    assert_eq!(world.last(&task).containers[0].exit_code, Some(0));
}

#[test]
fn many_stopped_tasks_are_bounded() {
    let mut world = World::new();
    let tasks: Vec<_> = (1..=120).map(task).collect();
    world.tell(true, &tasks, &[]);
    for task in &tasks {
        world.now = world.now.after(Duration::from_millis(1));
        world.exit(task, 0);
    }
    world.list();
    assert_eq!(world.engine.containers.len(), 100);
    // The tombstones stay until the control plane has removed the tasks.
    assert_eq!(world.node.len(), 120);
}

#[test]
fn a_limited_task_gives_its_cgroup_back() {
    let mut world = World::new();
    let mut task = task(1);
    task.memory = Some(longshore_model::Mib(64));
    world.tell(true, std::slice::from_ref(&task), &[]);
    world.exit(&task, 0);
    world.pass_time(Duration::from_secs(3700));
    assert_eq!(world.engine.released, [task.task]);
}

#[test]
fn sixty_assignments_cost_one_journal_write() {
    let mut node = Node::new(Settings::default(), Vec::new());
    let now = Timestamp::from_millis(0);
    node.step(now, Input::Listed(vec![]));
    let effects = node.step(
        now,
        Input::Assigned(Assignments {
            generation: 1,
            complete: true,
            tasks: (1..=60).map(task).collect(),
            removed: vec![],
            revision: 1,
            history: String::new(),
            is_put_back: false,
        }),
    );
    let writes = effects
        .iter()
        .filter(|e| matches!(e, Effect::Journal { .. }));
    assert_eq!(writes.count(), 1);
}

#[test]
fn a_stop_is_told_only_once_the_journal_says_so() {
    let mut world = World::new();
    let mut task = task(1);
    task.containers[0].image = "not-there".into();
    world.tell(true, &[], &[]);
    world.tell(false, std::slice::from_ref(&task), &[]);
    assert_eq!(world.last(&task).last_status, TaskStatus::Stopped);
    // A life that ends right after the report begins nothing anew.
    world.restart();
    world.engine.images.insert("not-there".into());
    world.list();
    world.connect();
    world.tell(true, std::slice::from_ref(&task), &[]);
    assert!(world.engine.created.is_empty());
    assert_eq!(world.last(&task).last_status, TaskStatus::Stopped);
}

#[test]
fn containers_stay_until_the_stop_is_acknowledged() {
    let settings = Settings {
        keep_stopped: Duration::ZERO,
        ..Settings::default()
    };
    let mut world = World::new();
    world.node = Node::new(settings, Vec::new());
    world.list();
    world.connect();
    let task = task(1);
    world.tell(true, &[], &[]);
    world.tell(false, std::slice::from_ref(&task), &[]);
    world.acknowledges = false;
    let notice = world.engine.exit(&container_name(&task, 0), 1).unwrap();
    world.input(Input::Noticed(notice));
    assert_eq!(world.last(&task).last_status, TaskStatus::Stopped);
    assert_eq!(world.engine.containers.len(), 1);
    world.acknowledges = true;
    world.connect();
    world.tell(true, std::slice::from_ref(&task), &[]);
    assert!(world.engine.containers.is_empty());
}

#[test]
fn containers_stay_while_the_disk_refuses_to_note_the_stop() {
    let settings = Settings {
        keep_stopped: Duration::ZERO,
        ..Settings::default()
    };
    let mut world = World::new();
    world.node = Node::new(settings, Vec::new());
    world.list();
    world.connect();
    let (first, second) = (task(1), task(2));
    let both = [first.clone(), second.clone()];
    world.tell(true, &both, &[]);
    world.disk_is_full = true;
    for task in &both {
        world.exit(task, 1);
        assert_eq!(world.last(task).last_status, TaskStatus::Stopped);
    }
    world.pass_time(Duration::from_secs(10));
    assert_eq!(world.engine.containers.len(), 2);
    // A life that ends now knows by them that the tasks have run.
    world.restart();
    world.list();
    world.connect();
    world.tell(true, &both, &[]);
    assert_eq!(world.engine.created.len(), 2);
    assert_eq!(world.last(&first).last_status, TaskStatus::Stopped);
    assert_eq!(world.last(&second).last_status, TaskStatus::Stopped);
    world.node.settings = settings;
    world.disk_is_full = false;
    world.pass_time(Duration::from_secs(3700));
    assert!(world.engine.containers.is_empty());
}

#[test]
fn a_new_life_says_of_no_task_that_it_stopped_before_it_has_seen_its_containers() {
    for is_lost in [false, true] {
        let mut world = World::new();
        let mut task = task(1);
        world.tell(true, std::slice::from_ref(&task), &[]);
        assert_eq!(world.last(&task).last_status, TaskStatus::Running);
        // The note that its container runs is not in the journal yet, or all of it is gone.
        if is_lost {
            world.journal.clear();
        }
        world.restart();
        world.connect();
        task.desired_status = DesiredStatus::Stopped;
        world.tell(true, std::slice::from_ref(&task), &[]);
        world.pass_time(Duration::from_secs(10));
        assert_ne!(world.last(&task).last_status, TaskStatus::Stopped);
        world.list();
        assert_eq!(world.last(&task).last_status, TaskStatus::Stopped);
        assert_eq!(world.engine.containers.len(), 1, "kept for its logs");
    }
}

#[test]
fn a_clock_that_was_set_back_keeps_nothing_for_longer() {
    let mut world = World::new();
    let task = task(1);
    world.tell(true, std::slice::from_ref(&task), &[]);
    world.exit(&task, 1);
    world.pass_time(Duration::from_secs(1));
    // The journal says that it stopped a day later than it is now.
    let record = world.journal.get_mut(&task.task).unwrap();
    let stopped_at = &mut record.observed.stopped_at;
    *stopped_at = stopped_at.map(|at| at.after(Duration::from_secs(86_400)));
    world.restart();
    world.list();
    world.connect();
    world.tell(true, &[], &[]);
    let keep = Settings::default().keep_stopped;
    world.pass_time(keep - Duration::from_secs(1));
    assert_eq!(world.engine.containers.len(), 1);
    world.pass_time(Duration::from_secs(2));
    assert!(world.engine.containers.is_empty());
}

#[test]
fn what_could_not_be_read_is_kept_until_it_could() {
    let settings = Settings {
        keep_stopped: Duration::ZERO,
        ..Settings::default()
    };
    let mut world = World::new();
    world.node = Node::new(settings, Vec::new());
    world.list();
    world.connect();
    let (damaged, other) = (task(1), task(2));
    let both = [damaged.clone(), other.clone()];
    world.tell(true, &both, &[]);
    world.acknowledges = false;
    for task in &both {
        let notice = world.engine.exit(&container_name(task, 0), 1).unwrap();
        world.input(Input::Noticed(notice));
    }
    let sequence = 1000;
    for unread in [
        BTreeSet::from([damaged.task]),
        BTreeSet::from([damaged.task]),
    ] {
        world.input(Input::ReportsAcknowledged { sequence, unread });
        assert!(
            world
                .engine
                .containers
                .contains_key(&container_name(&damaged, 0))
        );
        assert_eq!(world.engine.containers.len(), 1);
    }
    let unread = BTreeSet::new();
    world.input(Input::ReportsAcknowledged { sequence, unread });
    assert!(world.engine.containers.is_empty());
}

#[test]
fn who_still_lists_a_stopped_task_is_told_again() {
    let mut world = World::new();
    let task = task(1);
    world.tell(true, &[], &[]);
    world.tell(false, std::slice::from_ref(&task), &[]);
    let notice = world.engine.exit(&container_name(&task, 0), 1).unwrap();
    world.input(Input::Noticed(notice));
    let told = world.reports.len();
    world.tell(false, std::slice::from_ref(&task), &[]);
    assert_eq!(world.reports.len(), told + 1);
    assert_eq!(world.last(&task).last_status, TaskStatus::Stopped);
}

/// A session with a control plane whose store was restored from a backup.
fn restored() -> World {
    let mut world = World::new();
    world.tell(true, &[task(1), task(2)], &[]);
    world.connect();
    world.history = "second".to_owned();
    world
}

#[test]
fn what_a_restored_store_does_not_know_runs_on() {
    let mut world = restored();
    let (known, stranded) = (task(1), task(2));
    for _ in 0..2 {
        world.tell(true, std::slice::from_ref(&known), &[]);
        assert_eq!(world.running(), 2);
        // Also a new life knows which it is, by its journal.
        world.pass_time(Duration::from_secs(1));
        world.restart();
        world.list();
        world.connect();
    }
    assert!(world.journal[&stranded.task].is_stranded);
    // What the new history lists belongs to it, and goes when it says so.
    world.tell(true, &[], &[]);
    assert_eq!(world.running(), 1);
    // The other ends by itself, is reported, and is forgotten with its containers.
    world.exit(&stranded, 0);
    assert_eq!(world.last(&stranded).last_status, TaskStatus::Stopped);
    world.pass_time(Duration::from_secs(3700));
    assert!(world.node.is_empty() && world.engine.containers.is_empty());
}

#[test]
fn a_stranded_task_that_is_listed_again_belongs_to_the_control_plane_again() {
    let mut world = restored();
    world.tell(true, &[], &[]);
    assert_eq!(world.running(), 2);
    world.tell(true, &[task(1)], &[]);
    world.tell(true, &[], &[]);
    assert_eq!(world.running(), 1);
}

#[test]
fn an_operator_may_have_stranded_tasks_stopped() {
    let mut world = restored();
    world.tell(true, &[task(1)], &[]);
    let records = world.journal.values().cloned().collect();
    let settings = Settings {
        stop_stranded: true,
        ..Settings::default()
    };
    world.node = Node::new(settings, records);
    world.list();
    world.connect();
    world.tell(true, &[task(1)], &[]);
    assert_eq!(world.running(), 1);
    assert_eq!(world.last(&task(2)).last_status, TaskStatus::Stopped);
}

#[test]
fn a_store_that_was_put_back_without_a_new_history_stops_nothing() {
    let mut world = World::new();
    world.tell(true, &[task(1), task(2)], &[]);
    world.connect();
    world.is_put_back = true;
    world.tell(true, &[task(1)], &[]);
    world.is_put_back = false;
    world.connect();
    world.tell(true, &[task(1)], &[]);
    assert_eq!(world.running(), 2);
}

/// Of an older agent's journal, or of a control plane that cannot read which history it is.
#[test]
fn where_nobody_says_which_history_it_is_a_complete_set_counts() {
    for (before, after) in [("", "first"), ("first", "")] {
        let mut world = World::new();
        world.history = before.to_owned();
        world.tell(true, &[task(1), task(2)], &[]);
        world.connect();
        world.history = after.to_owned();
        world.tell(true, &[task(1)], &[]);
        assert_eq!(world.running(), 1);
        let record = &world.journal[&task(1).task];
        assert_eq!((record.is_stranded, &*record.history), (false, "first"));
    }
}
