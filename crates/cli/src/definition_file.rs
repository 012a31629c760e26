//! Task definitions as people write them.
//!
//! The wire refuses a number where a text belongs and the other way round, and ignores members
//! it does not know. In a file written by hand both are slips of the pen, so they are mended or
//! pointed out here, and each is told. What a member's type is comes from the schema itself.

use std::collections::BTreeSet;

use anyhow::{Context as _, anyhow, bail};
use longshore_proto::ecs::RegisterTaskDefinitionRequest;
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Number, Value};

const REQUEST: &str = "longshore.ecs.v1.RegisterTaskDefinitionRequest";
const DESCRIBED: &str = "longshore.ecs.v1.TaskDefinition";
/// The member under which DescribeTaskDefinition shows a task definition.
const WRAPPER: &str = "taskDefinition";
/// A name further away than this is not a slip but another word.
const MAX_DISTANCE: usize = 3;

/// What a file says.
#[derive(Debug)]
pub(crate) struct DefinitionFile {
    pub(crate) request: RegisterTaskDefinitionRequest,
    /// What was changed or left out without harm.
    pub(crate) notes: Vec<String>,
    /// What is not understood and therefore without effect.
    pub(crate) warnings: Vec<String>,
}

/// Reads the text of a file: the input of RegisterTaskDefinition, or what
/// `aws ecs describe-task-definition` prints.
///
/// Errors: it is not JSON, not an object, or a member has a type that cannot be mended.
pub(crate) fn read(text: &str) -> anyhow::Result<DefinitionFile> {
    let pool = DescriptorPool::decode(longshore_proto::FILE_DESCRIPTOR_SET)
        .context("the schema in this binary is damaged")?;
    let message = |name| {
        pool.get_message_by_name(name)
            .ok_or_else(|| anyhow!("the schema in this binary lacks {name}"))
    };
    let (request, described) = (message(REQUEST)?, message(DESCRIBED)?);

    let value: Value = serde_json::from_str(text).context("the file is not JSON")?;
    let Value::Object(object) = value else {
        bail!(
            "the file holds {}, not a task definition object",
            kind_of(&value)
        );
    };
    let mut reading = Reading::default();
    let object = unwrapped(object);
    let object = reading.without_output(object, &request, &described);
    let mut value = Value::Object(object);
    reading.message(&mut value, &request, "");

    let request = serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner();
        match path.as_str() {
            "." => anyhow!("{cause}"),
            path => anyhow!("{path}: {cause}"),
        }
    })?;
    Ok(DefinitionFile {
        request,
        notes: reading.notes,
        warnings: reading.warnings,
    })
}

/// The task definition inside the answer of DescribeTaskDefinition, where the tags stand beside
/// it; any other object as it is.
fn unwrapped(mut object: Map<String, Value>) -> Map<String, Value> {
    match object.remove(WRAPPER) {
        Some(Value::Object(mut inner)) => {
            if let Some(tags) = object.remove("tags") {
                inner.entry("tags").or_insert(tags);
            }
            inner
        }
        Some(other) => {
            object.insert(WRAPPER.to_owned(), other);
            object
        }
        None => object,
    }
}

