//! One task that this node holds.

use std::sync::Arc;
use std::time::Duration;

use longshore_model::Timestamp;
use longshore_model::assignment::Assignment;
use longshore_model::report::TaskReport;
use longshore_model::task::{ContainerStatus, DesiredStatus, TaskStatus};
use longshore_model::task_definition::NetworkMode;
use longshore_supervisor::{Observed, ObservedContainer, Operation, Phase, Sighting, report};

use super::{Effect, Outcome, Record};
use crate::runtime::{Change, Listed, Look, Notice, RuntimeError, Standing};

#[derive(Debug)]
pub(super) struct Held {
    pub(super) assignment: Arc<Assignment>,
    pub(super) observed: Observed,
    /// The control plane no longer lists it.
    pub(super) removed: bool,
    /// The history of the store in which it was told last.
    history: String,
    /// The control plane lost it with a state of the store that is gone.
    is_stranded: bool,
    /// The journal write that must be durable before the task is acted on.
    pub(super) gate: Option<u64>,
    pub(super) wake: Option<Timestamp>,
    pub(super) release: Release,
    /// Containers to be looked at once their operation ends.
    recheck: Vec<bool>,
    /// Since when its containers are kept for their logs, by the clock of this life. The journal may
    /// name a later time, if the node's clock was set back since.
    kept_since: Option<Timestamp>,
    /// As it was last written.
    saved: Option<Observed>,
    /// As it was last sent, and in which message.
    sent: Option<(u64, TaskReport)>,
    /// Whether what was last sent is committed.
    acknowledged: bool,
    /// The journal write that says that it ends, once there is one.
    pub(super) ending_write: Option<u64>,
    /// Whether the journal says that it ends. Before that nobody may be told that it stopped: a
    /// new life would know nothing of a container that could not be created, and try again. And
    /// before that its containers stay: they are what a new life would know it by.
    pub(super) ending_durable: bool,
    /// Whether the disk refused a write that says that it ends. Then its stop is told all the same:
    /// a disk that takes nothing must not hide it.
    pub(super) ending_refused: bool,
}

/// Whether what the task had besides containers was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    NotYet,
    /// Not to be tried before this time.
    After(Timestamp),
    InFlight,
    Done,
}

impl Held {
    pub(super) fn new(assignment: Assignment, history: String) -> Self {
        let observed = Observed::new(assignment.containers.len());
        Self {
            history,
            ..Self::with(assignment, observed, None)
        }
    }

    pub(super) fn restored(record: Record) -> Self {
        let mut observed = record.observed;
        // A record of another shape cannot be written, but is no reason to fall over.
        let containers = record.assignment.containers.len();
        observed
            .containers
            .resize_with(containers, Default::default);
        let saved = Some(observed.clone());
        let ending_durable = observed.ending.is_some();
        let mut restored = Self {
            ending_durable,
            history: record.history,
            is_stranded: record.is_stranded,
            ..Self::with(record.assignment, observed, saved)
        };
        restored.mark_unseen();
        restored
    }

    fn with(assignment: Assignment, observed: Observed, saved: Option<Observed>) -> Self {
        Self {
            recheck: vec![false; assignment.containers.len()],
            assignment: Arc::new(assignment),
            observed,
            removed: false,
            history: String::new(),
            is_stranded: false,
            gate: None,
            wake: None,
            release: Release::NotYet,
            kept_since: None,
            saved,
            sent: None,
            acknowledged: false,
            ending_write: None,
            ending_durable: false,
            ending_refused: false,
        }
    }

    /// Whether it was told in another history than this one, where both are known.
    pub(super) fn is_of_another(&self, history: &str) -> bool {
        !self.history.is_empty() && !history.is_empty() && self.history != history
    }

    /// The control plane lists it. Returns whether that is to be written down.
    pub(super) fn join_history(&mut self, history: &str) -> bool {
        let is_new = !history.is_empty() && self.history != history;
        if is_new {
            history.clone_into(&mut self.history);
        }
        std::mem::take(&mut self.is_stranded) || is_new
    }

