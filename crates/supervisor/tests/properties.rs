//! Whatever happens in whatever order, the rules hold.

#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use longshore_model::assignment::Assignment;
use longshore_model::report::TaskReport;
use longshore_model::task::{ContainerStatus, DesiredStatus, TaskStatus};
use longshore_model::task_definition::{ContainerDefinition, NetworkMode};
use longshore_model::{ClusterName, TaskId, Timestamp};
use longshore_supervisor::{
    Exit, Failure, Observed, Operation, Sighting, report, settle, supervise,
};
use proptest::prelude::*;

/// What may happen next; the number chooses a container.
#[derive(Debug, Clone)]
enum Event {
    /// The operation in flight ends well.
    Succeed(usize),
    /// Docker refuses it.
    Refuse(usize),
    /// Docker cannot be reached.
    Unavailable(usize),
    /// It is carried out, but the answer is lost.
    LoseAnswer(usize),
    /// The call never arrives, and nobody knows.
    LoseCall(usize),
    /// A running container exits.
    Exit(usize, i32),
    /// Someone removes a container.
    Vanish(usize),
    /// Someone starts a stopped container again.
    Revive(usize),
    /// The agent looks at everything.
    Look,
    /// The task is told to stop.
    Tell,
    /// Time goes by, in seconds.
    Pass(u16),
    /// The agent is killed and starts again from what it saved.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let place = 0..4_usize;
    prop_oneof![
        12 => place.clone().prop_map(Event::Succeed),
        1 => place.clone().prop_map(Event::Refuse),
        1 => place.clone().prop_map(Event::Unavailable),
        1 => place.clone().prop_map(Event::LoseAnswer),
        1 => place.clone().prop_map(Event::LoseCall),
        2 => (place.clone(), 0..3).prop_map(|(place, code)| Event::Exit(place, code)),
        1 => place.clone().prop_map(Event::Vanish),
        1 => place.prop_map(Event::Revive),
        2 => Just(Event::Look),
        1 => Just(Event::Tell),
        1 => (0..400_u16).prop_map(Event::Pass),
        1 => Just(Event::Restart),
    ]
}

/// A container as it really is.
#[derive(Debug, Clone, Default)]
struct Real {
    state: Option<Sighting>,
    /// Starts by the agent.
    starts: u32,
    creates: u32,
    /// Whether someone else has meddled with it.
    meddled: bool,
}

struct World {
    assignment: Assignment,
    observed: Observed,
    saved: Observed,
    real: Vec<Real>,
    now: Timestamp,
    last: Option<TaskReport>,
}

fn assignment(essential: &[bool]) -> Assignment {
    let container = |(index, essential): (usize, &bool)| ContainerDefinition {
        name: format!("c{index}"),
        image: "image".into(),
        essential: *essential,
        ..ContainerDefinition::default()
    };
    Assignment {
        task: TaskId::new(1),
        desired_status: DesiredStatus::Running,
        cluster: ClusterName::default_cluster(),
        task_arn: String::new(),
        family: "f".parse().unwrap(),
        revision: 1,
        network_mode: NetworkMode::None,
        cpu: None,
        memory: None,
        containers: essential.iter().enumerate().map(container).collect(),
    }
}

impl World {
    fn new(essential: &[bool]) -> Self {
        let observed = Observed::new(essential.len());
        Self {
            assignment: assignment(essential),
            saved: observed.clone(),
            observed,
            real: vec![Real::default(); essential.len()],
            now: Timestamp::from_millis(1_000_000),
            last: None,
        }
    }

    fn sighting(&self, place: usize) -> Sighting {
        self.real[place].state.clone().unwrap_or(Sighting::Missing)
    }

    /// Lets the operation happen in the world.
    fn happen(&mut self, place: usize, operation: Operation) {
        let real = &mut self.real[place];
        match operation {
            Operation::Create if real.state.is_none() => {
                real.creates += 1;
                real.state = Some(Sighting::Created);
            }
            Operation::Start if real.state.is_some() => {
                real.starts += 1;
                real.state = Some(Sighting::Running);
            }
            Operation::Stop { .. } if real.state == Some(Sighting::Running) => {
                real.state = Some(Sighting::Exited(Exit {
                    code: 137,
                    ..Exit::default()
                }));
            }
            Operation::Remove => real.state = None,
            _ => {}
        }
    }

