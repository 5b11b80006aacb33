//! The way to the server: its address, a connection, TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cell_lookup::Resolver;
use cell_model::endpoint::Host;
use cell_model::url::HttpsUrl;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::answer::short;
use crate::{AuthoritiesError, Command, FetchError};

/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a name may take.
const LOOK_UP: Duration = Duration::from_secs(15);

/// Refuses certificates that could not vouch for a server.
///
/// # Errors
/// They are none, or not those of authorities.
pub fn check_authorities(pem: &str) -> Result<(), AuthoritiesError> {
    add_authorities(&mut RootCertStore::empty(), pem)
}

fn add_authorities(roots: &mut RootCertStore, pem: &str) -> Result<(), AuthoritiesError> {
    let mut count = 0;
    for certificate in rustls_pemfile::certs(&mut pem.as_bytes()) {
        count += 1;
        let certificate = certificate.map_err(|_| AuthoritiesError::None)?;
        let added = roots.add(certificate);
        added.map_err(|_| AuthoritiesError::Unreadable(count))?;
    }
    match count {
        0 => Err(AuthoritiesError::None),
        _ => Ok(()),
    }
}

/// A connection to the server of the command, which has proven who it is.
pub(crate) async fn connect(
    url: &HttpsUrl,
    command: &Command,
) -> Result<TlsStream<TcpStream>, FetchError> {
    let host = url.authority();
    let config = Arc::new(client_config(command.authorities.as_deref())?);
    let name = match url.host() {
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned())
            .map_err(|_| FetchError::Name(name.to_string()))?,
        Host::Address(address) => ServerName::IpAddress((*address).into()),
    };
    let mut last = None;
    for address in addresses(url, command).await? {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let connector = TlsConnector::from(Arc::clone(&config));
                return match timeout(CONNECT, connector.connect(name, stream)).await {
                    Ok(Ok(stream)) => Ok(stream),
                    Ok(Err(error)) => Err(FetchError::Untrusted(host, short(&error.to_string()))),
                    Err(_) => Err(FetchError::Stalled(host)),
                };
            }
            Ok(Err(error)) => last = Some(error.to_string()),
            Err(_) => last = Some("no answer".to_owned()),
        }
    }
    let why = last.unwrap_or_else(|| "no address".to_owned());
    Err(FetchError::Unreachable(host, why))
}

fn client_config(authorities: Option<&str>) -> Result<ClientConfig, FetchError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(pem) = authorities {
        add_authorities(&mut roots, pem)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| FetchError::Untrusted("TLS".to_owned(), error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

async fn addresses(url: &HttpsUrl, command: &Command) -> Result<Vec<SocketAddr>, FetchError> {
    let port = url.port();
    let name = match url.host() {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name(name) => name,
    };
    let unknown = || FetchError::Name(name.to_string());
    let resolver = Resolver::new(&command.name_servers).ok_or_else(unknown)?;
    let found = resolver.addresses_of(name, LOOK_UP).await;
    match found.is_empty() {
        true => Err(unknown()),
        false => Ok(found
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect()),
    }
}
