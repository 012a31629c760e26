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
    /// Operations by name.
    pub(crate) operations: BTreeMap<String, Operation>,
    /// Shapes by name.
    pub(crate) shapes: BTreeMap<String, Shape>,
}

/// An operation: a request, maybe a response, and the exceptions it declares.
#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    /// Request shape; a model may leave it out when the operation takes nothing.
    pub(crate) input: Option<Reference>,
    /// Response shape; a model may leave it out when the operation answers nothing.
    pub(crate) output: Option<Reference>,
    /// Declared exceptions, in the model's order.
    #[serde(default)]
    pub(crate) errors: Vec<Reference>,
}

/// A use of a shape by its name.
#[derive(Debug, Deserialize)]
pub(crate) struct Reference {
    /// Name of the shape.
    pub(crate) shape: String,
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
    },
    /// A list.
    List {
        /// Type of the elements.
        member: Reference,
    },
    /// A map.
    Map {
        /// Type of the keys.
        key: Reference,
        /// Type of the values.
        value: Reference,
    },
    /// Text; enumerations are strings with a list of values, which the schema leaves open.
    String {},
    /// A 32-bit integer.
    Integer {},
    /// A 64-bit integer.
    Long {},
    /// A double.
    Double {},
    /// A boolean.
    Boolean {},
    /// A point in time.
    Timestamp {},
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
