//! The second back end: Rust structures and static shape tables of the AWS services beside ECS.
//!
//! A structure has the members of the model, all optional, as they stand in the tree of JSON values
//! that every wire translates to. The shape tables tell a wire what a member is called on it and
//! where it stands. Only what the operations of the allow-list reach is made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use heck::{ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};
use serde::Deserialize;

use crate::model::{Metadata, Model, Reference, Shape};

/// A service of the allow-list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Served {
    /// The Rust module, where it is not named as the model is.
    pub(crate) module: Option<String>,
    /// Operations, by their names in the model.
    #[serde(default)]
    pub(crate) operations: BTreeSet<String>,
    /// Whether only what is valid in inputs is made, of all operations: the messages come from
    /// elsewhere.
    #[serde(default)]
    pub(crate) inputs_only: bool,
}

/// The allow-list, `proto/services.toml`.
pub(crate) type AllowList = BTreeMap<String, Served>;

pub(crate) const MADE: &str =
    "//!\n//! Made by scripts/generate-schema from published service models. Do not edit.\n\n";

/// The module of one service.
pub(crate) fn service(name: &str, model: &Model, served: &Served) -> Result<String> {
    let mut reached = Reached::default();
    for operation in &served.operations {
        let found = model
            .operations
            .get(operation)
            .with_context(|| format!("{name} has no operation {operation}"))?;
        for shape in found.input.iter().chain(&found.output) {
            reached.add(model, &shape.shape)?;
        }
    }
    let mut code = format!(
        "//! {}: {}.\n{MADE}use serde::{{Deserialize, Serialize}};\n\n\
         use crate::{{Error, Location, Member, Operation, Protocol, Service, Shape, TimeFormat}};\n\n",
        model.metadata.title(),
        served
            .operations
            .iter()
            .cloned()
            .collect::<Vec<_>>()
            .join(", "),
    );
    code.push_str(&descriptor(name, model, served)?);
    for shape in &reached.structures {
        structure(&mut code, model, shape)?;
    }
    for shape in &reached.all {
        table(&mut code, model, shape)?;
    }
    // Not every service needs every word.
    Ok(code.replacen("use serde::", "#![allow(unused_imports)]\n\nuse serde::", 1))
}

/// The list of modules, and the table of all AWS services.
pub(crate) fn modules(list: &AllowList) -> String {
    let mut code = format!("//! One module for each service that is served.\n{MADE}");
    let mut names: Vec<String> = list
        .iter()
        .map(|(name, served)| module(name, served))
        .collect();
    names.push("catalog".to_owned());
    names.sort();
    for name in names {
        let _ = writeln!(code, "pub mod {name};");
    }
    code
}

/// The table of every service that there is a model of, by signing name and version.
pub(crate) fn catalog(services: &BTreeMap<String, Metadata>) -> String {
    let mut rows: Vec<_> = services.iter().collect();
    rows.sort_by_key(|(name, metadata)| (metadata.signing_name(), *name));
    let mut code = format!(
        "//! Every AWS service, so that those that are not served are refused by name.\n{MADE}\
         use crate::{{Known, Protocol}};\n\n\
         /// Sorted by signing name.\npub static CATALOG: &[Known] = &[\n"
    );
    for (name, metadata) in rows {
        let _ = writeln!(
            code,
            "Known {{ name: {name:?}, title: {:?}, signing_name: {:?}, target_prefix: {:?}, \
             version: {:?}, protocols: &[{}] }},",
            metadata.title(),
            metadata.signing_name(),
            metadata.target_prefix,
            metadata.api_version,
            protocols(metadata),
        );
    }
    code.push_str("];\n");
    code
}

/// The Rust module of a service.
pub(crate) fn module(name: &str, served: &Served) -> String {
    served
        .module
        .clone()
        .unwrap_or_else(|| name.to_snake_case())
}

fn protocols(metadata: &Metadata) -> String {
    let wires = metadata.wires();
    let names = wires.iter().filter_map(|wire| match *wire {
        "json" => Some("Protocol::AwsJson"),
        "query" => Some("Protocol::Query"),
        "ec2" => Some("Protocol::Ec2"),
        "rest-json" => Some("Protocol::RestJson"),
        "rest-xml" => Some("Protocol::RestXml"),
        "smithy-rpc-v2-cbor" => Some("Protocol::Cbor"),
        _ => None,
    });
    names.collect::<Vec<_>>().join(", ")
}

/// The shapes that the operations reach, each once.
#[derive(Default)]
struct Reached {
    all: BTreeSet<String>,
    structures: BTreeSet<String>,
}

