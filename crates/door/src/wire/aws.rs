//! The wires of AWS over HTTP: which service and operation a request asks for, the gate, the body,
//! and the answer on the wire that was asked.
//!
//! | a request with | is of |
//! |---|---|
//! | `X-Amz-Target` | the service of its prefix, on AWS JSON |
//! | `/service/S/operation/O` | the service S, on RPC v2 CBOR |
//! | a signature | the service that it is signed for, on that service's own wire |
//!
//! Several services have operations of the same name and paths of the same form, so the signature
//! decides before those do. A service that is not served is refused by its name on its own wire,
//! with status 400: clients retry 500s for minutes.

use std::borrow::Cow;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use longshore_shapes::catalog::CATALOG;
use longshore_shapes::{Known, Operation, Protocol};
use serde_json::{Map, Value};
use tonic::body::Body;

use super::aws_json::{self, TARGET, Target};
use super::query::{Parameters, Style};
use super::{Wire, cbor, query, rest, tree, xml};
use crate::auth::sigv4::{self, Expected};
use crate::error::{ApiError, ErrorKind};
use crate::ledger::recorded_header;
use crate::router::{MAX_BODY_LENGTH, RECORDED_HEADER, REQUEST_ID_HEADER, Shared, log, set};
use crate::serve::Activity;
use crate::service::{Answer, Descriptor, Service, TreeAnswer, bounded};

/// Says that a service or operation is not to be had here.
const UNSUPPORTED_OPERATION: ErrorKind = ErrorKind::new(
    "UnsupportedOperationException",
    400,
    tonic::Code::Unimplemented,
    false,
);

/// What a request asks for, as far as its head tells.
struct Asked<'s> {
    wire: Protocol,
    what: What<'s>,
    /// Where the head says it.
    operation: Option<String>,
    /// `1.0` or `1.1`, as the client wrote it.
    json_version: &'static str,
}

