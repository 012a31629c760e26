//! The schema: operations and messages in protobuf's terms, before they have field numbers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

use crate::config::Config;
use crate::model::{Model, Shape};
use crate::name;

/// The one field of a transparent list's message.
pub(crate) const ITEMS: &str = "items";

/// Everything the .proto file says, except numbers.
#[derive(Debug)]
pub(crate) struct Schema {
    /// Operations by name.
    pub(crate) operations: BTreeMap<String, Rpc>,
    /// Messages by name, each with its fields in the model's order.
    pub(crate) messages: BTreeMap<String, Vec<Field>>,
}

/// An operation as a remote procedure call.
#[derive(Debug)]
pub(crate) struct Rpc {
    /// Request message.
    pub(crate) input: String,
    /// Response message.
    pub(crate) output: String,
    /// Names of the declared exceptions, sorted.
    pub(crate) errors: BTreeSet<String>,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Name in JSON, as the service model spells it.
    pub(crate) wire: String,
    /// Label and type as they stand in the .proto file: `optional string`, `repeated Tag`.
    pub(crate) kind: String,
    /// Custom option set to true on the field, if any.
    pub(crate) option: Option<&'static str>,
}

impl Schema {
    /// Translates a model. Fails when the model has something protobuf cannot say, or when the
    /// configuration names a member that is not there or is not a list.
    pub(crate) fn new(model: &Model, config: &Config) -> Result<Self> {
        let mut messages = BTreeMap::new();
        let mut lists = BTreeMap::new();
        for (name, shape) in &model.shapes {
            let Shape::Structure {
                members,
                document: false,
                ..
            } = shape
            else {
                continue;
            };
            let mut fields = Vec::new();
            let mut names = BTreeSet::new();
            for (wire, member) in &members.0 {
                let field = field(model, config, name, wire, &member.shape, &mut lists)
                    .with_context(|| format!("in {name}.{wire}"))?;
                ensure!(
                    names.insert(name::field(wire)),
                    "{name}.{wire} has the field name of another member: {}",
                    name::field(wire)
                );
                fields.push(field);
            }
            messages.insert(name.clone(), fields);
        }
        for (name, element) in lists {
            ensure!(
                !messages.contains_key(&name),
                "the list message {name} has the name of a structure of the model"
            );
            let kind = format!("repeated {element}");
            messages.insert(
                name,
                vec![Field {
                    wire: ITEMS.to_owned(),
                    kind,
                    option: None,
                }],
            );
        }

        let mut operations = BTreeMap::new();
        for (name, operation) in &model.operations {
            let mut message = |reference: Option<&str>, suffix: &str| match reference {
                Some(shape) => shape.to_owned(),
                None => {
                    let empty = format!("{name}{suffix}");
                    messages.entry(empty.clone()).or_default();
                    empty
                }
            };
            let input = message(
                operation.input.as_ref().map(|r| r.shape.as_str()),
                "Request",
            );
            let output = message(
                operation.output.as_ref().map(|r| r.shape.as_str()),
                "Response",
            );
            for used in [&input, &output] {
                ensure!(
                    messages.contains_key(used),
                    "{name} uses {used}, not a structure"
                );
            }
            let errors = operation
                .errors
                .iter()
                .map(|error| error.shape.clone())
                .collect();
            operations.insert(
                name.clone(),
                Rpc {
                    input,
                    output,
                    errors,
                },
            );
        }

        let schema = Self {
            operations,
            messages,
        };
        for (message, member) in config.entries() {
            let field = schema.field(message, member);
            ensure!(
                field.is_some_and(|field| field.option.is_some()),
                "the configuration names {message}.{member}, which is not a list of the model; \
                 correct or remove it"
            );
        }
        Ok(schema)
    }

    fn field(&self, message: &str, wire: &str) -> Option<&Field> {
        self.messages
            .get(message)?
            .iter()
            .find(|field| field.wire == wire)
    }
}

/// One member as a field. A transparent list adds its message to `lists`: name, element type.
fn field(
    model: &Model,
    config: &Config,
    message: &str,
    wire: &str,
    shape: &str,
    lists: &mut BTreeMap<String, String>,
) -> Result<Field> {
    let (kind, option) = match model.shape(shape)? {
        Shape::List { member, .. } => {
            let element = single(model, &member.shape)?;
            if config.is_transparent(message, wire) {
                let list = list_message(&element);
                lists.insert(list.clone(), element);
                (format!("optional {list}"), Some("transparent_list"))
            } else {
                let emits = config.emits_empty(message, wire);
                (format!("repeated {element}"), emits.then_some("emit_empty"))
            }
        }
        Shape::Map { key, value, .. } => {
            let (key, value) = (single(model, &key.shape)?, single(model, &value.shape)?);
            ensure!(
                key == "string",
                "a map with {key} keys; JSON and protobuf share only strings"
            );
            (format!("map<{key}, {value}>"), None)
        }
        _ => (format!("optional {}", single(model, shape)?), None),
    };
    Ok(Field {
        wire: wire.to_owned(),
        kind,
        option,
    })
}

