//! How TLS is spoken.

use std::sync::Arc;

use cell_model::secret::Secret;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a listener cannot speak TLS with what it was given.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The key is none that is known.
    #[error("the private key could not be read")]
    Key,
    /// No version could be agreed with the crypto provider.
    #[error("the TLS versions are not supported")]
    Versions(#[source] rustls::Error),
    /// The key does not belong to the certificate, or the certificate is broken.
    #[error("the certificate does not fit")]
    Certificate(#[source] rustls::Error),
}

/// TLS 1.2 and 1.3 with HTTP/2 and HTTP/1.1 behind it. The chain is DER, leaf first; the key is PKCS#8, SEC1 or
/// PKCS#1 in DER.
pub fn tls_config(
    chain_der: Vec<Vec<u8>>,
    key_der: &Secret<Vec<u8>>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let key = PrivateKeyDer::try_from(key_der.expose().as_slice())
        .map_err(|_| TlsError::Key)?
        .clone_key();
    let chain = chain_der.into_iter().map(CertificateDer::from).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Versions)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Certificate)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
