//! What is asked of placement, and what it says: where a task goes, or why nowhere.

mod constraint;
mod strategy;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::InstanceId;
use crate::query::{Expression, QueryError};
use crate::unit::{CpuUnits, Mib, Port, Protocol};

pub use constraint::{MAX_CONSTRAINTS, PlacementConstraint};
pub use strategy::{MAX_STRATEGIES, PackedResource, PlacementStrategy, SpreadField};

/// Host ports of both protocols that may be taken on one instance, the reserved ones included
/// (ECS API reference, `PortMapping`).
pub const MAX_PORTS_PER_INSTANCE: u32 = 100;

/// A constraint or strategy that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlacement {
    /// Neither of the two types.
    #[error("placement constraint type \"{kind}\" is not valid: use memberOf or distinctInstance")]
    ConstraintType {
        /// What was given.
        kind: String,
    },
    /// `memberOf` says nothing.
    #[error("a memberOf placement constraint needs an expression")]
    NoExpression,
    /// `memberOf` says something that cannot be read.
    #[error("placement constraint expression \"{expression}\" is not valid: {error}")]
    Expression {
        /// What was given.
        expression: String,
        /// Where and why.
        error: QueryError,
    },
    /// `distinctInstance` with an expression.
    #[error("a distinctInstance placement constraint takes no expression; remove \"{expression}\"")]
    ExpressionNotTaken {
        /// What was given.
        expression: String,
    },
    /// None of the three types.
    #[error("placement strategy type \"{kind}\" is not valid: use random, spread or binpack")]
    StrategyType {
        /// What was given.
        kind: String,
    },
    /// A field that the type does not take.
    #[error("field {given} is not valid for placement strategy {kind}: use {expected}")]
    StrategyField {
        /// The type.
        kind: String,
        /// What was given, in quotes, or `(none)`.
        given: String,
        /// What it takes.
        expected: &'static str,
    },
}

impl InvalidPlacement {
    fn field(kind: &str, given: Option<&str>, expected: &'static str) -> Self {
        Self::StrategyField {
            kind: kind.to_owned(),
            given: given.map_or_else(|| "(none)".to_owned(), |field| format!("\"{field}\"")),
            expected,
        }
    }
}

/// The first thing that kept a task off one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// DRAINING or deregistered.
    NotActive,
    /// No session to its agent.
    AgentDisconnected,
    /// It lacks this attribute that the task definition requires.
    Attribute(String),
    /// Too few CPU units are left.
    Cpu {
        /// What the task asks for.
        wanted: CpuUnits,
        /// What is left.
        left: CpuUnits,
    },
    /// Too little memory is left.
    Memory {
        /// What the task asks for.
        wanted: Mib,
        /// What is left.
        left: Mib,
    },
    /// A host port is taken.
    Port {
        /// Which.
        port: Port,
        /// Of which protocol.
        protocol: Protocol,
    },
    /// It is in none of the zones that the request allows.
    Zone {
        /// Where it is; may be empty.
        zone: String,
    },
    /// Too few network interfaces can still be attached.
    NetworkInterfaces {
        /// What the task asks for.
        wanted: u32,
        /// What is left.
        left: u32,
    },
    /// Too few GPU devices are free.
    Gpus {
        /// What the task asks for.
        wanted: u32,
        /// What is left.
        left: u32,
    },
    /// More than [`MAX_PORTS_PER_INSTANCE`] host ports would be taken.
    PortCount {
        /// What the task asks for.
        wanted: u32,
        /// How many more may be taken.
        left: u32,
    },
    /// It does not meet the expression of a placement constraint.
    MemberOf(Expression),
    /// It holds a task of the same group, and constraint distinctInstance allows none.
    DistinctInstance,
}