/// The protobuf type of a shape that is one value.
fn single(model: &Model, shape: &str) -> Result<String> {
    Ok(match model.shape(shape)? {
        Shape::Structure { document: true, .. } => "google.protobuf.Value".to_owned(),
        Shape::Structure { .. } => shape.to_owned(),
        Shape::String { .. } => "string".to_owned(),
        Shape::Integer { .. } => "int32".to_owned(),
        Shape::Long {} => "int64".to_owned(),
        Shape::Blob {} => "bytes".to_owned(),
        Shape::Float {} => "float".to_owned(),
        Shape::Double {} => "double".to_owned(),
        Shape::Boolean {} => "bool".to_owned(),
        Shape::Timestamp { .. } => "google.protobuf.Timestamp".to_owned(),
        Shape::List { .. } | Shape::Map { .. } => {
            bail!("a list or map directly inside a list or map; protobuf needs a message between")
        }
    })
}

/// `LoadBalancer` becomes `LoadBalancerList`, `string` becomes `StringList`.
fn list_message(element: &str) -> String {
    let element = element.rsplit('.').next().unwrap_or(element);
    let mut name = String::new();
    let mut letters = element.chars();
    name.extend(letters.next().map(|c| c.to_ascii_uppercase()));
    name.extend(letters);
    name.push_str("List");
    name
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MODEL: &str = r#"{
        "operations": {
            "Stop": {"input": {"shape": "StopRequest"}, "errors": [{"shape": "Gone"}]}
        },
        "shapes": {
            "Gone": {"type": "structure", "members": {}, "exception": true},
            "Names": {"type": "list", "member": {"shape": "Name"}},
            "Name": {"type": "string"},
            "Map": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Name"}},
            "When": {"type": "timestamp"},
            "Long": {"type": "long"},
            "Free": {"type": "structure", "members": {}, "document": true},
            "StopRequest": {"type": "structure", "members": {
                "zeta": {"shape": "Name", "documentation": "must not be read"},
                "alpha": {"shape": "Names"},
                "at": {"shape": "When"},
                "labels": {"shape": "Map"},
                "size": {"shape": "Long"},
                "free": {"shape": "Free"},
                "self": {"shape": "StopRequest"}
            }}
        }
    }"#;

    fn schema(config: &str) -> Result<Schema> {
        Schema::new(&Model::parse(MODEL)?, &Config::parse(config)?)
    }

    fn kinds(schema: &Schema, message: &str) -> Vec<(String, String)> {
        schema.messages[message]
            .iter()
            .map(|field| (field.wire.clone(), field.kind.clone()))
            .collect()
    }

    #[test]
    fn shapes_become_kinds_in_the_models_order() {
        let expected = [
            ("zeta", "optional string"),
            ("alpha", "repeated string"),
            ("at", "optional google.protobuf.Timestamp"),
            ("labels", "map<string, string>"),
            ("size", "optional int64"),
            ("free", "optional google.protobuf.Value"),
            ("self", "optional StopRequest"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(wire, kind)| (wire.to_string(), kind.to_string()))
            .collect();
        assert_eq!(kinds(&schema("").unwrap(), "StopRequest"), expected);
    }

    #[test]
    fn an_operation_without_output_gets_an_empty_message() {
        let schema = schema("").unwrap();
        assert_eq!(schema.operations["Stop"].output, "StopResponse");
        assert!(schema.messages["StopResponse"].is_empty());
        assert!(schema.operations["Stop"].errors.contains("Gone"));
    }

    #[test]
    fn a_transparent_list_gets_its_message() {
        let schema = schema("[transparent_list]\nStopRequest = [\"alpha\"]").unwrap();
        let alpha = schema.field("StopRequest", "alpha").unwrap();
        assert_eq!(alpha.kind, "optional StringList");
        assert_eq!(alpha.option, Some("transparent_list"));
        assert_eq!(
            kinds(&schema, "StringList"),
            [("items".into(), "repeated string".into())]
        );
    }

    #[test]
    fn the_configuration_cannot_name_what_is_not_a_list() {
        for entry in [
            "StopRequest = [\"zeta\"]",
            "StopRequest = [\"gone\"]",
            "Gone = [\"x\"]",
        ] {
            let error = schema(&format!("[emit_empty]\n{entry}")).unwrap_err();
            assert!(error.to_string().contains("which is not a list"), "{error}");
        }
    }
}