#[derive(Default)]
struct Reading {
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl Reading {
    /// Drops what only the answer of DescribeTaskDefinition holds.
    fn without_output(
        &mut self,
        object: Map<String, Value>,
        request: &MessageDescriptor,
        described: &MessageDescriptor,
    ) -> Map<String, Value> {
        let is_output = |name: &str| {
            request.get_field_by_json_name(name).is_none()
                && described.get_field_by_json_name(name).is_some()
        };
        let (output, input): (Map<_, _>, Map<_, _>) =
            object.into_iter().partition(|(name, _)| is_output(name));
        if !output.is_empty() {
            let names: BTreeSet<_> = output.keys().map(String::as_str).collect();
            let names = Vec::from_iter(names).join(", ");
            self.notes
                .push(format!("left out, as Longshore sets them itself: {names}"));
        }
        input
    }

    fn message(&mut self, value: &mut Value, shape: &MessageDescriptor, path: &str) {
        // Free-form JSON and times have forms of their own.
        if shape.package_name() == "google.protobuf" {
            return;
        }
        let Value::Object(object) = value else {
            return;
        };
        for (name, value) in object {
            let path = join(path, name);
            match shape.get_field_by_json_name(name) {
                Some(field) => self.field(value, &field, &path),
                None => self.unknown(name, &path, shape),
            }
        }
    }

    fn field(&mut self, value: &mut Value, field: &FieldDescriptor, path: &str) {
        let kind = field.kind();
        if field.is_map() {
            let values = kind
                .as_message()
                .map(MessageDescriptor::map_entry_value_field);
            if let (Value::Object(object), Some(values)) = (value, values) {
                for (key, value) in object {
                    self.single(value, &values.kind(), &join(path, key));
                }
            }
        } else if field.is_list() {
            if let Value::Array(items) = value {
                for (index, item) in items.iter_mut().enumerate() {
                    self.single(item, &kind, &format!("{path}[{index}]"));
                }
            }
        } else {
            self.single(value, &kind, path);
        }
    }

    fn single(&mut self, value: &mut Value, kind: &Kind, path: &str) {
        let mended = match kind {
            Kind::Message(shape) => return self.message(value, shape, path),
            Kind::String => as_text(value),
            Kind::Bool => as_bool(value),
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => as_integer(value),
            Kind::Double | Kind::Float => as_double(value),
            _ => None,
        };
        if let Some(mended) = mended {
            self.notes
                .push(format!("{path}: {value} \u{2192} {mended}"));
            *value = mended;
        }
    }

    fn unknown(&mut self, name: &str, path: &str, shape: &MessageDescriptor) {
        let known: BTreeSet<String> = shape
            .fields()
            .map(|field| field.json_name().to_owned())
            .collect();
        let meant = closest(name, &known);
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
        self.warnings.push(format!(
            "{path} is not a member ECS knows and has no effect{meant}"
        ));
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn as_text(value: &Value) -> Option<Value> {
    match value {
        Value::Number(number) => Some(Value::String(number.to_string())),
        Value::Bool(flag) => Some(Value::String(flag.to_string())),
        _ => None,
    }
}

fn as_bool(value: &Value) -> Option<Value> {
    match value.as_str()? {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => None,
    }
}

fn as_integer(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(Value::from(text.trim().parse::<i64>().ok()?)),
        // 256.0 is how some tools print 256.
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64()?;
            let whole = number as i64;
            (whole as f64 == number).then(|| Value::from(whole))
        }
        _ => None,
    }
}

fn as_double(value: &Value) -> Option<Value> {
    let number = value.as_str()?.trim().parse().ok()?;
    Number::from_f64(number).map(Value::Number)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The known name that the given one most likely stands for.
fn closest<'a>(name: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let name = name.to_lowercase();
    // A short name is not three letters away from what was meant.
    let limit = MAX_DISTANCE.min(name.chars().count() / 2);
    known
        .iter()
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate.as_str())
}

