//! What an expression means.

use std::collections::BTreeSet;
use std::fmt;

use super::{Pattern, Subject};
use crate::time::Timestamp;

/// A boolean term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// One of them holds; at least two.
    Or(Vec<Term>),
    /// All of them hold; at least two.
    And(Vec<Term>),
    /// It does not hold.
    Not(Box<Term>),
    /// One comparison.
    Comparison(Comparison),
}

/// One comparison: a subject and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// A subject that compares as text.
    Text(Name, Test),
    /// `agentVersion`, by its numbers.
    Version(Order, Version),
    /// `registeredAt`; the text as it was written and the instant it names.
    RegisteredAt(Order, String, Timestamp),
    /// `runningTasksCount`.
    RunningTasks(Order, u32),
}

/// A subject that compares as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// `agentConnected`: `true` or `false`.
    AgentConnected,
    /// `ec2InstanceId`.
    Ec2InstanceId,
    /// `attribute:NAME`; an attribute without a value has the empty text.
    Attribute(String),
    /// `task:group`: the groups of the tasks on the instance.
    TaskGroup,
}

/// What is asked of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It is there.
    Exists,
    /// It is not there.
    NotExists,
    /// It compares so.
    Order(Order, String),
    /// It is one of them.
    In(Vec<String>),
    /// It is none of them.
    NotIn(Vec<String>),
    /// The whole of it matches.
    Matches(Pattern),
    /// The whole of it does not match.
    NotMatches(Pattern),
}

/// How two things compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
}

impl Order {
    /// Whether `left` and `right` compare so.
    pub fn holds<T: Ord + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Greater => left > right,
            Self::GreaterEqual => left >= right,
            Self::Less => left < right,
            Self::LessEqual => left <= right,
        }
    }

    /// The sign.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Less => "<",
            Self::LessEqual => "<=",
        }
    }
}

/// A version of dotted numbers. Missing numbers are zero: 1.14 equals 1.14.0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u64>);

impl Version {
    /// Reads `1.14.5`, also with a `v` before it; what follows a `-` or `+` is left out. `None` if
    /// it is not of that form.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let end = text.find(['-', '+']).unwrap_or(text.len());
        let mut numbers = text[..end]
            .split('.')
            .map(|part| part.parse().ok())
            .collect::<Option<Vec<u64>>>()?;
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        Some(Self(numbers))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        let parts: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// What a term looks at that may change from one moment to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// `agentConnected` or `agentVersion`.
    pub agent: bool,
    /// `runningTasksCount` or `task:group`.
    pub tasks: bool,
}

impl Term {
    /// Whether the instance meets it.
    pub fn evaluate(&self, subject: &dyn Subject) -> bool {
        match self {
            Self::Or(terms) => terms.iter().any(|term| term.evaluate(subject)),
            Self::And(terms) => terms.iter().all(|term| term.evaluate(subject)),
            Self::Not(term) => !term.evaluate(subject),
            Self::Comparison(comparison) => comparison.evaluate(subject),
        }
    }

    pub(super) fn add_reads(&self, reads: &mut Reads) {
        match self {
            Self::Or(terms) | Self::And(terms) => {
                terms.iter().for_each(|term| term.add_reads(reads));
            }
            Self::Not(term) => term.add_reads(reads),
            Self::Comparison(comparison) => match comparison {
                Comparison::Version(..) | Comparison::Text(Name::AgentConnected, _) => {
                    reads.agent = true;
                }
                Comparison::RunningTasks(..) | Comparison::Text(Name::TaskGroup, _) => {
                    reads.tasks = true;
                }
                _ => {}
            },
        }
    }

    /// The attributes it names.
    pub fn attributes(&self) -> BTreeSet<&str> {
        match self {
            Self::Or(terms) | Self::And(terms) => terms.iter().flat_map(Self::attributes).collect(),
            Self::Not(term) => term.attributes(),
            Self::Comparison(Comparison::Text(Name::Attribute(name), _)) => {
                BTreeSet::from([name.as_str()])
            }
            Self::Comparison(_) => BTreeSet::new(),
        }
    }
}

