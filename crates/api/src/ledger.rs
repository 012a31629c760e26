//! The field ledger: what becomes of every member of every operation's input.
//!
//! ECS has many members, and honouring only some of them must never look like honouring all. So
//! `fields.toml` gives each member one of three fates:
//!
//! - *effective*: the operation does what the member says;
//! - *recorded*: the member is kept and shown again, and changes nothing; the response names it in
//!   `x-longshore-recorded`;
//! - *refused*: a request that sets the member fails before the operation runs, with a message
//!   that names the member and what to do instead.
//!
//! A rule for a path covers everything below it, except where a longer path has its own rule.
//! Elements of a list are written `containerDefinitions[].cpu`; what is inside a map has the map's
//! rule. Null, `false`, an empty string, list, map or object do not set a member: clients such as
//! Terraform send them for members that nobody wrote. What else is harmless, a rule says itself
//! (`unless`).
//!
//! The walk goes over the decoded input as JSON, so both doors share it. Members that the schema
//! does not know are gone by then; ECS ignores them too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use longshore_proto::OperationInfo;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{ApiError, ErrorKind};

/// Longest value of `x-longshore-recorded`, in bytes; paths that do not fit become `...`.
pub const MAX_RECORDED_LENGTH: usize = 1024;
/// Path segment that stands for every element of a list.
const ELEMENT: &str = "[]";

/// What becomes of a member.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// The operation does what it says.
    Effective,
    /// Kept and shown, without effect; why.
    Recorded(String),
    /// Not taken.
    Refused {
        /// What to do instead.
        reason: String,
        /// Values that ask for nothing and are let through.
        unless: Vec<Value>,
    },
}

/// The rules of all operations.
#[derive(Debug, Default)]
pub struct Ledger(BTreeMap<String, Node>);

/// One segment of the paths of an operation.
#[derive(Debug, Default)]
struct Node {
    rule: Option<Rule>,
    children: BTreeMap<String, Node>,
}

/// A table of `fields.toml`. Its key names one operation or several, separated by spaces; the
/// tables of an operation add up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default)]
    effective: Vec<String>,
    #[serde(default)]
    recorded: BTreeMap<String, String>,
    #[serde(default)]
    refused: BTreeMap<String, Refusal>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Refusal {
    Always(String),
    Unless { unless: Vec<Value>, reason: String },
}

/// A ledger that says nothing clear.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLedger {
    /// Not the form of the file.
    #[error("fields.toml does not parse")]
    Form(#[from] toml::de::Error),
    /// Two fates for one member.
    #[error("fields.toml has two rules for {0}; keep one")]
    Duplicate(String),
}

/// The ledger that is compiled in.
pub fn ledger() -> &'static Ledger {
    static LEDGER: LazyLock<Ledger> = LazyLock::new(|| {
        // A test parses the same text, so this cannot fail in a build that passed.
        Ledger::parse(include_str!("../fields.toml"))
            .unwrap_or_else(|error| panic!("fields.toml is part of this program: {error}"))
    });
    &LEDGER
}

impl Ledger {
    fn parse(text: &str) -> Result<Self, InvalidLedger> {
        let sections: BTreeMap<String, Section> = toml::from_str(text)?;
        let mut ledger = Self::default();
        for (operations, section) in &sections {
            for operation in operations.split(' ') {
                for path in &section.effective {
                    ledger.add(operation, path, Rule::Effective)?;
                }
                for (path, reason) in &section.recorded {
                    ledger.add(operation, path, Rule::Recorded(reason.clone()))?;
                }
                for (path, refusal) in &section.refused {
                    let (reason, unless) = match refusal.clone() {
                        Refusal::Always(reason) => (reason, Vec::new()),
                        Refusal::Unless { unless, reason } => (reason, unless),
                    };
                    ledger.add(operation, path, Rule::Refused { reason, unless })?;
                }
            }
        }
        Ok(ledger)
    }

    fn add(&mut self, operation: &str, path: &str, rule: Rule) -> Result<(), InvalidLedger> {
        let mut node = self.0.entry(operation.to_owned()).or_default();
        for segment in segments(path) {
            node = node.children.entry(segment.to_owned()).or_default();
        }
        match node.rule.replace(rule) {
            None => Ok(()),
            Some(_) => Err(InvalidLedger::Duplicate(format!("{operation}.{path}"))),
        }
    }

