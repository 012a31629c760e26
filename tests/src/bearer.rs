//! Bearer tokens for the gRPC services, minted from an access key as `longshore token` does.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;

/// What the key of a token's code is derived with.
const KEY_LABEL: &[u8] = b"longshore-bearer-v1";
/// Seconds a token is good for; the control plane takes at most an hour.
const LIFETIME: u64 = 3600;

/// A token of this access key, good for an hour.
pub fn mint(access_key_id: &str, secret_access_key: &str) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let expiry = now.as_secs() + LIFETIME;
    // Unique is enough of a nonce; the time of the call in nanoseconds and the process are that.
    let nonce = now.as_nanos() << 16 | u128::from(std::process::id() & 0xffff);
    let text = format!("lst1.{access_key_id}.{expiry}.{nonce:032x}");
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret_access_key.as_bytes());
    let derived = hmac::sign(&secret, KEY_LABEL);
    let key = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
    let code = hmac::sign(&key, text.as_bytes());
    let code: String = code
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("{text}.{code}"))
}
