//! What is to be placed.

use std::collections::{BTreeMap, BTreeSet};

use longshore_model::instance::{Resources, ZONE_ATTRIBUTE};
use longshore_model::placement::{PlacementConstraint, PlacementStrategy, SpreadField};
use longshore_model::task_definition::TaskDefinition;

/// Who asks for tasks. It decides the strategy where none is named, and which rules count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A REPLICA service: spread over zones, then instances, unless it names strategies.
    Service,
    /// RunTask: by chance, unless it names strategies.
    Standalone,
    /// A DAEMON service: may use the room that is kept for daemons; strategies do not count.
    Daemon,
    /// StartTask: the caller names the instance; constraints and strategies do not count.
    Start,
}

impl Kind {
    /// The chain that counts where these strategies are named: they, or the default of the kind
    /// (ECS developer guide, "task placement strategies"). Rules that can break no tie are left
    /// out: repeated ones, and everything from `random` on.
    pub fn chain(self, named: &[PlacementStrategy]) -> Vec<PlacementStrategy> {
        let named = match self {
            Self::Daemon | Self::Start => Vec::new(),
            Self::Service if named.is_empty() => vec![
                PlacementStrategy::Spread(SpreadField::Attribute(ZONE_ATTRIBUTE.to_owned())),
                PlacementStrategy::Spread(SpreadField::InstanceId),
            ],
            Self::Service | Self::Standalone => named.to_vec(),
        };
        let mut chain = Vec::new();
        for rule in named {
            let rule = match rule {
                PlacementStrategy::Random => break,
                PlacementStrategy::Spread(SpreadField::Host) => {
                    PlacementStrategy::Spread(SpreadField::InstanceId)
                }
                other => other,
            };
            if !chain.contains(&rule) {
                chain.push(rule);
            }
        }
        chain
    }
}

/// What one task asks for, and how the instance is chosen. Requests that are equal are one class
/// to the index: what it learned about instances for one serves the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub kind: Kind,
    /// The group of the tasks (`service:NAME`, `family:NAME` or what the caller chose); spreading
    /// and distinctInstance count tasks of this group.
    pub group: String,
    /// CPU, memory, host ports and network interfaces. GPU ids in it are not looked at.
    pub demand: Resources,
    /// How many GPU devices.
    pub gpus: u32,
    /// Attributes the instance must have, with a value where it must be that one.
    pub attributes: BTreeMap<String, Option<String>>,
    /// Zones the instance must be in one of; empty: any.
    pub zones: BTreeSet<String>,
    /// Those of the task definition, then those of the service or of the call.
    pub constraints: Vec<PlacementConstraint>,
    /// In order; empty: the default of the kind.
    pub strategies: Vec<PlacementStrategy>,
}

impl Request {
    /// A request for tasks of a definition with overrides applied: what they demand and the
    /// attributes they require. The other members are empty; callers set those that apply.
    pub fn new(kind: Kind, group: String, definition: &TaskDefinition) -> Self {
        let required = definition.requires_attributes.iter();
        Self {
            kind,
            group,
            demand: definition.demand(),
            gpus: 0,
            attributes: required.map(|name| (name.clone(), None)).collect(),
            zones: BTreeSet::new(),
            constraints: Vec::new(),
            strategies: Vec::new(),
        }
    }

    /// The chain that counts.
    pub fn chain(&self) -> Vec<PlacementStrategy> {
        self.kind.chain(&self.strategies)
    }

    /// The constraints that count.
    pub fn binding(&self) -> &[PlacementConstraint] {
        if self.kind == Kind::Start {
            &[]
        } else {
            &self.constraints
        }
    }

    /// How many host ports it takes.
    pub(crate) fn port_count(&self) -> u32 {
        let ports = self.demand.tcp_ports.len() + self.demand.udp_ports.len();
        u32::try_from(ports).unwrap_or(u32::MAX)
    }
}
