//! TLS to a server that should prove who it is.

use std::io;
use std::sync::Arc;

use cell_model::name::Domain;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::text::short;

/// Why a server is not who it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its certificate is over.
    Expired,
    /// Its certificate is for other names.
    OtherName,
    /// Nobody who is trusted vouches for it.
    Stranger,
    /// Something else.
    Other(String),
}

/// Who may vouch for a server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trusted<'a> {
    /// The public authorities, and these.
    Public(Option<&'a str>),
    /// These alone.
    Only(&'a str),
}

pub(crate) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    host: &Domain,
    trusted: Trusted<'_>,
) -> Result<TlsStream<S>, Fault> {
    let config = Arc::new(client_config(trusted)?);
    let name = ServerName::try_from(host.as_str().to_owned()).map_err(other)?;
    let connected = TlsConnector::from(config).connect(name, stream).await;
    connected.map_err(|error| fault(&error))
}

fn client_config(trusted: Trusted<'_>) -> Result<ClientConfig, Fault> {
    let mut roots = RootCertStore::empty();
    let own = match trusted {
        Trusted::Public(own) => {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            own
        }
        Trusted::Only(own) => Some(own),
    };
    let mut pem = own.unwrap_or_default().as_bytes();
    for certificate in rustls_pemfile::certs(&mut pem) {
        let certificate = certificate.map_err(other)?;
        roots.add(certificate).map_err(other)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(other)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn fault(error: &io::Error) -> Fault {
    let source = error.get_ref();
    let tls = source.and_then(|source| source.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(error)) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Fault::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Fault::OtherName
            }
            // Bad: by an authority of the same name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Fault::Stranger,
            error => other(error),
        },
        _ => other(error),
    }
}

fn other(error: impl std::fmt::Display) -> Fault {
    Fault::Other(short(&error.to_string()))
}
