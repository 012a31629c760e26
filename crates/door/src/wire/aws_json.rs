//! The AWS JSON 1.1 wire, which the `aws` command and the SDKs speak.
//!
//! `POST /`, the operation in `X-Amz-Target`, input and output as JSON. Errors are
//! `{"__type": "...", "message": "..."}` with status 400, or 500 for our own faults.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Map;
use tonic::body::Body;

use super::Wire;
use crate::auth::sigv4;
use crate::error::{ApiError, ErrorKind};
use crate::ledger::recorded_header;
use crate::router::{MAX_BODY_LENGTH, RECORDED_HEADER, REQUEST_ID_HEADER, Shared, log, set};
use crate::serve::Activity;
use crate::service::{Answer, Service};

/// Names the operation.
pub const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const JSON: &str = "application/x-amz-json-1.1";
/// Deepest nesting of arrays and objects that is read. The deepest input of ECS has 8.
pub const MAX_DEPTH: usize = 64;
/// Bodies up to this many bytes are read without asking; larger ones wait for one of a few
/// places.
pub(crate) const SMALL_BODY_LENGTH: usize = 64 * 1024;
/// A body must have arrived by then.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest message of a decoding error, in bytes: it can quote the input.
pub const MAX_MESSAGE_LENGTH: usize = 512;

/// Answers one request.
pub(crate) async fn handle(shared: &Shared, request: Request<Body>) -> Response<Body> {
    let request_id = shared.request_id();
    let mut access_key_id = String::new();
    let target = Target::read(request.headers()).map(Target::to_owned);
    let operation = match &target {
        Some((_, operation)) => operation.as_str(),
        None => "",
    };
    let result = answer(shared, request, target.as_ref(), &mut access_key_id).await;
    log(
        operation,
        &access_key_id,
        &request_id,
        result.as_ref().err(),
    );
    let mut response = match result {
        Ok(answer) => {
            let mut response = Response::new(Body::new(Full::new(answer.body)));
            if let Some(recorded) = recorded_header(&answer.recorded) {
                set(response.headers_mut(), RECORDED_HEADER, &recorded);
            }
            response
        }
        Err(error) => error_response(&error),
    };
    set(response.headers_mut(), CONTENT_TYPE.as_str(), JSON);
    set(response.headers_mut(), REQUEST_ID_HEADER, &request_id);
    response
}

async fn answer(
    shared: &Shared,
    request: Request<Body>,
    target: Option<&(String, String)>,
    access_key_id: &mut String,
) -> Result<Answer, ApiError> {
    let (head, body) = request.into_parts();
    let now = (shared.backend.clock)();
    let named = target.and_then(|(prefix, _)| {
        shared.service(|service| service.target_prefix == Some(prefix.as_str()))
    });
    // What no service has is told to callers who signed for one that is here.
    let service = named.or_else(|| shared.service(|service| service.target_prefix.is_some()));
    let service = service.ok_or_else(unknown_target)?;
    let region = &shared.backend.realm.region;
    let signing_name = service.descriptor().signing_name;
    let pending = sigv4::begin(&head, &shared.keys, region, signing_name, now)?;
    let body = read(shared, &head.headers, body).await?;
    let verified = pending.finish(&body)?;
    verified.caller().access_key_id().clone_into(access_key_id);
    let _held = head.extensions.get::<Activity>().map(Activity::hold);
    let (service, (_, operation)): (&Arc<dyn Service>, _) =
        named.zip(target).ok_or_else(unknown_target)?;
    shared
        .run(service, operation, Wire::AwsJson, verified, body)
        .await
}

fn unknown_target() -> ApiError {
    ApiError::new(
        ErrorKind::UNKNOWN_OPERATION,
        "X-Amz-Target names no operation of a service that is here; it is the service's prefix, a dot and the operation's name.",
    )
}

/// What `X-Amz-Target` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target<'a> {
    prefix: &'a str,
    operation: &'a str,
}

impl<'a> Target<'a> {
    /// If the header comes once and is of the form.
    fn read(headers: &'a HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TARGET).iter();
        let (prefix, operation) = values.next()?.to_str().ok()?.split_once('.')?;
        let is_word = |text: &str| {
            let mut characters = text.bytes();
            text.len() <= 64 && characters.all(|c| c.is_ascii_alphanumeric() || c == b'_')
        };
        let once = values.next().is_none();
        (is_word(prefix) && is_word(operation) && once).then_some(Self { prefix, operation })
    }

    fn to_owned(self) -> (String, String) {
        (self.prefix.to_owned(), self.operation.to_owned())
    }
}

/// Reads the whole body, bounded in size and time.
async fn read(shared: &Shared, headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    // Said by Content-Length, or by the only frame; a body that says nothing may be large.
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        .or_else(|| body.size_hint().upper()?.try_into().ok());
    if length.is_some_and(|length| length > MAX_BODY_LENGTH) {
        return Err(too_large());
    }
    let _place = match length {
        Some(length) if length <= SMALL_BODY_LENGTH => None,
        _ => Some(
            shared
                .large_bodies
                .try_acquire()
                .map_err(|_| ApiError::throttled())?,
        ),
    };
    let limit = match length {
        Some(length) => length,
        None => MAX_BODY_LENGTH,
    };
    let collected = Limited::new(body, limit).collect();
    match tokio::time::timeout(BODY_TIMEOUT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => {
            tracing::debug!(%error, "request body broke off");
            Err(ApiError::serialization("The request body broke off."))
        }
        Err(_) => Err(ApiError::serialization(format!(
            "The request body did not arrive within {} s.",
            BODY_TIMEOUT.as_secs()
        ))),
    }
}

/// What the front end of AWS JSON services says, with its status 413.
fn too_large() -> ApiError {
    ApiError::new(
        ErrorKind::REQUEST_ENTITY_TOO_LARGE,
        format!("HTTP content length exceeded {MAX_BODY_LENGTH} bytes."),
    )
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

fn error_response(error: &ApiError) -> Response<Body> {
    let mut shape = Map::new();
    shape.insert("__type".to_owned(), error.kind.name().into());
    shape.insert("message".to_owned(), error.message.as_str().into());
    for (member, value) in &error.members {
        shape.insert((*member).to_owned(), value.clone());
    }
    let mut response = Response::new(Body::new(Full::new(Bytes::from(
        serde_json::Value::Object(shape).to_string(),
    ))));
    *response.status_mut() =
        StatusCode::from_u16(error.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::Value;
    use tonic::Code;

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

    #[tokio::test]
    async fn errors_have_the_shape_of_aws() {
        let kind = ErrorKind::new("ConflictException", 400, Code::AlreadyExists, false);
        let error = ApiError::new(kind, "m").with("resourceIds", vec!["arn"]);
        for (error, expected) in [
            (
                ApiError::throttled(),
                r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#,
            ),
            (
                error,
                r#"{"__type":"ConflictException","message":"m","resourceIds":["arn"]}"#,
            ),
        ] {
            let response = error_response(&error);
            assert_eq!(response.status(), 400);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, expected);
        }
    }
}
