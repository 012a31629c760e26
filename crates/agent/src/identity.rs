//! Who this agent is, and how it becomes that.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use longshore_model::{InstanceId, Timestamp};
use longshore_proto::agent::JoinRequest;
use longshore_proto::agent::enrollment_client::EnrollmentClient;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde::{Deserialize, Serialize};

use crate::tls;

const LOCK: &str = "LOCK";
const KEY: &str = "key.pem";
const CERTIFICATE: &str = "cert.pem";
const AUTHORITY: &str = "ca.pem";
/// Written last: where it is, the rest is complete.
const INSTANCE: &str = "instance.json";
/// When the newest life of the agent began, in ms since the epoch.
const LIFE: &str = "life";

/// The data directory, locked for this process.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

/// Who this agent is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The container instance it speaks for.
    pub instance: InstanceId,
    /// The cluster it joined.
    pub cluster: String,
    /// PEM, leaf first.
    pub certificate_chain: String,
    /// PEM.
    pub key: String,
    /// PEM.
    pub authority: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct InstanceFile {
    instance_id: InstanceId,
    cluster: String,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The data directory cannot be used.
    #[error("cannot {action} {}; check its owner, its permissions and the space left", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Another agent runs on the data directory.
    #[error("data directory {} is in use by another agent; stop it, or give this one another data directory", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// What the data directory says of the instance cannot be read.
    #[error("{} is damaged; remove it and join again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The token is not one.
    #[error(
        "the join token is not valid: expected ls1.ID.SECRET.HASH as printed when it was made; copy it whole"
    )]
    Token,
    /// Keys could not be made.
    #[error("cannot make a key")]
    Key(#[from] rcgen::Error),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// Nobody, or not the right one, answers.
    #[error("cannot reach the control plane at {address}")]
    Connect {
        /// Where it was looked for.
        address: String,
        /// What happened.
        #[source]
        source: tonic::transport::Error,
    },
    /// The control plane said no, or something that is not an answer.
    #[error("the control plane refused the join: {}", .0.message())]
    Refused(#[source] Box<tonic::Status>),
}

impl IdentityError {
    /// Whether trying again later may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Refused(status) => matches!(
                status.code(),
                tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Internal
            ),
            _ => false,
        }
    }
}

/// A join token: `ls1.ID.SECRET.HASH`, the hash being the SHA-256 of the authority's certificate.
#[derive(Clone)]
pub struct JoinToken {
    text: String,
    authority: [u8; 32],
}

impl std::fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JoinToken")
    }
}

impl std::str::FromStr for JoinToken {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let text = text.trim();
        let parts: Vec<&str> = text.split('.').collect();
        match parts.as_slice() {
            ["ls1", id, secret, hash] if !id.is_empty() && !secret.is_empty() => {
                let authority = hex::decode(hash).ok();
                let authority = authority.and_then(|bytes| bytes.try_into().ok());
                Ok(Self {
                    text: text.to_owned(),
                    authority: authority.ok_or(IdentityError::Token)?,
                })
            }
            _ => Err(IdentityError::Token),
        }
    }
}

