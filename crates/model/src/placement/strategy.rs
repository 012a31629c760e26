//! Placement strategies: which of the instances that can take a task should.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::InvalidPlacement;

/// Most strategies in one chain (ECS API reference).
pub const MAX_STRATEGIES: usize = 5;

/// One rule of a chain. Each breaks the ties that those before it left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PlacementStrategy {
    /// By chance; leaves no ties.
    Random,
    /// Where the group has fewest tasks.
    Spread(SpreadField),
    /// Where least of this is left.
    Binpack(PackedResource),
}

/// By what tasks are spread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SpreadField {
    /// Each instance is one value.
    InstanceId,
    /// The same under its other name.
    Host,
    /// The values of this attribute. Instances without it rank after all others, as one value.
    Attribute(String),
}

/// Of what as much as possible is used per instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PackedResource {
    /// CPU units.
    Cpu,
    /// Memory.
    Memory,
}

impl PackedResource {
    /// The word ECS answers with.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "MEMORY",
        }
    }
}

impl PlacementStrategy {
    /// The strategy with this type and field, as a request names them. `random` ignores its field.
    ///
    /// # Errors
    /// [`InvalidPlacement`] for an unknown type, and for a field that the type does not take.
    pub fn new(kind: &str, field: Option<&str>) -> Result<Self, InvalidPlacement> {
        let field = field.filter(|field| !field.is_empty());
        match (kind, field) {
            ("random", _) => Ok(Self::Random),
            ("spread", Some("instanceId")) => Ok(Self::Spread(SpreadField::InstanceId)),
            ("spread", Some("host")) => Ok(Self::Spread(SpreadField::Host)),
            ("spread", Some(field)) => match field.strip_prefix("attribute:") {
                Some(name) if !name.is_empty() => {
                    Ok(Self::Spread(SpreadField::Attribute(name.to_owned())))
                }
                _ => Err(InvalidPlacement::field(
                    kind,
                    Some(field),
                    "instanceId, host or attribute:NAME",
                )),
            },
            ("spread", None) => Err(InvalidPlacement::field(
                kind,
                None,
                "instanceId, host or attribute:NAME",
            )),
            ("binpack", Some(field)) if field.eq_ignore_ascii_case("cpu") => {
                Ok(Self::Binpack(PackedResource::Cpu))
            }
            ("binpack", Some(field)) if field.eq_ignore_ascii_case("memory") => {
                Ok(Self::Binpack(PackedResource::Memory))
            }
            ("binpack", field) => Err(InvalidPlacement::field(kind, field, "cpu or memory")),
            _ => Err(InvalidPlacement::StrategyType {
                kind: kind.to_owned(),
            }),
        }
    }

    /// `random`, `spread` or `binpack`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Spread(_) => "spread",
            Self::Binpack(_) => "binpack",
        }
    }

    /// The field as ECS answers with it; `None` for `random`.
    pub fn field(&self) -> Option<String> {
        match self {
            Self::Random => None,
            Self::Spread(field) => Some(field.to_string()),
            Self::Binpack(resource) => Some(resource.as_str().to_owned()),
        }
    }
}

impl fmt::Display for SpreadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstanceId => f.write_str("instanceId"),
            Self::Host => f.write_str("host"),
            Self::Attribute(name) => write!(f, "attribute:{name}"),
        }
    }
}

impl fmt::Display for PlacementStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field() {
            Some(field) => write!(f, "{}({field})", self.kind()),
            None => f.write_str(self.kind()),
        }
    }
}