impl Reached {
    fn add(&mut self, model: &Model, name: &str) -> Result<()> {
        if !self.all.insert(name.to_owned()) {
            return Ok(());
        }
        match model.shape(name)? {
            Shape::Structure { document: true, .. } => bail!("{name} is free-form; not made yet"),
            Shape::Structure { members, .. } => {
                self.structures.insert(name.to_owned());
                for (_, member) in &members.0 {
                    self.add(model, &member.shape)?;
                }
            }
            Shape::List { member, .. } => self.add(model, &member.shape)?,
            Shape::Map { key, value, .. } => {
                self.add(model, &key.shape)?;
                self.add(model, &value.shape)?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn descriptor(name: &str, model: &Model, served: &Served) -> Result<String> {
    let metadata = &model.metadata;
    let mut code = String::new();
    for operation in &served.operations {
        let found = &model.operations[operation];
        let shape = |reference: &Option<Reference>| match reference {
            Some(reference) => format!("Some(&{})", table_name(&reference.shape)),
            None => "None".to_owned(),
        };
        let wrapper = found
            .output
            .as_ref()
            .and_then(|output| output.result_wrapper.as_deref());
        let mut errors = String::new();
        for error in &found.errors {
            let Shape::Structure {
                error: of,
                fault,
                exception: true,
                ..
            } = model.shape(&error.shape)?
            else {
                bail!("{} is no exception", error.shape);
            };
            let code = of.as_ref().and_then(|of| of.code.as_deref());
            let status = of.as_ref().and_then(|of| of.http_status_code);
            let _ = write!(
                errors,
                "Error {{ name: {:?}, query_code: {:?}, status: {}, is_ours: {fault} }},",
                error.shape,
                code.unwrap_or(&error.shape),
                status.unwrap_or(if *fault { 500 } else { 400 }),
            );
        }
        let _ = write!(
            code,
            "/// `{operation}`.\npub static {}: Operation = Operation {{ name: {operation:?}, method: {:?}, \
             uri: {:?}, input: {}, output: {}, result_wrapper: {wrapper:?}, errors: &[{errors}] }};\n\n",
            operation.to_shouty_snake_case(),
            found.http.method,
            found.http.request_uri,
            shape(&found.input),
            shape(&found.output),
        );
    }
    let operations: Vec<_> = served
        .operations
        .iter()
        .map(|operation| format!("&{}", operation.to_shouty_snake_case()))
        .collect();
    let _ = write!(
        code,
        "/// The service.\npub static SERVICE: Service = Service {{ name: {name:?}, title: {:?}, signing_name: {:?}, \
         version: {:?}, protocols: &[{}], target_prefix: {:?}, json_version: {:?}, xml_namespace: {:?}, \
         query_compatible: {}, operations: &[{}] }};\n\n",
        metadata.title(),
        metadata.signing_name(),
        metadata.api_version,
        protocols(metadata),
        metadata.target_prefix,
        metadata.json_version,
        metadata.xml_namespace,
        metadata.aws_query_compatible.is_some(),
        operations.join(", "),
    );
    Ok(code)
}

fn structure(code: &mut String, model: &Model, name: &str) -> Result<()> {
    let Shape::Structure { members, .. } = model.shape(name)? else {
        bail!("{name} is no structure");
    };
    let _ = write!(
        code,
        "/// `{name}` of the model.\n#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]\n\
         #[serde(default)]\npub struct {} {{\n",
        name.to_upper_camel_case()
    );
    for (member, reference) in &members.0 {
        let field = member.to_snake_case();
        let field = if field == "type" {
            "r#type".to_owned()
        } else {
            field
        };
        let _ = write!(
            code,
            "/// `{member}`.\n#[serde(rename = {member:?}, skip_serializing_if = \"Option::is_none\")]\n\
             pub {field}: Option<{}>,\n",
            rust_type(model, &reference.shape)?
        );
    }
    code.push_str("}\n\n");
    Ok(())
}

fn rust_type(model: &Model, shape: &str) -> Result<String> {
    Ok(match model.shape(shape)? {
        Shape::Structure { .. } => shape.to_upper_camel_case(),
        Shape::List { member, .. } => format!("Vec<{}>", rust_type(model, &member.shape)?),
        Shape::Map { value, .. } => format!(
            "std::collections::BTreeMap<String, {}>",
            rust_type(model, &value.shape)?
        ),
        // Bytes are base64 in the tree.
        Shape::String { .. } | Shape::Blob {} => "String".to_owned(),
        Shape::Integer { .. } => "i32".to_owned(),
        Shape::Long {} => "i64".to_owned(),
        // Times are seconds since 1970 in the tree.
        Shape::Float {} | Shape::Double {} | Shape::Timestamp { .. } => "f64".to_owned(),
        Shape::Boolean {} => "bool".to_owned(),
    })
}

fn table_name(shape: &str) -> String {
    format!("{}_SHAPE", shape.to_shouty_snake_case())
}

fn table(code: &mut String, model: &Model, name: &str) -> Result<()> {
    let text = match model.shape(name)? {
        Shape::Structure {
            members, required, ..
        } => {
            let mut rows = String::new();
            for (member, reference) in &members.0 {
                let location = match reference.location.as_deref() {
                    None => "Body",
                    Some("uri") => "Uri",
                    Some("querystring") => "Query",
                    Some("header") => "Header",
                    Some("statusCode") => "Status",
                    Some(other) => bail!("{name}.{member} stands in {other}; not made yet"),
                };
                let format = time_format(reference.timestamp_format.as_deref())?;
                let _ = write!(
                    rows,
                    "Member {{ name: {member:?}, shape: &{}, location: Location::{location}, \
                     location_name: {:?}, query_name: {:?}, is_flattened: {}, is_required: {}, \
                     time_format: {format} }},",
                    table_name(&reference.shape),
                    reference.location_name,
                    reference.query_name,
                    reference.flattened,
                    required.contains(member),
                );
            }
            format!("Shape::Structure {{ members: &[{rows}] }}")
        }
        Shape::List { member, flattened } => format!(
            "Shape::List {{ member: &{}, location_name: {:?}, is_flattened: {flattened} }}",
            table_name(&member.shape),
            member.location_name
        ),
        Shape::Map {
            key,
            value,
            flattened,
        } => format!(
            "Shape::Map {{ value: &{}, key_name: {:?}, value_name: {:?}, is_flattened: {flattened} }}",
            table_name(&value.shape),
            key.location_name,
            value.location_name
        ),
        Shape::String { values } => format!("Shape::String {{ values: &{values:?} }}"),
        Shape::Blob {} => "Shape::Blob".to_owned(),
        Shape::Integer { .. } => "Shape::Integer".to_owned(),
        Shape::Long {} => "Shape::Long".to_owned(),
        Shape::Float {} | Shape::Double {} => "Shape::Double".to_owned(),
        Shape::Boolean {} => "Shape::Boolean".to_owned(),
        Shape::Timestamp { timestamp_format } => format!(
            "Shape::Timestamp({})",
            time_format(timestamp_format.as_deref())?
        ),
    };
    let _ = write!(code, "static {}: Shape = {text};\n\n", table_name(name));
    Ok(())
}

fn time_format(format: Option<&str>) -> Result<&'static str> {
    Ok(match format {
        None => "None",
        Some("iso8601") => "Some(TimeFormat::Iso8601)",
        Some("rfc822") => "Some(TimeFormat::Rfc822)",
        Some("unixTimestamp") => "Some(TimeFormat::Epoch)",
        Some(other) => bail!("times as {other} are not known"),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MODEL: &str = r#"{
        "metadata": {"apiVersion": "2011-06-15", "endpointPrefix": "x", "protocol": "query",
            "serviceFullName": "The X Service", "xmlNamespace": "urn:x"},
        "operations": {
            "Get": {"http": {"method": "GET", "requestUri": "/g/{Name}"},
                "input": {"shape": "In"}, "output": {"shape": "Out", "resultWrapper": "GetResult"},
                "errors": [{"shape": "Gone"}]},
            "Other": {"input": {"shape": "Unreached"}}
        },
        "shapes": {
            "In": {"type": "structure", "required": ["Name"], "members": {
                "Name": {"shape": "Text", "location": "uri", "locationName": "Name"},
                "Kind": {"shape": "Kind"}}},
            "Out": {"type": "structure", "members": {"Items": {"shape": "Texts", "flattened": true}}},
            "Texts": {"type": "list", "member": {"shape": "Text", "locationName": "item"}},
            "Text": {"type": "string"},
            "Kind": {"type": "string", "enum": ["a", "b"]},
            "Gone": {"type": "structure", "members": {}, "exception": true,
                "error": {"code": "NotThere", "httpStatusCode": 404}},
            "Unreached": {"type": "structure", "members": {}}
        }
    }"#;

    #[test]
    fn only_what_is_reached_is_made_with_all_its_traits() {
        let model = Model::parse(MODEL).unwrap();
        let served = Served {
            module: None,
            operations: BTreeSet::from(["Get".to_owned()]),
            inputs_only: false,
        };
        let code = service("x", &model, &served).unwrap();
        for part in [
            r#"uri: "/g/{Name}""#,
            r#"result_wrapper: Some("GetResult")"#,
            r#"name: "Gone", query_code: "NotThere", status: 404"#,
            "location: Location::Uri",
            "is_required: true",
            r#"values: &["a", "b"]"#,
            "pub items: Option<Vec<String>>",
            r#"xml_namespace: Some("urn:x")"#,
        ] {
            assert!(code.contains(part), "{part} is not in\n{code}");
        }
        assert!(!code.contains("Unreached"), "{code}");
    }

    #[test]
    fn an_operation_that_the_model_lacks_is_an_error() {
        let model = Model::parse(MODEL).unwrap();
        let served = Served {
            module: None,
            operations: BTreeSet::from(["Put".to_owned()]),
            inputs_only: false,
        };
        let error = service("x", &model, &served).unwrap_err();
        assert!(error.to_string().contains("no operation Put"), "{error}");
    }
}
