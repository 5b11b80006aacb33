//! The running system as the core sees it.

use std::sync::Arc;

use async_trait::async_trait;
use cell_cells::CallLink;
use cell_mail_check::MailCheckLink;
use cell_model::status::Part;
use cell_reconcile::{ExitsStatus, NextsStatus, Nudge, Parts, Published, ServicesStatus};
use tokio::sync::{mpsc, watch};

/// The running system.
pub struct System {
    /// Everything that can be looked at and tested.
    pub parts: Parts,
    /// What the reconciler published last.
    pub published: watch::Receiver<Arc<Published>>,
    /// How each service is that runs.
    pub services: watch::Receiver<ServicesStatus>,
    /// How far that is which services become.
    pub next: watch::Receiver<NextsStatus>,
    /// How each way out is.
    pub exits: watch::Receiver<ExitsStatus>,
    /// To tell the reconciler something.
    pub nudge: mpsc::Sender<Nudge>,
    /// Parts that run as processes of their own.
    pub processes: Arc<dyn Processes>,
    /// Who looks at mail as others see it.
    pub mail_check: Arc<dyn MailCheckLink>,
    /// Says messages to other cells.
    pub calls: Arc<dyn CallLink>,
}

/// Parts that run as processes of their own.
#[async_trait]
pub trait Processes: Send + Sync {
    /// The process of a part and how often it was started anew; `None` when the part has none.
    fn process(&self, part: Part) -> Option<(u32, u32)>;

    /// Ends the process of a part; its keeper starts another.
    async fn restart(&self, part: Part);

    /// Tells every process how much its part says now. One that does not listen is told when it starts again.
    async fn set_verbosity(&self);
}