impl JoinToken {
    /// Whether it is for the control plane whose authority has this SHA-256, in hex.
    pub fn names_authority(&self, hash: &str) -> bool {
        hex::encode(self.authority).eq_ignore_ascii_case(hash.trim())
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> IdentityError {
    move |source| IdentityError::File {
        action,
        path: path.to_owned(),
        source,
    }
}

impl DataDirectory {
    /// Makes the directory where needed, for its owner only, and locks it.
    ///
    /// # Errors
    /// When another agent has it, or the file system refuses.
    pub fn open(path: &Path) -> Result<Self, IdentityError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path).map_err(failed("create", path))?;
        let owner_only = fs::Permissions::from_mode(0o700);
        fs::set_permissions(path, owner_only).map_err(failed("close off", path))?;
        let file = path.join(LOCK);
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&file)
            .map_err(failed("create", &file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(IdentityError::InUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(failed("lock", &file)(source)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The identity kept here, if the agent has joined.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn identity(&self) -> Result<Option<Identity>, IdentityError> {
        let path = self.path.join(INSTANCE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let file: InstanceFile = serde_json::from_slice(&text)
            .map_err(|source| IdentityError::Damaged { path, source })?;
        let read = |name| {
            let path = self.path.join(name);
            fs::read_to_string(&path).map_err(failed("read", &path))
        };
        Ok(Some(Identity {
            instance: file.instance_id,
            cluster: file.cluster,
            certificate_chain: read(CERTIFICATE)?,
            key: read(KEY)?,
            authority: read(AUTHORITY)?,
        }))
    }

    /// When the life that begins now began: later than every earlier one, whatever the node's clock
    /// was set to meanwhile, since the control plane refuses an earlier life.
    pub fn begin_life(&self, now: Timestamp) -> Timestamp {
        let before = fs::read_to_string(self.path.join(LIFE)).ok();
        let before = before.and_then(|text| text.trim().parse::<i64>().ok());
        let began = before.map_or(now.millis(), |before| {
            now.millis().max(before.saturating_add(1))
        });
        if let Err(error) = self.write(LIFE, began.to_string().as_bytes()) {
            // What runs must be looked after on a full disk as well.
            tracing::warn!(%error, "a later start may be refused if the clock is set back");
        }
        Timestamp::from_millis(began)
    }

    /// Trades the token for an identity and keeps it.
    ///
    /// # Errors
    /// When the control plane cannot be reached or refuses, or the disk does.
    pub async fn join(
        &self,
        address: &str,
        token: &JoinToken,
        hostname: &str,
    ) -> Result<Identity, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let request = CertificateParams::default().serialize_request(&key)?;
        let config = tls::pinned(token.authority)?;
        let channel = tls::connect(address, config).await;
        let channel = channel.map_err(|source| IdentityError::Connect {
            address: address.to_owned(),
            source,
        })?;
        let refused = |status| IdentityError::Refused(Box::new(status));
        let answer = EnrollmentClient::new(channel)
            .join(JoinRequest {
                token: token.text.clone(),
                certificate_signing_request: request.pem()?,
                hostname: hostname.to_owned(),
            })
            .await
            .map_err(refused)?
            .into_inner();
        let instance = answer.instance_id.parse().map_err(|error| {
            refused(tonic::Status::invalid_argument(format!(
                "it answered with {error}"
            )))
        })?;
        let identity = Identity {
            instance,
            cluster: answer.cluster,
            certificate_chain: answer.certificate_chain,
            key: key.serialize_pem(),
            authority: answer.certificate_authority,
        };
        self.keep(&identity)?;
        Ok(identity)
    }

    fn keep(&self, identity: &Identity) -> Result<(), IdentityError> {
        self.write(KEY, identity.key.as_bytes())?;
        self.write(CERTIFICATE, identity.certificate_chain.as_bytes())?;
        self.write(AUTHORITY, identity.authority.as_bytes())?;
        let file = InstanceFile {
            instance_id: identity.instance,
            cluster: identity.cluster.clone(),
        };
        let path = self.path.join(INSTANCE);
        let text = serde_json::to_vec_pretty(&file)
            .map_err(|source| IdentityError::Damaged { path, source })?;
        self.write(INSTANCE, &text)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), IdentityError> {
        let path = self.path.join(name);
        write_file(&path, bytes).map_err(failed("write", &path))
    }
}

/// Writes a file whole or not at all, durably, readable by its owner only.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_whole_or_not_at_all() {
        let hash = "ab".repeat(32);
        let token: JoinToken = format!(" ls1.id.00ff.{hash}\n").parse().unwrap();
        assert_eq!(token.authority, [0xab; 32]);
        for bad in [
            "",
            "ls1.id.00ff",
            "ls2.id.00ff.ab",
            "ls1.id.00ff.abcd",
            "ls1..x.00",
        ] {
            assert!(bad.parse::<JoinToken>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_later_life_begins_later_though_the_clock_is_set_back() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&directory.path().join("data")).unwrap();
        let begin = |now| data.begin_life(Timestamp::from_millis(now)).millis();
        assert_eq!([begin(1000), begin(2000), begin(500)], [1000, 2000, 2001]);
        fs::write(data.path().join(LIFE), "?").unwrap();
        assert_eq!(begin(700), 700);
    }

    #[test]
    fn one_agent_per_directory_and_nothing_for_others_to_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let data = DataDirectory::open(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let second = DataDirectory::open(&path);
        assert!(matches!(second, Err(IdentityError::InUse { .. })));
        assert!(data.identity().unwrap().is_none());
        let identity = Identity {
            instance: InstanceId::new(5),
            cluster: "default".into(),
            certificate_chain: "c".into(),
            key: "k".into(),
            authority: "a".into(),
        };
        data.keep(&identity).unwrap();
        let mode = fs::metadata(path.join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            data.identity().unwrap().unwrap().instance,
            InstanceId::new(5)
        );
    }
}
