//! Signature Version 4, verified.
//!
//! A client signs four things with its secret: the request line, some headers, a hash of the body,
//! and a scope (day, region, service). We rebuild the text it must have signed from what arrived
//! and compare signatures. What is not signed could have been changed on the way, so everything
//! that decides what the request does must be among the signed headers: the host, the date, and
//! every `x-amz-*` header, which includes the operation's name.
//!
//! A signature may also stand in the query string, as presigned URLs have it; it then ends by itself.
//! Path and query are canonical as the services beside S3 have them: each part of the path is
//! encoded once more than it was sent, and parameters are sorted. Unsigned payloads are a feature of
//! S3 and refused.
//!
//! The check comes in two steps. [`begin`] reads only the head, so that a stranger's body is never
//! read; [`Pending::finish`] takes the body.
//!
//! Rules: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};
use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode,
};

use super::Verified;
use super::key::{AccessKey, AccessKeys};
use crate::error::{ApiError, ErrorKind};

/// How far the client's clock may be off, either way. AWS allows the same for ECS.
pub const MAX_SKEW: Duration = Duration::from_secs(5 * 60);

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const AMZ_PREFIX: &str = "x-amz-";
/// Most names in SignedHeaders; SDKs sign about ten.
const MAX_SIGNED_HEADERS: usize = 64;

/// A request whose head is in order and whose body has yet to be read.
#[derive(Debug)]
pub struct Pending<'a> {
    access_key_id: String,
    key: &'a AccessKey,
    /// The canonical request up to the body's hash.
    canonical: Vec<u8>,
    /// The hash that the client says the body has.
    claimed_hash: Option<HeaderValue>,
    timestamp: String,
    scope: Scope,
    signature: Vec<u8>,
}

#[derive(Debug)]
struct Scope {
    day: String,
    region: String,
    service: String,
}

/// The parts of an Authorization header, or of a presigned URL.
struct Authorization<'a> {
    access_key_id: &'a str,
    day: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
    signed_headers: Vec<&'a str>,
    signature: Vec<u8>,
}

/// What a request may be signed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected<'a> {
    /// This service, in the region of the installation.
    Service(&'a str),
    /// Whatever it says: it is told that nothing is there for it.
    Anything,
}

/// Checks everything that the head of a request tells: form, coverage, key, scope and time.
///
/// Errors, all worded as AWS does where it has words: MissingAuthenticationToken without a
/// signature, IncompleteSignature for a broken one or one that leaves out what must be
/// signed, UnrecognizedClient for an unknown key or a session token (static keys have none),
/// InvalidSignature for another scope or time.
pub fn begin<'a>(
    head: &Parts,
    keys: &'a AccessKeys,
    region: &str,
    expected: Expected<'_>,
    now: SystemTime,
) -> Result<Pending<'a>, ApiError> {
    let query = Presigned::read(head.uri.query().unwrap_or_default());
    let value = single(&head.headers, &AUTHORIZATION)?;
    let presigned = match (value, &query) {
        (Some(_), Some(_)) => {
            return Err(incomplete(
                "The request is signed twice, in a header and in the query string. Use one.",
            ));
        }
        (None, None) => {
            return Err(ApiError::new(
                ErrorKind::MISSING_AUTHENTICATION_TOKEN,
                "Request is missing Authentication Token",
            ));
        }
        (_, presigned) => presigned.as_ref(),
    };
    let authorization = match (value, presigned) {
        (_, Some(presigned)) => presigned.authorization()?,
        (Some(value), None) => parse_authorization(value)?,
        (None, None) => return Err(incomplete("The request has no signature.")),
    };
    let host = host(head)?;
    let timestamp = match presigned {
        Some(presigned) => presigned.time()?,
        None => request_time(&head.headers)?,
    };
    check_coverage(
        &head.headers,
        &authorization.signed_headers,
        presigned.is_some(),
    )?;

    let key = keys
        .find(authorization.access_key_id)
        .ok_or_else(unrecognized)?;
    if head.headers.contains_key(SECURITY_TOKEN)
        || presigned.is_some_and(|presigned| presigned.get(PRESIGNED_TOKEN).is_some())
    {
        return Err(unrecognized());
    }
    check_scope(&authorization, region, expected, &timestamp)?;
    match presigned {
        Some(presigned) => check_expiry(timestamp, presigned.lifetime()?, now)?,
        None => check_skew(timestamp, now)?,
    }

    let claimed_hash = single(&head.headers, &CONTENT_SHA256)?.cloned();
    Ok(Pending {
        access_key_id: authorization.access_key_id.to_owned(),
        key,
        canonical: canonical_head(head, &host, &authorization.signed_headers)?,
        claimed_hash,
        timestamp: format_time(timestamp),
        scope: Scope {
            day: authorization.day.to_owned(),
            region: authorization.region.to_owned(),
            service: authorization.service.to_owned(),
        },
        signature: authorization.signature,
    })
}

