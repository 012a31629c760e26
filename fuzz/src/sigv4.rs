//! Requests signed with Signature Version 4. The input is an HTTP/1.1 request as it is sent.
//!
//! The same rules are written down here a second time, as plainly as possible; a request passes
//! the gate only if both agree.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request};
use longshore_door::auth::sigv4;
use longshore_door::error::ApiError;

use crate::assert_bounded;
use crate::bearer::{ACCESS_KEY_ID, KEYS, SECRET, now};
use crate::input::{Dice, split_line};

/// The scope of the seeds and of what is signed here.
const DAY: &str = "20150830";
const REGION: &str = "us-east-1";
const DATE: &str = "20150830T123600Z";
/// Headers of one request; the list of signed ones is bounded too.
const MAX_HEADERS: usize = 40;

/// What a request says to whoever acts on it.
type Meaning = (Vec<(String, String)>, Vec<u8>);

/// Reads a request, then signs it itself and changes it.
pub fn run(data: &[u8]) {
    let Some((head, body)) = parse(data) else {
        return;
    };
    match verify(&head, body) {
        Ok(()) => assert!(is_signed(&head, body), "a forged request passes"),
        Err(error) => assert_bounded(&error.message, data),
    }
    sign_and_change(head, body.to_vec(), &mut Dice::new(data));
}

/// Whether the gate takes this request; for the test that it takes every recorded one.
pub fn passes(data: &[u8]) -> bool {
    parse(data).is_some_and(|(head, body)| verify(&head, body).is_ok())
}

fn verify(head: &Parts, body: &[u8]) -> Result<(), ApiError> {
    let verified =
        sigv4::begin(head, &KEYS, REGION, sigv4::Expected::Service("ecs"), now())?.finish(body)?;
    assert_eq!(verified.caller().access_key_id(), ACCESS_KEY_ID);
    Ok(())
}

/// Takes a request apart as an HTTP library would.
fn parse(data: &[u8]) -> Option<(Parts, &[u8])> {
    let (line, mut rest) = split_line(data);
    let line = std::str::from_utf8(line).ok()?.trim_end_matches('\r');
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (mut head, ()) = Request::builder()
        .method(method)
        .uri(target)
        .body(())
        .ok()?
        .into_parts();
    for _ in 0..MAX_HEADERS {
        let (line, after) = split_line(rest);
        rest = after;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        head.headers.append(name, value);
    }
    Some((head, rest))
}

/// A header's value without white space around it and with single spaces inside.
fn trimmed(value: &HeaderValue) -> Option<String> {
    let text: String = value
        .as_bytes()
        .iter()
        .map(|byte| char::from(*byte))
        .collect();
    let words: Vec<&str> = text
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    Some(words.join(" "))
}

/// Hex of the signature over the named headers and the body.
fn signature(headers: &HeaderMap, host: &str, names: &[&str], body: &[u8]) -> Option<String> {
    let mut canonical = b"POST\n/\n\n".to_vec();
    for name in names {
        let value = match (*name, headers.get(*name)) {
            ("host", None) => host.to_owned(),
            (_, value) => trimmed(value?)?,
        };
        canonical.extend(name.bytes());
        canonical.push(b':');
        canonical.extend(value.chars().map(|character| character as u8));
        canonical.push(b'\n');
    }
    canonical.push(b'\n');
    canonical.extend(names.join(";").bytes());
    canonical.push(b'\n');
    canonical.extend(sha256(body).bytes());
    let date = trimmed(headers.get("x-amz-date")?)?;
    let scope = format!("{DAY}/{REGION}/ecs/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(&canonical));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/').chain([text.as_str()]) {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes());
        key = tag.as_ref().to_vec();
    }
    Some(hex::encode(key))
}

fn sha256(data: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, data))
}

