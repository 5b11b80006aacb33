//! The core: decides who may do what, keeps the config, and answers every face through [`Control`].
//!
//! Promises: one writer; what is acknowledged is flushed, with its audit record, in one transaction; a refused
//! call changes nothing; a risky change returns by itself unless confirmed.
//! Must never: change the system (the reconciler does), trust a caller's word about who they are, or hold
//! a lock while a password is hashed.
//! Start reading at [`Core`], then `submit.rs` and `edit`.

mod access;
mod account;
mod act;
mod answer;
mod api_token;
mod app_password;
mod authorise;
mod confirmation;
mod connections;
mod data_sizes;
mod departure;
mod diff;
mod dkim;
mod documents;
mod edit;
mod file;
mod firmware;
mod invite;
mod keys;
mod links;
mod logs;
mod mail;
mod open;
mod own_peers;
mod passkey;
mod people;
mod prepare;
mod proof;
mod rolling;
mod second_factor;
pub mod seed;
mod service_care;
mod service_data;
mod service_next;
mod service_trial;
mod services;
mod set_up;
mod sign_in;
mod sources;
mod submit;
mod system;
#[cfg(test)]
mod tests;
mod trial;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cell_audit::{AuditEvent, AuditLog, Committed};
use cell_control::Control;
use cell_control::action::{Action, IncomingBundle, Outcome};
use cell_control::caller::Caller;
use cell_control::change::{Change, Preview, Receipt};
use cell_control::query::{Answer, Query};
use cell_control::view::FirmwareView;
use cell_model::Timestamp;
use cell_model::account::Identity;
use cell_model::facts::StartOptions;
use cell_model::name::CellName;
use cell_model::problem::{Problem, chain};
use cell_reconcile::Desired;
use cell_store::{Batch, Store};
use cell_vault::{CellVault, Sealer};
use tokio::sync::watch;

pub use firmware::{Appliance, OpenStick, Seen};
pub use logs::{LogBuffer, LogLayer, level_filter, part_of};
pub use open::{OpenError, check};
pub use system::{Processes, System};

use crate::confirmation::Confirmation;
use crate::people::People;

/// Where and how the core runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How the daemon was started.
    pub options: StartOptions,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Where the setup code and the certificate to trust are put.
    pub runtime_dir: PathBuf,
}

/// The core. One for each state directory.
pub struct Core {
    settings: Settings,
    /// What a seed said the box is called; setup proposes it.
    proposed_name: Option<CellName>,
    store: Arc<Store>,
    audit: Arc<AuditLog>,
    sealer: Arc<Sealer>,
    vault: Arc<CellVault>,
    people: Mutex<People>,
    /// Held from reading the config to publishing its successor.
    writer: tokio::sync::Mutex<()>,
    confirmation: Mutex<Option<Confirmation>>,
    desired: watch::Sender<Desired>,
    system: OnceLock<System>,
    appliance: OnceLock<Arc<Appliance>>,
    update: Arc<firmware::Work>,
    offered: Mutex<firmware::Offered>,
    sizes: Arc<data_sizes::DataSizes>,
    /// What services are to be told of people.
    dismissals: Arc<departure::Dismissals>,
    /// Held while the channel is looked at.
    looking: tokio::sync::Mutex<()>,
    /// Held while sources of services are asked.
    refreshing: tokio::sync::Mutex<()>,
    /// What they answered last.
    asked: Mutex<sources::Asked>,
    mail_look: mail::check::MailLook,
    links: Mutex<links::Links>,
    link_work: Arc<links::LinkWork>,
    logs: Arc<LogBuffer>,
    clock: fn() -> Timestamp,
    /// How long a risky change waits for its confirmation.
    confirm_within: Duration,
}

impl Core {
    /// What the system shall be, for the reconciler.
    pub fn desired(&self) -> watch::Receiver<Desired> {
        self.desired.subscribe()
    }

