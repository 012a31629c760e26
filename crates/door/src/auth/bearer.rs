//! Bearer tokens: how a gRPC client proves that it holds an access key.
//!
//! A token is minted by the client alone, with no call to us, and is sent as
//! `authorization: Bearer TOKEN`. It is
//!
//! ```text
//! lst1.ACCESS_KEY_ID.EXPIRY.NONCE.MAC
//! ```
//!
//! - `EXPIRY`: decimal seconds since the Unix epoch, at most one hour ahead;
//! - `NONCE`: 32 lowercase hex digits, random;
//! - `MAC`: lowercase hex of HMAC-SHA256 over everything before the last dot, under the key
//!   HMAC-SHA256(key = secret access key, data = `longshore-bearer-v1`).
//!
//! The derived key keeps tokens and SigV4 signatures apart: neither can be passed off as the
//! other. A token does not cover the request, so whoever reads it can use it until it expires;
//! send it over TLS or within one machine only.
//!
//! Test vector, for anyone who writes a client: the access key `AKIAIOSFODNN7EXAMPLE` with the
//! secret `wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY`, expiry 1700000000 and nonce
//! `000102030405060708090a0b0c0d0e0f` give
//!
//! ```text
//! lst1.AKIAIOSFODNN7EXAMPLE.1700000000.000102030405060708090a0b0c0d0e0f.7595138a876185ab6c5dac8bbf473bc512952dcf98ff31b5e4a43d8e84733c32
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{AccessKeys, Verified};
use crate::error::{ApiError, ErrorKind};

/// A token may not live longer, counted from when it is checked.
pub const MAX_LIFETIME: Duration = Duration::from_secs(3600);
/// Longest token that is read: an access key id of 128 characters and the rest.
const MAX_TOKEN_LENGTH: usize = 256;
const VERSION: &str = "lst1";
const KEY_LABEL: &[u8] = b"longshore-bearer-v1";
const NONCE_DIGITS: usize = 32;

/// Makes a token that expires at `expiry`, in seconds since the Unix epoch. The nonce must be
/// fresh random bytes.
pub fn mint(access_key_id: &str, secret: &str, expiry: u64, nonce: [u8; 16]) -> String {
    let text = format!("{VERSION}.{access_key_id}.{expiry}.{}", hex::encode(nonce));
    let mac = hmac::sign(&signing_key(secret.as_bytes()), text.as_bytes());
    format!("{text}.{}", hex::encode(mac))
}

/// Checks the token in the `authorization` header of a gRPC request.
///
/// Errors: MissingAuthenticationToken without the header, else as [`verify`].
pub fn verify_headers(
    headers: &HeaderMap,
    keys: &AccessKeys,
    now: SystemTime,
) -> Result<Verified, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Err(ApiError::new(
            ErrorKind::MISSING_AUTHENTICATION_TOKEN,
            "The request has no bearer token: send the metadata authorization: Bearer TOKEN.",
        ));
    };
    if values.next().is_some() {
        return Err(incomplete("authorization comes twice; send one"));
    }
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token)
        .ok_or_else(|| incomplete("authorization is not of the form Bearer TOKEN"))?;
    verify(token, keys, now)
}

/// Checks a token.
///
/// Errors: IncompleteSignature if it is not of the form, UnrecognizedClient for an unknown key,
/// InvalidSignature for a wrong MAC or a lifetime over [`MAX_LIFETIME`], ExpiredToken.
pub fn verify(token: &str, keys: &AccessKeys, now: SystemTime) -> Result<Verified, ApiError> {
    let form = || incomplete("the bearer token is not of the form lst1.KEY.EXPIRY.NONCE.MAC");
    if token.len() > MAX_TOKEN_LENGTH {
        return Err(form());
    }
    let (text, mac) = token.rsplit_once('.').ok_or_else(form)?;
    let mut parts = text.split('.');
    let (Some(VERSION), Some(id), Some(expiry), Some(nonce), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return Err(form());
    };
    let is_hex = |text: &str| text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    if nonce.len() != NONCE_DIGITS || !is_hex(nonce) || !is_hex(mac) {
        return Err(form());
    }
    let mac = hex::decode(mac).map_err(|_| form())?;
    // Decimal digits only: what the MAC covers has one way to be written.
    if expiry.is_empty() || !expiry.bytes().all(|c| c.is_ascii_digit()) {
        return Err(form());
    }
    let expiry: u64 = expiry.parse().map_err(|_| form())?;
    let key = keys.find(id).ok_or_else(super::sigv4::unrecognized)?;
    hmac::verify(&signing_key(key.secret()), text.as_bytes(), &mac).map_err(|_| {
        ApiError::new(
            ErrorKind::INVALID_SIGNATURE,
            "The bearer token was not minted with the secret of its access key. Check the secret access key.",
        )
    })?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if expiry <= now {
        return Err(ApiError::new(
            ErrorKind::EXPIRED_TOKEN,
            format!("The bearer token expired at {expiry}; it is now {now}. Mint a new one."),
        ));
    }
    if expiry - now > MAX_LIFETIME.as_secs() {
        return Err(ApiError::new(
            ErrorKind::INVALID_SIGNATURE,
            format!(
                "The bearer token expires at {expiry}; it is now {now}. At most {} seconds ahead are allowed; mint a shorter one and check the clock.",
                MAX_LIFETIME.as_secs()
            ),
        ));
    }
    Ok(Verified::new(id, key))
}

