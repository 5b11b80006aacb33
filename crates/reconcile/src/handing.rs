//! What services are handed, as the loop sees it: who answers at their sockets, and where their certificates come from, are
//! the composition root's business.

use std::collections::BTreeSet;

use async_trait::async_trait;
use cell_model::Timestamp;
use cell_model::container::Hand;
use cell_model::name::ServiceId;
use cell_model::spec::ContainersSpec;

/// Something that is to be handed in is not there.
#[derive(Debug, thiserror::Error)]
#[error("{service} cannot be handed {hand}: {problem}")]
pub struct HandingError {
    /// Whom.
    pub service: ServiceId,
    /// What.
    pub hand: Hand,
    /// Why.
    pub problem: String,
}

/// Fills what services are handed.
#[async_trait]
pub trait Handing: Send + Sync {
    /// Has the folders of all services hold what the spec says, and nobody answer at others. A service whose hands cannot be
    /// filled does not keep the others: the first error is told once all were tried.
    async fn hand(&self, spec: &ContainersSpec, now: Timestamp) -> Result<(), HandingError>;

    /// What is another than when containers were last told of it.
    fn untold(&self) -> BTreeSet<(ServiceId, Hand)>;

    /// The containers of a service know what they are handed now.
    fn told(&self, service: &ServiceId, hand: Hand);
}