impl Rejection {
    /// The failure reason that ECS clients know (RunTask, StartTask).
    pub fn ecs_reason(&self) -> &'static str {
        match self {
            Self::NotActive => "INACTIVE",
            Self::AgentDisconnected => "AGENT",
            Self::Attribute(_) => "ATTRIBUTE",
            Self::Cpu { .. } => "RESOURCE:CPU",
            Self::Memory { .. } => "RESOURCE:MEMORY",
            Self::Port {
                protocol: Protocol::Tcp,
                ..
            } => "RESOURCE:PORTS",
            Self::Port {
                protocol: Protocol::Udp,
                ..
            } => "RESOURCE:PORTS_UDP",
            Self::Zone { .. } => "LOCATION",
            Self::NetworkInterfaces { .. } => "RESOURCE:ENI",
            Self::Gpus { .. } => "RESOURCE:GPU",
            Self::PortCount { .. } => "RESOURCE:PORTS",
            Self::MemberOf(_) => "MemberOf placement constraint unsatisfied.",
            Self::DistinctInstance => "DistinctInstance placement constraint unsatisfied.",
        }
    }

    /// The words ECS uses of the closest instance in a service event.
    pub fn ecs_event(&self) -> &'static str {
        match self {
            Self::NotActive => "is not ACTIVE.",
            Self::AgentDisconnected => "encountered error \"AGENT\".",
            Self::Attribute(_) => "is missing an attribute required by your task.",
            Self::Cpu { .. } => "has insufficient CPU units available.",
            Self::Memory { .. } => "has insufficient memory available.",
            Self::Port { .. } => "is already using a port required by your task.",
            Self::Zone { .. } => "is not in an Availability Zone allowed for your task.",
            Self::NetworkInterfaces { .. } => "has insufficient network interfaces available.",
            Self::Gpus { .. } => "has insufficient GPUs available.",
            Self::PortCount { .. } => "has too many ports in use.",
            Self::MemberOf(_) | Self::DistinctInstance => {
                "does not meet a placement constraint of your task."
            }
        }
    }

    /// How far the instance got through the filters; the greater, the closer it was.
    pub const fn closeness(&self) -> u8 {
        match self {
            Self::NotActive => 0,
            Self::AgentDisconnected => 1,
            Self::Attribute(_) => 2,
            Self::Zone { .. } => 3,
            Self::Cpu { .. } => 4,
            Self::Memory { .. } => 5,
            Self::Port {
                protocol: Protocol::Tcp,
                ..
            } => 6,
            Self::Port {
                protocol: Protocol::Udp,
                ..
            } => 7,
            Self::NetworkInterfaces { .. } => 8,
            Self::Gpus { .. } => 9,
            Self::PortCount { .. } => 10,
            Self::MemberOf(_) => 11,
            Self::DistinctInstance => 12,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotActive => f.write_str("the instance is not ACTIVE"),
            Self::AgentDisconnected => f.write_str("its agent is not connected"),
            Self::Attribute(name) => write!(f, "it lacks attribute {name}"),
            Self::Cpu { wanted, left } => write!(f, "wants {wanted}, {} left", left.0),
            Self::Memory { wanted, left } => write!(f, "wants {wanted}, {} left", left.0),
            Self::Port { port, protocol } => {
                write!(f, "host port {port}/{} is taken", protocol.as_str())
            }
            Self::Zone { zone } if zone.is_empty() => f.write_str("it is in no zone"),
            Self::Zone { zone } => write!(f, "zone {zone} is not allowed"),
            Self::NetworkInterfaces { wanted, left } => {
                write!(f, "wants {wanted} network interfaces, {left} left")
            }
            Self::Gpus { wanted, left } => write!(f, "wants {wanted} GPUs, {left} left"),
            Self::PortCount { wanted, left } => write!(
                f,
                "wants {wanted} host ports, {left} of {MAX_PORTS_PER_INSTANCE} left"
            ),
            Self::MemberOf(expression) => write!(f, "it does not meet {expression}"),
            Self::DistinctInstance => f.write_str("it holds a task of the same group"),
        }
    }
}

/// Instances named with their rejection in one [`Unplaced`]; of the others only the number is kept.
pub const MAX_NAMED_REJECTIONS: usize = 100;

/// Why a task could be placed nowhere: the verdict of every instance of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unplaced {
    /// The closest instances, at most [`MAX_NAMED_REJECTIONS`]; empty when the cluster has none.
    pub rejections: BTreeMap<InstanceId, Rejection>,
    /// How many further instances gave each [`Rejection::ecs_reason`].
    pub others: BTreeMap<String, u32>,
}

impl Unplaced {
    /// The instance that came closest, and what it lacked.
    pub fn closest(&self) -> Option<(InstanceId, &Rejection)> {
        self.rejections
            .iter()
            .max_by_key(|(id, rejection)| (rejection.closeness(), std::cmp::Reverse(**id)))
            .map(|(id, rejection)| (*id, rejection))
    }

