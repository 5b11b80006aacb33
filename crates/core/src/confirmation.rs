//! Risky changes that return by themselves unless the person who made them is still there.

use std::sync::Arc;
use std::time::Duration;

use cell_audit::{AuditEvent, AuditLog};
use cell_control::caller::{Caller, now_since_boot};
use cell_control::change::{Pending, Receipt, SettingsUpdate};
use cell_model::Timestamp;
use cell_model::account::{Identity, Role};
use cell_model::config::Config;
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_reconcile::Desired;
use cell_store::{Batch, Store, StoreError, Tree};
use serde::{Deserialize, Serialize};

use crate::open::OpenError;
use crate::set_up::internal;
use crate::{Core, chain, documents, edit, submit};

/// Long enough to reach the box at its new address, short enough to wait for.
const DEADLINE: Duration = Duration::from_secs(90);
/// The one confirmation that may be outstanding.
const CONFIRMATIONS: Tree = Tree::new("confirmation");
const KEY: &str = "outstanding";

/// A risky change that waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Confirmation {
    revision: u64,
    username: Username,
    /// What to go back to.
    before: SettingsUpdate,
    /// Time since boot.
    deadline: Duration,
    /// Another boot than this one: the deadline has no meaning any more, and has passed.
    boot_id: String,
    /// Since when the change is in force; connections opened before do not count.
    #[serde(skip)]
    in_force_since: Option<Duration>,
}

impl Confirmation {
    pub(crate) fn new(revision: u64, identity: &Identity, before: &Config) -> Self {
        Self {
            revision,
            username: identity.username.clone(),
            before: edit::sections(before),
            deadline: now_since_boot() + DEADLINE,
            boot_id: boot_id(),
            in_force_since: None,
        }
    }

    pub(crate) fn put(&self, batch: &mut Batch) -> Result<(), StoreError> {
        batch.put(CONFIRMATIONS, KEY, self).map(|_| ())
    }

    pub(crate) fn view(&self) -> Pending {
        let left = self.deadline.saturating_sub(now_since_boot());
        Pending {
            revision: self.revision,
            username: self.username.clone(),
            seconds_left: u32::try_from(left.as_secs()).unwrap_or(u32::MAX),
        }
    }

    fn is_over(&self) -> bool {
        self.boot_id != boot_id() || now_since_boot() >= self.deadline
    }
}

/// Loads what waits; takes it back at once when the box was rebooted or the deadline has passed.
pub(crate) fn load(
    store: &Store,
    audit: &AuditLog,
    now: Timestamp,
) -> Result<Option<Confirmation>, OpenError> {
    let Some(waiting) = store.records::<Confirmation>(CONFIRMATIONS).get(KEY)? else {
        return Ok(None);
    };
    if !waiting.is_over() {
        return Ok(Some(waiting));
    }
    let (revision, found) = store.current()?;
    let failed = |error: &dyn std::error::Error| OpenError::Revert(chain(error));
    if let Some(config) = documents::read(&found)? {
        let undone = edit::undo(&config, &waiting.before).map_err(|problem| failed(&problem))?;
        let mut batch = Batch::new(now, None, summary(waiting.revision));
        batch.expect_revision(revision);
        batch.remove(CONFIRMATIONS, KEY);
        submit::put_documents(&mut batch, documents::changes(Some(&config), &undone))
            .map_err(|problem| failed(&problem))?;
        let event = AuditEvent::new("config.revert")
            .on(waiting.revision.to_string())
            .detail("not confirmed in time");
        audit.commit(batch, event).map_err(|error| failed(&error))?;
        tracing::warn!(
            revision = waiting.revision,
            "a change that nobody confirmed was taken back"
        );
    }
    Ok(None)
}

impl Core {
    /// The change is in force: connections opened from now on count, and the deadline runs.
    pub(crate) fn confirmation_starts(&self, revision: u64) {
        let mut confirmation = self.confirmation();
        if let Some(waiting) = confirmation
            .as_mut()
            .filter(|waiting| waiting.revision == revision)
        {
            waiting.in_force_since = Some(now_since_boot());
        }
    }