impl Comparison {
    fn evaluate(&self, subject: &dyn Subject) -> bool {
        match self {
            Self::Text(Name::AgentConnected, test) => {
                let text = if subject.agent_connected() {
                    "true"
                } else {
                    "false"
                };
                test.accepts(Some(text))
            }
            Self::Text(Name::Ec2InstanceId, test) => {
                test.accepts(subject.ec2_instance_id().as_deref())
            }
            Self::Text(Name::Attribute(name), test) => test.accepts(
                subject
                    .attribute(name)
                    .map(|value| value.unwrap_or_default()),
            ),
            Self::Text(Name::TaskGroup, test) => test.accepts_groups(subject),
            Self::Version(order, version) => Version::parse(subject.agent_version())
                .is_some_and(|actual| order.holds(&actual, version)),
            Self::RegisteredAt(order, _, at) => order.holds(&subject.registered_at(), at),
            Self::RunningTasks(order, count) => order.holds(&subject.running_tasks_count(), count),
        }
    }
}

impl Test {
    /// What is absent is neither equal nor unequal to anything.
    fn accepts(&self, text: Option<&str>) -> bool {
        let Some(text) = text else {
            return matches!(self, Self::NotExists);
        };
        match self {
            Self::Exists => true,
            Self::NotExists => false,
            Self::Order(order, value) => order.holds(text, value.as_str()),
            Self::In(values) => values.iter().any(|value| value == text),
            Self::NotIn(values) => !values.iter().any(|value| value == text),
            Self::Matches(pattern) => pattern.matches(text),
            Self::NotMatches(pattern) => !pattern.matches(text),
        }
    }

    /// An instance hosts many groups: `==` means one of its tasks is of the group, `!=` that none
    /// is, and so for the other pairs.
    fn accepts_groups(&self, subject: &dyn Subject) -> bool {
        let hosts = |test: &Self| subject.hosts_group(&|group| test.accepts(Some(group)));
        match self {
            Self::Exists => subject.hosts_group(&|_| true),
            Self::NotExists => !subject.hosts_group(&|_| true),
            Self::Order(Order::NotEqual, group) => !subject.hosts_group(&|other| other == group),
            Self::NotIn(groups) => {
                !subject.hosts_group(&|other| groups.iter().any(|group| group == other))
            }
            Self::NotMatches(pattern) => !subject.hosts_group(&|other| pattern.matches(other)),
            Self::Order(..) | Self::In(_) | Self::Matches(_) => hosts(self),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, terms: &[Self], word: &str| {
            for (index, term) in terms.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                match term {
                    Self::Or(_) | Self::And(_) => write!(f, "({term})")?,
                    Self::Not(_) | Self::Comparison(_) => write!(f, "{term}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Or(terms) => joined(f, terms, "or"),
            Self::And(terms) => joined(f, terms, "and"),
            Self::Not(term) => write!(f, "not({term})"),
            Self::Comparison(comparison) => write!(f, "{comparison}"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(name, test) => write!(f, "{name} {test}"),
            Self::Version(order, version) => {
                write!(f, "agentVersion {} {version}", order.as_str())
            }
            Self::RegisteredAt(order, text, _) => {
                write!(f, "registeredAt {} {text}", order.as_str())
            }
            Self::RunningTasks(order, count) => {
                write!(f, "runningTasksCount {} {count}", order.as_str())
            }
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AgentConnected => f.write_str("agentConnected"),
            Self::Ec2InstanceId => f.write_str("ec2InstanceId"),
            Self::Attribute(name) => write!(f, "attribute:{name}"),
            Self::TaskGroup => f.write_str("task:group"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, word: &str, values: &[String]| {
            let quoted: Vec<String> = values.iter().map(|value| quote(value)).collect();
            write!(f, "{word} [{}]", quoted.join(", "))
        };
        match self {
            Self::Exists => f.write_str("exists"),
            Self::NotExists => f.write_str("!exists"),
            Self::Order(order, value) => write!(f, "{} {}", order.as_str(), quote(value)),
            Self::In(values) => list(f, "in", values),
            Self::NotIn(values) => list(f, "!in", values),
            Self::Matches(pattern) => write!(f, "=~ {}", quote(pattern.source())),
            Self::NotMatches(pattern) => write!(f, "!~ {}", quote(pattern.source())),
        }
    }
}

/// In quotes, unless it reads as one word. A text with both kinds of quotes cannot have been
/// quoted, so it is one word.
fn quote(text: &str) -> String {
    let plain = !text.is_empty()
        && !text.starts_with(['\'', '"'])
        && !text
            .chars()
            .any(|c| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | ','));
    if plain {
        text.to_owned()
    } else if text.contains('\'') {
        format!("\"{text}\"")
    } else {
        format!("'{text}'")
    }
}
