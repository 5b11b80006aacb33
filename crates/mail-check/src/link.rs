//! The way to the process that looks. How it gets there is the caller's matter.

use async_trait::async_trait;

use crate::{Command, Report};

/// The process was not reached, or went away.
#[derive(Debug, thiserror::Error)]
#[error("the process that looks {0}")]
pub struct LinkError(pub String);

/// The way to the process.
#[async_trait]
pub trait MailCheckLink: Send + Sync {
    /// Has it looked, and waits for what it saw.
    ///
    /// # Errors
    /// See [`LinkError`]. What could not be found out is in the report.
    async fn look(&self, command: Command) -> Result<Report, LinkError>;
}