    /// Watches deadlines for as long as the core lives.
    pub(crate) fn resume_confirmation(self: &Arc<Self>) {
        if let Some(waiting) = self.confirmation().as_mut() {
            waiting.in_force_since = Some(now_since_boot());
        }
        let core = Arc::downgrade(self);
        let mut desired = self.desired();
        tokio::spawn(async move {
            loop {
                let Some(core) = core.upgrade() else { return };
                let deadline = core.confirmation().as_ref().map(|waiting| waiting.deadline);
                if let Some(deadline) = deadline
                    && now_since_boot() >= deadline
                    && let Err(problem) = core.take_back(None, "not confirmed in time").await
                {
                    tracing::error!(%problem, "a change that nobody confirmed could not be taken back");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                let left = deadline.map_or(Duration::MAX, |deadline| {
                    deadline.saturating_sub(now_since_boot())
                });
                drop(core);
                tokio::select! {
                    changed = desired.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(left.max(Duration::from_millis(10))) => {}
                }
            }
        });
    }

    pub(crate) async fn confirm(&self, caller: &Caller) -> Result<Receipt, Problem> {
        let identity = self.require(caller, Role::Admin).await?;
        let _writer = self.writer.lock().await;
        let waiting = self.confirmation().clone().ok_or_else(nothing_waits)?;
        if waiting.username != identity.username {
            return Err(Problem::conflict(
                "confirmation_of_another",
                "Somebody else made this change",
                format!(
                    "Only {} can confirm it: the question is whether they can still reach the box.",
                    waiting.username
                ),
            ));
        }
        let counts = waiting
            .in_force_since
            .is_some_and(|since| caller.connected_at > since);
        if !counts {
            return Err(Problem::conflict(
                "confirmation_same_connection",
                "This connection is older than the change",
                "Open the page anew, at its new address if it has one, and confirm there.",
            ));
        }
        let mut batch = Batch::new(
            (self.clock)(),
            Some(identity.username.clone()),
            "Confirmed a change",
        );
        batch.remove(CONFIRMATIONS, KEY);
        let event =
            submit::event("config.confirm", &identity, caller).on(waiting.revision.to_string());
        self.commit(batch, event).await?;
        *self.confirmation() = None;
        Ok(Receipt {
            revision: self.desired.borrow().revision,
            confirm: None,
            peer: None,
        })
    }

    pub(crate) async fn revert(&self, caller: &Caller) -> Result<Receipt, Problem> {
        let identity = self.require(caller, Role::Admin).await?;
        let revision = self
            .take_back(Some((&identity, caller)), "taken back")
            .await?;
        self.wait_until_tried(revision).await;
        Ok(Receipt {
            revision,
            confirm: None,
            peer: None,
        })
    }

    /// Undoes the waiting change and only that.
    async fn take_back(&self, by: Option<(&Identity, &Caller)>, why: &str) -> Result<u64, Problem> {
        let _writer = self.writer.lock().await;
        let waiting = self.confirmation().clone().ok_or_else(nothing_waits)?;
        let current = self.desired.borrow().clone();
        let config = current.config.clone().ok_or_else(Problem::internal)?;
        let undone = edit::undo(&config, &waiting.before)?;
        let actor = by.map(|(identity, _)| identity.username.clone());
        let mut batch = Batch::new((self.clock)(), actor, summary(waiting.revision));
        batch.expect_revision(current.revision);
        batch.remove(CONFIRMATIONS, KEY);
        submit::put_documents(&mut batch, documents::changes(Some(&config), &undone))?;
        let ca = self.authority_for(Some(&config), &undone)?;
        for record in ca.iter().flat_map(cell_vault::PreparedCa::records) {
            batch.set_secret(record.name, record.sealed.clone());
        }
        let event = match by {
            Some((identity, caller)) => submit::event("config.revert", identity, caller),
            None => AuditEvent::new("config.revert"),
        };
        let event = event.on(waiting.revision.to_string()).detail(why);
        let committed = self.commit(batch, event).await?;
        if let Some(ca) = ca {
            self.vault.install(ca).map_err(|error| internal(&error))?;
        }
        *self.confirmation() = None;
        let revision = committed.revision.unwrap_or(current.revision);
        self.desired.send_replace(Desired {
            revision,
            config: Some(Arc::new(undone)),
            keys: current.keys,
        });
        Ok(revision)
    }
}

fn summary(revision: u64) -> String {
    format!("Took back revision {revision}")
}

/// 409: another risky change has to wait.
pub(crate) fn waiting() -> Problem {
    Problem::conflict(
        "confirmation_outstanding",
        "Another change waits for its confirmation",
        "Confirm it or take it back first.",
    )
}

fn nothing_waits() -> Problem {
    Problem::conflict(
        "nothing_to_confirm",
        "Nothing waits for a confirmation",
        "It was confirmed or taken back already.",
    )
}

/// Names this boot of the kernel.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}