    /// Instances looked at.
    pub fn instances(&self) -> usize {
        let others: u32 = self.others.values().sum();
        self.rejections.len() + others as usize
    }

    /// How many instances gave each reason.
    pub fn by_reason(&self) -> BTreeMap<&str, u32> {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for rejection in self.rejections.values() {
            *counts.entry(rejection.ecs_reason()).or_default() += 1;
        }
        for (reason, count) in &self.others {
            *counts.entry(reason.as_str()).or_default() += count;
        }
        counts
    }

    /// How many instances gave each reason, for example `2 RESOURCE:CPU, 1 AGENT`.
    pub fn counts(&self) -> String {
        let parts: Vec<String> = self
            .by_reason()
            .iter()
            // Some words of ECS are sentences; in a list they lose their full stop.
            .map(|(reason, count)| format!("{count} {}", reason.trim_end_matches('.')))
            .collect();
        parts.join(", ")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_checked_when_made() {
        let constraint = |kind, expression| {
            PlacementConstraint::new(kind, expression)
                .map(|c| c.to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            constraint("memberOf", Some("attribute:a exists")),
            Ok("memberOf(attribute:a exists)".to_owned())
        );
        assert_eq!(
            constraint("distinctInstance", None),
            Ok("distinctInstance".to_owned())
        );
        for (kind, expression, words) in [
            ("memberOf", None, "needs an expression"),
            ("memberOf", Some(""), "needs an expression"),
            ("memberOf", Some("attribute:a ="), "column 13"),
            (
                "distinctInstance",
                Some("attribute:a exists"),
                "takes no expression",
            ),
            ("affinity", None, "use memberOf or distinctInstance"),
        ] {
            let error = constraint(kind, expression).unwrap_err();
            assert!(error.contains(words), "{kind}: {error}");
        }
    }

    #[test]
    fn strategies_are_checked_when_made() {
        let strategy = |kind, field| {
            PlacementStrategy::new(kind, field)
                .map(|s| s.to_string())
                .map_err(|error| error.to_string())
        };
        for (kind, field, shown) in [
            ("random", None, "random"),
            ("random", Some("cpu"), "random"),
            ("spread", Some("instanceId"), "spread(instanceId)"),
            ("spread", Some("host"), "spread(host)"),
            ("spread", Some("attribute:rack"), "spread(attribute:rack)"),
            ("binpack", Some("Memory"), "binpack(MEMORY)"),
            ("binpack", Some("CPU"), "binpack(CPU)"),
        ] {
            assert_eq!(strategy(kind, field), Ok(shown.to_owned()));
        }
        for (kind, field, words) in [
            ("spread", None, "field (none) is not valid"),
            (
                "spread",
                Some("cpu"),
                "use instanceId, host or attribute:NAME",
            ),
            ("spread", Some("attribute:"), "\"attribute:\""),
            ("binpack", Some("gpu"), "use cpu or memory"),
            ("binpack", None, "use cpu or memory"),
            ("pack", None, "use random, spread or binpack"),
        ] {
            let error = strategy(kind, field).unwrap_err();
            assert!(error.contains(words), "{kind}: {error}");
        }
    }

    #[test]
    fn constraints_and_strategies_are_stored_and_read_again() {
        let constraints = [
            PlacementConstraint::new("memberOf", Some("attribute:a =~ b.*")).unwrap(),
            PlacementConstraint::DistinctInstance,
        ];
        let stored = serde_json::to_string(&constraints).unwrap();
        assert_eq!(
            stored,
            r#"[{"memberOf":"attribute:a =~ b.*"},"distinctInstance"]"#
        );
        assert_eq!(
            serde_json::from_str::<Vec<PlacementConstraint>>(&stored).unwrap(),
            constraints
        );
        let strategies = [
            PlacementStrategy::Random,
            PlacementStrategy::Spread(SpreadField::Attribute("rack".into())),
            PlacementStrategy::Binpack(PackedResource::Memory),
        ];
        let stored = serde_json::to_string(&strategies).unwrap();
        assert_eq!(
            serde_json::from_str::<Vec<PlacementStrategy>>(&stored).unwrap(),
            strategies
        );
    }
}
