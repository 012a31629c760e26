//! The field ledger: what becomes of every member of every operation's input.
//!
//! An AWS API has many members, and honouring only some of them must never look like honouring
//! all. So the files `fields/NOUN.toml` of a service give each member one of three fates:
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
//! The walk goes over the decoded input as JSON, so all wires share it. Members that the schema
//! does not know are gone by then; AWS ignores them too.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use crate::fault;
use crate::fault::Faults;

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

/// A table of a ledger file. Its key names one operation or several, separated by spaces; the
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
    #[error("the field ledger does not parse")]
    Form(#[from] toml::de::Error),
    /// Two fates for one member.
    #[error("the field ledger has two rules for {0}; keep one")]
    Duplicate(String),
}

impl Ledger {
    /// Reads the files of a service.
    ///
    /// # Errors
    /// [`InvalidLedger`] says what is not clear.
    pub fn parse(files: &[&str]) -> Result<Self, InvalidLedger> {
        let mut ledger = Self::default();
        for file in files {
            ledger.read(file)?;
        }
        Ok(ledger)
    }

    fn read(&mut self, text: &str) -> Result<(), InvalidLedger> {
        let sections: BTreeMap<String, Section> = toml::from_str(text)?;
        let ledger = self;
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
        Ok(())
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
    /// # Errors
    /// All refused members that it sets, with what to do about each.
    pub fn check(&self, operation: &str, input: &Value) -> Result<Vec<String>, RefusedMembers> {
        let Some(root) = self.0.get(operation) else {
            return Ok(Vec::new());
        };
        let mut walk = Walk {
            pattern: String::new(),
            path: String::new(),
            recorded: Vec::new(),
            refused: Faults::default(),
        };
        walk.node(root, None, input);
        match walk.refused.into_message() {
            Some(message) => Err(RefusedMembers(message)),
            None => {
                walk.recorded.sort();
                walk.recorded.dedup();
                Ok(walk.recorded)
            }
        }
    }

    /// The operations that have rules.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All rules of an operation, each with its path.
    pub fn rules(&self, operation: &str) -> Vec<(String, &Rule)> {
        let mut rules = Vec::new();
        if let Some(root) = self.0.get(operation) {
            collect(root, "", &mut rules);
        }
        rules
    }

    /// The rule of a member: that of the longest path that covers it.
    pub fn rule(&self, operation: &str, path: &str) -> Option<&Rule> {
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

/// The members of an input that are not taken; a sentence or two for each, within bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RefusedMembers(String);

fn collect<'a>(node: &'a Node, prefix: &str, rules: &mut Vec<(String, &'a Rule)>) {
    if let Some(rule) = &node.rule {
        rules.push((prefix.to_owned(), rule));
    }
    for (name, child) in &node.children {
        let path = match (prefix, name.as_str()) {
            ("", name) => name.to_owned(),
            (prefix, ELEMENT) => format!("{prefix}{ELEMENT}"),
            (prefix, name) => format!("{prefix}.{name}"),
        };
        collect(child, &path, rules);
    }
}

/// Whether the rule of the path `rule` covers the member at `path`.
pub fn covers(rule: &str, path: &str) -> bool {
    let mut path = segments(path);
    segments(rule).all(|segment| path.next() == Some(segment))
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

struct Walk {
    /// Where the walk is, with `[]` for elements, as rules are written.
    pattern: String,
    /// The same with the indexes of elements, as people read it.
    path: String,
    recorded: Vec<String>,
    refused: Faults,
}

impl Walk {
    fn node(&mut self, node: &Node, inherited: Option<&Rule>, value: &Value) {
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
                    self.child(node.children.get(name), rule, value);
                    self.pattern.truncate(pattern);
                    self.path.truncate(path);
                }
            }
            Value::Array(items) if node.children.contains_key(ELEMENT) => {
                for (index, value) in items.iter().enumerate() {
                    let (pattern, path) = (self.pattern.len(), self.path.len());
                    self.pattern.push_str(ELEMENT);
                    // Writing to a String cannot fail.
                    let _ = write!(self.path, "[{index}]");
                    self.child(node.children.get(ELEMENT), rule, value);
                    self.pattern.truncate(pattern);
                    self.path.truncate(path);
                }
            }
            _ => self.apply(rule, value),
        }
    }

    fn child(&mut self, node: Option<&Node>, rule: Option<&Rule>, value: &Value) {
        match node {
            Some(node) => self.node(node, rule, value),
            None => self.apply(rule, value),
        }
    }

    fn apply(&mut self, rule: Option<&Rule>, value: &Value) {
        match rule {
            Some(Rule::Effective) => {}
            _ if !is_set(value) => {}
            Some(Rule::Recorded(_)) => self.recorded.push(self.pattern.clone()),
            Some(Rule::Refused { unless, .. }) if unless.contains(value) => {}
            Some(Rule::Refused { reason, .. }) => self.refuse(reason),
            // A test holds that this does not happen; if it does, nothing is swallowed.
            None => self.refuse("Leave it out."),
        }
    }

    fn refuse(&mut self, reason: &str) {
        let Self { path, refused, .. } = self;
        fault!(refused, "{path} is not supported. {reason}");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_one_rule_in_all_files() {
        let file = "[Run]\neffective = [\"name\"]\n";
        assert!(Ledger::parse(&[file]).is_ok());
        let twice = Ledger::parse(&[file, "[Run.refused]\nname = \"Leave it out.\"\n"]);
        let message = twice.unwrap_err().to_string();
        assert!(message.contains("Run.name"), "{message}");
    }

    #[test]
    fn a_rule_covers_what_is_below_it() {
        for (rule, path, expected) in [
            ("a", "a", true),
            ("a", "a[].b", true),
            ("a[].b", "a[].b.c", true),
            ("a[].b", "a[].bc", false),
            ("a.b", "a", false),
        ] {
            assert_eq!(covers(rule, path), expected, "{rule} {path}");
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
