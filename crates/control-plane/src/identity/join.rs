//! Join tokens: made for people, traded by agents for a certificate.
//!
//! A token is `ls1.ID.SECRET.FINGERPRINT`: 16 hex digits that name it, 64 that prove it, and the
//! SHA-256 of the authority's certificate, so that the agent knows whom it talks to before it is
//! known itself. The store keeps a hash of the secret only.

use std::time::Duration;

use aws_lc_rs::{constant_time, digest};
use longshore_model::{ClusterName, Timestamp};
use longshore_store::table::JoinToken;
use zeroize::Zeroizing;

/// Most nodes one token admits.
pub const MAX_USES: u32 = 1000;
/// Longest a token is valid.
pub const MAX_LIFETIME: Duration = Duration::from_secs(86_400);
const PREFIX: &str = "ls1";

/// A token as it is shown once, and the record that is kept of it.
pub fn mint(
    cluster: ClusterName,
    uses: u32,
    expires_at: Timestamp,
    fingerprint: &str,
) -> (Zeroizing<String>, JoinToken) {
    let id = hex::encode(rand::random::<[u8; 8]>());
    let secret = Zeroizing::new(hex::encode(rand::random::<[u8; 32]>()));
    let token = Zeroizing::new(format!("{PREFIX}.{id}.{}.{fingerprint}", secret.as_str()));
    let record = JoinToken {
        id,
        secret_digest: digest_of(&secret),
        cluster,
        uses_left: uses,
        expires_at,
    };
    (token, record)
}

/// The id and the secret of a token that an agent shows; `None` if it is not a token.
pub fn parse(token: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = token.trim().split('.').collect();
    match parts.as_slice() {
        &[PREFIX, id, secret, _] if id.len() == 16 && secret.len() == 64 => Some((id, secret)),
        _ => None,
    }
}

/// Whether the token admits a node at `now`.
pub fn admits(record: &JoinToken, secret: &str, now: Timestamp) -> bool {
    let shown = digest_of(secret);
    let same =
        constant_time::verify_slices_are_equal(shown.as_bytes(), record.secret_digest.as_bytes());
    same.is_ok() && record.uses_left > 0 && now < record.expires_at
}

fn digest_of(secret: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, secret.as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_admits_its_nodes_in_its_time() {
        let soon = Timestamp::from_millis(1000);
        let (token, mut record) = mint(ClusterName::default_cluster(), 1, soon, "ab");
        let (id, secret) = parse(&token).unwrap();
        assert_eq!(id, record.id);
        assert!(!record.secret_digest.contains(secret));
        assert!(admits(&record, secret, Timestamp::default()));
        assert!(!admits(&record, secret, soon));
        assert!(!admits(
            &record,
            &secret.replace(&secret[..1], "x"),
            Timestamp::default()
        ));
        record.uses_left = 0;
        assert!(!admits(&record, secret, Timestamp::default()));
        for bad in ["", "ls1", "ls1.a.b.c", "ls2.0000000000000000.00.ab"] {
            assert_eq!(parse(bad), None);
        }
    }
}
