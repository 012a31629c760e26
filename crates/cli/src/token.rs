//! Bearer tokens, minted from an access key without asking anyone.
//!
//! `lst1.ACCESS_KEY_ID.EXPIRY.NONCE.MAC`, where MAC is HMAC-SHA256 over everything before the
//! last dot, under a key derived from the secret access key. The derivation keeps tokens and
//! SigV4 signatures apart.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;

use crate::credentials::Credentials;

/// The control plane refuses tokens that live longer.
pub(crate) const MAX_LIFETIME: Duration = Duration::from_secs(3600);

const VERSION: &str = "lst1";
const KEY_LABEL: &[u8] = b"longshore-bearer-v1";
const NONCE_BYTES: usize = 16;

/// Makes a token that lives this long from now, with a fresh nonce.
pub(crate) fn mint(credentials: &Credentials, lifetime: Duration) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let expiry = (now + lifetime).as_secs();
    mint_at(credentials, expiry, rand::random())
}

fn mint_at(credentials: &Credentials, expiry: u64, nonce: [u8; NONCE_BYTES]) -> String {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, credentials.secret_access_key.as_bytes());
    let derived = hmac::sign(&secret, KEY_LABEL);
    let key = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
    let text = format!(
        "{VERSION}.{}.{expiry}.{}",
        credentials.access_key_id,
        hex::encode(nonce)
    );
    let mac = hmac::sign(&key, text.as_bytes());
    format!("{text}.{}", hex::encode(mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the verifying side documents.
    #[test]
    fn a_fixed_vector() {
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        let nonce = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        assert_eq!(
            mint_at(&credentials, 1_700_000_000, nonce),
            "lst1.AKIAIOSFODNN7EXAMPLE.1700000000.000102030405060708090a0b0c0d0e0f.\
             7595138a876185ab6c5dac8bbf473bc512952dcf98ff31b5e4a43d8e84733c32"
        );
    }

    #[test]
    fn two_tokens_differ() {
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "secret".to_owned(),
        };
        let lifetime = Duration::from_secs(60);
        assert_ne!(mint(&credentials, lifetime), mint(&credentials, lifetime));
    }
}