    /// The control plane does not list it. Returns whether that is no reason to stop it: since its
    /// store lost what was known of it, now (`is_lost`) or before.
    pub(super) fn strand(&mut self, is_lost: bool) -> bool {
        let is_over =
            self.observed.is_stopped() || self.assignment.desired_status == DesiredStatus::Stopped;
        if is_over || !(is_lost || self.is_stranded) {
            return false;
        }
        if !self.is_stranded {
            self.is_stranded = true;
            tracing::warn!(
                task = %self.assignment.task,
                "the control plane's store was put back and does not know this task; it runs on until its containers end, or the agent is started with --stop-stranded"
            );
        }
        true
    }

    pub(super) fn report(&self) -> TaskReport {
        report(&self.assignment, &self.observed)
    }

    /// Whether it is stopped and the control plane knows: of this report, not of an earlier one.
    pub(super) fn is_settled(&self) -> bool {
        let stop_is_sent = self
            .sent
            .as_ref()
            .is_some_and(|(_, sent)| sent.last_status == TaskStatus::Stopped);
        self.observed.is_stopped() && stop_is_sent && self.acknowledged
    }

    /// Whether its stop is not in the journal yet and so must not be told.
    pub(super) fn must_not_be_told(&self) -> bool {
        self.observed.is_stopped() && !(self.ending_durable || self.ending_refused)
    }

    /// Whether it ends and no journal write says so.
    pub(super) fn ends_unwritten(&self) -> bool {
        self.observed.ending.is_some() && !self.ending_durable && self.ending_write.is_none()
    }

    /// Whether it is stopped with containers kept for their logs.
    pub(super) fn is_kept(&self) -> bool {
        self.observed.is_stopped() && !self.observed.discard
    }

    pub(super) fn wake_by(&mut self, at: Option<Timestamp>) {
        self.wake = [self.wake, at].into_iter().flatten().min();
    }

    /// Begins an operation.
    pub(super) fn begin(
        &mut self,
        container: usize,
        operation: Operation,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some(observed) = self.observed.containers.get_mut(container) else {
            return;
        };
        observed.begin(operation, now);
        if operation == Operation::Pull {
            self.observed.pull_started_at.get_or_insert(now);
        }
        effects.push(Effect::Operate {
            task: Arc::clone(&self.assignment),
            container,
            operation,
        });
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.assignment
            .containers
            .iter()
            .position(|c| c.name == name)
    }

    /// Nothing was seen of its containers in this life: what the journal says may be old, and what
    /// it does not say may run.
    pub(super) fn mark_unseen(&mut self) {
        for container in &mut self.observed.containers {
            container.look_due = true;
        }
    }

    /// The first listing of this life is taken in: what is not being looked at now is as known.
    pub(super) fn mark_seen(&mut self) {
        for container in &mut self.observed.containers {
            container.look_due &= container.in_flight.is_some();
        }
    }

    /// Looks at a container where a listing shows something else than what is known.
    pub(super) fn compare(&mut self, listed: &Listed, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(place) = self.place(&listed.container) else {
            return;
        };
        let Some(container) = self.observed.containers.get(place) else {
            return;
        };
        let as_known = match (&container.phase, listed.standing) {
            (Phase::Created, Standing::Created) => true,
            (Phase::Running, Standing::Running) => !self.lacks_bindings(place),
            (Phase::Exited(_) | Phase::Gone, Standing::Exited) => !container.revived,
            (Phase::Exited(_) | Phase::Gone, Standing::Running) => container.revived,
            _ => false,
        };
        if container.in_flight.is_none() && !as_known {
            self.begin(place, Operation::Inspect, now, effects);
        }
    }

    fn lacks_bindings(&self, place: usize) -> bool {
        let definition = self.assignment.containers.get(place);
        let mapped = definition.is_some_and(|c| !c.port_mappings.is_empty());
        let container = self.observed.containers.get(place);
        mapped
            && self.assignment.network_mode == NetworkMode::Bridge
            && container.is_some_and(|c| c.network_bindings.is_empty())
    }

