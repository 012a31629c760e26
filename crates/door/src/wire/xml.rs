//! XML, as the query wires answer.

use longshore_shapes::{Member, Shape, TimeFormat};
use quick_xml::escape::escape;
use serde_json::Value;

use super::tree;

/// Appends an element with text.
pub(crate) fn element(out: &mut String, name: &str, text: &str) {
    open(out, name);
    // What XML cannot say at all becomes what stands for any character.
    let sayable: String = text
        .chars()
        .map(|c| match c {
            '\t' | '\n' | '\r' => c,
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            _ => c,
        })
        .collect();
    out.push_str(&escape(sayable.as_str()));
    close(out, name);
}

/// Appends a start tag.
pub(crate) fn open(out: &mut String, name: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

/// Appends an end tag.
pub(crate) fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Appends the members of a structure. Members that are absent are left out.
pub(crate) fn members(out: &mut String, shape: &Shape, value: &Value) {
    let Shape::Structure { members } = shape else {
        return;
    };
    for member in *members {
        if let Some(value) = value.get(member.name).filter(|value| !value.is_null()) {
            self::member(out, member, value);
        }
    }
}

fn member(out: &mut String, member: &Member, value: &Value) {
    let name = member.wire_name();
    match (member.shape, value) {
        (
            Shape::List {
                member: item,
                location_name,
                is_flattened,
            },
            Value::Array(items),
        ) => {
            let flat = member.is_flattened || *is_flattened;
            let item_name = match flat {
                true => name,
                false => location_name.unwrap_or("member"),
            };
            if !flat {
                open(out, name);
            }
            for value in items {
                whole(out, item_name, item, value);
            }
            if !flat {
                close(out, name);
            }
        }
        (
            Shape::Map {
                value: of,
                key_name,
                value_name,
                is_flattened,
            },
            Value::Object(entries),
        ) => {
            let flat = member.is_flattened || *is_flattened;
            let entry_name = if flat { name } else { "entry" };
            if !flat {
                open(out, name);
            }
            for (key, value) in entries {
                open(out, entry_name);
                element(out, key_name.unwrap_or("key"), key);
                whole(out, value_name.unwrap_or("value"), of, value);
                close(out, entry_name);
            }
            if !flat {
                close(out, name);
            }
        }
        (shape, value) => {
            let times = member.time_format.unwrap_or(TimeFormat::Iso8601);
            match tree::text(shape, value, times) {
                Some(text) => element(out, name, &text),
                None => whole(out, name, shape, value),
            }
        }
    }
}

/// Appends a value as one element.
fn whole(out: &mut String, name: &str, shape: &Shape, value: &Value) {
    match tree::text(shape, value, TimeFormat::Iso8601) {
        Some(text) => element(out, name, &text),
        None => {
            open(out, name);
            members(out, shape, value);
            close(out, name);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use longshore_shapes::{cloudwatch, ec2};
    use serde_json::json;

    #[test]
    fn lists_have_the_element_names_of_their_wire() {
        let mut out = String::new();
        let value = json!({"AvailabilityZones": [{"ZoneName": "a<b", "Messages": []}]});
        members(
            &mut out,
            ec2::DESCRIBE_AVAILABILITY_ZONES.output.unwrap(),
            &value,
        );
        assert_eq!(
            out,
            "<availabilityZoneInfo><item><messageSet></messageSet><zoneName>a&lt;b</zoneName></item></availabilityZoneInfo>"
        );
        let mut out = String::new();
        let value = json!({"Metrics": [{"MetricName": "m\u{1}"}], "NextToken": null});
        members(&mut out, cloudwatch::LIST_METRICS.output.unwrap(), &value);
        assert_eq!(
            out,
            "<Metrics><member><MetricName>m\u{fffd}</MetricName></member></Metrics>"
        );
    }
}