fn signing_key(secret: &[u8]) -> hmac::Key {
    let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), KEY_LABEL);
    hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
}

fn incomplete(message: &str) -> ApiError {
    ApiError::new(ErrorKind::INCOMPLETE_SIGNATURE, format!("{message}."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const EXPIRY: u64 = 1_700_000_000;
    const NONCE: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const VECTOR: &str = "lst1.AKIAIOSFODNN7EXAMPLE.1700000000.000102030405060708090a0b0c0d0e0f.7595138a876185ab6c5dac8bbf473bc512952dcf98ff31b5e4a43d8e84733c32";

    fn keys() -> AccessKeys {
        let mut keys = AccessKeys::new();
        keys.insert(
            ID,
            Zeroizing::new(SECRET.to_owned()),
            "arn:aws:iam::000000000000:user/a",
        )
        .unwrap();
        keys
    }

    fn kind(token: &str, now: u64) -> Option<ErrorKind> {
        let now = UNIX_EPOCH + Duration::from_secs(now);
        verify(token, &keys(), now).err().map(|error| error.kind)
    }

    #[test]
    fn the_vector_is_minted_and_passes() {
        let token = mint(ID, SECRET, EXPIRY, NONCE);
        assert_eq!(token, VECTOR);
        let now = UNIX_EPOCH + Duration::from_secs(EXPIRY - 60);
        let verified = verify(&token, &keys(), now).unwrap();
        assert_eq!(verified.caller().access_key_id(), ID);
        assert_eq!(verified.caller().arn(), "arn:aws:iam::000000000000:user/a");
    }

    #[test]
    fn time_is_checked() {
        for (now, expected) in [
            (EXPIRY - 3600, None),
            (EXPIRY - 1, None),
            (EXPIRY, Some(ErrorKind::EXPIRED_TOKEN)),
            (EXPIRY + 1, Some(ErrorKind::EXPIRED_TOKEN)),
            (EXPIRY - 3601, Some(ErrorKind::INVALID_SIGNATURE)),
            (0, Some(ErrorKind::INVALID_SIGNATURE)),
        ] {
            assert_eq!(kind(VECTOR, now), expected, "{now}");
        }
    }

    #[test]
    fn every_changed_byte_is_refused() {
        for index in 0..VECTOR.len() {
            for byte in 0x20..0x7f {
                let mut bytes = VECTOR.as_bytes().to_vec();
                if std::mem::replace(&mut bytes[index], byte) != byte {
                    let token = String::from_utf8(bytes).unwrap();
                    assert!(kind(&token, EXPIRY - 60).is_some(), "{token}");
                }
            }
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let other = mint("AKIAI44QH8DHBEXAMPLE", SECRET, EXPIRY, NONCE);
        assert_eq!(
            kind(&other, EXPIRY - 1),
            Some(ErrorKind::UNRECOGNIZED_CLIENT)
        );
        let signed_number = VECTOR.replace("17000", "+17000");
        for token in ["", "lst1", "lst1....", &signed_number, &"a.".repeat(400)] {
            assert_eq!(
                kind(token, EXPIRY - 1),
                Some(ErrorKind::INCOMPLETE_SIGNATURE),
                "{token}"
            );
        }
    }

    #[test]
    fn the_header_must_come_once() {
        let now = UNIX_EPOCH + Duration::from_secs(EXPIRY - 1);
        let mut headers = HeaderMap::new();
        let missing = verify_headers(&headers, &keys(), now).unwrap_err();
        assert_eq!(missing.kind, ErrorKind::MISSING_AUTHENTICATION_TOKEN);
        let value: http::HeaderValue = format!("Bearer {VECTOR}").parse().unwrap();
        headers.append(AUTHORIZATION, value.clone());
        assert!(verify_headers(&headers, &keys(), now).is_ok());
        headers.append(AUTHORIZATION, value);
        let twice = verify_headers(&headers, &keys(), now).unwrap_err();
        assert_eq!(twice.kind, ErrorKind::INCOMPLETE_SIGNATURE);
    }
}