/// Whether the request carries the signature that these rules give, over all that must be signed.
fn is_signed(head: &Parts, body: &[u8]) -> bool {
    let authorization = head.headers.get(AUTHORIZATION);
    let Some(text) = authorization.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let parameter = |name: &str| {
        let start = text.find(name)? + name.len();
        text[start..].split([',', ' ']).next()
    };
    let (Some(names), Some(given)) = (parameter("SignedHeaders="), parameter("Signature=")) else {
        return false;
    };
    let names: Vec<&str> = names.split(';').collect();
    let covered = head
        .headers
        .keys()
        .all(|name| !name.as_str().starts_with("x-amz-") || names.contains(&name.as_str()));
    let host = head.uri.authority().map_or("", |host| host.as_str());
    let credential = format!("{ACCESS_KEY_ID}/{DAY}/{REGION}/ecs/aws4_request");
    // A request may be dated by Date alone, which no seed is.
    let dated = head.headers.contains_key("x-amz-date");
    covered
        && names.contains(&"host")
        && parameter("Credential=") == Some(&credential)
        && (!dated || signature(&head.headers, host, &names, body).as_deref() == Some(given))
}

/// Gives the request a valid signature over all of its headers.
fn sign(head: &mut Parts, body: &[u8]) -> Option<()> {
    let headers = &mut head.headers;
    headers.remove(AUTHORIZATION);
    headers.remove("x-amz-security-token");
    headers.remove("x-amz-content-sha256");
    headers.insert("x-amz-date", HeaderValue::from_static(DATE));
    headers
        .entry(HOST)
        .or_insert(HeaderValue::from_static("localhost"));
    let mut names: Vec<String> = headers.keys().map(ToString::to_string).collect();
    names.sort();
    let once = names
        .iter()
        .all(|name| headers.get_all(name).iter().count() == 1);
    if !once || head.uri.authority().is_some() {
        return None;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let signature = signature(headers, "", &names, body)?;
    let mut text =
        format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{DAY}/{REGION}/ecs/aws4_request");
    write!(
        text,
        ", SignedHeaders={}, Signature={signature}",
        names.join(";")
    )
    .ok()?;
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&text).ok()?);
    Some(())
}

/// A request that is signed right passes; after any one change it does not, or it means the same.
fn sign_and_change(mut head: Parts, mut body: Vec<u8>, dice: &mut Dice) {
    head.method = Method::POST;
    head.uri = http::Uri::from_static("/");
    if sign(&mut head, &body).is_none() {
        return;
    }
    let signed = verify(&head, &body);
    assert!(
        signed.is_ok(),
        "a signed request is refused: {signed:?} {head:?}"
    );
    let meant = meaning(&head, &body);
    change(&mut head, &mut body, dice);
    if verify(&head, &body).is_ok() {
        assert_eq!(meaning(&head, &body), meant, "a changed request passes");
    }
}

fn meaning(head: &Parts, body: &[u8]) -> Meaning {
    let mut headers: Vec<(String, String)> = head
        .headers
        .iter()
        .filter(|(name, _)| **name != AUTHORIZATION)
        .map(|(name, value)| (name.to_string(), trimmed(value).unwrap_or_default()))
        .collect();
    headers.sort();
    (headers, body.to_vec())
}

/// Changes one byte of the body or of a header, or adds a header, or takes one away.
fn change(head: &mut Parts, body: &mut Vec<u8>, dice: &mut Dice) {
    let names: Vec<HeaderName> = head.headers.keys().cloned().collect();
    let name = names[dice.below(names.len())].clone();
    match dice.below(5) {
        0 if !body.is_empty() => {
            let place = dice.below(body.len());
            body[place] = dice.other(body[place]);
        }
        0 => body.push(b' '),
        1 => {
            head.headers.remove(name);
        }
        2 => {
            let value = head.headers[&name].clone();
            head.headers.append(name, value);
        }
        3 => {
            let value = HeaderValue::from_static("1");
            head.headers.append("x-amz-added", value);
        }
        _ => {
            let mut value = head.headers[&name].as_bytes().to_vec();
            if value.is_empty() {
                value.push(b'0');
            } else {
                let place = dice.below(value.len());
                value[place] = dice.other(value[place]);
            }
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                head.headers.insert(name, value);
            }
        }
    }
}