/// Whose operation it is.
enum What<'s> {
    /// A service that is here.
    Served(&'s Arc<dyn Service>),
    /// Services that there are, and that are not here; several share a signing name.
    Known(Vec<&'static Known>),
    /// Nothing that anybody knows.
    Unknown(String),
}

/// Whether a request is one of AWS: one with a target, a signature, or a form with an action.
pub(crate) fn is_aws(head: &Request<Body>) -> bool {
    let headers = head.headers();
    let query = head.uri().query().unwrap_or_default();
    headers.contains_key(TARGET)
        || headers.contains_key(http::header::AUTHORIZATION)
        || query.contains("X-Amz-Signature=")
        || is_form(headers)
        || rpc_path(head.uri().path()).is_some()
}

/// Answers one request.
pub(crate) async fn handle(shared: &Shared, request: Request<Body>) -> Response<Body> {
    let request_id = shared.request_id();
    let (head, body) = request.into_parts();
    let asked = ask(shared, &head);
    let mut told = Told {
        operation: asked.operation.clone().unwrap_or_default(),
        access_key_id: String::new(),
    };
    let result = answer(shared, &asked, &head, body, &mut told).await;
    log(
        bounded(&told.operation),
        &told.access_key_id,
        &request_id,
        result.as_ref().err(),
    );
    let mut response = match result {
        Ok(answered) => answered_response(&asked, answered, &request_id),
        Err(error) => error_response(&asked, &told.operation, &error, &request_id),
    };
    set(response.headers_mut(), REQUEST_ID_HEADER, &request_id);
    response
}

/// What the log is told of a request.
struct Told {
    operation: String,
    access_key_id: String,
}

/// Which service and wire a request is for.
fn ask<'s>(shared: &'s Shared, head: &Parts) -> Asked<'s> {
    let content_type = head.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let json_version = match content_type {
        Some(text) if text.contains("x-amz-json-1.0") => "1.0",
        _ => "1.1",
    };
    let asked = |wire, what, operation: Option<&str>| Asked {
        wire,
        what,
        operation: operation.map(str::to_owned),
        json_version,
    };
    let by_prefix = |prefix: &str| {
        let served = shared.service(|service| service.target_prefix == Some(prefix));
        match served {
            Some(service) => What::Served(service),
            None => {
                let known = CATALOG.iter();
                let known: Vec<_> = known
                    .filter(|known| known.target_prefix == Some(prefix))
                    .collect();
                match known.is_empty() {
                    false => What::Known(known),
                    true => What::Unknown(prefix.to_owned()),
                }
            }
        }
    };
    if head.headers.contains_key(TARGET) {
        return match Target::read(&head.headers) {
            Some(target) => asked(
                Protocol::AwsJson,
                by_prefix(target.prefix),
                Some(target.operation),
            ),
            None => asked(Protocol::AwsJson, What::Unknown(String::new()), None),
        };
    }
    if let Some((service, operation)) = rpc_path(head.uri.path()) {
        return asked(Protocol::Cbor, by_prefix(service), Some(operation));
    }
    let form = is_form(&head.headers);
    let queried = form || head.uri.query().is_some_and(has_action);
    let Some(signed_for) = sigv4::claimed_service(head) else {
        let wire = if queried {
            Protocol::Query
        } else {
            Protocol::RestJson
        };
        return asked(wire, What::Unknown(String::new()), None);
    };
    let of_shape = |protocols: &'static [Protocol]| {
        let fits = |protocol: &&Protocol| match protocol {
            Protocol::Query | Protocol::Ec2 => queried,
            Protocol::RestJson | Protocol::RestXml => true,
            Protocol::AwsJson | Protocol::Cbor => false,
        };
        protocols.iter().find(fits).or(protocols.last()).copied()
    };
    if let Some(service) = shared.service(|service| service.signing_name == signed_for) {
        let protocols = service
            .descriptor()
            .shapes
            .map_or(&[][..], |shapes| shapes.protocols);
        let wire = of_shape(protocols).unwrap_or(Protocol::AwsJson);
        return asked(wire, What::Served(service), None);
    }
    let known = CATALOG
        .iter()
        .filter(|known| known.signing_name == signed_for);
    let known: Vec<_> = known.collect();
    let wire = known.first().and_then(|known| of_shape(known.protocols));
    match wire {
        Some(wire) => asked(wire, What::Known(known), None),
        None => {
            let wire = if queried {
                Protocol::Query
            } else {
                Protocol::RestJson
            };
            asked(wire, What::Unknown(signed_for), None)
        }
    }
}

/// The parts of `/service/S/operation/O`.
fn rpc_path(path: &str) -> Option<(&str, &str)> {
    let (service, operation) = path.strip_prefix("/service/")?.split_once("/operation/")?;
    let is_word = |text: &str| {
        let mut characters = text.bytes();
        !text.is_empty() && characters.all(|c| c.is_ascii_alphanumeric() || c == b'_')
    };
    (is_word(service) && is_word(operation)).then_some((service, operation))
}

fn is_form(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        value
            .as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    })
}

fn has_action(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("Action="))
}