    /// Looks at containers that should be in a listing and are not.
    pub(super) fn miss(
        &mut self,
        is_listed: impl Fn(&str) -> bool,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let assignment = Arc::clone(&self.assignment);
        for (place, definition) in assignment.containers.iter().enumerate() {
            let container = self.observed.containers.get(place);
            let expected = container.is_some_and(|c| c.exists() && c.in_flight.is_none());
            if expected && !is_listed(&definition.name) {
                self.begin(place, Operation::Inspect, now, effects);
            }
        }
    }

    /// Looks at a container that something happened to, unless that was our own doing.
    pub(super) fn notice(&mut self, notice: &Notice, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(place) = self.place(&notice.container) else {
            return;
        };
        let Some(container) = self.observed.containers.get(place) else {
            return;
        };
        let news = match (notice.change, container.in_flight) {
            (Change::Died, Some(Operation::Stop { .. }))
            | (Change::Removed, Some(Operation::Remove))
            | (Change::Started, Some(Operation::Start | Operation::Create)) => false,
            (_, Some(_)) => true,
            (Change::Died, None) => container.is_up() || container.start_request.is_some(),
            (Change::Removed, None) => container.exists(),
            (Change::Started, None) => !container.is_up(),
        };
        if news && container.in_flight.is_some() {
            if let Some(recheck) = self.recheck.get_mut(place) {
                *recheck = true;
            }
        } else if news {
            self.begin(place, Operation::Inspect, now, effects);
        }
    }

    /// Takes in how an operation ended.
    pub(super) fn done(
        &mut self,
        place: usize,
        operation: Operation,
        outcome: Result<Outcome, RuntimeError>,
        now: Timestamp,
        retry_at: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if operation == Operation::Pull {
            self.observed.pull_stopped_at = Some(now);
        }
        let Some(container) = self.observed.containers.get_mut(place) else {
            return;
        };
        if container.in_flight != Some(operation) {
            tracing::error!(task = %self.assignment.task, ?operation, "an operation ended that was not begun");
            return;
        }
        let mut look_again = std::mem::take(&mut self.recheck[place]);
        match outcome {
            Ok(outcome) => {
                container.end();
                take_outcome(container, operation, outcome, retry_at);
            }
            Err(RuntimeError::Refused(failure)) => {
                container.end();
                match operation {
                    Operation::Pull | Operation::Create | Operation::Start => {
                        container.fail(failure);
                    }
                    Operation::Stop { .. } | Operation::Remove | Operation::Inspect => {
                        tracing::warn!(task = %self.assignment.task, ?operation, error = failure.detail, "Docker refused; trying again");
                        container.retry_at = Some(retry_at);
                    }
                }
            }
            Err(RuntimeError::Uncertain(detail)) if operation == Operation::Start => {
                tracing::warn!(task = %self.assignment.task, detail, "it is not known whether a container started");
                container.end();
                look_again = true;
            }
            Err(RuntimeError::Unavailable(detail) | RuntimeError::Uncertain(detail)) => {
                tracing::warn!(task = %self.assignment.task, ?operation, detail, "Docker did not answer; trying again");
                container.put_off(&detail, now, retry_at);
                // The listing that follows Docker's return looks again.
                look_again = false;
            }
        }
        if look_again {
            self.begin(place, Operation::Inspect, now, effects);
        }
    }

    pub(super) fn released(&mut self, outcome: Result<(), RuntimeError>, retry_at: Timestamp) {
        self.release = match outcome {
            Ok(()) => Release::Done,
            Err(error) => {
                tracing::warn!(task = %self.assignment.task, %error, "cannot clean up; trying again");
                Release::After(retry_at)
            }
        };
    }

    /// Decides how long the containers of this stopped task are kept. Until the journal says and
    /// the control plane knows that it stopped they stay: for a new life, and should the journal
    /// be lost, they are all that says that the task has run.
    pub(super) fn keep_or_discard(&mut self, keep: Duration, now: Timestamp) {
        let stopped = self.observed.stopped_at.map_or(now, |at| at.min(now));
        let until = self.kept_since.get_or_insert(stopped).after(keep);
        let exists = self
            .observed
            .containers
            .iter()
            .any(ObservedContainer::exists);
        let is_known = self.ending_durable && self.is_settled();
        if !exists || (until <= now && is_known) {
            self.observed.discard = true;
        } else if !self.observed.discard && until > now {
            self.wake_by(Some(until));
        }
    }