/// How many letters to insert, delete or replace to make one text from the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(from != *to);
            left = replaced.min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_mended_where_the_schema_says() {
        let mut file = read(
            r#"{
                "family": "web", "cpu": 256, "memory": "512",
                "containerDefinitions": [{
                    "name": "app", "image": "demo", "cpu": "256", "memory": " 128 ",
                    "essential": "true",
                    "environment": [{"name": "PORT", "value": 8080}],
                    "dockerLabels": {"tier": 1, "on": true},
                    "portMappings": [{"containerPort": "80", "hostPort": 0.0}],
                    "healthCheck": {"command": ["CMD", 1], "retries": "3"}
                }]
            }"#,
        )
        .unwrap();
        file.notes.sort();
        assert_eq!(
            file.notes,
            [
                r#"containerDefinitions[0].cpu: "256" → 256"#,
                r#"containerDefinitions[0].dockerLabels.on: true → "true""#,
                r#"containerDefinitions[0].dockerLabels.tier: 1 → "1""#,
                r#"containerDefinitions[0].environment[0].value: 8080 → "8080""#,
                r#"containerDefinitions[0].essential: "true" → true"#,
                r#"containerDefinitions[0].healthCheck.command[1]: 1 → "1""#,
                r#"containerDefinitions[0].healthCheck.retries: "3" → 3"#,
                r#"containerDefinitions[0].memory: " 128 " → 128"#,
                r#"containerDefinitions[0].portMappings[0].containerPort: "80" → 80"#,
                r#"containerDefinitions[0].portMappings[0].hostPort: 0.0 → 0"#,
                r#"cpu: 256 → "256""#,
            ]
        );
        assert!(file.warnings.is_empty(), "{:?}", file.warnings);
        assert_eq!(file.request.cpu.as_deref(), Some("256"));
        assert_eq!(file.request.memory.as_deref(), Some("512"));
        let container = &file.request.container_definitions[0];
        assert_eq!(container.cpu, Some(256));
        assert_eq!(container.port_mappings[0].host_port, Some(0));
    }

    #[test]
    fn a_right_file_is_left_alone() {
        let file = read(r#"{"family": "f", "containerDefinitions": [{"name": "a", "cpu": 1}]}"#);
        let file = file.unwrap();
        assert!(file.notes.is_empty() && file.warnings.is_empty());
    }

    #[test]
    fn what_describe_prints_can_be_registered() {
        let file = read(
            r#"{
                "taskDefinition": {
                    "taskDefinitionArn": "arn:aws:ecs:r:0:task-definition/web:1",
                    "revision": 1, "status": "ACTIVE", "registeredAt": 1.5,
                    "requiresAttributes": [], "compatibilities": ["EC2"],
                    "family": "web", "containerDefinitions": []
                },
                "tags": [{"key": "a", "value": "b"}]
            }"#,
        )
        .unwrap();
        assert_eq!(file.request.family.as_deref(), Some("web"));
        assert_eq!(file.request.tags.len(), 1);
        assert_eq!(
            file.notes,
            [
                "left out, as Longshore sets them itself: compatibilities, registeredAt, \
              requiresAttributes, revision, status, taskDefinitionArn"
            ]
        );
        assert!(file.warnings.is_empty(), "{:?}", file.warnings);
    }

    #[test]
    fn unknown_members_are_named_with_what_was_meant() {
        for (member, expected) in [
            (
                r#""containerDefinition": []"#,
                "containerDefinition is not a member ECS knows and has no effect; \
                 did you mean containerDefinitions?",
            ),
            (
                r#""Family": "x""#,
                "Family is not a member ECS knows and has no effect; did you mean family?",
            ),
            (
                r#""whatever": 1"#,
                "whatever is not a member ECS knows and has no effect",
            ),
            (
                r#""containerDefinitions": [{"enviroment": []}]"#,
                "containerDefinitions[0].enviroment is not a member ECS knows and has no effect; \
                 did you mean environment?",
            ),
        ] {
            let file = read(&format!("{{{member}}}")).unwrap();
            assert_eq!(file.warnings, [expected]);
        }
    }

    #[test]
    fn what_cannot_be_mended_is_named() {
        for (text, expected) in [
            ("nonsense", "the file is not JSON"),
            ("[]", "the file holds a list, not a task definition object"),
            (
                r#"{"containerDefinitions": [{"cpu": "much"}]}"#,
                "containerDefinitions[0].cpu",
            ),
            (r#"{"containerDefinitions": {}}"#, "containerDefinitions"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("ab", "ab", 0),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
