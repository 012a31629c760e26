//! The lines a service's history gets, in the words ECS uses (developer guide, "service event
//! messages"), since people and scripts look for them.

use std::time::Duration;

use longshore_model::placement::Unplaced;
use longshore_model::plan::Ctx;
use longshore_model::service::{Service, ServiceEvent};
use longshore_model::task::Task;
use longshore_model::{DeploymentId, ServiceName, TaskId};

use super::Draft;

/// How long an event is not repeated while nothing else is to say (ECS developer guide).
const REPEAT_AFTER: Duration = Duration::from_secs(6 * 3600);
/// Task ids named in one event.
const MAX_NAMED: usize = 10;
/// Newest events looked at for a repetition.
const LOOK_BACK: usize = 20;
const STEADY: &str = "has reached a steady state.";

/// Events of one decision, oldest first.
pub(super) struct Events {
    prefix: String,
    messages: Vec<String>,
}

impl Events {
    pub(super) fn new(service: &ServiceName) -> Self {
        Self {
            prefix: format!("(service {service})"),
            messages: Vec::new(),
        }
    }

    fn add(&mut self, message: &str) {
        self.messages.push(format!("{} {message}", self.prefix));
    }

    pub(super) fn started(&mut self, ids: &[TaskId]) {
        if !ids.is_empty() {
            self.add(&format!("has started {} tasks: {}.", ids.len(), named(ids)));
        }
    }

    pub(super) fn stopped(&mut self, tasks: &[&Task]) {
        if !tasks.is_empty() {
            let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
            self.add(&format!(
                "has stopped {} running tasks: {}.",
                ids.len(),
                named(&ids)
            ));
        }
    }

    pub(super) fn task_failed(&mut self, task: &Task) {
        let reason = task
            .stopped_reason
            .as_deref()
            .unwrap_or("no reason was reported");
        self.add(&format!(
            "(task {}) stopped before it was healthy: {reason}",
            task.id
        ));
    }

    pub(super) fn throttled(&mut self) {
        self.add("is unable to consistently start tasks successfully.");
    }

    pub(super) fn unplaced(&mut self, why: &Unplaced) {
        let tail = match why.closest() {
            None => "No Container Instances were found in your cluster.".to_owned(),
            Some((instance, rejection)) => format!(
                "The closest matching container-instance {instance} {} ({rejection}) Of {} instances: {}.",
                rejection.ecs_event(),
                why.instances(),
                why.counts()
            ),
        };
        self.add(&format!(
            "was unable to place a task because no container instance met all of its requirements. Reason: {tail}"
        ));
    }

    pub(super) fn blocked(&mut self) {
        self.add("was unable to stop or start tasks during a deployment because of the service deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again.");
    }

    pub(super) fn deployment_completed(&mut self, id: DeploymentId) {
        self.add(&format!("(deployment {id}) deployment completed."));
    }

    pub(super) fn steady(&mut self) {
        self.add(STEADY);
    }

    /// Puts them into the service's history, but for those it says already.
    pub(super) fn write(self, service: &mut Service, ctx: &mut Ctx) {
        for message in self.messages {
            let said = service
                .events
                .iter()
                .take_while(|event| ctx.now.since(event.created_at) < REPEAT_AFTER)
                .take(LOOK_BACK)
                .any(|event| event.message == message);
            if !said || message.ends_with(STEADY) {
                let id = ctx.uuid();
                service.add_event(ServiceEvent {
                    id,
                    created_at: ctx.now,
                    message,
                });
            }
        }
    }
}

impl Draft<'_> {
    /// Whether the newest thing said of the service is that it is steady.
    pub(super) fn is_announced_steady(&self) -> bool {
        self.events.messages.is_empty()
            && self
                .service
                .events
                .front()
                .is_some_and(|event| event.message.ends_with(STEADY))
    }
}

fn named(ids: &[TaskId]) -> String {
    let named: Vec<String> = ids
        .iter()
        .take(MAX_NAMED)
        .map(|id| format!("(task {id})"))
        .collect();
    named.join(" ")
}