    fn event(&mut self, event: &Event) {
        let count = self.real.len();
        match *event {
            Event::Succeed(place) => self.finish(place % count),
            Event::Refuse(place) => self.refuse(place % count),
            Event::Unavailable(place) => {
                let retry = self.now.after(Duration::from_secs(1));
                let container = &mut self.observed.containers[place % count];
                if container.in_flight.is_some() {
                    container.put_off("down", self.now, retry);
                }
            }
            Event::LoseAnswer(place) => self.lose(place % count, true),
            Event::LoseCall(place) => self.lose(place % count, false),
            Event::Exit(place, code) => {
                let real = &mut self.real[place % count];
                if real.state == Some(Sighting::Running) {
                    real.state = Some(Sighting::Exited(Exit {
                        code,
                        ..Exit::default()
                    }));
                }
            }
            Event::Vanish(place) => {
                self.real[place % count].state = None;
                self.real[place % count].meddled = true;
            }
            Event::Revive(place) => {
                let real = &mut self.real[place % count];
                if matches!(real.state, Some(Sighting::Exited(_))) {
                    real.state = Some(Sighting::Running);
                    real.meddled = true;
                }
            }
            Event::Look => self.look(),
            Event::Tell => self.assignment.desired_status = DesiredStatus::Stopped,
            Event::Pass(seconds) => {
                self.now = self.now.after(Duration::from_secs(u64::from(seconds)));
            }
            Event::Restart => {
                self.observed = self.saved.clone();
                for container in &mut self.observed.containers {
                    container.in_flight = None;
                    container.start_request = None;
                    container.retry_at = None;
                    container.unavailable_since = None;
                    container.revived = false;
                }
                // A new life looks before it acts.
                self.look();
            }
        }
        self.act();
    }

    fn look(&mut self) {
        for place in 0..self.real.len() {
            if self.observed.containers[place].in_flight.is_none() {
                let sighting = self.sighting(place);
                self.observed.containers[place].see(sighting);
            }
        }
    }

    fn finish(&mut self, place: usize) {
        let Some(operation) = self.observed.containers[place].in_flight else {
            return;
        };
        // Docker refuses to start what is not there.
        if operation == Operation::Start && self.real[place].state.is_none() {
            return self.refuse(place);
        }
        self.happen(place, operation);
        let sighting = self.sighting(place);
        let container = &mut self.observed.containers[place];
        container.end();
        match operation {
            Operation::Pull => container.image_present = true,
            Operation::Remove => container.removed = true,
            Operation::Stop { .. } => {
                container.see(sighting);
                container.start_request = None;
            }
            Operation::Create | Operation::Start | Operation::Inspect => container.see(sighting),
        }
    }

    fn refuse(&mut self, place: usize) {
        let container = &mut self.observed.containers[place];
        match container.in_flight {
            Some(Operation::Pull | Operation::Create | Operation::Start) => {
                container.end();
                container.fail(Failure {
                    name: "E".into(),
                    detail: "d".into(),
                });
            }
            Some(_) => {
                container.end();
                container.retry_at = Some(self.now.after(Duration::from_secs(1)));
            }
            None => {}
        }
    }

    fn lose(&mut self, place: usize, happens: bool) {
        let Some(operation) = self.observed.containers[place].in_flight else {
            return;
        };
        if happens {
            self.happen(place, operation);
        }
        let retry = self.now.after(Duration::from_secs(1));
        let container = &mut self.observed.containers[place];
        if operation == Operation::Start {
            container.end();
        } else {
            container.put_off("lost", self.now, retry);
        }
    }

    /// What the agent does after every event, with the rules checked.
    fn act(&mut self) {
        settle(&self.assignment, &mut self.observed, self.now);
        let plan = supervise(&self.assignment, &self.observed, self.now);
        for action in plan.actions {
            let container = &self.observed.containers[action.container];
            assert!(container.in_flight.is_none(), "begun twice");
            let ends = self.observed.ending.is_some();
            match action.operation {
                Operation::Create | Operation::Start | Operation::Pull => {
                    assert!(!ends, "{:?} after the task began to end", action.operation);
                }
                Operation::Remove => assert!(self.observed.discard),
                Operation::Stop { .. } | Operation::Inspect => {}
            }
            self.observed.containers[action.container].begin(action.operation, self.now);
        }
        settle(&self.assignment, &mut self.observed, self.now);
        // Saved at once: what a crash may lose is for the agent's own tests.
        self.saved = self.observed.clone();
        self.check();
    }

