//! The JSON form of the public messages.
//!
//! For each message this writes a `Serialize` and a `Deserialize` for the AWS JSON wire. It is
//! written out rather than derived because a derived structure also accepts a JSON array, which
//! on this wire is a type error, and because a member that is null must read as absent.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;

use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_reflect::{DescriptorPool, ExtensionDescriptor, FieldDescriptor, MessageDescriptor};

/// Writes the implementations for every message of the package.
pub(crate) fn generate(pool: &DescriptorPool, package: &str) -> Result<String, Box<dyn Error>> {
    let emit_empty = option(pool, "emit_empty")?;
    let transparent = option(pool, "transparent_list")?;
    let messages: Vec<_> = pool
        .all_messages()
        .filter(|message| message.package_name() == package && !message.is_map_entry())
        .collect();

    let mut lists = BTreeSet::new();
    for field in messages.iter().flat_map(MessageDescriptor::fields) {
        if is_set(&field, &transparent) {
            let kind = field.kind();
            let list = kind
                .as_message()
                .ok_or("transparent_list stands on a field of one value")?;
            lists.insert(list.full_name().to_owned());
        }
    }

    let mut code = String::new();
    for message in &messages {
        if lists.contains(message.full_name()) {
            list(&mut code, message)?;
        } else {
            structure(&mut code, message, &emit_empty)?;
        }
    }
    Ok(code)
}

fn option(pool: &DescriptorPool, name: &str) -> Result<ExtensionDescriptor, String> {
    pool.get_extension_by_name(&format!("longshore.options.v1.{name}"))
        .ok_or_else(|| format!("options.proto lacks {name}"))
}

fn is_set(field: &FieldDescriptor, option: &ExtensionDescriptor) -> bool {
    field
        .options()
        .get_extension(option)
        .as_bool()
        .unwrap_or(false)
}

/// A transparent list: the bare array.
fn list(code: &mut String, message: &MessageDescriptor) -> Result<(), Box<dyn Error>> {
    let shape: Vec<_> = message
        .fields()
        .map(|field| (field.number(), field.is_list()))
        .collect();
    if shape != [(1, true)] || message.get_field_by_name("items").is_none() {
        return Err(format!("{} is not `repeated ... items = 1`", message.full_name()).into());
    }
    let name = message.name().to_upper_camel_case();
    write!(
        code,
        "impl serde::Serialize for {name} {{\n\
         fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {{\n\
         serde::Serialize::serialize(&self.items, s)\n}}\n}}\n\
         impl<'de> serde::Deserialize<'de> for {name} {{\n\
         fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {{\n\
         Ok(Self {{ items: serde::Deserialize::deserialize(d)? }})\n}}\n}}\n"
    )?;
    Ok(())
}

/// Everything else: an object.
fn structure(
    code: &mut String,
    message: &MessageDescriptor,
    emit_empty: &ExtensionDescriptor,
) -> Result<(), Box<dyn Error>> {
    let name = message.name().to_upper_camel_case();
    let mut fields: Vec<_> = message.fields().collect();

    let mutable = if fields.is_empty() { "" } else { "mut " };
    write!(
        code,
        "impl serde::Serialize for {name} {{\n\
         fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {{\n\
         let {mutable}map = s.serialize_map(None)?;\n"
    )?;
    for field in &fields {
        let (rust, json) = (rust_field(field), field.json_name());
        let entry = |value: &str| format!("map.serialize_entry({json:?}, {value})?;");
        if is_set(field, emit_empty) {
            if !field.is_list() {
                return Err(format!("emit_empty on {}, not a list", field.full_name()).into());
            }
            writeln!(code, "{}", entry(&format!("&self.{rust}")))?;
        } else if field.is_list() || field.is_map() {
            let entry = entry(&format!("&self.{rust}"));
            writeln!(code, "if !self.{rust}.is_empty() {{ {entry} }}")?;
        } else if field.supports_presence() {
            writeln!(code, "if let Some(v) = &self.{rust} {{ {} }}", entry("v"))?;
        } else {
            return Err(format!("{} must be optional or repeated", field.full_name()).into());
        }
    }
    code.push_str("map.end()\n}\n}\n");

    // Sorted by the name on the wire: the reader finds a member by binary search.
    fields.sort_by(|a, b| a.json_name().cmp(b.json_name()));
    let members: Vec<_> = fields.iter().map(FieldDescriptor::json_name).collect();
    write!(
        code,
        "impl crate::json::Structure for {name} {{\n\
         const NAME: &'static str = {:?};\n\
         const MEMBERS: &'static [&'static str] = &{members:?};\n\
         fn read<'de, A: serde::de::MapAccess<'de>>(&mut self, member: usize, map: &mut A) \
         -> Result<(), A::Error> {{\nmatch member {{\n",
        message.name()
    )?;
    for (index, field) in fields.iter().enumerate() {
        writeln!(
            code,
            "{index} => self.{} = crate::json::member(map)?,",
            rust_field(field)
        )?;
    }
    write!(
        code,
        "_ => crate::json::skip(map)?,\n}}\nOk(())\n}}\n}}\n\
         impl<'de> serde::Deserialize<'de> for {name} {{\n\
         fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {{\n\
         crate::json::structure(d)\n}}\n}}\n"
    )?;
    Ok(())
}

/// The Rust name prost gives the field. Of Rust's keywords the model has only this one; another
/// would not compile and show up at once.
fn rust_field(field: &FieldDescriptor) -> String {
    match field.name().to_snake_case() {
        name if name == "type" => "r#type".to_owned(),
        name => name,
    }
}
