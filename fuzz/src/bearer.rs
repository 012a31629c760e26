//! Bearer tokens. The input is a token; it also decides what a second, minted one holds.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longshore_door::auth::{AccessKeys, bearer};
use zeroize::Zeroizing;

use crate::assert_bounded;
use crate::input::Dice;

/// The access key that the seeds were made with.
pub const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
/// Its secret.
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// When the targets are, in seconds since the Unix epoch: 2015-08-30T12:36:00Z. The seeds were
/// signed then.
pub const NOW: u64 = 1_440_938_160;

/// The only access key there is.
pub(crate) static KEYS: LazyLock<AccessKeys> = LazyLock::new(|| {
    let mut keys = AccessKeys::new();
    let arn = "arn:aws:iam::000000000000:user/fuzz";
    keys.insert(ACCESS_KEY_ID, Zeroizing::new(SECRET.to_owned()), arn)
        .expect("the access key has the form of one");
    keys
});

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// Reads a token.
pub fn run(data: &[u8]) {
    if let Ok(token) = std::str::from_utf8(data) {
        match bearer::verify(token, &KEYS, now()) {
            Ok(verified) => {
                assert_eq!(verified.caller().access_key_id(), ACCESS_KEY_ID);
                assert_eq!(
                    minted_anew(token).as_deref(),
                    Some(token),
                    "a forged token passes"
                );
            }
            Err(error) => assert_bounded(&error.message, data),
        }
    }
    mint_and_change(data);
}

/// The token that minting with the expiry and nonce of `token` gives.
fn minted_anew(token: &str) -> Option<String> {
    let mut parts = token.split('.').skip(2);
    let expiry = parts.next()?.parse().ok()?;
    let mut nonce = [0; 16];
    hex::decode_to_slice(parts.next()?, &mut nonce).ok()?;
    // An expiry may be written with zeros in front, which its maker signed.
    Some(bearer::mint(ACCESS_KEY_ID, SECRET, expiry, nonce))
}

/// A minted token passes in its time, and with no byte changed.
fn mint_and_change(data: &[u8]) {
    let mut dice = Dice::new(data);
    let mut nonce = [0; 16];
    let taken = data.len().min(nonce.len());
    nonce[..taken].copy_from_slice(&data[..taken]);
    let expiry = NOW - 1800 + dice.below(7200) as u64;
    let token = bearer::mint(ACCESS_KEY_ID, SECRET, expiry, nonce);
    let in_time = expiry > NOW && expiry <= NOW + bearer::MAX_LIFETIME.as_secs();
    assert_eq!(
        bearer::verify(&token, &KEYS, now()).is_ok(),
        in_time,
        "{token}"
    );

    let mut changed = token.into_bytes();
    let place = dice.below(changed.len());
    changed[place] = dice.other(changed[place]);
    if let Ok(changed) = String::from_utf8(changed) {
        assert!(
            bearer::verify(&changed, &KEYS, now()).is_err(),
            "{changed} passes, changed at {place}"
        );
    }
}
