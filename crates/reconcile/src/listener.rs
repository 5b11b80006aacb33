//! The admin listener as the loop sees it. Its process is looked after by the composition root.

use async_trait::async_trait;
use cell_model::spec::WebSpec;

/// Why the admin listener is not as asked.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// Some addresses could not be bound; the others are served.
    #[error("cannot listen on {0}")]
    Bind(String),
    /// The process that serves does not answer.
    #[error("the web process does not answer: {0}")]
    Process(String),
}

/// Serves the admin pages and REST.
#[async_trait]
pub trait AdminListener: Send + Sync {
    /// Listens on exactly these addresses and answers to these names, with the vault's present leaf.
    /// A new leaf is shown from the next connection on.
    async fn apply(&self, spec: &WebSpec) -> Result<(), ListenerError>;
}
