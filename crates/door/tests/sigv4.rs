//! SigV4 verification against requests that other implementations signed: botocore, recorded in
//! `sigv4_requests.json`, and the signer of the AWS SDK for Rust.

#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use base64::Engine as _;
use http::Request;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use longshore_door::auth::{AccessKeys, Verified, sigv4};
use longshore_door::error::{ApiError, ErrorKind};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Recording {
    now: u64,
    access_key_id: String,
    secret: String,
    region: String,
    requests: Vec<Recorded>,
}

#[derive(Deserialize, Clone)]
struct Recorded {
    name: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// A request as it comes off the wire.
#[derive(Clone)]
struct Wire {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl From<&Recorded> for Wire {
    fn from(recorded: &Recorded) -> Self {
        let engine = base64::engine::general_purpose::STANDARD;
        let headers = recorded.headers.iter();
        Self {
            method: recorded.method.clone(),
            target: recorded.target.clone(),
            headers: headers
                .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
                .collect(),
            body: engine.decode(&recorded.body).unwrap(),
        }
    }
}

const REGION: &str = "us-east-1";
const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const USER: &str = "arn:aws:iam::000000000000:user/alice";

fn recording() -> Recording {
    let recording: Recording = serde_json::from_str(include_str!("sigv4_requests.json")).unwrap();
    assert_eq!(
        (
            recording.access_key_id.as_str(),
            recording.secret.as_str(),
            recording.region.as_str()
        ),
        (ID, SECRET, REGION)
    );
    recording
}

fn keys() -> AccessKeys {
    let mut keys = AccessKeys::new();
    keys.insert(ID, SECRET.to_owned().into(), USER).unwrap();
    keys
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

impl Wire {
    /// `None` if no HTTP parser would let it through.
    fn head(&self) -> Option<http::request::Parts> {
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(self.target.as_str())
            .body(())
            .ok()?;
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            request
                .headers_mut()
                .append(name, HeaderValue::from_bytes(value).ok()?);
        }
        Some(request.into_parts().0)
    }

    fn verify(&self, keys: &AccessKeys, now: SystemTime) -> Option<Result<Verified, ApiError>> {
        let head = self.head()?;
        Some(
            sigv4::begin(&head, keys, REGION, sigv4::Expected::Service("ecs"), now)
                .and_then(|pending| pending.finish(&self.body)),
        )
    }

    fn kind(&self, now: u64) -> Option<ErrorKind> {
        self.verify(&keys(), at(now))
            .unwrap()
            .err()
            .map(|error| error.kind)
    }

    fn value(&mut self, name: &str) -> &mut Vec<u8> {
        let mut headers = self.headers.iter_mut();
        &mut headers
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .unwrap()
            .1
    }

    fn set(&mut self, name: &str, value: &str) {
        *self.value(name) = value.as_bytes().to_vec();
    }

    fn add(&mut self, name: &str, value: &str) {
        self.headers
            .push((name.to_owned(), value.as_bytes().to_vec()));
    }

    fn replace(&mut self, name: &str, from: &str, to: &str) {
        let text = String::from_utf8(self.value(name).clone()).unwrap();
        assert!(text.contains(from), "{text}");
        self.set(name, &text.replace(from, to));
    }
}

#[test]
fn what_botocore_signs_is_accepted() {
    let (recording, keys) = (recording(), keys());
    assert!(recording.requests.len() >= 50);
    for recorded in &recording.requests {
        let result = Wire::from(recorded)
            .verify(&keys, at(recording.now))
            .unwrap();
        let verified = result.unwrap_or_else(|error| panic!("{}: {error}", recorded.name));
        assert_eq!(verified.caller().arn(), USER);
        assert_eq!(verified.caller().access_key_id(), ID);
    }
}

/// Changes every byte of everything signed, in several ways, one at a time.
#[test]
fn no_changed_byte_is_accepted() {
    let (recording, keys) = (recording(), keys());
    let now = at(recording.now);
    let (mut refused, mut unparsable) = (0_u32, 0_u32);
    let mut check = |wire: &Wire, what: &dyn Fn() -> String| match wire.verify(&keys, now) {
        None => unparsable += 1,
        Some(Err(_)) => refused += 1,
        Some(Ok(_)) => panic!("accepted: {}", what()),
    };
    for recorded in &recording.requests {
        let original = Wire::from(recorded);
        for method in ["GET", "PUT", "post", "POSS", "OPTIONS"] {
            check(
                &Wire {
                    method: method.into(),
                    ..original.clone()
                },
                &|| method.into(),
            );
        }
        // "//" and "/?" are the same path to a signature.
        for target in ["/a", "/?a=b", "/%2F", "/%2e", "*"] {
            check(
                &Wire {
                    target: target.into(),
                    ..original.clone()
                },
                &|| target.into(),
            );
        }
        let authorization =
            String::from_utf8(original.clone().value("authorization").clone()).unwrap();
        let signed = authorization
            .split("SignedHeaders=")
            .nth(1)
            .unwrap()
            .split(',')
            .next()
            .unwrap();
        for (index, (name, value)) in original.headers.iter().enumerate() {
            let name = name.to_ascii_lowercase();
            if name != "authorization" && !signed.split(';').any(|signed| signed == name) {
                continue;
            }
            for (position, &old) in value.iter().enumerate() {
                for flip in [1, 2, 4, 8, 16, 32, 64, 128, 0x7f] {
                    let new = old ^ flip;
                    // Runs of white space in a header's value mean the same as one space.
                    if [old, new].iter().any(|c| matches!(c, b' ' | b'\t'))
                        && name != "authorization"
                    {
                        continue;
                    }
                    let mut wire = original.clone();
                    wire.headers[index].1[position] = new;
                    check(&wire, &|| {
                        format!("{} {name}[{position}] {old} -> {new}", recorded.name)
                    });
                }
            }
        }
        for position in 0..original.body.len().min(400) {
            for flip in [1, 32, 255] {
                let mut wire = original.clone();
                wire.body[position] ^= flip;
                check(&wire, &|| format!("{} body[{position}]", recorded.name));
            }
        }
        let mut longer = original.clone();
        longer.body.push(b' ');
        check(&longer, &|| "longer".into());
        let mut shorter = original.clone();
        if shorter.body.pop().is_some() {
            check(&shorter, &|| "shorter".into());
        }
    }
    assert!(
        refused >= 20_000,
        "{refused} refused, {unparsable} unparsable"
    );
}

/// The first request of the recording: CreateCluster without arguments.
fn one() -> (Wire, u64) {
    let recording = recording();
    (Wire::from(&recording.requests[0]), recording.now)
}

#[test]
fn time_has_a_window_of_five_minutes() {
    let (wire, now) = one();
    for (clock, expected) in [
        (now - 300, None),
        (now + 300, None),
        (
            now + 301,
            Some(
                "Signature expired: 20260314T150926Z is now earlier than 20260314T150927Z (20260314T151427Z - 5 min.)",
            ),
        ),
        (
            now - 301,
            Some(
                "Signature not yet current: 20260314T150926Z is still later than 20260314T150925Z (20260314T150425Z + 5 min.)",
            ),
        ),
        (now + 365 * 86400, Some("Signature expired: ")),
        (0, Some("Signature not yet current: ")),
    ] {
        let error = wire.verify(&keys(), at(clock)).unwrap().err();
        match (error, expected) {
            (None, None) => {}
            (Some(error), Some(text)) => {
                assert_eq!(error.kind, ErrorKind::INVALID_SIGNATURE);
                assert!(error.message.starts_with(text), "{}", error.message);
            }
            (error, _) => panic!("{clock}: {error:?}"),
        }
    }
}

#[test]
fn every_other_fault_has_its_error() {
    type Change = fn(&mut Wire);
    let scope = "20260314/us-east-1/ecs/aws4_request";
    assert!(String::from_utf8_lossy(one().0.value("authorization")).contains(scope));
    let cases: &[(Change, ErrorKind, &str)] = &[
        (
            |w| w.headers.retain(|(n, _)| n != "Authorization"),
            ErrorKind::MISSING_AUTHENTICATION_TOKEN,
            "Request is missing Authentication Token",
        ),
        (
            |w| w.target = "/?X-Amz-Signature=00".into(),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "signed twice",
        ),
        (
            |w| w.set("authorization", "Basic YTpi"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "AWS4-HMAC-SHA256",
        ),
        (
            |w| {
                w.replace(
                    "authorization",
                    "AWS4-HMAC-SHA256",
                    "AWS4-ECDSA-P256-SHA256",
                )
            },
            ErrorKind::INCOMPLETE_SIGNATURE,
            "AWS4-HMAC-SHA256",
        ),
        (
            |w| w.set("authorization", "AWS4-HMAC-SHA256 "),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "NAME=VALUE",
        ),
        (
            |w| w.replace("authorization", "Signature=", "Signatur="),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "other than",
        ),
        (
            |w| {
                w.replace(
                    "authorization",
                    ", Signature=",
                    ", Signature=00, Signature=",
                )
            },
            ErrorKind::INCOMPLETE_SIGNATURE,
            "'Signature' twice",
        ),
        (
            |w| w.replace("authorization", "Signature=", "Signature=0"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "64 lowercase",
        ),
        (
            |w| w.replace("authorization", "host;x-amz-date", "x-amz-date;host"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "sorted",
        ),
        (
            |w| w.replace("authorization", "host;", "host;host;"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "sorted",
        ),
        (
            |w| w.replace("authorization", "host;", ""),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "'host' must be",
        ),
        (
            |w| w.replace("authorization", ";x-amz-target", ""),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "'x-amz-target' must be",
        ),
        (
            |w| w.replace("authorization", "x-amz-date;", ""),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "'x-amz-date' must be",
        ),
        (
            |w| w.replace("authorization", "host;", "host;missing;"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "'missing' is not in the request",
        ),
        (
            |w| w.add("X-Amz-Evil", "1"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "'x-amz-evil' must be",
        ),
        (
            |w| w.add("Authorization", "AWS4-HMAC-SHA256 x=y"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "more than once",
        ),
        (
            |w| w.add("Host", "127.0.0.1:7400"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "more than once",
        ),
        (
            |w| w.add("X-Amz-Date", "20260314T150926Z"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "more than once",
        ),
        (
            |w| {
                w.add(
                    "X-Amz-Target",
                    "AmazonEC2ContainerServiceV20141113.DeleteCluster",
                )
            },
            ErrorKind::INCOMPLETE_SIGNATURE,
            "more than once",
        ),
        (
            |w| w.add("Content-Type", "application/x-amz-json-1.1"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "more than once",
        ),
        (
            |w| w.headers.retain(|(n, _)| n != "X-Amz-Date"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "either a 'X-Amz-Date' or a 'Date'",
        ),
        (
            |w| w.set("x-amz-date", "2026-03-14T15:09:26Z"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "ISO-8601 'basic format'",
        ),
        (
            |w| w.set("x-amz-date", "20261314T150926Z"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "ISO-8601",
        ),
        (
            |w| w.set("x-amz-date", "20260315T000000Z"),
            ErrorKind::INVALID_SIGNATURE,
            "'20260314' != '20260315'",
        ),
        (
            |w| w.replace("authorization", "us-east-1", "eu-west-1"),
            ErrorKind::INVALID_SIGNATURE,
            "valid region",
        ),
        (
            |w| w.replace("authorization", "/ecs/", "/ec2/"),
            ErrorKind::INVALID_SIGNATURE,
            "correct service: 'ecs'",
        ),
        (
            |w| w.replace("authorization", "aws4_request", "aws3_request"),
            ErrorKind::INVALID_SIGNATURE,
            "valid terminator",
        ),
        (
            |w| w.replace("authorization", "/aws4_request", ""),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "5 slash-delimited",
        ),
        (
            |w| w.replace("authorization", "/aws4_request", "/aws4_request/x"),
            ErrorKind::INCOMPLETE_SIGNATURE,
            "5 slash-delimited",
        ),
        (
            |w| w.replace("authorization", ID, "AKIAI44QH8DHBEXAMPLE"),
            ErrorKind::UNRECOGNIZED_CLIENT,
            "security token included in the request is invalid",
        ),
        (
            |w| w.body.push(b' '),
            ErrorKind::INVALID_SIGNATURE,
            "does not match the signature you provided",
        ),
    ];
    for (index, (change, kind, text)) in cases.iter().enumerate() {
        let (mut wire, now) = one();
        change(&mut wire);
        let error = wire.verify(&keys(), at(now)).unwrap().unwrap_err();
        assert_eq!(error.kind, *kind, "case {index}: {error}");
        assert!(error.message.contains(text), "case {index}: {error}");
        // No message gives away what the right signature would have been.
        assert!(!error.message.contains(SECRET), "case {index}");
    }
}

/// A request without a body for any path and query, signed as the AWS SDK for Rust does.
fn sign_url(target: &str, presigned: bool, now: u64) -> Wire {
    use aws_sigv4::http_request::SignatureLocation;
    let identity = Credentials::new(ID, SECRET, None, None, "test").into();
    let mut settings = SigningSettings::default();
    if presigned {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(900));
    }
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("sts")
        .time(at(now))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let url = format!("http://127.0.0.1:7400{target}");
    let host = [("host", "127.0.0.1:7400")];
    let signable =
        SignableRequest::new("GET", &url, host.into_iter(), SignableBody::Bytes(b"")).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let mut request = Request::get(&url).body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    let headers = request.headers().iter();
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    headers.push(("host".to_owned(), b"127.0.0.1:7400".to_vec()));
    Wire {
        method: "GET".into(),
        target: request.uri().path_and_query().unwrap().to_string(),
        headers,
        body: Vec::new(),
    }
}

fn fate(wire: &Wire, now: u64) -> Option<ErrorKind> {
    let mut request = Request::builder().method(&*wire.method).uri(&wire.target);
    for (name, value) in &wire.headers {
        request = request.header(name, value.as_slice());
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let keys = keys();
    let expected = sigv4::Expected::Service("sts");
    let pending = sigv4::begin(&head, &keys, REGION, expected, at(now));
    let verified = pending.and_then(|pending| pending.finish(&wire.body));
    verified.err().map(|error| error.kind)
}

#[test]
fn a_presigned_url_ends_by_itself() {
    let now = one().1;
    let target = "/?Action=GetCallerIdentity&Version=2011-06-15";
    let wire = sign_url(target, true, now);
    assert_eq!(fate(&wire, now), None);
    assert_eq!(fate(&wire, now + 900), None);
    assert_eq!(fate(&wire, now + 901), Some(ErrorKind::EXPIRED_TOKEN));
    assert_eq!(fate(&wire, now - 301), Some(ErrorKind::INVALID_SIGNATURE));
    for (from, to, kind) in [
        ("Expires=900", "Expires=901", ErrorKind::INVALID_SIGNATURE),
        (
            "Expires=900",
            "Expires=9000000",
            ErrorKind::INCOMPLETE_SIGNATURE,
        ),
        ("Expires=900", "Expires=", ErrorKind::INCOMPLETE_SIGNATURE),
        (
            "GetCallerIdentity",
            "GetSessionToken",
            ErrorKind::INVALID_SIGNATURE,
        ),
        (
            "SignedHeaders=host",
            "SignedHeaders=",
            ErrorKind::INCOMPLETE_SIGNATURE,
        ),
        (
            "X-Amz-Date=",
            "X-Amz-When=",
            ErrorKind::INCOMPLETE_SIGNATURE,
        ),
        ("%2Fsts%2F", "%2Fecs%2F", ErrorKind::INVALID_SIGNATURE),
    ] {
        let mut changed = wire.clone();
        changed.target = wire.target.replace(from, to);
        assert_ne!(changed.target, wire.target, "{from}");
        assert_eq!(fate(&changed, now), Some(kind), "{from} {to}");
    }
    let mut twice = wire.clone();
    twice.target.push_str("&X-Amz-Expires=900");
    assert_eq!(fate(&twice, now), Some(ErrorKind::INCOMPLETE_SIGNATURE));
}

proptest! {
    #[test]
    fn paths_and_queries_are_canonical_as_the_rust_sdk_has_them(
        parts in proptest::collection::vec("[a-zA-Z0-9_.~-]{1,6}|%20x|a%2Fb|arn:aws:x", 0..4),
        pairs in proptest::collection::vec(("[a-zA-Z.]{1,5}", "[a-zA-Z0-9_~-]{0,6}|%20|%2B|a%3Db"), 0..4),
        presigned in any::<bool>(),
    ) {
        // The SDK resolves dot segments before it signs, and so no path of an operation has any.
        prop_assume!(!parts.iter().any(|part| part == "." || part == ".."));
        let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
        let target = format!("/{}{query}", parts.join("/"));
        let now = 1_700_000_000;
        let wire = sign_url(&target, presigned, now);
        prop_assert_eq!(fate(&wire, now), None, "{}", target);
        let mut other = wire.clone();
        other.target = wire.target.replacen('/', "/y", 1);
        prop_assert_eq!(fate(&other, now), Some(ErrorKind::INVALID_SIGNATURE));
    }
}

/// Signs as the AWS SDK for Rust does.
fn sign_with_sdk(headers: &[(String, String)], body: &[u8], token: Option<&str>, now: u64) -> Wire {
    let credentials = Credentials::new(ID, SECRET, token.map(str::to_owned), None, "test");
    let identity = credentials.into();
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("ecs")
        .time(at(now))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let pairs = headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let signable = SignableRequest::new(
        "POST",
        "http://127.0.0.1:7400/",
        pairs,
        SignableBody::Bytes(body),
    )
    .unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let mut wire = Wire {
        method: "POST".into(),
        target: "/".into(),
        headers: vec![("host".into(), b"127.0.0.1:7400".to_vec())],
        body: body.to_vec(),
    };
    let added = instructions
        .headers()
        .map(|(n, v)| (n.to_owned(), v.to_owned()));
    for (name, value) in headers.iter().cloned().chain(added) {
        wire.headers.push((name, value.into_bytes()));
    }
    wire
}

#[test]
fn session_tokens_and_claimed_hashes_are_checked() {
    let now = one().1;
    let token = sign_with_sdk(&[], b"{}", Some("token"), now);
    assert_eq!(token.kind(now), Some(ErrorKind::UNRECOGNIZED_CLIENT));
    let hash = |hash: &str| {
        let headers = [("x-amz-content-sha256".to_owned(), hash.to_owned())];
        sign_with_sdk(&headers, b"{}", None, now).kind(now)
    };
    let right = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(hash(right), None);
    for wrong in [
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        &right.to_uppercase(),
        "",
    ] {
        assert_eq!(hash(wrong), Some(ErrorKind::INVALID_SIGNATURE), "{wrong}");
    }
}

#[test]
fn the_authority_of_http2_is_the_host() {
    let now = one().1;
    let mut wire = sign_with_sdk(&[], b"{}", None, now);
    wire.headers.retain(|(name, _)| name != "host");
    assert_eq!(wire.kind(now), Some(ErrorKind::INCOMPLETE_SIGNATURE));
    wire.target = "http://127.0.0.1:7400/".into();
    assert_eq!(wire.kind(now), None);
    wire.target = "http://127.0.0.1:7401/".into();
    assert_eq!(wire.kind(now), Some(ErrorKind::INVALID_SIGNATURE));
    wire.add("host", "127.0.0.1:7400");
    assert_eq!(wire.kind(now), Some(ErrorKind::INCOMPLETE_SIGNATURE));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_the_rust_sdk_signs_is_accepted(
        values in proptest::collection::btree_map("(x-amz-)?[a-z]{1,12}-h", "[!-~]([ -~]{0,40}[!-~])?", 0..6),
        body in proptest::collection::vec(any::<u8>(), 0..200),
        now in 1_000_000_000_u64..4_000_000_000,
        other in any::<u8>(),
    ) {
        let headers: Vec<(String, String)> = values.into_iter().collect();
        let mut wire = sign_with_sdk(&headers, &body, None, now);
        prop_assert_eq!(wire.kind(now), None);
        wire.body.push(other);
        prop_assert_eq!(wire.kind(now), Some(ErrorKind::INVALID_SIGNATURE));
    }

    #[test]
    fn any_authorization_header_is_refused_without_panic(
        value in "(AWS4-HMAC-SHA256 )?((Credential|SignedHeaders|Signature)=[ -~]{0,40}, ?){0,4}[ -~]{0,20}",
    ) {
        let (mut wire, now) = one();
        wire.set(AUTHORIZATION.as_str(), &value);
        prop_assert!(wire.kind(now).is_some());
    }
}
