//! The control plane's own certificate authority: it signs the certificates of its nodes and of
//! its own agent listener. Nothing else is trusted on that listener.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use aws_lc_rs::digest;
use longshore_model::{ClusterName, InstanceId, ReplicaId};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::write_private;

/// The name that agents expect the control plane's certificate to have, wherever it runs.
pub const SERVER_NAME: &str = "longshore-control-plane";
/// First part of the name in a node's certificate; then `CLUSTER/INSTANCE`.
const NODE_URI: &str = "spiffe://longshore/instance/";
/// First part of the name in a control plane's own client certificate; then its id.
const REPLICA_URI: &str = "spiffe://longshore/control-plane/";
const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca.key";
/// How long the authority is valid.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);
/// How long a node's certificate is valid. An expired one keeps a node from connecting, never
/// from running its tasks.
const NODE_LIFETIME: Duration = Duration::from_secs(365 * 86_400);
/// How far in the past certificates begin, for nodes whose clock is behind.
const BACKDATE: Duration = Duration::from_secs(3600);

/// The authority, with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    fingerprint: String,
}

/// A certificate with its issuers, and its key, all PEM.
pub struct Identity {
    /// Leaf first, the authority last.
    pub chain: String,
    /// PKCS #8.
    pub key: Zeroizing<String>,
}

impl Authority {
    /// Whether the data directory holds an authority.
    pub fn is_kept(data_dir: &Path) -> bool {
        data_dir.join(CERTIFICATE_FILE).exists()
    }

    /// Reads the authority; on the first start makes it.
    ///
    /// # Errors
    /// When its files cannot be read, written or understood; it says which.
    pub fn load_or_create(data_dir: &Path) -> anyhow::Result<Self> {
        let (certificate_path, key_path) =
            (data_dir.join(CERTIFICATE_FILE), data_dir.join(KEY_FILE));
        let certificate = match fs::read_to_string(&certificate_path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (certificate, key) = generate()?;
                // The key first: a certificate without its key would never be made whole.
                write_private(&key_path, key.as_bytes())
                    .with_context(|| format!("cannot write {}", key_path.display()))?;
                write_private(&certificate_path, certificate.as_bytes())
                    .with_context(|| format!("cannot write {}", certificate_path.display()))?;
                certificate
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read {}", certificate_path.display()));
            }
        };
        let key = Zeroizing::new(
            fs::read_to_string(&key_path)
                .with_context(|| format!("cannot read {}", key_path.display()))?,
        );
        let key = KeyPair::from_pem(&key)
            .with_context(|| format!("{} is not a private key", key_path.display()))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key)
            .with_context(|| format!("{} is not a certificate", certificate_path.display()))?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(certificate.as_bytes())
            .with_context(|| format!("{} is not PEM", certificate_path.display()))?;
        let fingerprint = hex::encode(digest::digest(&digest::SHA256, &pem.contents));
        Ok(Self {
            issuer,
            certificate,
            fingerprint,
        })
    }

    /// The authority's certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// SHA-256 of the authority's certificate, in hex: what a join token pins.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// A fresh identity for the agent listener.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn server_identity(&self) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
        params.distinguished_name = name(SERVER_NAME);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        set_validity(&mut params, NODE_LIFETIME);
        let leaf = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            chain: self.chain(&leaf),
            key: Zeroizing::new(key.serialize_pem()),
        })
    }

    /// A fresh identity for calls to other control planes.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn replica_identity(&self, replica: ReplicaId) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let uri = format!("{REPLICA_URI}{replica}");
        let mut params = CertificateParams::default();
        params.distinguished_name = name(SERVER_NAME);
        params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri)?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        set_validity(&mut params, NODE_LIFETIME);
        let leaf = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            chain: self.chain(&leaf),
            key: Zeroizing::new(key.serialize_pem()),
        })
    }

    /// Signs a node's request. The name in the certificate is ours; whatever the request asks for
    /// besides its key is ignored.
    ///
    /// # Errors
    /// When the request is not one or its signature does not fit its key.
    pub fn sign_node(
        &self,
        request: &str,
        cluster: &ClusterName,
        instance: InstanceId,
    ) -> anyhow::Result<String> {
        let mut request = CertificateSigningRequestParams::from_pem(request)?;
        let uri = format!("{NODE_URI}{cluster}/{instance}");
        let mut params = CertificateParams::default();
        params.distinguished_name = name(&instance.to_string());
        params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri)?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        set_validity(&mut params, NODE_LIFETIME);
        request.params = params;
        Ok(self.chain(&request.signed_by(&self.issuer)?))
    }

    fn chain(&self, leaf: &rcgen::Certificate) -> String {
        format!("{}{}", leaf.pem(), self.certificate)
    }
}

