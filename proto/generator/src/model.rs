//! The service model: the part of an AWS `service-2.json` that the schema is made of.
//!
//! Only names and types are read. Documentation text is never deserialised, so none of it can
//! reach the schema.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

/// One service model.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    /// What the service is called and spoken to as; a part of a model may leave it out.
    #[serde(default)]
    pub(crate) metadata: Metadata,
    /// Operations by name.
    pub(crate) operations: BTreeMap<String, Operation>,
    /// Shapes by name.
    pub(crate) shapes: BTreeMap<String, Shape>,
}

/// What a service is called and spoken to as.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Metadata {
    pub(crate) api_version: String,
    pub(crate) endpoint_prefix: String,
    pub(crate) json_version: Option<String>,
    pub(crate) protocol: String,
    pub(crate) protocols: Vec<String>,
    pub(crate) service_abbreviation: Option<String>,
    pub(crate) service_full_name: String,
    pub(crate) signing_name: Option<String>,
    pub(crate) target_prefix: Option<String>,
    pub(crate) xml_namespace: Option<String>,
    pub(crate) aws_query_compatible: Option<serde_json::Value>,
}

impl Metadata {
    /// Reads that part of a model file alone. Errors name the file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Only {
            metadata: Metadata,
        }
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the service model {}", path.display()))?;
        let only: Only = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a service model in JSON", path.display()))?;
        Ok(only.metadata)
    }

    /// The service of the credential scope.
    pub(crate) fn signing_name(&self) -> &str {
        self.signing_name
            .as_deref()
            .unwrap_or(&self.endpoint_prefix)
    }

    /// What people call it.
    pub(crate) fn title(&self) -> &str {
        self.service_abbreviation
            .as_deref()
            .unwrap_or(&self.service_full_name)
    }

    /// Every wire that it is spoken to on.
    pub(crate) fn wires(&self) -> Vec<&str> {
        match self.protocols.is_empty() {
            true => vec![self.protocol.as_str()],
            false => self.protocols.iter().map(String::as_str).collect(),
        }
    }
}

/// Method and path of an operation on the REST wires; `POST /` on the others.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Http {
    pub(crate) method: String,
    pub(crate) request_uri: String,
}

/// An operation: a request, maybe a response, and the exceptions it declares.
#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    /// How it is asked for by path.
    #[serde(default)]
    pub(crate) http: Http,
    /// Request shape; a model may leave it out when the operation takes nothing.
    pub(crate) input: Option<Reference>,
    /// Response shape; a model may leave it out when the operation answers nothing.
    pub(crate) output: Option<Reference>,
    /// Declared exceptions, in the model's order.
    #[serde(default)]
    pub(crate) errors: Vec<Reference>,
}

/// A use of a shape by its name, with what its place says about it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Reference {
    /// Name of the shape.
    pub(crate) shape: String,
    /// Where a member stands on the REST wires: `uri`, `querystring`, `header`, `statusCode`.
    pub(crate) location: Option<String>,
    /// What it is called there, in XML and in EC2's queries.
    pub(crate) location_name: Option<String>,
    /// What it is called in queries.
    pub(crate) query_name: Option<String>,
    /// Whether a list has no element around its items.
    pub(crate) flattened: bool,
    /// How a time is written, where not as the wire does.
    pub(crate) timestamp_format: Option<String>,
    /// The element around an output of the query wire.
    pub(crate) result_wrapper: Option<String>,
}

/// A type of the model.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Shape {
    /// A structure or a union; with `document`, free-form JSON.
    Structure {
        /// Members in the model's order, which decides the field numbers of new messages.
        #[serde(default)]
        members: Members,
        /// Whether this is free-form JSON rather than a set of members.
        #[serde(default)]
        document: bool,
        /// Members that must be there.
        #[serde(default)]
        required: Vec<String>,
        /// Code and status of an exception.
        error: Option<ErrorTrait>,
        /// Whether it is an exception.
        #[serde(default)]
        exception: bool,
        /// Whether it is our fault and not the caller's.
        #[serde(default)]
        fault: bool,
    },
    /// A list.
    List {
        /// Type of the elements.
        member: Reference,
        /// Whether it has no element around its items.
        #[serde(default)]
        flattened: bool,
    },
    /// A map.
    Map {
        /// Type of the keys.
        key: Reference,
        /// Type of the values.
        value: Reference,
        /// Whether it has no element around its entries.
        #[serde(default)]
        flattened: bool,
    },
    /// Text; enumerations are strings with a list of values, which the schema leaves open.
    String {
        /// The values of an enumeration.
        #[serde(default, rename = "enum")]
        values: Vec<String>,
    },
    /// Bytes.
    Blob {},
    /// A single-precision number.
    Float {},
    /// A 32-bit integer.
    Integer {
        /// The least that is valid.
        min: Option<i32>,
        /// The most that is valid.
        max: Option<i32>,
    },
    /// A 64-bit integer.
    Long {},
    /// A double.
    Double {},
    /// A boolean.
    Boolean {},
    /// A point in time.
    #[serde(rename_all = "camelCase")]
    Timestamp {
        /// How it is written, where not as the wire does.
        timestamp_format: Option<String>,
    },
}

/// What an exception is on the wires of AWS.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ErrorTrait {
    /// Its name on the query wires, where it is another.
    pub(crate) code: Option<String>,
    /// Its HTTP status.
    pub(crate) http_status_code: Option<u16>,
}

/// Members of a structure, in the order the model lists them.
#[derive(Debug, Default)]
pub(crate) struct Members(pub(crate) Vec<(String, Reference)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

impl Model {
    /// Reads a model file. Errors name the file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the service model {}", path.display()))?;
        Self::parse(&text)
            .with_context(|| format!("{} is not a service model in JSON", path.display()))
    }

    /// Parses a model.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(serde_json::from_str(text)?)
    }

    /// The shape with this name.
    pub(crate) fn shape(&self, name: &str) -> Result<&Shape> {
        self.shapes
            .get(name)
            .with_context(|| format!("the model names shape {name} but lacks it"))
    }
}