/// The service that a request says it is signed for, before anything of that is checked.
pub fn claimed_service(head: &Parts) -> Option<String> {
    let presigned = Presigned::read(head.uri.query().unwrap_or_default());
    let header = head.headers.get(AUTHORIZATION).and_then(|value| {
        let (_, credential) = value.to_str().ok()?.split_once("Credential=")?;
        Some(credential.split(',').next()?.trim().to_owned())
    });
    let credential = header.or_else(|| Some(presigned?.get("X-Amz-Credential")?.to_owned()))?;
    credential.split('/').nth(3).map(str::to_owned)
}

const PRESIGNED_TOKEN: &str = "X-Amz-Security-Token";
const PRESIGNED_SIGNATURE: &str = "X-Amz-Signature";
/// Longest life of a presigned URL: seven days.
const MAX_LIFETIME: u64 = 7 * 24 * 3600;

/// The parameters of a presigned URL, decoded.
struct Presigned(Vec<(String, String)>);

impl Presigned {
    /// `None` if the query string has no signature.
    fn read(query: &str) -> Option<Self> {
        let has = |name: &str| {
            query
                .split('&')
                .any(|pair| pair.split('=').next() == Some(name))
        };
        if !has("X-Amz-Algorithm") && !has(PRESIGNED_SIGNATURE) {
            return None;
        }
        let parameters = query.split('&').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            (text(name), text(value))
        });
        Some(Self(parameters.collect()))
    }

    /// A parameter that comes once.
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        let value = values.next()?;
        values.next().is_none().then_some(value.1.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| {
            incomplete(format!(
                "AWS query-string parameters must include '{name}', once."
            ))
        })
    }

    fn authorization(&self) -> Result<Authorization<'_>, ApiError> {
        if self.required("X-Amz-Algorithm")? != ALGORITHM {
            return Err(incomplete(format!("X-Amz-Algorithm must be {ALGORITHM}.")));
        }
        authorization(
            self.required("X-Amz-Credential")?,
            self.required("X-Amz-SignedHeaders")?,
            self.required(PRESIGNED_SIGNATURE)?,
        )
    }

    fn time(&self) -> Result<SystemTime, ApiError> {
        let text = self.required("X-Amz-Date")?;
        parse_time(text).ok_or_else(|| not_a_time(text))
    }

    fn lifetime(&self) -> Result<Duration, ApiError> {
        let text = self.required("X-Amz-Expires")?;
        let seconds = text.parse().ok().filter(|s| (1..=MAX_LIFETIME).contains(s));
        seconds.map(Duration::from_secs).ok_or_else(|| {
            incomplete(format!(
                "X-Amz-Expires must be 1 to {MAX_LIFETIME} seconds."
            ))
        })
    }
}

