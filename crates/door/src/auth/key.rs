//! Access keys: who may call, and the secret that proves it.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// Most access keys of one installation; all are held in memory.
pub const MAX_ACCESS_KEYS: usize = 10_000;

/// The access keys of this installation, by access key id.
#[derive(Debug, Default)]
pub struct AccessKeys(BTreeMap<String, AccessKey>);

/// One access key. The secret is wiped from memory when this is dropped, and never printed.
pub struct AccessKey {
    secret: Zeroizing<String>,
    arn: String,
}

/// An access key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAccessKey {
    /// Other characters would be ambiguous in an Authorization header or in a bearer token.
    #[error("access key id \"{0}\" is not valid: use 16 to 128 letters, digits and underscores")]
    Id(String),
    /// Too short to resist guessing; the secret itself is not shown.
    #[error(
        "the secret of access key {0} is not valid: use 32 to 256 printable characters without spaces"
    )]
    Secret(String),
    /// Whose key it is, is unknown.
    #[error("the user of access key {0} is missing: give the ARN of the user")]
    Arn(String),
    /// Given before.
    #[error("access key {0} is given twice; keep one")]
    Duplicate(String),
    /// More than fit.
    #[error("more than {MAX_ACCESS_KEYS} access keys; remove some")]
    TooMany,
}

impl AccessKeys {
    /// No keys: nobody may call.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key. `arn` names the user it belongs to.
    pub fn insert(
        &mut self,
        access_key_id: impl Into<String>,
        secret: Zeroizing<String>,
        arn: impl Into<String>,
    ) -> Result<(), InvalidAccessKey> {
        let (id, arn) = (access_key_id.into(), arn.into());
        let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
        if !(16..=128).contains(&id.len()) || !id.bytes().all(word) {
            return Err(InvalidAccessKey::Id(id));
        }
        if !(32..=256).contains(&secret.len()) || !secret.bytes().all(|c| c.is_ascii_graphic()) {
            return Err(InvalidAccessKey::Secret(id));
        }
        if arn.is_empty() {
            return Err(InvalidAccessKey::Arn(id));
        }
        if self.0.contains_key(&id) {
            return Err(InvalidAccessKey::Duplicate(id));
        }
        if self.0.len() >= MAX_ACCESS_KEYS {
            return Err(InvalidAccessKey::TooMany);
        }
        self.0.insert(id, AccessKey { secret, arn });
        Ok(())
    }

    pub(super) fn find(&self, access_key_id: &str) -> Option<&AccessKey> {
        self.0.get(access_key_id)
    }
}

impl AccessKey {
    /// The ARN of the user who owns it.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    pub(super) fn secret(&self) -> &[u8] {
        self.secret.as_bytes()
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("secret", &"[redacted]")
            .field("arn", &self.arn)
            .finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn insert(keys: &mut AccessKeys, id: &str, secret: &str) -> Result<(), InvalidAccessKey> {
        keys.insert(
            id,
            Zeroizing::new(secret.to_owned()),
            "arn:aws:iam::000000000000:user/a",
        )
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut keys = AccessKeys::new();
        insert(&mut keys, ID, SECRET).unwrap();
        let text = format!("{keys:?}");
        assert!(text.contains(ID) && !text.contains("wJalr"), "{text}");
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let mut keys = AccessKeys::new();
        for id in ["", "short", "AKIA.OSFODNN7EXAMPLE", "AKIA/OSFODNN7EXAMPLE"] {
            let refused = insert(&mut keys, id, SECRET);
            assert_eq!(refused, Err(InvalidAccessKey::Id(id.to_owned())));
        }
        for secret in ["", "short", "wJalrXUtnFEMI K7MDENG bPxRfiCYEXAMPLEKEY"] {
            let refused = insert(&mut keys, ID, secret);
            assert_eq!(refused, Err(InvalidAccessKey::Secret(ID.to_owned())));
        }
        insert(&mut keys, ID, SECRET).unwrap();
        let refused = insert(&mut keys, ID, SECRET);
        assert_eq!(refused, Err(InvalidAccessKey::Duplicate(ID.to_owned())));
    }
}
