//! The lock: every field number ever given, so that no regeneration moves one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::schema::Schema;

/// Numbers from here up to [`AFTER_RESERVED`] belong to protobuf itself.
const FIRST_RESERVED: u32 = 19_000;
/// First number after protobuf's own range.
const AFTER_RESERVED: u32 = 20_000;

/// `proto/ecs.lock.toml`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    /// Version of the botocore release the model came from.
    pub(crate) botocore: String,
    /// Fields in use, by message and wire name.
    #[serde(default)]
    pub(crate) messages: BTreeMap<String, BTreeMap<String, Entry>>,
    /// Numbers no longer in use, by message and the wire name they once had.
    #[serde(default)]
    pub(crate) removed: BTreeMap<String, BTreeMap<String, BTreeSet<u32>>>,
}

/// What a field was given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Field number.
    pub(crate) number: u32,
    /// Label and type. A field that changes it is a new field: its old number is given up.
    pub(crate) kind: String,
}

impl Lock {
    /// Reads the lock; a file that does not exist is an empty lock, the start of a schema.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read the lock {}", path.display()));
            }
        };
        Self::parse(&text).with_context(|| format!("in the lock {}", path.display()))
    }

    /// Parses a lock and refuses one where a number stands twice in a message.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let lock: Self = toml::from_str(text)?;
        let names: BTreeSet<_> = lock.messages.keys().chain(lock.removed.keys()).collect();
        for message in names {
            let mut seen = BTreeSet::new();
            for number in lock.numbers(message) {
                ensure!(
                    seen.insert(number),
                    "{message} has the field number {number} twice"
                );
            }
        }
        Ok(lock)
    }

    /// Every number the message has ever used.
    fn numbers(&self, message: &str) -> impl Iterator<Item = u32> {
        let used = self
            .messages
            .get(message)
            .into_iter()
            .flatten()
            .map(|(_, e)| e.number);
        let given_up = self
            .removed
            .get(message)
            .into_iter()
            .flatten()
            .flat_map(|(_, n)| n);
        used.chain(given_up.copied())
    }

    /// The lock after this schema: known fields keep their numbers, new ones get the next, and
    /// fields that are gone leave their numbers reserved for good.
    pub(crate) fn advance(&self, schema: &Schema, botocore: &str) -> Self {
        let mut lock = self.clone();
        botocore.clone_into(&mut lock.botocore);
        let names: BTreeSet<_> = self
            .messages
            .keys()
            .chain(schema.messages.keys())
            .cloned()
            .collect();
        for message in names {
            let fields = schema.messages.get(&message).map_or(&[][..], Vec::as_slice);
            let mut next = lock.numbers(&message).max().unwrap_or(0) + 1;
            let old = lock.messages.remove(&message).unwrap_or_default();
            let mut entries = BTreeMap::new();
            for field in fields {
                let number = match old.get(&field.wire) {
                    Some(entry) if entry.kind == field.kind => entry.number,
                    _ => {
                        if next == FIRST_RESERVED {
                            next = AFTER_RESERVED;
                        }
                        next += 1;
                        next - 1
                    }
                };
                entries.insert(
                    field.wire.clone(),
                    Entry {
                        number,
                        kind: field.kind.clone(),
                    },
                );
            }
            for (wire, entry) in old {
                if entries.get(&wire) != Some(&entry) {
                    lock.removed
                        .entry(message.clone())
                        .or_default()
                        .entry(wire)
                        .or_default()
                        .insert(entry.number);
                }
            }
            if schema.messages.contains_key(&message) {
                lock.messages.insert(message, entries);
            }
        }
        lock
    }

    /// The file's text, one line a field, sorted, so that a review shows what moved.
    pub(crate) fn print(&self) -> String {
        let mut text = String::from(
            "# Field numbers of the public schema. Written by scripts/generate-schema; a number,\n\
             # once given, is never given again.\n",
        );
        let _ = writeln!(text, "botocore = \"{}\"", self.botocore);
        for (message, entries) in &self.messages {
            let _ = writeln!(text, "\n[messages.{message}]");
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(_, entry)| entry.number);
            for (wire, Entry { number, kind }) in entries {
                let _ = writeln!(text, "{wire} = {{ number = {number}, kind = \"{kind}\" }}");
            }
        }
        for (message, removed) in &self.removed {
            let _ = writeln!(text, "\n[removed.{message}]");
            for (wire, numbers) in removed {
                let _ = writeln!(
                    text,
                    "{wire} = {numbers:?}",
                    numbers = Vec::from_iter(numbers)
                );
            }
        }
        text
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::Field;

    fn schema(fields: &[(&str, &str)]) -> Schema {
        let fields = fields
            .iter()
            .map(|(wire, kind)| Field {
                wire: (*wire).to_owned(),
                kind: (*kind).to_owned(),
                option: None,
            })
            .collect();
        Schema {
            operations: BTreeMap::new(),
            messages: BTreeMap::from([("Task".to_owned(), fields)]),
        }
    }

    fn number(lock: &Lock, wire: &str) -> u32 {
        lock.messages["Task"][wire].number
    }

    #[test]
    fn numbers_survive_reordering_and_new_fields_come_last() {
        let first = Lock::default().advance(
            &schema(&[("b", "optional string"), ("a", "optional int32")]),
            "1",
        );
        assert_eq!((number(&first, "b"), number(&first, "a")), (1, 2));
        let second = first.advance(
            &schema(&[
                ("a", "optional int32"),
                ("new", "optional bool"),
                ("b", "optional string"),
            ]),
            "2",
        );
        assert_eq!(
            (
                number(&second, "b"),
                number(&second, "a"),
                number(&second, "new")
            ),
            (1, 2, 3)
        );
        assert_eq!(second.botocore, "2");
        assert!(second.removed.is_empty());
    }

    #[test]
    fn a_removed_number_is_never_given_again() {
        let first = Lock::default().advance(
            &schema(&[("a", "optional string"), ("b", "optional string")]),
            "1",
        );
        let second = first.advance(&schema(&[("a", "optional string")]), "2");
        assert_eq!(second.removed["Task"]["b"], BTreeSet::from([2]));
        let third = second.advance(
            &schema(&[("a", "optional string"), ("b", "optional string")]),
            "3",
        );
        assert_eq!(number(&third, "b"), 3);
        assert_eq!(third.removed["Task"]["b"], BTreeSet::from([2]));
    }

    #[test]
    fn a_message_that_goes_and_returns_uses_fresh_numbers() {
        let first = Lock::default().advance(&schema(&[("a", "optional string")]), "1");
        let none = Schema {
            operations: BTreeMap::new(),
            messages: BTreeMap::new(),
        };
        let second = first.advance(&none, "2");
        assert!(second.messages.is_empty());
        let third = second.advance(&schema(&[("a", "optional string")]), "3");
        assert_eq!(number(&third, "a"), 2);
    }

    #[test]
    fn a_changed_kind_takes_a_new_number() {
        let first = Lock::default().advance(&schema(&[("a", "optional string")]), "1");
        let second = first.advance(&schema(&[("a", "optional int32")]), "2");
        assert_eq!(number(&second, "a"), 2);
        assert_eq!(second.removed["Task"]["a"], BTreeSet::from([1]));
    }

    #[test]
    fn protobufs_own_numbers_are_skipped() {
        let mut lock = Lock {
            botocore: "1".to_owned(),
            ..Lock::default()
        };
        lock.removed.insert(
            "Task".to_owned(),
            BTreeMap::from([("old".to_owned(), BTreeSet::from([18_999]))]),
        );
        let lock = lock.advance(&schema(&[("a", "optional string")]), "2");
        assert_eq!(number(&lock, "a"), 20_000);
    }

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let lock = Lock::default()
            .advance(
                &schema(&[("a", "optional string"), ("b", "map<string, string>")]),
                "1.2.3",
            )
            .advance(&schema(&[("a", "repeated string")]), "1.2.4");
        assert_eq!(Lock::parse(&lock.print()).unwrap(), lock);
    }

    #[test]
    fn a_number_given_twice_is_refused() {
        let text = "botocore = \"1\"\n[messages.Task]\n\
                    a = { number = 1, kind = \"optional string\" }\n[removed.Task]\nb = [1]\n";
        let error = Lock::parse(text).unwrap_err();
        assert_eq!(error.to_string(), "Task has the field number 1 twice");
    }
}
