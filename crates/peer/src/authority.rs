//! The authority of a cluster, and the certificates by which its nodes know each other.
//! Invariant: whoever has the key of the authority is a node of the cluster; it never leaves the nodes' disks but to a
//! node that joins.
//! Called by `client` and `service`, and by the binary, which keeps the files. Tests: `tests/between_nodes.rs`.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// The name that every node's certificate has, for those who do not know yet which node they talk to.
const ANY_NODE: &str = "any.nodes.recado.internal";
const COMMON_NAME: &str = "recado cluster";

/// The name in the certificate of a node; `None`: of whichever node it is.
#[must_use]
pub fn server_name(node: Option<u64>) -> String {
    node.map_or_else(|| ANY_NODE.to_owned(), |node| format!("node-{node}.nodes.recado.internal"))
}

/// The authority or a certificate cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[error("the authority of the cluster cannot be used: {0}")]
pub struct AuthorityBroken(#[from] rcgen::Error);

/// What a node shows to the others.
#[derive(Clone)]
pub struct Identity {
    /// Its certificate.
    pub certificate_pem: String,
    /// The key of it.
    pub key_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Identity(…)")
    }
}

/// The authority of a cluster.
#[derive(Clone)]
pub struct Authority {
    certificate_pem: String,
    key_pem: String,
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authority(…)")
    }
}

fn parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, COMMON_NAME);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    parameters
}

impl Authority {
    /// Makes the authority of a new cluster.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new() -> Result<Self, AuthorityBroken> {
        let key = KeyPair::generate()?;
        let certificate = parameters().self_signed(&key)?;
        Ok(Self { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// The authority that these files hold.
    ///
    /// # Errors
    /// When the key is none.
    pub fn from_pem(certificate_pem: String, key_pem: String) -> Result<Self, AuthorityBroken> {
        KeyPair::from_pem(&key_pem)?;
        Ok(Self { certificate_pem, key_pem })
    }

    /// The certificate that all nodes trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The key that signs. Whoever has it can join.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Makes a certificate for a node; for `None` one that only calls others.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn identity(&self, node: Option<u64>) -> Result<Identity, AuthorityBroken> {
        let issuer = Issuer::new(parameters(), KeyPair::from_pem(&self.key_pem)?);
        let key = KeyPair::generate()?;
        let names = node.map_or_else(Vec::new, |node| vec![server_name(Some(node)), server_name(None)]);
        let mut parameters = CertificateParams::new(names)?;
        parameters.distinguished_name = DistinguishedName::new();
        let name = node.map_or_else(|| "a caller".to_owned(), |node| format!("node {node}"));
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = parameters.signed_by(&key, &issuer)?;
        Ok(Identity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}
