//! The certificate of the doors, read once from PEM files.
//! Invariant: all doors show the same certificate; a broken file is told before anything listens.
//! Called by `wire`.

use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;
use crate::exit::{Complaint, Exit};

/// A chain and its key, as PEM.
pub(crate) struct Certificate {
    chain: Vec<u8>,
    key: Vec<u8>,
}

fn invalid(what: &str) -> Complaint {
    Complaint::here(Exit::Configuration, "tls_invalid", what, "give a PEM chain, and the PEM key that belongs to it")
}

impl Certificate {
    /// Reads both files.
    pub(crate) fn read(files: &TlsFiles) -> Result<Self, Complaint> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| Complaint::file(path, "read", &error));
        Ok(Self { chain: read(&files.certificate)?, key: read(&files.key)? })
    }

    /// For the doors that speak through rustls themselves.
    pub(crate) fn rustls(&self) -> Result<Arc<rustls::ServerConfig>, Complaint> {
        self.rustls_for(None)
    }

    /// The same for a door whose clients may show certificates of this authority.
    pub(crate) fn rustls_for(&self, authority: Option<&Path>) -> Result<Arc<rustls::ServerConfig>, Complaint> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.chain).collect();
        let chain = chain.map_err(|error| invalid(&format!("the certificate is not PEM: {error}")))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| invalid(&format!("the key is not PEM: {error}")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = authority.map(|file| client_verifier(file, &provider)).transpose()?;
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                let clients = clients.unwrap_or_else(rustls::server::WebPkiClientVerifier::no_client_auth);
                builder.with_client_cert_verifier(clients).with_single_cert(chain, key)
            })
            .map_err(|error| invalid(&format!("the certificate cannot be used: {error}")))?;
        Ok(Arc::new(config))
    }

    /// For the gRPC door.
    pub(crate) fn grpc(self) -> grpc::Tls {
        grpc::Tls { certificate_pem: self.chain, key_pem: self.key }
    }
}

/// Verifies the certificates of clients, which may also come without one and log in otherwise.
fn client_verifier(
    authority: &Path,
    provider: &Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Complaint> {
    let unusable = |why: String| {
        let what = format!("the authority of clients in {} cannot be used: {why}", authority.display());
        Complaint::here(Exit::Configuration, "tls_invalid", what, "give the PEM certificates of the authorities")
    };
    let pem = std::fs::read(authority).map_err(|error| Complaint::file(authority, "read", &error))?;
    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(&pem) {
        let root = root.map_err(|error| unusable(error.to_string()))?;
        roots.add(root).map_err(|error| unusable(error.to_string()))?;
    }
    rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| unusable(error.to_string()))
}
