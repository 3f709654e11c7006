//! Which certificates are trusted.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// The authorities that may sign a server's certificate.
#[derive(Clone)]
pub struct Roots(pub(crate) Arc<ClientConfig>);

/// Why there are no authorities.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file of the plan cannot be read as certificates.
    #[error("{path} cannot be read as certificates: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: String,
    },
    /// The system's cannot be used.
    #[error("the system's certificates cannot be used: {0}")]
    System(#[from] rustls::Error),
}

impl Roots {
    /// Those of the system.
    ///
    /// # Errors
    /// [`RootsError::System`].
    pub fn system() -> Result<Self, RootsError> {
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions()?;
        let config = builder.with_platform_verifier()?.with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Those in a PEM file, and no others.
    ///
    /// # Errors
    /// [`RootsError::File`] if it cannot be read or has no certificate.
    pub fn in_file(path: &Path) -> Result<Self, RootsError> {
        let failed = |error: String| RootsError::File { path: path.display().to_string(), error };
        let mut roots = RootCertStore::empty();
        let found = CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))?;
        for certificate in found {
            let certificate = certificate.map_err(|e| failed(e.to_string()))?;
            roots.add(certificate).map_err(|e| failed(e.to_string()))?;
        }
        if roots.is_empty() {
            return Err(failed("no certificate".to_owned()));
        }
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions()?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
