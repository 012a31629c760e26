//! What the model says of inputs, as a flat table: which members must be there, which values an
//! enumeration has, between which bounds a number lies. For a service whose messages come from the
//! other back end, which keeps none of this.

use std::fmt::Write as _;

use anyhow::Result;

use crate::model::{Model, Shape};
use crate::rust::MADE;

/// The module of one service.
pub(crate) fn service(model: &Model) -> Result<String> {
    let mut code = format!(
        "//! {}: what is valid in the inputs of its operations.\n{MADE}\
         use crate::{{Constraint, Input}};\n\n\
         /// Sorted by operation.\npub static INPUTS: &[Input] = &[\n",
        model.metadata.title()
    );
    for (operation, found) in &model.operations {
        let _ = write!(code, "Input {{ operation: {operation:?}, constraints: &[");
        if let Some(input) = &found.input {
            walk(&mut code, model, &input.shape, "", &mut Vec::new())?;
        }
        code.push_str("] },\n");
    }
    code.push_str("];\n");
    Ok(code)
}

/// Adds the constraints at `path` and below it. `above` are the shapes that it is in: what is
/// inside itself again is not looked at twice.
fn walk<'a>(
    code: &mut String,
    model: &'a Model,
    name: &'a str,
    path: &str,
    above: &mut Vec<&'a str>,
) -> Result<()> {
    if above.contains(&name) {
        return Ok(());
    }
    above.push(name);
    match model.shape(name)? {
        Shape::Structure {
            members, required, ..
        } => {
            for (member, reference) in &members.0 {
                let path = match path {
                    "" => member.clone(),
                    path => format!("{path}.{member}"),
                };
                if required.contains(member) {
                    let rule = match model.shape(&reference.shape)? {
                        Shape::List { .. } => "required_list",
                        _ => "required",
                    };
                    let _ = write!(code, "Constraint::{rule}({path:?}),");
                }
                walk(code, model, &reference.shape, &path, above)?;
            }
        }
        Shape::List { member, .. } => {
            walk(code, model, &member.shape, &format!("{path}[]"), above)?;
        }
        Shape::String { values } if !values.is_empty() => {
            let _ = write!(code, "Constraint::one_of({path:?}, &{values:?}),");
        }
        Shape::Integer { min, max } if min.or(*max).is_some() => {
            let (min, max) = (min.unwrap_or(i32::MIN), max.unwrap_or(i32::MAX));
            let _ = write!(code, "Constraint::range({path:?}, {min}, {max}),");
        }
        _ => {}
    }
    above.pop();
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_the_model_says_is_found_at_every_depth() {
        let model = Model::parse(
            r#"{
                "metadata": {"apiVersion": "1", "endpointPrefix": "x", "protocol": "json",
                    "serviceFullName": "X"},
                "operations": {"Put": {"input": {"shape": "In"}}, "Other": {}},
                "shapes": {
                    "In": {"type": "structure", "required": ["items"], "members": {
                        "items": {"shape": "Items"}, "again": {"shape": "In"}}},
                    "Items": {"type": "list", "member": {"shape": "Item"}},
                    "Item": {"type": "structure", "required": ["kind"], "members": {
                        "kind": {"shape": "Kind"}, "size": {"shape": "Size"},
                        "any": {"shape": "Any"}}},
                    "Kind": {"type": "string", "enum": ["a", "b"]},
                    "Size": {"type": "integer", "min": 1},
                    "Any": {"type": "structure", "document": true, "members": {}}
                }
            }"#,
        )
        .unwrap();
        let code = service(&model).unwrap();
        for part in [
            r#"required_list("items")"#,
            r#"required("items[].kind")"#,
            r#"one_of("items[].kind", &["a", "b"])"#,
            r#"range("items[].size", 1, 2147483647)"#,
        ] {
            assert!(code.contains(part), "{part} is not in\n{code}");
        }
        assert_eq!(code.matches("Constraint::").count(), 4, "{code}");
        assert_eq!(code.matches("operation:").count(), 2, "{code}");
    }
}