    /// How the daemon was started, with what a seed said about it.
    pub fn options(&self) -> &StartOptions {
        &self.settings.options
    }

    /// The vault, for the parts that use it.
    pub fn vault(&self) -> Arc<CellVault> {
        Arc::clone(&self.vault)
    }

    /// Hands the running system over. Until then everything is shown as unknown.
    pub fn attach(self: &Arc<Self>, system: System) {
        if self.system.set(system).is_err() {
            tracing::error!("a system was attached twice");
        } else if let Some(system) = self.system.get() {
            self.watch_confirmation(system);
            self.watch_service_trials(system);
            self.watch_deleted_data(system);
            self.keep_snapshots();
            self.keep_last_used();
            self.keep_services_told();
            self.keep_links();
            self.keep_dkim_keys();
            self.keep_looking_for_dkim_keys();
            self.keep_up_to_date();
        }
    }

    /// Keeps the batch and its audit record, off the async threads since it waits for the disk.
    async fn commit(&self, batch: Batch, event: AuditEvent) -> Result<Committed, Problem> {
        let audit = Arc::clone(&self.audit);
        let committed = tokio::task::spawn_blocking(move || audit.commit(batch, event)).await;
        let error = match committed {
            Ok(Ok(committed)) => return Ok(committed),
            Ok(Err(error)) => error,
            Err(_) => return Err(Problem::internal()),
        };
        tracing::error!(error = %chain(&error), "a change could not be kept");
        self.recover();
        Err(submit::store_problem(&error))
    }

    /// Keeps a record of something that changed nothing. Not being able to is logged and no more.
    async fn note(&self, event: AuditEvent) {
        let audit = Arc::clone(&self.audit);
        let now = (self.clock)();
        let noted = tokio::task::spawn_blocking(move || audit.record(event, now)).await;
        if let Ok(Err(error)) = noted {
            tracing::error!(error = %chain(&error), "an audit record could not be kept");
            self.recover();
        }
    }

    /// After a write of which nobody knows whether it reached the disk: what the disk says is so.
    fn recover(&self) {
        if !matches!(
            self.store.latest_revision(),
            Err(cell_store::StoreError::Poisoned)
        ) {
            return;
        }
        let recovered = self
            .store
            .reopen()
            .map_err(OpenError::from)
            .and_then(|()| self.read_anew());
        if let Err(error) = recovered {
            tracing::error!(error = %chain(&error), "the store could not be read again");
        }
    }

    fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn confirmation(&self) -> MutexGuard<'_, Option<Confirmation>> {
        self.confirmation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Control for Core {
    async fn identify(&self, caller: &Caller) -> Result<Identity, Problem> {
        Core::identify(self, caller).await
    }

    async fn snapshot(&self, caller: &Caller, query: Query) -> Result<Answer, Problem> {
        Core::snapshot(self, caller, query).await
    }

    async fn preview(&self, caller: &Caller, change: Change) -> Result<Preview, Problem> {
        Core::preview(self, caller, &change).await
    }

    async fn submit(&self, caller: &Caller, change: Change) -> Result<Receipt, Problem> {
        Core::submit(self, caller, change).await
    }

    async fn confirm(&self, caller: &Caller) -> Result<Receipt, Problem> {
        Core::confirm(self, caller).await
    }

    async fn revert(&self, caller: &Caller) -> Result<Receipt, Problem> {
        Core::revert(self, caller).await
    }

    async fn act(&self, caller: &Caller, action: Action) -> Result<Outcome, Problem> {
        Core::act(self, caller, action).await
    }

    async fn receive(
        &self,
        caller: &Caller,
        bundle: IncomingBundle,
        stream: OwnedFd,
    ) -> Result<FirmwareView, Problem> {
        Core::receive(self, caller, bundle, stream).await
    }

    async fn changed(&self, caller: &Caller, seen: u64) -> Result<u64, Problem> {
        Core::changed(self, caller, seen).await
    }
}
