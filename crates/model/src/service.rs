//! Services: a number of tasks kept running, and replaced when what they should run changes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::id::DeploymentId;
use crate::name::{ClusterName, Family, ServiceName};
use crate::placement::{PlacementConstraint, PlacementStrategy};
use crate::recorded::Recorded;
use crate::tag::Tags;
use crate::time::Timestamp;

/// Events kept with a service, newest first (ECS developer guide, "service event messages").
pub const MAX_EVENTS: usize = 100;
/// Tasks one service may ask for (ECS service quotas).
pub const MAX_DESIRED_COUNT: u32 = 5000;

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Writer: the API.
    pub cluster: ClusterName,
    /// Writer: the API.
    pub name: ServiceName,
    /// Writers: the API, from ACTIVE to DRAINING (DeleteService); the service controller, from
    /// DRAINING to INACTIVE.
    pub status: ServiceStatus,
    /// Tasks wanted. Writer: the API.
    pub desired_count: u32,
    /// How far a deployment may go. Writer: the API.
    pub deployment_configuration: DeploymentConfiguration,
    /// `EC2` or `EXTERNAL`. Writer: the API.
    pub launch_type: String,
    /// What binds its new tasks beside the constraints of their definition. A change moves no task
    /// and makes no deployment (ECS API reference, `UpdateService`). Writer: the API.
    #[serde(default)]
    pub placement_constraints: Vec<PlacementConstraint>,
    /// Where its new tasks go by choice, and which tasks go first when there are too many; empty:
    /// spread over zones, then instances. Writer: the API.
    #[serde(default)]
    pub placement_strategy: Vec<PlacementStrategy>,
    /// The primary first. Writers: the API puts a new primary in front; the service controller
    /// writes what became of each and takes away those that have no tasks left.
    pub deployments: Vec<Deployment>,
    /// Newest first, at most [`MAX_EVENTS`]. Writer: the service controller.
    pub events: VecDeque<ServiceEvent>,
    /// Writer: the API.
    pub created_at: Timestamp,
    /// ARN of who created it. Writer: the API.
    pub created_by: String,
    /// Writer: the API.
    pub tags: Tags,
    /// Where its tasks get tags from. Writer: the API.
    pub propagate_tags: PropagateTags,
    /// Whether its tasks get `aws:ecs:` tags. Writer: the API.
    pub enable_ecs_managed_tags: bool,
    /// Members that have no effect yet. Writer: the API.
    pub recorded: Recorded,
}

/// Where a service is between creation and deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceStatus {
    /// In use.
    Active,
    /// Deleted; its tasks are stopping.
    Draining,
    /// Deleted; its tasks have stopped.
    Inactive,
}

impl ServiceStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// Where the tasks of a service get tags from when they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PropagateTags {
    /// Nowhere.
    #[default]
    None,
    /// From the service.
    Service,
    /// From the task definition.
    TaskDefinition,
}

impl PropagateTags {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Service => "SERVICE",
            Self::TaskDefinition => "TASK_DEFINITION",
        }
    }
}

/// How many tasks must stay healthy and how many there may be while tasks are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentConfiguration {
    /// Percent of the desired count, rounded up.
    pub minimum_healthy_percent: u32,
    /// Percent of the desired count, rounded down.
    pub maximum_percent: u32,
}

impl Default for DeploymentConfiguration {
    /// What ECS gives a REPLICA service (ECS API reference).
    fn default() -> Self {
        Self {
            minimum_healthy_percent: 100,
            maximum_percent: 200,
        }
    }
}

impl DeploymentConfiguration {
    /// Fewest healthy tasks while replacing `desired` ones.
    pub fn lower(self, desired: u32) -> u32 {
        let lower = (u64::from(desired) * u64::from(self.minimum_healthy_percent)).div_ceil(100);
        u32::try_from(lower).unwrap_or(u32::MAX)
    }

    /// Most tasks that may not be STOPPED while replacing `desired` ones.
    pub fn upper(self, desired: u32) -> u32 {
        let upper = u64::from(desired) * u64::from(self.maximum_percent) / 100;
        u32::try_from(upper).unwrap_or(u32::MAX)
    }
}

/// One attempt to get all tasks of a service to one task definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Printed as `ecs-svc/…`. Writer: the API.
    pub id: DeploymentId,
    /// What its tasks run. Writer: the API.
    pub family: Family,
    /// Writer: the API.
    pub revision: u32,
    /// Writer: the API.
    pub created_at: Timestamp,
    /// When anything below changed. Writer: the service controller.
    pub updated_at: Timestamp,
    /// Writer: the service controller.
    pub rollout: Rollout,
    /// Tasks that stopped before they were healthy, in a row. Writer: the service controller.
    pub failed_tasks: u32,
    /// When the last of them stopped. Writer: the service controller.
    pub last_failed_at: Option<Timestamp>,
}

/// Whether a deployment got where it was going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rollout {
    /// Not yet.
    InProgress,
    /// All its tasks were healthy and all older ones gone, at one time.
    Completed,
}

impl Rollout {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
        }
    }
}

/// One line of a service's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// A UUID.
    pub id: String,
    /// When it happened.
    pub created_at: Timestamp,
    /// Begins with `(service NAME) `.
    pub message: String,
}

impl Service {
    /// The deployment its new tasks belong to.
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.first()
    }

    /// The group of its tasks.
    pub fn group(&self) -> String {
        format!("service:{}", self.name)
    }

    /// Puts a new primary deployment in front. The caller guards the record.
    pub fn deploy(&mut self, id: DeploymentId, family: Family, revision: u32, now: Timestamp) {
        let deployment = Deployment {
            id,
            family,
            revision,
            created_at: now,
            updated_at: now,
            rollout: Rollout::InProgress,
            failed_tasks: 0,
            last_failed_at: None,
        };
        self.deployments.insert(0, deployment);
    }

    /// Adds an event, newest first, and drops the oldest beyond [`MAX_EVENTS`].
    pub fn add_event(&mut self, event: ServiceEvent) {
        self.events.push_front(event);
        self.events.truncate(MAX_EVENTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_towards_safety() {
        let config = |minimum_healthy_percent, maximum_percent| DeploymentConfiguration {
            minimum_healthy_percent,
            maximum_percent,
        };
        for (desired, min, max, lower, upper) in [
            (4, 50, 100, 2, 4),
            (2, 75, 200, 2, 4),
            (3, 100, 125, 3, 3),
            (1, 100, 150, 1, 1),
            (0, 100, 200, 0, 0),
            (5000, 100, 200, 5000, 10000),
        ] {
            assert_eq!(config(min, max).lower(desired), lower, "{desired} {min}");
            assert_eq!(config(min, max).upper(desired), upper, "{desired} {max}");
        }
    }
}