    fn check(&mut self) {
        for real in &self.real {
            assert!(real.starts <= 1, "started {} times", real.starts);
            assert!(
                real.creates <= 1 || real.meddled,
                "created {} times",
                real.creates
            );
        }
        let report = report(&self.assignment, &self.observed);
        if report.last_status == TaskStatus::Stopped {
            let never_lost = |real: &&Real| !real.meddled;
            for real in self.real.iter().filter(never_lost) {
                assert_ne!(real.state, Some(Sighting::Running), "STOPPED while it runs");
            }
            assert!(report.stopped_at.is_some() && report.execution_stopped_at.is_some());
            assert!(
                report
                    .containers
                    .iter()
                    .all(|c| c.last_status == ContainerStatus::Stopped)
            );
        }
        if let Some(last) = &self.last {
            assert!(
                report.last_status >= last.last_status,
                "the status went back"
            );
            for (new, old) in report.containers.iter().zip(&last.containers) {
                assert!(new.last_status >= old.last_status, "a container went back");
                assert!(old.exit_code.is_none() || new.exit_code == old.exit_code);
            }
            for (new, old) in [
                (report.started_at, last.started_at),
                (report.execution_stopped_at, last.execution_stopped_at),
                (report.stopped_at, last.stopped_at),
            ] {
                assert!(old.is_none() || new == old, "stamped twice");
            }
            assert!(last.stop_code.is_none() || report.stop_code == last.stop_code);
        }
        self.last = Some(report);
    }

    /// Lets everything succeed from now on; true when nothing is left to do.
    fn comes_to_rest(&mut self) -> bool {
        for _ in 0..200 {
            self.now = self.now.after(Duration::from_secs(5));
            self.event(&Event::Look);
            let busy: Vec<_> = (0..self.real.len())
                .filter(|place| self.observed.containers[*place].in_flight.is_some())
                .collect();
            let waits =
                self.observed.containers.iter().any(|c| {
                    c.start_request.is_some() || c.retry_at.is_some_and(|at| at > self.now)
                });
            if busy.is_empty() && !waits {
                return true;
            }
            for place in busy {
                self.event(&Event::Succeed(place));
            }
        }
        false
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold(
        mut essential in prop::collection::vec(any::<bool>(), 1..4),
        events in prop::collection::vec(event(), 0..60),
    ) {
        essential[0] = true;
        let mut world = World::new(&essential);
        world.act();
        for event in &events {
            world.event(event);
        }
        prop_assert!(world.comes_to_rest(), "never at rest: {:?}", world.observed);
        let status = world.observed.last_status;
        prop_assert!(matches!(status, TaskStatus::Running | TaskStatus::Stopped), "{status}");
        // Told to stop, it stops; told to clean up, it leaves nothing.
        world.event(&Event::Tell);
        prop_assert!(world.comes_to_rest());
        prop_assert_eq!(world.observed.last_status, TaskStatus::Stopped);
        world.observed.discard = true;
        prop_assert!(world.comes_to_rest());
        prop_assert!(world.real.iter().all(|real| real.state.is_none()), "{:?}", world.real);
    }

    #[test]
    fn without_faults_a_task_runs_and_each_container_is_started_once(
        count in 1..4_usize,
        order in prop::collection::vec(0..4_usize, 0..40),
    ) {
        let mut world = World::new(&vec![true; count]);
        world.act();
        for place in order {
            world.event(&Event::Succeed(place));
        }
        prop_assert!(world.comes_to_rest());
        prop_assert_eq!(world.observed.last_status, TaskStatus::Running);
        prop_assert!(world.real.iter().all(|real| real.starts == 1 && real.creates == 1));
    }
}

#[test]
fn told_before_it_began_it_is_stopped_at_once() {
    let mut world = World::new(&[true, false]);
    world.assignment.desired_status = DesiredStatus::Stopped;
    world.act();
    let report = world.last.clone().unwrap();
    assert_eq!(report.last_status, TaskStatus::Stopped);
    assert_eq!(report.stop_code, None);
    assert!(
        world
            .observed
            .containers
            .iter()
            .all(|c| c.in_flight.is_none())
    );
}

#[test]
fn a_non_essential_container_that_cannot_start_does_not_end_the_task() {
    let mut world = World::new(&[true, false]);
    world.act();
    world.event(&Event::Refuse(1));
    for _ in 0..4 {
        world.event(&Event::Succeed(0));
    }
    let report = world.last.clone().unwrap();
    assert_eq!(report.last_status, TaskStatus::Running);
    assert_eq!(report.containers[1].last_status, ContainerStatus::Stopped);
    assert_eq!(report.containers[1].reason.as_deref(), Some("E: d"));
}
