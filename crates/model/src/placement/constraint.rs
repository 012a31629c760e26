//! Placement constraints: what an instance must be to take a task.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::InvalidPlacement;
use crate::query::Expression;

/// Most constraints on one task, those of its definition included (ECS service quotas).
pub const MAX_CONSTRAINTS: usize = 10;

/// A binding rule on where tasks go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PlacementConstraint {
    /// The instance meets an expression.
    MemberOf(Expression),
    /// The instance holds no task of the same group that is not STOPPED. Not in a task definition.
    DistinctInstance,
}

impl PlacementConstraint {
    /// The constraint with this type and expression, as a request names them.
    ///
    /// # Errors
    /// [`InvalidPlacement`] for an unknown type, a `memberOf` without or with a wrong expression,
    /// and a `distinctInstance` with one.
    pub fn new(kind: &str, expression: Option<&str>) -> Result<Self, InvalidPlacement> {
        let given = expression.filter(|text| !text.is_empty());
        match (kind, given) {
            ("memberOf", Some(text)) => match Expression::parse(text) {
                Ok(expression) => Ok(Self::MemberOf(expression)),
                Err(error) => Err(InvalidPlacement::Expression {
                    expression: text.to_owned(),
                    error,
                }),
            },
            ("memberOf", None) => Err(InvalidPlacement::NoExpression),
            ("distinctInstance", None) => Ok(Self::DistinctInstance),
            ("distinctInstance", Some(text)) => Err(InvalidPlacement::ExpressionNotTaken {
                expression: text.to_owned(),
            }),
            _ => Err(InvalidPlacement::ConstraintType {
                kind: kind.to_owned(),
            }),
        }
    }

    /// `memberOf` or `distinctInstance`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MemberOf(_) => "memberOf",
            Self::DistinctInstance => "distinctInstance",
        }
    }

    /// The expression of a `memberOf`.
    pub const fn expression(&self) -> Option<&Expression> {
        match self {
            Self::MemberOf(expression) => Some(expression),
            Self::DistinctInstance => None,
        }
    }
}

impl fmt::Display for PlacementConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemberOf(expression) => write!(f, "memberOf({expression})"),
            Self::DistinctInstance => f.write_str("distinctInstance"),
        }
    }
}