    /// Checks an input and returns the paths of the recorded members that it sets, sorted.
    ///
    /// Errors: for a refused member, UnsupportedFeatureException if the operation declares it,
    /// else ClientException for the task definition operations, else InvalidParameterException.
    pub fn check(&self, operation: &str, input: &Value) -> Result<Vec<String>, ApiError> {
        let Some(root) = self.0.get(operation) else {
            return Ok(Vec::new());
        };
        let mut walk = Walk {
            operation,
            pattern: String::new(),
            path: String::new(),
            recorded: Vec::new(),
        };
        walk.node(root, None, input)?;
        walk.recorded.sort();
        walk.recorded.dedup();
        Ok(walk.recorded)
    }

    /// The rule of a leaf: that of the longest path that covers it.
    #[cfg(test)]
    fn rule(&self, operation: &str, path: &str) -> Option<&Rule> {
        let mut node = self.0.get(operation)?;
        let mut rule = node.rule.as_ref();
        for segment in segments(path) {
            match node.children.get(segment) {
                Some(child) => node = child,
                None => break,
            }
            rule = node.rule.as_ref().or(rule);
        }
        rule
    }
}

/// Prints the recorded paths for a response header; `None` if there are none.
pub fn recorded_header(recorded: &[String]) -> Option<String> {
    const MORE: &str = "...";
    let mut text = String::new();
    for path in recorded {
        let separator = if text.is_empty() { "" } else { ", " };
        if text.len() + separator.len() + path.len() + ", ".len() + MORE.len() > MAX_RECORDED_LENGTH
        {
            text.push_str(separator);
            text.push_str(MORE);
            break;
        }
        text.push_str(separator);
        text.push_str(path);
    }
    (!text.is_empty()).then_some(text)
}

/// `a[].b` has the segments `a`, `[]`, `b`.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').flat_map(|part| {
        let (name, element) = match part.strip_suffix(ELEMENT) {
            Some(name) => (name, Some(ELEMENT)),
            None => (part, None),
        };
        std::iter::once(name).chain(element)
    })
}

/// Whether a value asks for anything.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => members.values().any(is_set),
    }
}

struct Walk<'a> {
    operation: &'a str,
    /// Where the walk is, with `[]` for elements, as rules are written.
    pattern: String,
    /// The same with the indexes of elements, as people read it.
    path: String,
    recorded: Vec<String>,
}