impl Pending<'_> {
    /// Checks the signature, now that the whole body is there.
    pub fn finish(mut self, body: &[u8]) -> Result<Verified, ApiError> {
        let hash = hex::encode(digest::digest(&digest::SHA256, body));
        if let Some(claimed) = &self.claimed_hash
            && claimed.as_bytes() != hash.as_bytes()
        {
            return Err(invalid(
                "The provided 'x-amz-content-sha256' header does not match what was computed. Send the hexadecimal SHA-256 of the body; unsigned and streaming payloads are not taken.",
            ));
        }
        self.canonical.extend(hash.as_bytes());
        let to_sign = format!(
            "{ALGORITHM}\n{}\n{}/{}/{}/{TERMINATOR}\n{}",
            self.timestamp,
            self.scope.day,
            self.scope.region,
            self.scope.service,
            hex::encode(digest::digest(&digest::SHA256, &self.canonical)),
        );
        // Compares in constant time.
        hmac::verify(
            &signing_key(self.key, &self.scope),
            to_sign.as_bytes(),
            &self.signature,
        )
        .map_err(|_| {
            invalid(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
            )
        })?;
        Ok(Verified::new(&self.access_key_id, self.key))
    }
}

/// What an unknown access key, or a session token, is told.
pub(super) fn unrecognized() -> ApiError {
    ApiError::new(
        ErrorKind::UNRECOGNIZED_CLIENT,
        "The security token included in the request is invalid.",
    )
}

fn incomplete(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::INCOMPLETE_SIGNATURE, message)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::INVALID_SIGNATURE, message)
}

/// The value of a header that may come once at most.
fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(incomplete(format!("Header '{name}' comes more than once."))),
    }
}

/// The host the client asked for: the Host header of HTTP/1.1, the authority of HTTP/2. With both
/// they must agree.
fn host(head: &Parts) -> Result<Vec<u8>, ApiError> {
    let header = single(&head.headers, &HOST)?.map(HeaderValue::as_bytes);
    let authority = head.uri.authority().map(|a| a.as_str().as_bytes());
    match (header, authority) {
        (Some(a), Some(b)) if a != b => Err(incomplete(
            "The Host header and the request target name different hosts.",
        )),
        (Some(host), _) | (None, Some(host)) => Ok(host.to_vec()),
        (None, None) => Err(incomplete("Header 'host' is missing.")),
    }
}

fn parse_authorization(value: &HeaderValue) -> Result<Authorization<'_>, ApiError> {
    let text = value
        .to_str()
        .map_err(|_| incomplete("Authorization header holds characters outside ASCII."))?;
    let parameters = text
        .strip_prefix(ALGORITHM)
        .and_then(|rest| rest.strip_prefix(' '))
        .ok_or_else(|| {
            incomplete(format!(
                "Authorization header must start with the algorithm {ALGORITHM}."
            ))
        })?;
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for parameter in parameters.split(',') {
        let (name, value) = parameter
            .trim_matches(' ')
            .split_once('=')
            .ok_or_else(|| incomplete("Authorization header parameters must be NAME=VALUE."))?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => {
                return Err(incomplete(
                    "Authorization header holds a parameter other than Credential, SignedHeaders and Signature.",
                ));
            }
        };
        if slot.replace(value).is_some() {
            return Err(incomplete(format!(
                "Authorization header holds '{name}' twice."
            )));
        }
    }
    let credential = required(credential, "Credential")?;
    let signature = required(signature, "Signature")?;
    let names = required(signed_headers, "SignedHeaders")?;

    authorization(credential, names, signature)
}

/// Reads the parts of a signature, wherever they stood.
fn authorization<'a>(
    credential: &'a str,
    names: &'a str,
    signature: &str,
) -> Result<Authorization<'a>, ApiError> {
    let parts: Vec<&str> = credential.splitn(6, '/').collect();
    let &[access_key_id, day, region, service, terminator] = parts.as_slice() else {
        return Err(incomplete(
            "Credential must have exactly 5 slash-delimited elements, KEY/YYYYMMDD/REGION/SERVICE/aws4_request.",
        ));
    };
    let signed_headers: Vec<&str> = names.split(';').collect();
    let sorted = signed_headers.is_sorted_by(|a, b| a < b);
    if signed_headers.len() > MAX_SIGNED_HEADERS || !sorted {
        return Err(incomplete(format!(
            "SignedHeaders must be at most {MAX_SIGNED_HEADERS} names, sorted, each once."
        )));
    }
    let lowercase_hex = signature
        .bytes()
        .all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    let signature = hex::decode(signature)
        .ok()
        .filter(|bytes| lowercase_hex && bytes.len() == digest::SHA256_OUTPUT_LEN)
        .ok_or_else(|| incomplete("Signature must be 64 lowercase hexadecimal digits."))?;
    Ok(Authorization {
        access_key_id,
        day,
        region,
        service,
        terminator,
        signed_headers,
        signature,
    })
}

