//! The access keys that people and SDKs sign with: `access-keys.json` in the data directory.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use longshore_door::auth::AccessKeys;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::write_private;

/// Name of the file in the data directory.
pub const FILE: &str = "access-keys.json";
/// Characters of an access key id after `AKIA`, as AWS makes them.
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

#[derive(Serialize, Deserialize)]
struct StoredKey {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    arn: String,
}

/// Whether the data directory holds keys.
pub fn is_kept(data_dir: &Path) -> bool {
    data_dir.join(FILE).exists()
}

/// Reads the keys; on the first start makes one for `user/admin`.
///
/// # Errors
/// When the file cannot be read, written or understood; it says which file.
pub fn load_or_create(data_dir: &Path, account: &str) -> anyhow::Result<AccessKeys> {
    let path = data_dir.join(FILE);
    let stored: Vec<StoredKey> = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not a list of access keys", path.display()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let keys = vec![generate(account)];
            let content = Zeroizing::new(serde_json::to_vec_pretty(&keys)?);
            write_private(&path, &content)
                .with_context(|| format!("cannot write {}", path.display()))?;
            tracing::info!(path = %path.display(), "made the first access key");
            keys
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let mut keys = AccessKeys::new();
    for key in stored {
        keys.insert(key.access_key_id, key.secret_access_key, key.arn)
            .with_context(|| format!("{} holds a key that cannot be used", path.display()))?;
    }
    Ok(keys)
}

fn generate(account: &str) -> StoredKey {
    let bytes: [u8; 16] = rand::random();
    let letters = bytes
        .iter()
        .map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)]));
    let secret = Zeroizing::new(rand::random::<[u8; 30]>());
    StoredKey {
        access_key_id: format!("AKIA{}", letters.collect::<String>()),
        secret_access_key: Zeroizing::new(base64_text(secret.as_slice())),
        arn: format!("arn:aws:iam::{account}:user/admin"),
    }
}

fn base64_text(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_start_makes_a_private_key_and_the_next_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        load_or_create(dir.path(), "000000000000").unwrap();
        let path = dir.path().join(FILE);
        let first = fs::read(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        load_or_create(dir.path(), "000000000000").unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
    }

    #[test]
    fn a_broken_file_is_named_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "[{").unwrap();
        let error = load_or_create(dir.path(), "000000000000").unwrap_err();
        assert!(error.to_string().contains(FILE), "{error}");
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), b"[{");
    }
}