impl Walk<'_> {
    fn node(
        &mut self,
        node: &Node,
        inherited: Option<&Rule>,
        value: &Value,
    ) -> Result<(), ApiError> {
        let rule = node.rule.as_ref().or(inherited);
        match value {
            Value::Object(members) if !node.children.is_empty() => {
                for (name, value) in members {
                    let (pattern, path) = (self.pattern.len(), self.path.len());
                    for text in [&mut self.pattern, &mut self.path] {
                        if !text.is_empty() {
                            text.push('.');
                        }
                        text.push_str(name);
                    }
                    self.child(node.children.get(name), rule, value)?;
                    self.pattern.truncate(pattern);
                    self.path.truncate(path);
                }
                Ok(())
            }
            Value::Array(items) if node.children.contains_key(ELEMENT) => {
                for (index, value) in items.iter().enumerate() {
                    let (pattern, path) = (self.pattern.len(), self.path.len());
                    self.pattern.push_str(ELEMENT);
                    // Writing to a String cannot fail.
                    let _ = write!(self.path, "[{index}]");
                    self.child(node.children.get(ELEMENT), rule, value)?;
                    self.pattern.truncate(pattern);
                    self.path.truncate(path);
                }
                Ok(())
            }
            _ => self.apply(rule, value),
        }
    }

    fn child(
        &mut self,
        node: Option<&Node>,
        rule: Option<&Rule>,
        value: &Value,
    ) -> Result<(), ApiError> {
        match node {
            Some(node) => self.node(node, rule, value),
            None => self.apply(rule, value),
        }
    }

    fn apply(&mut self, rule: Option<&Rule>, value: &Value) -> Result<(), ApiError> {
        match rule {
            Some(Rule::Effective) => Ok(()),
            _ if !is_set(value) => Ok(()),
            Some(Rule::Recorded(_)) => {
                self.recorded.push(self.pattern.clone());
                Ok(())
            }
            Some(Rule::Refused { unless, .. }) if unless.contains(value) => Ok(()),
            Some(Rule::Refused { reason, .. }) => Err(self.refuse(reason)),
            // A test holds that this does not happen; if it does, nothing is swallowed.
            None => Err(self.refuse("Leave it out.")),
        }
    }

    fn refuse(&self, reason: &str) -> ApiError {
        let declared = OperationInfo::find(self.operation)
            .is_some_and(|info| info.errors.contains(&ErrorKind::UnsupportedFeature.name()));
        let kind = if declared {
            ErrorKind::UnsupportedFeature
        } else if self.operation.contains("TaskDefinition") {
            ErrorKind::Client
        } else {
            ErrorKind::InvalidParameter
        };
        ApiError::new(kind, format!("{} is not supported. {reason}", self.path))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::table::TABLE;
    use prost_reflect::{
        DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, Value as Dynamic,
    };
    use serde_json::json;

    /// Every path of an input message that ends in a scalar, a map or free-form JSON.
    fn leaves(pool: &DescriptorPool, operation: &str) -> Vec<String> {
        let service = pool.get_service_by_name("longshore.ecs.v1.Ecs").unwrap();
        let method = service.methods().find(|m| m.name() == operation).unwrap();
        let mut leaves = Vec::new();
        message(pool, &method.input(), "", 0, &mut leaves);
        leaves
    }

    fn message(
        pool: &DescriptorPool,
        message_: &MessageDescriptor,
        prefix: &str,
        depth: usize,
        leaves: &mut Vec<String>,
    ) {
        assert!(depth < 20, "{prefix} is recursive");
        for field_ in message_.fields() {
            let name = match prefix {
                "" => field_.json_name().to_owned(),
                prefix => format!("{prefix}.{}", field_.json_name()),
            };
            field(pool, &field_, name, depth, leaves);
        }
    }

    fn field(
        pool: &DescriptorPool,
        field_: &FieldDescriptor,
        mut path: String,
        depth: usize,
        leaves: &mut Vec<String>,
    ) {
        if field_.is_list() {
            path.push_str(ELEMENT);
        }
        let transparent = pool
            .get_extension_by_name("longshore.options.v1.transparent_list")
            .unwrap();
        match field_.kind() {
            Kind::Message(inner) if !field_.is_map() => {
                if field_.options().get_extension(&transparent).as_ref() == &Dynamic::Bool(true) {
                    let items = inner.get_field_by_name("items").unwrap();
                    field(pool, &items, path, depth + 1, leaves);
                } else if inner.full_name().starts_with("google.protobuf.") {
                    leaves.push(path);
                } else {
                    message(pool, &inner, &path, depth + 1, leaves);
                }
            }
            _ => leaves.push(path),
        }
    }

    fn is_prefix(rule: &str, leaf: &str) -> bool {
        let mut leaf = segments(leaf);
        segments(rule).all(|segment| leaf.next() == Some(segment))
    }

    #[test]
    fn every_member_has_one_rule_and_every_rule_a_member() {
        let pool = DescriptorPool::decode(longshore_proto::FILE_DESCRIPTOR_SET).unwrap();
        let ledger = Ledger::parse(include_str!("../fields.toml")).unwrap();
        let mut faults = Vec::new();
        let handled = TABLE.iter().filter(|entry| entry.is_supported());
        let mut operations: Vec<&str> = handled.map(|entry| entry.name).collect();
        operations.extend(ledger.0.keys().map(String::as_str));
        operations.sort_unstable();
        operations.dedup();
        for operation in operations {
            let leaves = leaves(&pool, operation);
            for leaf in &leaves {
                if ledger.rule(operation, leaf).is_none() {
                    faults.push(format!("{operation}.{leaf} has no rule"));
                }
            }
            let mut rules = Vec::new();
            if let Some(root) = ledger.0.get(operation) {
                paths(root, "", &mut rules);
            }
            for rule in rules {
                if !leaves.iter().any(|leaf| is_prefix(&rule, leaf)) {
                    faults.push(format!("{operation}.{rule} matches nothing"));
                }
            }
        }
        assert!(faults.is_empty(), "fields.toml:\n{}", faults.join("\n"));
    }

    fn paths(node: &Node, prefix: &str, rules: &mut Vec<String>) {
        if node.rule.is_some() {
            rules.push(prefix.to_owned());
        }
        for (name, child) in &node.children {
            let path = match (prefix, name.as_str()) {
                ("", name) => name.to_owned(),
                (prefix, ELEMENT) => format!("{prefix}{ELEMENT}"),
                (prefix, name) => format!("{prefix}.{name}"),
            };
            paths(child, &path, rules);
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (operation, section) in &ledger().0 {
            let mut stack = vec![section];
            while let Some(node) = stack.pop() {
                if let Some(Rule::Recorded(reason) | Rule::Refused { reason, .. }) = &node.rule {
                    assert!(reason.ends_with('.'), "{operation}: \"{reason}\"");
                }
                stack.extend(node.children.values());
            }
        }
    }

    fn fate(operation: &str, input: Value) -> String {
        match ledger().check(operation, &input) {
            Ok(recorded) => recorded.join(" "),
            Err(error) => format!("{} {}", error.kind.name(), error.message),
        }
    }

    #[test]
    fn what_is_set_decides() {
        for (operation, input, expected) in [
            (
                "RegisterTaskDefinition",
                json!({"family": "a", "volumes": []}),
                "",
            ),
            (
                "RegisterTaskDefinition",
                json!({"containerDefinitions": [{}, {"privileged": true}]}),
                "ClientException containerDefinitions[1].privileged is not supported.",
            ),
            (
                "RegisterTaskDefinition",
                json!({"containerDefinitions": [{"privileged": false, "mountPoints": []}]}),
                "",
            ),
            (
                "RegisterTaskDefinition",
                json!({"containerDefinitions": [{"linuxParameters": {"initProcessEnabled": true}}]}),
                "",
            ),
            (
                "RegisterTaskDefinition",
                json!({"containerDefinitions": [{"linuxParameters": {"sharedMemorySize": 64}}]}),
                "ClientException containerDefinitions[0].linuxParameters.sharedMemorySize is not",
            ),
            (
                "RegisterTaskDefinition",
                json!({"taskRoleArn": "r", "containerDefinitions": [
                    {"dockerLabels": {"a.b[]": "c"}, "startTimeout": 3}, {"startTimeout": 3}]}),
                "containerDefinitions[].startTimeout taskRoleArn",
            ),
            (
                "CreateService",
                json!({"deploymentConfiguration": {"strategy": "ROLLING",
                    "deploymentCircuitBreaker": {"enable": false, "rollback": false},
                    "alarms": {"alarmNames": [], "enable": false, "rollback": false}}}),
                "",
            ),
            (
                "CreateService",
                json!({"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}),
                "UnsupportedFeatureException deploymentConfiguration.strategy is not supported.",
            ),
            ("UpdateService", json!({"loadBalancers": []}), ""),
            (
                "RunTask",
                json!({"enableExecuteCommand": false, "count": 1}),
                "",
            ),
            (
                "RunTask",
                json!({"enableExecuteCommand": true}),
                "UnsupportedFeatureException enableExecuteCommand is not supported.",
            ),
        ] {
            let fate = fate(operation, input.clone());
            let same = if expected.contains(' ') && expected.contains("not") {
                fate.starts_with(expected)
            } else {
                fate == expected
            };
            assert!(same, "{operation} {input}: {fate}");
        }
    }

    #[test]
    fn the_header_is_bounded() {
        assert_eq!(recorded_header(&[]), None);
        let few = ["a".to_owned(), "b[].c".to_owned()];
        assert_eq!(recorded_header(&few).unwrap(), "a, b[].c");
        let many: Vec<String> = (0..500).map(|i| format!("member{i}")).collect();
        let text = recorded_header(&many).unwrap();
        assert!(
            text.len() <= MAX_RECORDED_LENGTH && text.ends_with(", ..."),
            "{text}"
        );
    }
}
