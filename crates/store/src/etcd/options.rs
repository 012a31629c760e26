//! How to reach an etcd, and why it is not used.

use std::fmt;
use std::time::Duration;

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};
use zeroize::Zeroizing;

use crate::contract::MAX_VALUE_BYTES;
use crate::watch::HistoryLimit;

/// How long opening waits for servers that do not answer yet.
const OPEN_LIMIT: Duration = Duration::from_secs(10);

/// How to reach an etcd and what to keep of it.
#[derive(Debug, Clone)]
pub struct EtcdOptions {
    /// `HOST:PORT` of its members; one is enough to work, all of them to work while some are away.
    pub endpoints: Vec<String>,
    /// What all keys begin with, followed by a slash. Several installations may share an etcd
    /// under different prefixes.
    pub prefix: String,
    /// For TLS. Without, connections are plain.
    pub tls: Option<EtcdTls>,
    /// Where etcd's authentication is on.
    pub user: Option<EtcdUser>,
    /// The id that the installation must have, if it exists. Without, any will do.
    pub installation: Option<String>,
    /// How much of the past is kept in memory for watches.
    pub history: HistoryLimit,
    /// How long [`Etcd::open`](super::Etcd::open) tries before it gives up.
    pub open_limit: Duration,
}

/// Certificates and keys, as PEM.
#[derive(Clone, Default)]
pub struct EtcdTls {
    /// The authorities that etcd's servers are checked against.
    pub authority: String,
    /// The certificate that etcd knows this process by, and its private key.
    pub identity: Option<(String, Zeroizing<String>)>,
}

impl fmt::Debug for EtcdTls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("EtcdTls").finish_non_exhaustive()
    }
}

/// Who we are to etcd.
#[derive(Clone)]
pub struct EtcdUser {
    /// The name of the user.
    pub name: String,
    /// Its password.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for EtcdUser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("EtcdUser")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl EtcdOptions {
    /// Plain connections to these endpoints, the prefix `longshore`, the default history.
    pub fn new(endpoints: Vec<String>) -> EtcdOptions {
        EtcdOptions {
            endpoints,
            prefix: "longshore".to_owned(),
            tls: None,
            user: None,
            installation: None,
            history: HistoryLimit::default(),
            open_limit: OPEN_LIMIT,
        }
    }

    /// The address of one endpoint, with the scheme that fits.
    pub(super) fn url(&self, endpoint: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{endpoint}")
    }

    /// What the client library is told about every connection.
    pub(super) fn connect_options(&self) -> ConnectOptions {
        let mut options = ConnectOptions::new()
            .with_connect_timeout(CONNECT_LIMIT)
            // Servers refuse clients that ask more often than every 5 s.
            .with_keep_alive(Duration::from_secs(6), Duration::from_secs(2))
            .with_require_leader(true);
        if let Some(tls) = &self.tls {
            let mut with = TlsOptions::new().ca_certificate(Certificate::from_pem(&tls.authority));
            if let Some((certificate, key)) = &tls.identity {
                with = with.identity(Identity::from_pem(certificate, key.as_bytes()));
            }
            options = options.with_tls(with);
        }
        if let Some(user) = &self.user {
            options = options
                .with_user(user.name.clone(), user.password.to_string())
                .with_auto_token_refresh(true);
        }
        options
    }
}

/// How long one server has to take a connection.
const CONNECT_LIMIT: Duration = Duration::from_millis(700);

/// Why an etcd is not used.
#[derive(Debug, thiserror::Error)]
pub enum EtcdError {
    /// No endpoint was given.
    #[error("no endpoint of etcd was given; give HOST:PORT of at least one member")]
    NoEndpoint,
    /// None of the servers answers.
    #[error(
        "etcd does not answer at {endpoints}: {cause}. Check the addresses, that etcd runs there \
         (`etcdctl --endpoints {endpoints} endpoint health`), and that a majority of its members \
         is up"
    )]
    NoAnswer {
        /// What was tried.
        endpoints: String,
        /// What the newest try met.
        cause: String,
    },
    /// The connection is refused for its certificates.
    #[error(
        "the TLS connection to etcd at {endpoints} fails: {cause}. Check that the CA file holds \
         the authority that signed etcd's server certificates, that these name the host, that \
         etcd speaks TLS there, and that the client certificate is signed by etcd's \
         --trusted-ca-file"
    )]
    Tls {
        /// What was tried.
        endpoints: String,
        /// What the newest try met.
        cause: String,
    },
    /// The user, the password or the rights are wrong.
    #[error(
        "etcd at {endpoints} refuses us: {cause}. Check the user's name and password, and that \
         its role may read and write every key under {prefix:?} (`etcdctl role grant-permission \
         ROLE --prefix=true readwrite {prefix}`)"
    )]
    Credentials {
        /// What was tried.
        endpoints: String,
        /// The prefix of the installation.
        prefix: String,
        /// What etcd said.
        cause: String,
    },
    /// Another installation is there.
    #[error(
        "etcd at {endpoints} holds installation {found} under {prefix:?}, and this is {expected}; \
         give the etcd of this installation, or another prefix for a new one"
    )]
    Foreign {
        /// Where it was found.
        endpoints: String,
        /// The prefix.
        prefix: String,
        /// The id found.
        found: String,
        /// The id expected.
        expected: String,
    },
    /// What is under the prefix was written by a later version, or by somebody else.
    #[error(
        "what etcd at {endpoints} holds under {prefix:?} is not of the format this version reads: \
         {what}; run the version that wrote it, or give another prefix"
    )]
    Format {
        /// Where it was found.
        endpoints: String,
        /// The prefix.
        prefix: String,
        /// What was found.
        what: String,
    },
    /// The options cannot be used.
    #[error("the options for etcd cannot be used: {0}")]
    Options(String),
}

/// What to say when etcd refuses a request for its size.
pub(super) fn too_large_for_server() -> &'static str {
    const { assert!(MAX_VALUE_BYTES < 1024 * 1536) };
    "commit's length in bytes as etcd takes it (start etcd with a larger --max-request-bytes)"
}