fn required<'v>(value: Option<&'v str>, name: &str) -> Result<&'v str, ApiError> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| incomplete(format!("Authorization header requires '{name}' parameter.")))
}

/// Everything that decides what the request does must be signed.
fn check_coverage(
    headers: &HeaderMap,
    signed: &[&str],
    is_presigned: bool,
) -> Result<(), ApiError> {
    // The parameters of a presigned URL are signed with the rest of it.
    let date = if is_presigned {
        HOST
    } else if headers.contains_key(AMZ_DATE) {
        AMZ_DATE
    } else {
        DATE
    };
    let present = headers.keys().map(HeaderName::as_str);
    let required = present
        .filter(|name| name.starts_with(AMZ_PREFIX))
        .chain([HOST.as_str(), date.as_str()]);
    for name in required {
        if !signed.contains(&name) {
            return Err(incomplete(format!(
                "'{name}' must be a 'SignedHeader' in the AWS Authorization."
            )));
        }
    }
    Ok(())
}

/// The time at which the request says it was signed.
fn request_time(headers: &HeaderMap) -> Result<SystemTime, ApiError> {
    let missing = || {
        incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    };
    if let Some(value) = single(headers, &AMZ_DATE)? {
        let text = value.to_str().unwrap_or_default();
        return parse_time(text).ok_or_else(|| not_a_time(text));
    }
    let value = single(headers, &DATE)?.ok_or_else(missing)?;
    let text = value.to_str().unwrap_or_default();
    jiff::fmt::rfc2822::parse(text)
        .map(|zoned| SystemTime::from(zoned.timestamp()))
        .map_err(|_| incomplete(format!("Date must be as in RFC 5322. Got '{text}'.")))
}

fn not_a_time(text: &str) -> ApiError {
    incomplete(format!(
        "Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601"
    ))
}

/// Reads `YYYYMMDDTHHMMSSZ`.
fn parse_time(text: &str) -> Option<SystemTime> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let digits = |text: &str, len| text.len() == len && text.bytes().all(|c| c.is_ascii_digit());
    if !digits(day, 8) || !digits(time, 6) {
        return None;
    }
    let part = |text: &str| text.parse::<i8>().ok();
    let date_time = jiff::civil::DateTime::new(
        day[..4].parse().ok()?,
        part(&day[4..6])?,
        part(&day[6..])?,
        part(&time[..2])?,
        part(&time[2..4])?,
        part(&time[4..])?,
        0,
    )
    .ok()?;
    let timestamp = jiff::tz::Offset::UTC.to_timestamp(date_time).ok()?;
    Some(SystemTime::from(timestamp))
}

/// Prints `YYYYMMDDTHHMMSSZ`; empty for a time that no calendar has.
fn format_time(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time)
        .map(|timestamp| timestamp.strftime("%Y%m%dT%H%M%SZ").to_string())
        .unwrap_or_default()
}

fn check_scope(
    authorization: &Authorization<'_>,
    region: &str,
    expected: Expected<'_>,
    timestamp: &SystemTime,
) -> Result<(), ApiError> {
    if authorization.terminator != TERMINATOR {
        return Err(invalid(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{}'.",
            authorization.terminator
        )));
    }
    if let Expected::Service(service) = expected
        && authorization.service != service
    {
        return Err(invalid(format!(
            "Credential should be scoped to correct service: '{service}'. "
        )));
    }
    if expected != Expected::Anything && authorization.region != region {
        return Err(invalid(format!(
            "Credential should be scoped to a valid region, not '{}'; this installation is '{region}'. ",
            authorization.region
        )));
    }
    let text = format_time(*timestamp);
    let day = text.get(..8).unwrap_or_default();
    if authorization.day != day {
        return Err(invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{day}', from '{text}'.",
            authorization.day
        )));
    }
    Ok(())
}

