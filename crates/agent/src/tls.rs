//! Connections to the control plane: TLS to a server that proves the control plane's name under
//! the cluster's own certificate authority, and HTTP/2 on top.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

/// The name in the control plane's certificate, wherever it is reached.
pub const SERVER_NAME: &str = "longshore-control-plane";
/// For each of connecting and the handshake.
const CONNECT: Duration = Duration::from_secs(5);
/// A silent connection is asked for a sign of life this often, and given up when none comes in
/// the same time again.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file or message does not hold the PEM it should.
    #[error("{what} is not valid PEM; join again")]
    Pem {
        /// Which.
        what: &'static str,
        /// What is wrong.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The certificates do not fit each other.
    #[error("the agent's certificate cannot be used; join again")]
    Rustls(#[from] rustls::Error),
    /// The authority cannot be used.
    #[error("the certificate authority cannot be used; join again")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// For calls under this agent's identity.
///
/// # Errors
/// When the PEM texts cannot be used.
pub fn identified(
    certificate_chain: &str,
    key: &str,
    authority: &str,
) -> Result<Arc<ClientConfig>, TlsError> {
    let certificates = |what, pem: &str| -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let all = CertificateDer::pem_slice_iter(pem.as_bytes());
        all.collect::<Result<_, _>>()
            .map_err(|source| TlsError::Pem { what, source })
    };
    let mut roots = RootCertStore::empty();
    for root in certificates("the certificate authority", authority)? {
        roots.add(root)?;
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|source| TlsError::Pem {
        what: "the agent's key",
        source,
    })?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(
            certificates("the agent's certificate", certificate_chain)?,
            key,
        )?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// For the one call before there is an identity: trusts exactly the authority whose certificate
/// has this SHA-256, as the join token says.
///
/// # Errors
/// When TLS cannot be set up at all.
pub fn pinned(authority: [u8; 32]) -> Result<Arc<ClientConfig>, TlsError> {
    let verifier = Pinned {
        authority,
        provider: provider(),
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Connects to `address`, `HOST:PORT`.
///
/// # Errors
/// When nobody answers there, or somebody else than the control plane.
pub async fn connect(
    address: &str,
    config: Arc<ClientConfig>,
) -> Result<Channel, tonic::transport::Error> {
    let address = address.to_owned();
    let connector = tower::service_fn(move |_: http::Uri| {
        let address = address.clone();
        let config = Arc::clone(&config);
        async move { dial(&address, config).await.map(TokioIo::new) }
    });
    // The scheme names no TLS since the connector has done it already.
    Endpoint::from_static("http://longshore-control-plane")
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .connect_with_connector(connector)
        .await
}

async fn dial(
    address: &str,
    config: Arc<ClientConfig>,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let late = |_| {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("{address} does not answer"),
        )
    };
    let stream = timeout(CONNECT, TcpStream::connect(address))
        .await
        .map_err(late)??;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
    let handshake = TlsConnector::from(config).connect(name, stream);
    timeout(CONNECT, handshake).await.map_err(late)?
}

/// Accepts a chain that contains one given authority and is valid under it.
#[derive(Debug)]
struct Pinned {
    authority: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_pinned = |certificate: &&CertificateDer<'_>| {
            digest::digest(&digest::SHA256, certificate).as_ref() == self.authority
        };
        let Some(authority) = intermediates.iter().find(is_pinned) else {
            return Err(rustls::Error::General(
                "this is not the control plane that issued the join token: its certificate authority is another; check the address and the token".to_owned(),
            ));
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let provider = Arc::clone(&self.provider);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
