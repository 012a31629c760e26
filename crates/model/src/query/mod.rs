//! The cluster query language: a boolean expression over a container instance, as
//! `memberOf` constraints and `ListContainerInstances --filter` write it (ECS developer guide,
//! "cluster query language").
//!
//! ```text
//! or         := and { ("||" | "or") and }
//! and        := unary { ("&&" | "and") unary }
//! unary      := ("!" | "not") unary | "(" or ")" | comparison
//! comparison := subject ["exists" | "!exists" | "not_exists"]
//!             | subject operator value | subject ("in" | "!in" | "not_in") "[" value { "," value } "]"
//! ```
//!
//! Keywords are read in any case. What is absent compares as false whatever the operator, so
//! `attribute:stack != prod` holds only where the instance has a stack; `not(…)` turns that round.

mod date;
mod lexer;
mod parser;
mod pattern;
mod term;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use pattern::Pattern;
pub use term::{Comparison, Name, Order, Reads, Term, Test, Version};

use crate::time::Timestamp;

/// Longest expression, in characters (ECS API reference, `PlacementConstraint`).
pub const MAX_LENGTH: usize = 2000;
/// Deepest nesting of brackets and negations. No one writes that; it bounds the stack.
pub const MAX_DEPTH: usize = 64;

/// What an expression asks of an instance.
pub trait Subject {
    /// Whether its agent is connected.
    fn agent_connected(&self) -> bool;
    /// The version of its agent, dotted numbers.
    fn agent_version(&self) -> &str;
    /// The id by which EC2, or Systems Manager for other machines, knows it.
    fn ec2_instance_id(&self) -> Option<Cow<'_, str>>;
    /// When it registered.
    fn registered_at(&self) -> Timestamp;
    /// Tasks on it that are RUNNING.
    fn running_tasks_count(&self) -> u32;
    /// The attribute of this name: `None` if it has none, `Some(None)` if it has no value.
    fn attribute(&self, name: &str) -> Option<Option<&str>>;
    /// Whether a task that is not STOPPED on it is of a group the test accepts.
    fn hosts_group(&self, test: &dyn Fn(&str) -> bool) -> bool;
}

/// A checked expression. It keeps the text it was written as, which is also how it is stored and
/// what tells two expressions apart.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    source: String,
    root: Term,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`QueryError`] with the column and what would be right there.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let root = parser::parse(text)?;
        Ok(Self {
            source: text.to_owned(),
            root,
        })
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it means. Its `Display` is one canonical form of the text, which reads as the same term.
    pub fn root(&self) -> &Term {
        &self.root
    }

    /// Whether the instance meets it. Linear in the expression and in the texts compared.
    pub fn evaluate(&self, subject: &dyn Subject) -> bool {
        self.root.evaluate(subject)
    }

    /// What of an instance it looks at that changes while the instance stays registered as it is.
    pub fn reads(&self) -> Reads {
        let mut reads = Reads::default();
        self.root.add_reads(&mut reads);
        reads
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

impl PartialOrd for Expression {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Expression {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.source.cmp(&other.source)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.source)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl FromStr for Expression {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Expression {
    type Error = QueryError;

    fn try_from(text: String) -> Result<Self, QueryError> {
        Self::parse(&text)
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> String {
        expression.source
    }
}

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nothing but white space.
    #[error(
        "the expression is empty; write a comparison such as attribute:ecs.instance-type == t3.small"
    )]
    Empty,
    /// More than [`MAX_LENGTH`] characters.
    #[error("the expression has {length} characters; at most {MAX_LENGTH} are allowed")]
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// Something else was expected at this place.
    #[error("column {column}: expected {expected}, found {found}")]
    Unexpected {
        /// From 1, in characters.
        column: usize,
        /// What may stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The comparison is well formed but makes no sense.
    #[error("column {column}: {problem}")]
    Invalid {
        /// From 1, in characters.
        column: usize,
        /// What is wrong and how to mend it.
        problem: String,
    },
}

impl QueryError {
    /// Where it is, from 1 in characters; `None` when it is about the whole.
    pub fn column(&self) -> Option<usize> {
        match self {
            Self::Empty | Self::TooLong { .. } => None,
            Self::Unexpected { column, .. } | Self::Invalid { column, .. } => Some(*column),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