/// What was answered, before it is written on its wire.
enum Answered {
    /// Bytes already.
    Encoded(Answer),
    /// A tree, of this operation.
    Tree(&'static Operation, TreeAnswer),
}

async fn answer(
    shared: &Shared,
    asked: &Asked<'_>,
    head: &Parts,
    body: Body,
    told: &mut Told,
) -> Result<Answered, ApiError> {
    let now = (shared.backend.clock)();
    let expected = match &asked.what {
        What::Served(service) => Expected::Service(service.descriptor().signing_name),
        What::Known(_) | What::Unknown(_) => Expected::Anything,
    };
    let is_root = head.method == Method::POST && head.uri.path() == "/";
    if asked.wire == Protocol::AwsJson && (!is_root || head.uri.query().is_some()) {
        return Err(ApiError::new(
            ErrorKind::INCOMPLETE_SIGNATURE,
            "AWS JSON is taken only as POST / without a query string.",
        ));
    }
    let region = &shared.backend.realm.region;
    let pending = sigv4::begin(head, &shared.keys, region, expected, now)?;
    let body = read(shared, &head.headers, body).await?;
    let verified = pending.finish(&body)?;
    verified
        .caller()
        .access_key_id()
        .clone_into(&mut told.access_key_id);
    let _held = head.extensions.get::<Activity>().map(Activity::hold);
    let service = match &asked.what {
        What::Served(service) => *service,
        What::Known(known) => return Err(not_served(known, &parameters(head, &body))),
        What::Unknown(name) => return Err(nobody_knows(name)),
    };
    let body = unpacked(&head.headers, body)?;
    let descriptor = service.descriptor();
    let Some(shapes) = descriptor.shapes else {
        let Some(operation) = &asked.operation else {
            return Err(ApiError::new(
                ErrorKind::UNKNOWN_OPERATION,
                format!(
                    "Send {} as AWS JSON: POST / with X-Amz-Target.",
                    descriptor.title
                ),
            ));
        };
        if !service.has(operation) {
            return Err(ApiError::new(
                ErrorKind::UNKNOWN_OPERATION,
                format!(
                    "There is no {} operation \"{operation}\"; X-Amz-Target is {}, a dot and the operation's name.",
                    descriptor.title,
                    descriptor.target_prefix.unwrap_or_default()
                ),
            ));
        }
        let answer = shared
            .run(service, operation, Wire::AwsJson, verified, body)
            .await?;
        return Ok(Answered::Encoded(answer));
    };
    if !shapes.speaks(asked.wire) {
        return Err(ApiError::new(
            UNSUPPORTED_OPERATION,
            format!("{} is not spoken to on this wire.", descriptor.title),
        ));
    }
    let find = |name: &str| {
        let found = shapes.operation(name);
        found.ok_or_else(|| not_offered(descriptor, name))
    };
    let (operation, input) = match asked.wire {
        Protocol::AwsJson | Protocol::Cbor => {
            let operation = find(asked.operation.as_deref().unwrap_or_default())?;
            let input = match asked.wire {
                Protocol::Cbor => cbor::decode(&body)?,
                _ => aws_json::decode::<Value>(&body)?,
            };
            (operation, input)
        }
        Protocol::Query | Protocol::Ec2 => {
            let parameters = Parameters::read(&parameters(head, &body))?;
            let action = parameters.get("Action").ok_or_else(|| {
                ApiError::new(
                    MISSING_ACTION,
                    "The request names no Action. Name the operation in it.",
                )
            })?;
            told.operation = bounded(action).to_owned();
            let operation = find(action)?;
            let style = match asked.wire {
                Protocol::Ec2 => Style::Ec2,
                _ => Style::Query,
            };
            (operation, parameters.input(operation.input, style)?)
        }
        Protocol::RestJson | Protocol::RestXml => {
            let (method, path) = (head.method.as_str(), head.uri.path());
            let Some((operation, labels)) = rest::find(shapes, method, path) else {
                return Err(not_offered(descriptor, &format!("{method} {path}")));
            };
            operation.name.clone_into(&mut told.operation);
            (operation, rest::input(operation, &labels, head, &body)?)
        }
    };
    tree::validate(operation.input, &input)?;
    let answer = shared
        .run_tree(service, operation.name, verified, input)
        .await?;
    Ok(Answered::Tree(operation, answer))
}

/// A query without an operation.
const MISSING_ACTION: ErrorKind =
    ErrorKind::new("MissingAction", 400, tonic::Code::InvalidArgument, false);

/// The form of a request: its body, or its query string where it has no form.
fn parameters(head: &Parts, body: &Bytes) -> Bytes {
    if is_form(&head.headers) {
        return body.clone();
    }
    let query = head.uri.query().unwrap_or_default();
    Bytes::copy_from_slice(query.as_bytes())
}

fn not_offered(descriptor: &Descriptor, operation: &str) -> ApiError {
    let shapes = descriptor
        .shapes
        .map_or(&[][..], |shapes| shapes.operations);
    let offered: Vec<_> = shapes.iter().map(|operation| operation.name).collect();
    ApiError::new(
        UNSUPPORTED_OPERATION,
        format!(
            "Longshore does not offer {} of {}. It offers {}.",
            bounded(operation),
            descriptor.title,
            offered.join(", ")
        ),
    )
}

/// What callers of services that are not here are told, by the command's name of the service. The
/// rest is told what is always so.
const ADVICE: &[(&str, &str)] = &[
    ("acm", "Give the control plane certificates as files."),
    (
        "autoscaling",
        "Start and stop machines with agents on them as you like; each joins by itself.",
    ),
    (
        "cloudformation",
        "Use Terraform, CDK's output or the command line against ECS directly.",
    ),
    (
        "cloudtrail",
        "The control plane's log names each call and who made it.",
    ),
    ("dynamodb", "Use a database of your own."),
    (
        "ecr",
        "Use any image registry; agents read the node's Docker configuration.",
    ),
    (
        "elasticloadbalancing",
        "Put a load balancer of your own in front of the host ports of tasks.",
    ),
    (
        "elb",
        "Put a load balancer of your own in front of the host ports of tasks.",
    ),
    (
        "elbv2",
        "Put a load balancer of your own in front of the host ports of tasks.",
    ),
    (
        "iam",
        "Access keys are in the installation's access-keys.json; every key may do everything.",
    ),
    ("kms", "Keep keys in a store of your own."),
    ("lambda", "Run the code as a task."),
    (
        "logs",
        "Read what containers wrote with `longshore task logs TASK`.",
    ),
    ("route53", "Use a name server of your own."),
    (
        "s3",
        "Use an S3-compatible store, and name it with AWS_ENDPOINT_URL_S3.",
    ),
    (
        "secretsmanager",
        "Give containers what they need in their environment for now.",
    ),
    (
        "servicediscovery",
        "Find the host ports of tasks with `aws ecs describe-tasks`.",
    ),
    (
        "ssm",
        "Give containers what they need in their environment for now.",
    ),
];

fn not_served(known: &[&'static Known], form: &[u8]) -> ApiError {
    // Several services share a signing name; the version of their API tells them apart.
    let version = form_urlencoded::parse(form).find(|(name, _)| name == "Version");
    let is_it = |known: &&&Known| version.as_ref().is_some_and(|(_, v)| v == known.version);
    let service = known.iter().find(is_it).or(known.first());
    let (name, title) = service.map_or(("", "this service"), |known| (known.name, known.title));
    let advice = ADVICE.iter().find(|(of, _)| *of == name);
    let advice = advice.map_or(
        "Name an endpoint that has it with AWS_ENDPOINT_URL_SERVICE, or leave it out.",
        |(_, advice)| advice,
    );
    ApiError::new(
        UNSUPPORTED_OPERATION,
        format!("Longshore does not offer {title} ({name}). {advice}"),
    )
}

fn nobody_knows(name: &str) -> ApiError {
    let message = match name {
        "" => "The request names no operation of a service: send X-Amz-Target, an Action, or a path of the service that it is signed for.".to_owned(),
        name => format!("There is no AWS service \"{}\".", bounded(name)),
    };
    ApiError::new(ErrorKind::UNKNOWN_OPERATION, message)
}

/// Bodies up to this many bytes are read without asking; larger ones wait for one of a few
/// places.
pub(crate) const SMALL_BODY_LENGTH: usize = 64 * 1024;
/// A body must have arrived by then.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
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

/// Undoes the compression of a body, which was signed as it came.
///
/// # Errors
/// SerializationException for what is not gzip, and for a body that is larger than is read.
fn unpacked(headers: &HeaderMap, body: Bytes) -> Result<Bytes, ApiError> {
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.as_bytes());
    match encoding {
        None | Some(b"" | b"identity" | b"amz-1.0") => Ok(body),
        Some(b"gzip") => {
            let mut whole = Vec::new();
            let limit = MAX_BODY_LENGTH as u64 + 1;
            let unpacked = flate2::read::MultiGzDecoder::new(&*body);
            unpacked.take(limit).read_to_end(&mut whole).map_err(|_| {
                ApiError::serialization("The body is not gzip, as Content-Encoding says.")
            })?;
            match whole.len() > MAX_BODY_LENGTH {
                true => Err(too_large()),
                false => Ok(whole.into()),
            }
        }
        Some(_) => Err(ApiError::serialization(
            "Content-Encoding is none that is read here. Use gzip, or send the body as it is.",
        )),
    }
}

fn answered_response(asked: &Asked<'_>, answered: Answered, request_id: &str) -> Response<Body> {
    let (body, recorded) = match answered {
        Answered::Encoded(answer) => (answer.body, answer.recorded),
        Answered::Tree(operation, answer) => {
            let body = write(asked, operation, &answer.output, request_id);
            (body.into(), answer.recorded)
        }
    };
    let mut response = Response::new(Body::new(Full::new(body)));
    if let Some(recorded) = recorded_header(&recorded) {
        set(response.headers_mut(), RECORDED_HEADER, &recorded);
    }
    set_kind(asked, response.headers_mut());
    response
}

/// What every answer of a wire says of itself.
fn set_kind(asked: &Asked<'_>, headers: &mut HeaderMap) {
    let kind = match asked.wire {
        Protocol::AwsJson if asked.json_version == "1.0" => "application/x-amz-json-1.0",
        Protocol::AwsJson => "application/x-amz-json-1.1",
        Protocol::Query | Protocol::Ec2 => "text/xml;charset=UTF-8",
        Protocol::RestXml => "application/xml",
        Protocol::RestJson => "application/json",
        Protocol::Cbor => "application/cbor",
    };
    set(headers, CONTENT_TYPE.as_str(), kind);
    if asked.wire == Protocol::Cbor {
        set(headers, "smithy-protocol", "rpc-v2-cbor");
    }
}

/// An output on its wire.
fn write(asked: &Asked<'_>, operation: &Operation, output: &Value, request_id: &str) -> Vec<u8> {
    let namespace = match &asked.what {
        What::Served(service) => service.descriptor().shapes.and_then(|s| s.xml_namespace),
        What::Known(_) | What::Unknown(_) => None,
    };
    let mut members = String::new();
    if let (Some(shape), Protocol::Query | Protocol::Ec2) = (operation.output, asked.wire) {
        xml::members(&mut members, shape, output);
    }
    let name = operation.name;
    let namespace = namespace.unwrap_or_default();
    match asked.wire {
        Protocol::Cbor => cbor::encode(operation.output, output),
        Protocol::Query => {
            let wrapped = match operation.result_wrapper {
                Some(wrapper) => format!("<{wrapper}>{members}</{wrapper}>"),
                None => members,
            };
            format!(
                "<{name}Response xmlns=\"{namespace}\">{wrapped}<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
            )
            .into_bytes()
        }
        Protocol::Ec2 => format!(
            "<{name}Response xmlns=\"{namespace}/\"><requestId>{request_id}</requestId>{members}</{name}Response>"
        )
        .into_bytes(),
        Protocol::AwsJson | Protocol::RestJson | Protocol::RestXml => {
            serde_json::to_vec(output).unwrap_or_default()
        }
    }
}

/// An error on the wire that was asked.
fn error_response(
    asked: &Asked<'_>,
    operation: &str,
    error: &ApiError,
    request_id: &str,
) -> Response<Body> {
    let declared = match &asked.what {
        What::Served(service) => service
            .descriptor()
            .shapes
            .and_then(|shapes| shapes.operation(operation))
            .map_or(&[][..], |operation| operation.errors),
        What::Known(_) | What::Unknown(_) => &[],
    };
    let declared = declared.iter().find(|of| of.name == error.kind.name());
    let (code, status) = query_code(error.kind, asked.wire == Protocol::Ec2);
    let code = declared.map_or(code, |declared| Cow::Borrowed(declared.query_code));
    let is_query = matches!(
        asked.wire,
        Protocol::Query | Protocol::Ec2 | Protocol::RestXml
    );
    let status = match (declared, is_query) {
        (Some(declared), _) => declared.status,
        (None, true) => status,
        (None, false) => error.kind.http_status(),
    };
    let fault = if status >= 500 { "Receiver" } else { "Sender" };
    let mut text = String::new();
    let mut of_error = |elements: &[(&str, &str)]| {
        for (name, value) in elements {
            xml::element(&mut text, name, value);
        }
    };
    let body = match asked.wire {
        Protocol::AwsJson | Protocol::RestJson | Protocol::Cbor => {
            let mut shape = Map::new();
            if asked.wire != Protocol::RestJson {
                shape.insert("__type".to_owned(), error.kind.name().into());
            }
            shape.insert("message".to_owned(), error.message.as_str().into());
            for (member, value) in &error.members {
                shape.insert((*member).to_owned(), value.clone());
            }
            let shape = Value::Object(shape);
            match asked.wire {
                Protocol::Cbor => cbor::encode(None, &shape),
                _ => shape.to_string().into_bytes(),
            }
        }
        Protocol::Query => {
            of_error(&[
                ("Type", fault),
                ("Code", &code),
                ("Message", &error.message),
            ]);
            format!(
                "<ErrorResponse><Error>{text}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
            )
            .into_bytes()
        }
        Protocol::Ec2 => {
            of_error(&[("Code", &code), ("Message", &error.message)]);
            format!(
                "<Response><Errors><Error>{text}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
            )
            .into_bytes()
        }
        Protocol::RestXml => {
            of_error(&[
                ("Code", &code),
                ("Message", &error.message),
                ("RequestId", request_id),
            ]);
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>{text}</Error>")
                .into_bytes()
        }
    };
    let mut response = Response::new(Body::new(Full::new(Bytes::from(body))));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    match asked.wire {
        Protocol::RestJson => set(headers, "x-amzn-errortype", error.kind.name()),
        Protocol::AwsJson | Protocol::Cbor if is_query_compatible(asked) => {
            set(headers, "x-amzn-query-error", &format!("{code};{fault}"));
        }
        _ => {}
    }
    set_kind(asked, headers);
    response
}

fn is_query_compatible(asked: &Asked<'_>) -> bool {
    match &asked.what {
        What::Served(service) => {
            let shapes = service.descriptor().shapes;
            shapes.is_some_and(|shapes| shapes.query_compatible)
        }
        What::Known(_) | What::Unknown(_) => false,
    }
}

/// What an exception is called on the query wires, and its status there.
fn query_code(kind: ErrorKind, is_ec2: bool) -> (Cow<'static, str>, u16) {
    let of_ec2 = |ec2: (&'static str, u16), other: (&'static str, u16)| {
        let (code, status) = if is_ec2 { ec2 } else { other };
        (Cow::Borrowed(code), status)
    };
    match kind {
        ErrorKind::ACCESS_DENIED => of_ec2(("UnauthorizedOperation", 403), ("AccessDenied", 403)),
        ErrorKind::EXPIRED_TOKEN => of_ec2(("AuthFailure", 401), ("ExpiredToken", 403)),
        ErrorKind::INCOMPLETE_SIGNATURE => {
            of_ec2(("AuthFailure", 401), ("IncompleteSignature", 403))
        }
        ErrorKind::INVALID_SIGNATURE => {
            of_ec2(("AuthFailure", 401), ("SignatureDoesNotMatch", 403))
        }
        ErrorKind::MISSING_AUTHENTICATION_TOKEN => {
            of_ec2(("AuthFailure", 401), ("MissingAuthenticationToken", 403))
        }
        ErrorKind::UNRECOGNIZED_CLIENT => {
            of_ec2(("AuthFailure", 401), ("InvalidClientTokenId", 403))
        }
        ErrorKind::SERIALIZATION => of_ec2(
            ("InvalidQueryParameter", 400),
            ("MalformedQueryString", 400),
        ),
        ErrorKind::THROTTLING => of_ec2(("RequestLimitExceeded", 400), ("Throttling", 400)),
        ErrorKind::UNKNOWN_OPERATION => of_ec2(("InvalidAction", 400), ("InvalidAction", 400)),
        ErrorKind::SERVER => of_ec2(("InternalError", 500), ("InternalFailure", 500)),
        tree::VALIDATION => of_ec2(("InvalidParameterValue", 400), ("ValidationError", 400)),
        query::INVALID_PARAMETER_VALUE => of_ec2(
            ("InvalidParameterValue", 400),
            ("InvalidParameterValue", 400),
        ),
        other => {
            let name = other.name();
            let code = name.strip_suffix("Exception").unwrap_or(name);
            (Cow::Borrowed(code), other.http_status())
        }
    }
}