fn check_skew(timestamp: SystemTime, now: SystemTime) -> Result<(), ApiError> {
    // Compared in whole seconds, which is all that a timestamp says.
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map(|d| d.as_secs());
    let (Ok(signed), Ok(current)) = (seconds(timestamp), seconds(now)) else {
        return Err(invalid("Signature expired: it is from before 1970."));
    };
    let skew = MAX_SKEW.as_secs();
    if signed < current.saturating_sub(skew) {
        return Err(invalid(format!(
            "Signature expired: {} is now earlier than {} ({} - 5 min.)",
            format_time(timestamp),
            format_time(now - MAX_SKEW),
            format_time(now),
        )));
    }
    if signed > current.saturating_add(skew) {
        return Err(invalid(format!(
            "Signature not yet current: {} is still later than {} ({} + 5 min.)",
            format_time(timestamp),
            format_time(now + MAX_SKEW),
            format_time(now),
        )));
    }
    Ok(())
}

/// Whether a presigned URL is still of use.
fn check_expiry(
    timestamp: SystemTime,
    lifetime: Duration,
    now: SystemTime,
) -> Result<(), ApiError> {
    if now > timestamp + lifetime {
        return Err(ApiError::new(
            ErrorKind::EXPIRED_TOKEN,
            format!(
                "Signature expired: {} is now earlier than {}.",
                format_time(timestamp + lifetime),
                format_time(now)
            ),
        ));
    }
    // It may be old, but from the future no more than any other.
    check_skew(timestamp.max(now), now)
}

/// What is left as it is in canonical paths and queries (RFC 3986, 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The path, each of its parts encoded once more, dot parts and empty ones taken out.
fn canonical_path(path: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(utf8_percent_encode(part, UNRESERVED).to_string()),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", parts.join("/"))
}

/// The parameters, sorted, their signature left out.
fn canonical_query(query: &str) -> String {
    let encoded = |text: &str| {
        let bytes: Vec<u8> = percent_decode_str(text).collect();
        percent_encode(&bytes, UNRESERVED).to_string()
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded(name), encoded(value))
        })
        .filter(|(name, _)| name != PRESIGNED_SIGNATURE)
        .collect();
    pairs.sort();
    let pairs = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

/// Method, path, query, signed headers and their names; the body's hash follows.
fn canonical_head(head: &Parts, host: &[u8], signed: &[&str]) -> Result<Vec<u8>, ApiError> {
    let headers = &head.headers;
    let mut text = format!(
        "{}\n{}\n{}\n",
        head.method,
        canonical_path(head.uri.path()),
        canonical_query(head.uri.query().unwrap_or_default())
    )
    .into_bytes();
    for name in signed {
        text.extend(name.as_bytes());
        text.push(b':');
        if *name == HOST.as_str() {
            push_trimmed(&mut text, host);
        } else {
            // HeaderName is lowercase, so a name in another case is not found.
            let value = HeaderName::from_lowercase(name.as_bytes())
                .ok()
                .map(|name| single(headers, &name))
                .transpose()?
                .flatten()
                .ok_or_else(|| {
                    incomplete(format!("Signed header '{name}' is not in the request."))
                })?;
            push_trimmed(&mut text, value.as_bytes());
        }
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend(signed.join(";").as_bytes());
    text.push(b'\n');
    Ok(text)
}

/// Adds a header's value without white space around it and with single spaces inside.
fn push_trimmed(text: &mut Vec<u8>, value: &[u8]) {
    let words = value
        .split(|c| matches!(c, b' ' | b'\t'))
        .filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            text.push(b' ');
        }
        text.extend(word);
    }
}

fn signing_key(key: &AccessKey, scope: &Scope) -> hmac::Key {
    let secret = zeroize::Zeroizing::new([b"AWS4", key.secret()].concat());
    let mut signing = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    for part in [
        scope.day.as_str(),
        &scope.region,
        &scope.service,
        TERMINATOR,
    ] {
        let tag = hmac::sign(&signing, part.as_bytes());
        signing = hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref());
    }
    signing
}
