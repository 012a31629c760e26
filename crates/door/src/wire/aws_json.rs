//! The AWS JSON wires, 1.0 and 1.1, which the `aws` command and the SDKs speak.
//!
//! `POST /`, the operation in `X-Amz-Target`, input and output as JSON. Errors are
//! `{"__type": "...", "message": "..."}` with status 400, or 500 for our own faults.

use http::HeaderMap;
use http::header::HeaderName;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Names the operation.
pub const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
/// Deepest nesting of arrays and objects that is read. The deepest input of ECS has 8.
pub const MAX_DEPTH: usize = 64;
/// Longest message of a decoding error, in bytes: it can quote the input.
pub const MAX_MESSAGE_LENGTH: usize = 512;

/// What `X-Amz-Target` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) operation: &'a str,
}

impl<'a> Target<'a> {
    /// If the header comes once and is of the form.
    pub(crate) fn read(headers: &'a HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TARGET).iter();
        let (prefix, operation) = values.next()?.to_str().ok()?.split_once('.')?;
        let is_word = |text: &str| {
            let mut characters = text.bytes();
            text.len() <= 64 && characters.all(|c| c.is_ascii_alphanumeric() || c == b'_')
        };
        let once = values.next().is_none();
        (is_word(prefix) && is_word(operation) && once).then_some(Self { prefix, operation })
    }
}

/// Reads an input. An empty body is an empty object.
///
/// Errors: SerializationException that names the member, as in
/// `containerDefinitions[0].cpu: invalid type: string "99", expected i32`.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.trim_ascii().is_empty() {
        b"{}".as_slice()
    } else {
        body
    };
    check_depth(body)?;
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let mut message = inner.to_string();
        if inner.is_data() {
            // The path says where; line and column of one long line do not help.
            if let Some(end) = message.rfind(" at line ") {
                message.truncate(end);
            }
        } else {
            message.insert_str(0, "the body is not JSON: ");
        }
        if inner.is_data() && path != "." {
            message = format!("{path}: {message}");
        }
        truncate(&mut message);
        ApiError::serialization(message)
    })?;
    json.end()
        .map_err(|error| ApiError::serialization(format!("the body is not JSON: {error}")))?;
    Ok(value)
}

/// Shortens a message at a character.
fn truncate(message: &mut String) {
    if message.len() > MAX_MESSAGE_LENGTH {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE_LENGTH));
        message.push_str("...");
    }
}

/// Refuses deep nesting before a recursive parser sees it. Looks at brackets outside of strings
/// only; whether the rest is JSON, the parser tells.
fn check_depth(body: &[u8]) -> Result<(), ApiError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(ApiError::serialization(format!(
                        "the body nests more than {MAX_DEPTH} arrays and objects"
                    )));
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::router::MAX_BODY_LENGTH;
    use serde_json::Value;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(decode::<Value>(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(decode::<Value>(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        let brackets = "[".repeat(1000);
        for text in [
            format!("\"{brackets}\""),
            format!("\"\\\"{brackets}\""),
            format!("[{}[]]", "[],".repeat(1000)),
        ] {
            assert!(decode::<Value>(text.as_bytes()).is_ok());
        }
        let hidden = format!("\"\\\\\"{brackets}");
        assert!(check_depth(hidden.as_bytes()).is_err());
        // A million brackets are refused at the 65th.
        assert!(check_depth("{".repeat(MAX_BODY_LENGTH).as_bytes()).is_err());
    }

    #[test]
    fn targets_are_words_that_come_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(Target::read(&headers), None);
        for (good, prefix, operation) in [
            ("Ecs1.RunTask", "Ecs1", "RunTask"),
            ("Logs_20140328.Tail", "Logs_20140328", "Tail"),
        ] {
            headers.insert(TARGET, good.parse().unwrap());
            assert_eq!(Target::read(&headers), Some(Target { prefix, operation }));
        }
        headers.append(TARGET, "Ecs1.StopTask".parse().unwrap());
        assert_eq!(Target::read(&headers), None);
        for bad in ["RunTask", "Ecs1.Run Task", "Ecs 1.RunTask", "a.b.c"] {
            headers.insert(TARGET, bad.parse().unwrap());
            assert_eq!(Target::read(&headers), None, "{bad}");
        }
    }
}
