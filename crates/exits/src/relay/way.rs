//! How a flow gets to where it wants: by way of a proxy, or by an interface.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cell_lookup::Resolver;
use cell_model::config::ProxyScheme;
use cell_model::endpoint::Host;
use cell_model::name::{Domain, InterfaceName};
use cell_model::spec::{LoginSpec, ProxyWaySpec, WaySpec};
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_socks::tcp::Socks5Stream;

/// How long all of it may take for somebody's flow. Programs of people wait longer than that.
pub(super) const LONGEST: Duration = Duration::from_secs(20);
/// How long one address of a proxy may take to be connected, and its name to be found.
const CONNECT: Duration = Duration::from_secs(5);

/// A flow's other end, beyond the proxy.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) stream: TcpStream,
    /// What came from there already.
    pub(super) early: Bytes,
}

/// Why a flow does not get there.
#[derive(Debug, thiserror::Error)]
pub(super) enum WayError {
    /// The proxy's name has no address.
    #[error("the proxy's name {0} is not found")]
    Name(String),
    /// The proxy is not there.
    #[error("the proxy does not answer at {address}")]
    Absent {
        /// The last address that was tried.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The proxy wants to know who asks, and it is not who it was told.
    #[error("the proxy refuses the username and password")]
    Login,
    /// The proxy wants to know who asks.
    #[error("the proxy wants a username and a password")]
    LoginWanted,
    /// The proxy is there, and does not get there.
    #[error("the proxy does not reach {target}: {why}")]
    Target {
        /// Where to.
        target: SocketAddr,
        /// What it says.
        why: String,
    },
    /// What answers is not what a proxy of this kind would say.
    #[error("what answers there is no {0} proxy")]
    NoProxy(&'static str),
    /// There is no interface that would lead there.
    #[error("its interface {0} is not there")]
    NoInterface(InterfaceName),
    /// The interface is there, and the target is not reached by it.
    #[error("{target} is not reached: {source}")]
    Unreached {
        /// Where to.
        target: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Nothing comes back.
    #[error("nothing comes back from {target} for {} seconds", .limit.as_secs())]
    Silent {
        /// Where to.
        target: SocketAddr,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The proxy is there, and says nothing of whether it gets there.
    #[error("the proxy says nothing of {target} for {} seconds", .limit.as_secs())]
    Late {
        /// Where to.
        target: SocketAddr,
        /// How long it was waited for.
        limit: Duration,
    },
}

impl WayError {
    /// Whether it is the way that is amiss, and not what lies behind it, as far as that can be told.
    pub(super) fn is_of_the_way(&self) -> bool {
        match self {
            Self::Name(_)
            | Self::Absent { .. }
            | Self::Login
            | Self::LoginWanted
            | Self::NoProxy(_)
            | Self::NoInterface(_) => true,
            Self::Target { .. }
            | Self::Late { .. }
            | Self::Unreached { .. }
            | Self::Silent { .. } => false,
        }
    }
}

/// A way out.
pub(super) struct Way {
    spec: WaySpec,
    resolver: Names,
}

/// Who is asked for names of proxies. Others may be, from one moment to the next.
pub(super) type Names = Arc<RwLock<Option<Resolver>>>;

impl Way {
    pub(super) fn new(spec: WaySpec, resolver: Names) -> Self {
        Self { spec, resolver }
    }

    /// Reaches the target, or says why not, within the limit and the time that it takes to come to the proxy.
    pub(super) async fn reach(
        &self,
        target: SocketAddr,
        limit: Duration,
    ) -> Result<Reached, WayError> {
        match &self.spec {
            WaySpec::Proxy(proxy) => {
                let stream = self.connect(proxy).await?;
                let reached = timeout(limit, through(proxy, stream, target)).await;
                reached.unwrap_or(Err(WayError::Late { target, limit }))
            }
            WaySpec::Interface(way) => {
                let reached = timeout(limit, by_interface(&way.interface, target)).await;
                reached.unwrap_or(Err(WayError::Silent { target, limit }))
            }
        }
    }

    /// What the other end of its tunnel is called by now; none where it has no name, or that is not found.
    pub(super) async fn places(&self) -> Vec<IpAddr> {
        match &self.spec {
            WaySpec::Interface(way) => match &way.endpoint {
                Some(name) => self.look_up(name).await,
                None => Vec::new(),
            },
            WaySpec::Proxy(_) => Vec::new(),
        }
    }

    /// Connects the proxy at the first of its addresses that answers.
    async fn connect(&self, proxy: &ProxyWaySpec) -> Result<TcpStream, WayError> {
        let addresses = match &proxy.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.look_up(name).await,
        };
        let mut last = Err(WayError::Name(proxy.host.to_string()));
        for address in addresses {
            let address = SocketAddr::new(address, proxy.port);
            let connected = timeout(CONNECT, TcpStream::connect(address)).await;
            match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => return Ok(stream),
                Err(source) => last = Err(WayError::Absent { address, source }),
            }
        }
        last
    }

    async fn look_up(&self, name: &Domain) -> Vec<IpAddr> {
        let resolver = self
            .resolver
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let found = match resolver {
            Some(resolver) => resolver.addresses_of(name, CONNECT).await,
            None => Vec::new(),
        };
        found.into_iter().filter(is_elsewhere).collect()
    }
}

/// Whether a name may lead there: a proxy is another machine, and what a stranger says of its name may lead anywhere.
fn is_elsewhere(address: &IpAddr) -> bool {
    let address = address.to_canonical();
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

/// Connects by an interface and no other: naming it also says which routes are looked at.
async fn by_interface(interface: &InterfaceName, target: SocketAddr) -> Result<Reached, WayError> {
    let unreached = |source: io::Error| WayError::Unreached { target, source };
    let socket = match target {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.map_err(unreached)?;
    let named = socket.bind_device(Some(interface.as_str().as_bytes()));
    named.map_err(|_| WayError::NoInterface(interface.clone()))?;
    let stream = socket.connect(target).await.map_err(unreached)?;
    let _ = stream.set_nodelay(true);
    Ok(Reached {
        stream,
        early: Bytes::new(),
    })
}

async fn through(
    proxy: &ProxyWaySpec,
    stream: TcpStream,
    target: SocketAddr,
) -> Result<Reached, WayError> {
    // Small pieces go at once, as they would without a proxy.
    let _ = stream.set_nodelay(true);
    let login = proxy.login.as_ref();
    match proxy.scheme {
        ProxyScheme::Socks5 => socks5(stream, target, login).await,
        ProxyScheme::Http => http(stream, target, login).await,
    }
}

async fn socks5(
    stream: TcpStream,
    target: SocketAddr,
    login: Option<&LoginSpec>,
) -> Result<Reached, WayError> {
    let reached = match login {
        Some(LoginSpec { username, password }) => {
            let (username, password) = (username.as_str(), password.expose());
            Socks5Stream::connect_with_password_and_socket(stream, target, username, password).await
        }
        None => Socks5Stream::connect_with_socket(stream, target).await,
    };
    reached
        .map(|reached| Reached {
            stream: reached.into_inner(),
            early: Bytes::new(),
        })
        .map_err(|error| socks5_error(error, target, login.is_some()))
}

fn socks5_error(error: tokio_socks::Error, target: SocketAddr, has_login: bool) -> WayError {
    use tokio_socks::Error;
    match error {
        Error::PasswordAuthFailure(_) | Error::InvalidAuthValues(_) => WayError::Login,
        Error::NoAcceptableAuthMethods if has_login => WayError::Login,
        Error::NoAcceptableAuthMethods => WayError::LoginWanted,
        Error::GeneralSocksServerFailure
        | Error::ConnectionNotAllowedByRuleset
        | Error::NetworkUnreachable
        | Error::HostUnreachable
        | Error::ConnectionRefused
        | Error::TtlExpired
        | Error::CommandNotSupported
        | Error::AddressTypeNotSupported
        // Some say why by hanging up.
        | Error::Io(_) => not_reached(target, error),
        _ => WayError::NoProxy("SOCKS5"),
    }
}

fn not_reached(target: SocketAddr, why: impl fmt::Display) -> WayError {
    let why = why.to_string();
    WayError::Target { target, why }
}

/// CONNECT (RFC 9110 section 9.3.6), with Basic credentials (RFC 7617).
async fn http(
    stream: TcpStream,
    target: SocketAddr,
    login: Option<&LoginSpec>,
) -> Result<Reached, WayError> {
    let no_proxy = |error: hyper::Error| {
        tracing::debug!(%error, "a proxy does not answer as one");
        WayError::NoProxy("HTTP")
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(no_proxy)?;
    let connection = tokio::spawn(connection.with_upgrades());
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::CONNECT;
    let authority = target.to_string();
    *request.uri_mut() = authority
        .parse()
        .map_err(|error| not_reached(target, error))?;
    let host = HeaderValue::from_str(&authority).map_err(|error| not_reached(target, error))?;
    request.headers_mut().insert(HOST, host);
    if let Some(LoginSpec { username, password }) = login {
        let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
        let mut value =
            HeaderValue::from_str(&format!("Basic {pair}")).map_err(|_| WayError::Login)?;
        value.set_sensitive(true);
        request.headers_mut().insert(PROXY_AUTHORIZATION, value);
    }
    let response = sender.send_request(request).await;
    let response = response.map_err(|error| match error.is_parse() {
        true => no_proxy(error),
        // Some say no by hanging up.
        false => not_reached(target, error),
    })?;
    match response.status() {
        status if status.is_success() => {}
        // Tinyproxy says 401 of credentials that are wrong.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED if login.is_some() => {
            return Err(WayError::Login);
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => return Err(WayError::LoginWanted),
        status => return Err(not_reached(target, status)),
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(no_proxy)?;
    // It has handed the connection on and ends.
    let _ = connection.await;
    let parts = upgraded.downcast::<TokioIo<TcpStream>>();
    let parts = parts.map_err(|_| WayError::NoProxy("HTTP"))?;
    Ok(Reached {
        stream: parts.io.into_inner(),
        early: parts.read_buf,
    })
}