/// The instance a verified client certificate speaks for.
pub fn node_of(certificate: &[u8]) -> Option<(ClusterName, InstanceId)> {
    let name = uri_of(certificate, NODE_URI)?;
    let (cluster, instance) = name.split_once('/')?;
    Some((cluster.parse().ok()?, instance.parse().ok()?))
}

/// The control plane a verified client certificate speaks for.
pub fn replica_of(certificate: &[u8]) -> Option<ReplicaId> {
    uri_of(certificate, REPLICA_URI)?.parse().ok()
}

/// What follows `prefix` in the first name of a certificate that begins with it.
fn uri_of(certificate: &[u8], prefix: &str) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => uri.strip_prefix(prefix),
            _ => None,
        });
    uris.next().map(str::to_owned)
}

fn generate() -> anyhow::Result<(String, Zeroizing<String>)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Longshore");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, AUTHORITY_LIFETIME);
    Ok((
        params.self_signed(&key)?.pem(),
        Zeroizing::new(key.serialize_pem()),
    ))
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn set_validity(params: &mut CertificateParams, lifetime: Duration) {
    let now = std::time::SystemTime::now();
    params.not_before = (now - BACKDATE).into();
    params.not_after = (now + lifetime).into();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn der(chain: &str) -> Vec<u8> {
        x509_parser::pem::parse_x509_pem(chain.as_bytes())
            .unwrap()
            .1
            .contents
    }

    #[test]
    fn a_node_gets_the_name_we_choose_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(dir.path()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut wish = CertificateParams::new(vec![SERVER_NAME.to_owned()]).unwrap();
        let forged = format!("{NODE_URI}default/{}", InstanceId::new(1));
        wish.subject_alt_names
            .push(SanType::URI(Ia5String::try_from(forged).unwrap()));
        let request = wish.serialize_request(&key).unwrap().pem().unwrap();
        let cluster = ClusterName::default_cluster();
        let chain = authority
            .sign_node(&request, &cluster, InstanceId::new(7))
            .unwrap();
        assert_eq!(node_of(&der(&chain)), Some((cluster, InstanceId::new(7))));
        assert!(!chain.is_empty() && chain.ends_with(authority.certificate()));
    }

    #[test]
    fn the_authority_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::load_or_create(dir.path())
            .unwrap()
            .fingerprint()
            .to_owned();
        assert_eq!(
            Authority::load_or_create(dir.path()).unwrap().fingerprint(),
            first
        );
    }

    #[test]
    fn nobody_is_taken_for_somebody_else() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(dir.path()).unwrap();
        let server = der(&authority.server_identity().unwrap().chain);
        assert_eq!((node_of(&server), replica_of(&server)), (None, None));
        let id = ReplicaId::new(3);
        let replica = der(&authority.replica_identity(id).unwrap().chain);
        assert_eq!((node_of(&replica), replica_of(&replica)), (None, Some(id)));
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default()
            .serialize_request(&key)
            .unwrap();
        let node = authority
            .sign_node(
                &request.pem().unwrap(),
                &ClusterName::default_cluster(),
                InstanceId::new(7),
            )
            .unwrap();
        assert_eq!(replica_of(&der(&node)), None);
    }
}