    /// Gives back what is left once the containers are gone.
    pub(super) fn release_if_removed(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let over = self.observed.is_stopped() && self.observed.discard;
        if !(over && self.observed.is_removed()) {
            return;
        }
        match self.release {
            Release::After(at) if at > now => self.wake_by(Some(at)),
            Release::NotYet | Release::After(_) => {
                if self.assignment.cpu.is_none() && self.assignment.memory.is_none() {
                    self.release = Release::Done;
                    return;
                }
                self.release = Release::InFlight;
                effects.push(Effect::Release {
                    task: self.assignment.task,
                });
            }
            Release::InFlight | Release::Done => {}
        }
    }

    /// The record to write now.
    pub(super) fn save(&mut self) -> Record {
        self.saved = Some(lasting(&self.observed));
        Record {
            assignment: (*self.assignment).clone(),
            observed: self.observed.clone(),
            history: self.history.clone(),
            is_stranded: self.is_stranded,
        }
    }

    pub(super) fn changed_since_saved(&self) -> bool {
        self.saved.as_ref() != Some(&lasting(&self.observed))
    }

    /// The report to send now.
    pub(super) fn send(&mut self, sequence: u64) -> TaskReport {
        let report = self.report();
        self.acknowledged = false;
        self.sent = Some((sequence, report.clone()));
        report
    }

    pub(super) fn acknowledge(&mut self, sequence: u64) {
        if self
            .sent
            .as_ref()
            .is_some_and(|(sent, _)| *sent <= sequence)
        {
            self.acknowledged = true;
        }
    }

    /// Takes back that what was last sent is committed.
    pub(super) fn report_again(&mut self) {
        self.acknowledged = false;
    }

    /// Whether there is something to report, and if so whether it should go at once: a start, a
    /// stop or a failure, not mere progress.
    pub(super) fn changed_since_reported(&self) -> Option<bool> {
        let report = self.report();
        let Some((_, sent)) = &self.sent else {
            return Some(report.last_status >= TaskStatus::Running);
        };
        if *sent == report {
            return None;
        }
        let stopped = |report: &TaskReport| {
            let containers = report.containers.iter();
            containers
                .filter(|c| c.last_status == ContainerStatus::Stopped)
                .count()
        };
        Some(
            report.last_status >= TaskStatus::Running && report.last_status != sent.last_status
                || stopped(&report) != stopped(sent),
        )
    }
}

fn take_outcome(
    container: &mut ObservedContainer,
    operation: Operation,
    outcome: Outcome,
    retry_at: Timestamp,
) {
    match outcome {
        Outcome::Pulled(digest) => {
            container.image_present = true;
            container.image_digest = digest;
        }
        Outcome::Removed => container.removed = true,
        Outcome::Looked(look) => {
            take_look(container, look);
            if matches!(operation, Operation::Stop { .. }) {
                // It was waited for, so a start that was under way is over.
                container.start_request = None;
                if container.is_up() {
                    container.retry_at = Some(retry_at);
                }
            }
        }
    }
}

fn take_look(container: &mut ObservedContainer, look: Look) {
    if look.sighting != Sighting::Missing {
        container.runtime_id = look.runtime_id.or(container.runtime_id.take());
        container.image_digest = look.image_digest.or(container.image_digest.take());
    }
    if let Some(bindings) = look.network_bindings {
        container.network_bindings = bindings;
    }
    container.see(look.sighting);
}

/// What of an observation goes into the journal.
fn lasting(observed: &Observed) -> Observed {
    let mut lasting = observed.clone();
    for container in &mut lasting.containers {
        container.revived = false;
        container.look_due = false;
        container.in_flight = None;
        container.start_request = None;
        container.retry_at = None;
        container.unavailable_since = None;
    }
    lasting
}
