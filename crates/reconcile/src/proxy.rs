//! The reverse proxy as the loop sees it: its certificate and the socket where it asks for accounts are the composition
//! root's business.

use async_trait::async_trait;
use cell_model::spec::ProxySpec;

/// Why the proxy does not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum ProxyHostError {
    /// It was told, and did not take it.
    #[error("it does not take what it shall answer: {0}")]
    Proxy(String),
    /// Something it needs is not there.
    #[error("{0}")]
    Missing(String),
}

/// The reverse proxy.
#[async_trait]
pub trait ProxyHost: Send + Sync {
    /// Has it answer exactly this, and reads back that it does. `None`: nothing.
    async fn apply(&self, spec: Option<&ProxySpec>) -> Result<(), ProxyHostError>;

    /// Whether it still answers this.
    async fn verify(&self, spec: Option<&ProxySpec>) -> Result<(), ProxyHostError>;
}
