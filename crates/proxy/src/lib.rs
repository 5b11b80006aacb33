//! The reverse proxy: Caddy in a container, which is told over its socket what to answer.
//!
//! Promises: what it answers is what the spec says, for the names in it and no others; a service hears who asks from the
//! box alone, whatever a client writes into its request; where the box cannot be asked, nothing is passed on; a config
//! that Caddy refuses leaves the one before in effect, and one that is loaded already is not loaded again.
//! Must never: write a file, get a certificate by itself, show a private key, or decide who may reach what.
//!
//! Start reading at [`Proxy`], then `render/mod.rs`.

mod caddy;
mod certificates;
mod config;
mod error;
pub mod fake;
mod render;

use std::fmt;

use async_trait::async_trait;
use cell_model::spec::ProxySpec;

pub use caddy::Caddy;
pub use certificates::Certificates;
pub use error::ProxyError;

use crate::config::Config;

/// The reverse proxy, as the reconciler uses it.
#[async_trait]
pub trait Proxy: Send + Sync {
    /// What is loaded.
    ///
    /// # Errors
    /// Caddy does not answer, or something else than its config.
    async fn observe(&self) -> Result<ProxyStatus, ProxyError>;

    /// Brings it to exactly this. Requests that are under way are finished as they were begun, but for those over HTTP/3:
    /// their connections end whenever something else is loaded.
    ///
    /// # Errors
    /// Caddy does not answer, or refuses; what was loaded before then stays.
    async fn apply(&self, spec: &ProxySpec, certificates: &Certificates) -> Result<(), ProxyError>;

    /// Asks it whether this is loaded.
    ///
    /// # Errors
    /// [`ProxyError::NotInEffect`] when it is not; otherwise as for [`observe`](Self::observe).
    async fn verify(
        &self,
        spec: &ProxySpec,
        certificates: &Certificates,
    ) -> Result<(), ProxyError> {
        let (wanted, found) = (ProxyStatus::of(spec, certificates), self.observe().await?);
        match found == wanted {
            true => Ok(()),
            false => Err(ProxyError::NotInEffect { wanted, found }),
        }
    }
}

/// What Caddy has loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyStatus {
    /// Nothing that answers: as after its start.
    Empty,
    /// A config that answers.
    Loaded(ConfigDigest),
}

impl ProxyStatus {
    /// What is to be seen once this is loaded.
    pub fn of(spec: &ProxySpec, certificates: &Certificates) -> Self {
        Config::of(spec, certificates).status()
    }
}

impl fmt::Display for ProxyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing"),
            Self::Loaded(digest) => write!(f, "the config {digest}"),
        }
    }
}

/// Stands for a whole config, certificate and key included: SHA-256 in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigDigest(String);

impl fmt::Display for ConfigDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
