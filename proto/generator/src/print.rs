//! The .proto file's text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::lock::Lock;
use crate::name;
use crate::schema::Schema;

const HEAD: &str = "\
// The public API: the operations and types of ECS.
//
// Written by scripts/generate-schema from the published service model; proto/README.md tells how.
// Do not edit: change proto/generator.toml or the generator and run the script again.
syntax = \"proto3\";

package longshore.ecs.v1;

import \"google/protobuf/struct.proto\";
import \"google/protobuf/timestamp.proto\";
import \"longshore/options/v1/options.proto\";
";

/// Prints a schema with the numbers of its lock, which must have advanced to this schema.
pub(crate) fn proto(schema: &Schema, lock: &Lock) -> String {
    let mut text = String::from(HEAD);
    text.push_str("\nservice Ecs {\n");
    for (index, (name, rpc)) in schema.operations.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let _ = write!(text, "  rpc {name}({}) returns ({})", rpc.input, rpc.output);
        if rpc.errors.is_empty() {
            text.push_str(";\n");
            continue;
        }
        text.push_str(" {\n");
        for error in &rpc.errors {
            let _ = writeln!(
                text,
                "    option (longshore.options.v1.errors) = \"{error}\";"
            );
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");

    for (message, fields) in &schema.messages {
        let entries = lock.messages.get(message);
        let removed = lock.removed.get(message);
        if fields.is_empty() && removed.is_none() {
            let _ = writeln!(text, "\nmessage {message} {{}}");
            continue;
        }
        let _ = writeln!(text, "\nmessage {message} {{");
        if let Some(removed) = removed {
            let numbers: BTreeSet<_> = removed.values().flatten().collect();
            let _ = writeln!(
                text,
                "  reserved {};",
                join(numbers.iter().map(|n| n.to_string()))
            );
            let present: BTreeSet<_> = fields.iter().map(|f| name::field(&f.wire)).collect();
            let gone: BTreeSet<_> = removed
                .keys()
                .map(|wire| name::field(wire))
                .filter(|field| !present.contains(field))
                .collect();
            if !gone.is_empty() {
                let gone = join(gone.iter().map(|field| format!("\"{field}\"")));
                let _ = writeln!(text, "  reserved {gone};");
            }
        }
        let mut fields: Vec<_> = fields
            .iter()
            .filter_map(|field| Some((entries?.get(&field.wire)?.number, field)))
            .collect();
        fields.sort_by_key(|(number, _)| *number);
        for (number, field) in fields {
            let snake = name::field(&field.wire);
            let mut options = Vec::new();
            if name::default_json(&snake) != field.wire {
                options.push(format!("json_name = \"{}\"", field.wire));
            }
            if let Some(option) = field.option {
                options.push(format!("(longshore.options.v1.{option}) = true"));
            }
            let _ = write!(text, "  {} {snake} = {number}", field.kind);
            if !options.is_empty() {
                let _ = write!(text, " [{}]", join(options.into_iter()));
            }
            text.push_str(";\n");
        }
        text.push_str("}\n");
    }
    text
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::model::Model;

    fn model(members: &str) -> Model {
        Model::parse(&format!(
            r#"{{
                "operations": {{
                    "Go": {{"input": {{"shape": "Ask"}}, "errors": [{{"shape": "No"}}]}}
                }},
                "shapes": {{
                    "No": {{"type": "structure", "members": {{}}}},
                    "S": {{"type": "string"}},
                    "L": {{"type": "list", "member": {{"shape": "S"}}}},
                    "Ask": {{"type": "structure", "members": {{{members}}}}}
                }}
            }}"#
        ))
        .unwrap()
    }

    fn generate(members: &str, lock: &Lock) -> (String, Lock) {
        let config = Config::parse("[emit_empty]\nAsk = [\"names\"]").unwrap();
        let schema = Schema::new(&model(members), &config).unwrap();
        let lock = lock.advance(&schema, "1");
        (proto(&schema, &lock), lock)
    }

    #[test]
    fn names_options_and_errors_are_printed() {
        let (text, _) = generate(
            r#""names": {"shape": "L"}, "useECSTags": {"shape": "S"}"#,
            &Lock::default(),
        );
        assert!(text.contains(
            "  rpc Go(Ask) returns (GoResponse) {\n    \
             option (longshore.options.v1.errors) = \"No\";\n  }\n"
        ));
        assert!(text.contains(
            "message Ask {\n  \
             repeated string names = 1 [(longshore.options.v1.emit_empty) = true];\n  \
             optional string use_ecs_tags = 2 [json_name = \"useECSTags\"];\n}\n"
        ));
        assert!(text.contains("message GoResponse {}\n"));
    }

    #[test]
    fn what_is_gone_is_reserved() {
        let (_, lock) = generate(
            r#""names": {"shape": "L"}, "one": {"shape": "S"}, "two": {"shape": "S"}"#,
            &Lock::default(),
        );
        let (text, lock) = generate(r#""names": {"shape": "L"}, "three": {"shape": "S"}"#, &lock);
        assert!(
            text.contains("  reserved 2, 3;\n  reserved \"one\", \"two\";\n"),
            "{text}"
        );
        assert!(text.contains("optional string three = 4;"), "{text}");

        let (text, _) = generate(
            r#""names": {"shape": "L"}, "three": {"shape": "S"}, "one": {"shape": "S"}"#,
            &lock,
        );
        assert!(
            text.contains("  reserved 2, 3;\n  reserved \"two\";\n"),
            "{text}"
        );
        assert!(text.contains("optional string one = 5;"), "{text}");
    }

    #[test]
    fn printing_twice_changes_nothing() {
        let members = r#""names": {"shape": "L"}, "one": {"shape": "S"}"#;
        let (first, lock) = generate(members, &Lock::default());
        let (second, again) = generate(members, &lock);
        assert_eq!(first, second);
        assert_eq!(lock, again);
    }
}
