//! What placement says: where a task goes, or why nowhere.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::InstanceId;
use crate::unit::{CpuUnits, Mib, Port, Protocol};

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
        }
    }

    /// How far the instance got through the filters; the greater, the closer it was.
    pub const fn closeness(&self) -> u8 {
        match self {
            Self::NotActive => 0,
            Self::AgentDisconnected => 1,
            Self::Attribute(_) => 2,
            Self::Cpu { .. } => 3,
            Self::Memory { .. } => 4,
            Self::Port { .. } => 5,
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
        }
    }
}

/// Why a task could be placed nowhere: the verdict of every instance looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unplaced {
    /// By instance; empty when the cluster has none.
    pub rejections: BTreeMap<InstanceId, Rejection>,
}

impl Unplaced {
    /// The instance that came closest, and what it lacked.
    pub fn closest(&self) -> Option<(InstanceId, &Rejection)> {
        self.rejections
            .iter()
            .max_by_key(|(id, rejection)| (rejection.closeness(), std::cmp::Reverse(**id)))
            .map(|(id, rejection)| (*id, rejection))
    }

    /// How many instances gave each reason, for example `2 RESOURCE:CPU, 1 AGENT`.
    pub fn counts(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for rejection in self.rejections.values() {
            *counts.entry(rejection.ecs_reason()).or_default() += 1;
        }
        let parts: Vec<String> = counts
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        parts.join(", ")
    }
}
