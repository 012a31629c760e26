//! The tree of JSON values between wires and handlers: what texts become by their shape, and what the
//! model says about values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_shapes::{Shape, TimeFormat};
use serde_json::{Map, Number, Value};

use crate::error::{ApiError, ErrorKind};

/// Deepest nesting that is read on any wire. The deepest input of EC2 has 7.
pub(crate) const MAX_DEPTH: usize = 64;
/// Most faults of one input that are told.
const MAX_FAULTS: usize = 20;

/// A value that the model does not allow.
pub const VALIDATION: ErrorKind = ErrorKind::new(
    "ValidationException",
    400,
    tonic::Code::InvalidArgument,
    false,
);

/// What a text is by its shape, as queries, headers and XML carry scalars.
///
/// # Errors
/// Says what was expected.
pub(crate) fn scalar(shape: &Shape, text: &str) -> Result<Value, &'static str> {
    let number = |number: Option<Number>| number.map(Value::Number);
    Ok(match shape {
        Shape::String { .. } => text.into(),
        Shape::Boolean => match text {
            "true" | "True" | "TRUE" => true.into(),
            "false" | "False" | "FALSE" => false.into(),
            _ => return Err("true or false"),
        },
        Shape::Integer => {
            number(text.parse::<i32>().ok().map(Number::from)).ok_or("a whole number of 32 bits")?
        }
        Shape::Long => {
            number(text.parse::<i64>().ok().map(Number::from)).ok_or("a whole number of 64 bits")?
        }
        Shape::Double => number(text.parse().ok().and_then(Number::from_f64)).ok_or("a number")?,
        Shape::Blob => match STANDARD.decode(text) {
            Ok(_) => text.into(),
            Err(_) => return Err("bytes in base64"),
        },
        Shape::Timestamp(_) => seconds(text).ok_or("a time as 2026-12-01T12:00:00Z")?,
        Shape::Structure { .. } | Shape::List { .. } | Shape::Map { .. } => {
            return Err("members of its own");
        }
    })
}

/// Seconds since 1970 of a time in any of the forms that AWS writes.
fn seconds(text: &str) -> Option<Value> {
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let read: Option<jiff::Timestamp> = text.parse().ok();
            let read = read.or_else(|| {
                let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
                Some(zoned.timestamp())
            })?;
            read.as_millisecond() as f64 / 1000.0
        }
    };
    Number::from_f64(seconds).map(Value::Number)
}

/// A time of the tree as text.
pub(crate) fn time(value: &Value, format: TimeFormat) -> Option<String> {
    let millis = (value.as_f64()? * 1000.0).round();
    let timestamp = jiff::Timestamp::from_millisecond(millis as i64).ok()?;
    match format {
        TimeFormat::Epoch => Some(value.to_string()),
        TimeFormat::Iso8601 if millis % 1000.0 == 0.0 => {
            Some(timestamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        }
        TimeFormat::Iso8601 => Some(timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()),
        TimeFormat::Rfc822 => Some(timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
    }
}

/// A scalar of the tree as text.
pub(crate) fn text(shape: &Shape, value: &Value, times: TimeFormat) -> Option<String> {
    match (shape, value) {
        (Shape::Timestamp(format), _) => time(value, format.unwrap_or(times)),
        (_, Value::String(text)) => Some(text.clone()),
        (_, Value::Bool(_) | Value::Number(_)) => Some(value.to_string()),
        _ => None,
    }
}

/// Checks what the model says of an input: required members and enumerations.
///
/// # Errors
/// ValidationException in the words of AWS, all faults in one.
pub fn validate(shape: Option<&Shape>, input: &Value) -> Result<(), ApiError> {
    let mut faults = Vec::new();
    if let Some(shape) = shape {
        check(shape, input, "", &mut faults);
    }
    if faults.is_empty() {
        return Ok(());
    }
    let (count, told) = (faults.len(), faults.len().min(MAX_FAULTS));
    let plural = if count == 1 { "" } else { "s" };
    Err(ApiError::new(
        VALIDATION,
        format!(
            "{count} validation error{plural} detected: {}",
            faults[..told].join("; ")
        ),
    ))
}

fn check(shape: &Shape, value: &Value, path: &str, faults: &mut Vec<String>) {
    match (shape, value) {
        (Shape::Structure { members }, Value::Object(given)) => {
            for member in *members {
                let path = match path {
                    "" => camel(member.name),
                    path => format!("{path}.{}", camel(member.name)),
                };
                match given.get(member.name).filter(|value| !value.is_null()) {
                    Some(value) => check(member.shape, value, &path, faults),
                    None if member.is_required => faults.push(format!(
                        "Value null at '{path}' failed to satisfy constraint: Member must not be null"
                    )),
                    None => {}
                }
            }
        }
        (Shape::List { member, .. }, Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                check(
                    member,
                    item,
                    &format!("{path}.{}.member", index + 1),
                    faults,
                );
            }
        }
        (Shape::Map { value: of, .. }, Value::Object(entries)) => {
            for (key, value) in entries {
                check(of, value, &format!("{path}.{key}.member"), faults);
            }
        }
        (Shape::String { values }, Value::String(text))
            if !values.is_empty() && !values.contains(&text.as_str()) =>
        {
            let short: String = text.chars().take(128).collect();
            faults.push(format!(
                "Value '{short}' at '{path}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
                values.join(", ")
            ));
        }
        _ => {}
    }
}

/// The name as AWS writes it in such sentences.
fn camel(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// An object with these members.
pub(crate) fn object(members: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(Map::from_iter(members))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use longshore_shapes::{application_autoscaling, scheduler};
    use serde_json::json;

    #[test]
    fn all_faults_are_told_in_the_words_of_aws() {
        let input = application_autoscaling::DESCRIBE_SCALABLE_TARGETS.input;
        let message = |value: Value| validate(input, &value).unwrap_err().message;
        assert_eq!(
            message(json!({})),
            "1 validation error detected: Value null at 'serviceNamespace' failed to satisfy constraint: Member must not be null"
        );
        let both = message(json!({"ServiceNamespace": "eks", "ScalableDimension": "x"}));
        assert!(
            both.starts_with("2 validation errors detected: Value 'eks' at"),
            "{both}"
        );
        assert!(
            both.contains("enum value set: [ecs, elasticmapreduce,"),
            "{both}"
        );
        assert!(validate(input, &json!({"ServiceNamespace": "ecs"})).is_ok());
        assert!(validate(scheduler::LIST_SCHEDULE_GROUPS.input, &json!({})).is_ok());
    }

    #[test]
    fn times_have_three_forms() {
        for (value, format, expected) in [
            (
                json!(1_700_000_000),
                TimeFormat::Iso8601,
                "2023-11-14T22:13:20Z",
            ),
            (
                json!(1_700_000_000.5),
                TimeFormat::Iso8601,
                "2023-11-14T22:13:20.500Z",
            ),
            (
                json!(1_700_000_000),
                TimeFormat::Rfc822,
                "Tue, 14 Nov 2023 22:13:20 GMT",
            ),
            (json!(1_700_000_000), TimeFormat::Epoch, "1700000000"),
        ] {
            let text = time(&value, format).unwrap();
            assert_eq!(text, expected);
            let read = scalar(&Shape::Timestamp(None), &text).unwrap();
            assert_eq!(read.as_f64(), value.as_f64());
        }
        assert!(scalar(&Shape::Timestamp(None), "yesterday").is_err());
        assert!(scalar(&Shape::Double, "NaN").is_err());
    }
}
