//! Risky changes that return by themselves unless the person who made them is still there.

use std::sync::Arc;
use std::time::Duration;

use cell_audit::{AuditError, AuditEvent};
use cell_control::caller::{Caller, now_since_boot};
use cell_control::change::{Pending, Receipt};
use cell_model::account::{Identity, Role};
use cell_model::config::Config;
use cell_model::facts::NetworkFacts;
use cell_model::name::Username;
use cell_model::problem::{Problem, chain};
use cell_model::scope::Area;
use cell_plan::lint;
use cell_plan::resolve::{Keys, vpn_interface};
use cell_reconcile::{Desired, Nudge};
use cell_store::{Batch, Store, StoreError, Tree};
use cell_vault::PreparedCa;
use serde::{Deserialize, Serialize};

use crate::authorise::Needs;
use crate::edit::mail::loses_relay_password;
use crate::open::{OpenError, stored};
use crate::set_up::internal;
use crate::{Core, System, documents, edit, keys, submit};

/// Long enough to reach the box at its new address, short enough to wait for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
/// Pause before another try at taking back what could not be. A full disk is not emptied within a second.
const RETRY: Duration = Duration::from_secs(10);
/// Who settles what becomes of it.
const SETTLES: Needs = Needs::scoped(Role::Admin, Area::Config.write());
/// The one confirmation that may be outstanding.
pub(crate) const CONFIRMATIONS: Tree = Tree::new("confirmation");
pub(crate) const KEY: &str = "outstanding";

/// A risky change that waits.
#[derive(Debug, Clone)]
pub(crate) struct Confirmation {
    record: Record,
    /// What to go back to.
    before: Arc<Config>,
    /// What the change made of it.
    after: Arc<Config>,
    /// Since when the change is in force; connections opened before do not count.
    in_force_since: Option<Duration>,
    /// It was taken back, but for want of room that is not stored: the config in force is not the one in the store.
    out_of_force: bool,
}

/// What is kept of it, so that it outlives the process. The configs are in the history.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    revision: u64,
    username: Username,
    /// Time since boot.
    deadline: Duration,
    /// Another boot than this one: the deadline has no meaning any more, and has passed.
    boot_id: String,
}

impl Confirmation {
    pub(crate) fn new(
        revision: u64,
        identity: &Identity,
        before: Arc<Config>,
        after: Arc<Config>,
        within: Duration,
    ) -> Self {
        Self {
            record: Record {
                revision,
                username: identity.username.clone(),
                deadline: now_since_boot() + within,
                boot_id: boot_id(),
            },
            before,
            after,
            in_force_since: None,
            out_of_force: false,
        }
    }

    pub(crate) fn put(&self, batch: &mut Batch) -> Result<(), StoreError> {
        batch.put(CONFIRMATIONS, KEY, &self.record).map(|_| ())
    }

    pub(crate) fn view(&self) -> Pending {
        let left = self.record.deadline.saturating_sub(now_since_boot());
        Pending {
            revision: self.record.revision,
            username: self.record.username.clone(),
            seconds_left: u32::try_from(left.as_secs()).unwrap_or(u32::MAX),
        }
    }

    /// The present config without this change.
    pub(crate) fn undone(&self, config: &Config) -> Result<Config, Problem> {
        let undone = edit::undo(config, &self.before, &self.after)?;
        // What the interfaces look like by then is nobody's fault.
        lint::check(&undone, &NetworkFacts::default(), &vpn_interface())?;
        Ok(undone)
    }

    fn is_over(&self) -> bool {
        self.record.boot_id != boot_id() || now_since_boot() >= self.record.deadline
    }
}

/// What waits, as the store has it.
pub(crate) fn load(store: &Store) -> Result<Option<Confirmation>, OpenError> {
    let Some(record) = store.records::<Record>(CONFIRMATIONS).get(KEY)? else {
        return Ok(None);
    };
    let config = |number| -> Result<Arc<Config>, OpenError> {
        let config = documents::read(&store.documents_at(number)?)?;
        Ok(Arc::new(config.ok_or(StoreError::NoRevision(number))?))
    };
    Ok(Some(Confirmation {
        before: config(record.revision.saturating_sub(1))?,
        after: config(record.revision)?,
        record,
        in_force_since: None,
        out_of_force: false,
    }))
}

/// A config that comes back, and everything that goes with it.
struct TakenBack {
    batch: Batch,
    desired: Desired,
    ca: Option<PreparedCa>,
}

impl Core {
    /// The change is in force: connections opened from now on count.
    pub(crate) fn confirmation_starts(&self, revision: u64) {
        let mut confirmation = self.confirmation();
        if let Some(waiting) = confirmation
            .as_mut()
            .filter(|waiting| waiting.record.revision == revision)
        {
            waiting.in_force_since.get_or_insert_with(now_since_boot);
        }
    }

    /// Watches deadlines for as long as the core lives.
    pub(crate) fn watch_confirmation(self: &Arc<Self>, system: &System) {
        let core = Arc::downgrade(self);
        let (mut desired, mut published) = (self.desired(), system.published.clone());
        let nudge = system.nudge.clone();
        let (mut following, mut told) = (true, None);
        tokio::spawn(async move {
            loop {
                let Some(core) = core.upgrade() else { return };
                let tried = published.borrow_and_update().tried_revision;
                let waiting = core.confirmation().as_ref().map(|waiting| {
                    let Record {
                        revision, deadline, ..
                    } = waiting.record;
                    (revision, deadline)
                });
                if let Some((revision, _)) =
                    waiting.filter(|(revision, _)| tried >= Some(*revision))
                {
                    core.confirmation_starts(revision);
                    if told.replace(revision) != Some(revision) {
                        let opened_before = now_since_boot();
                        let _ = nudge.send(Nudge::EndConnections { opened_before }).await;
                    }
                }
                let mut left = waiting.map_or(Duration::MAX, |(_, deadline)| {
                    deadline.saturating_sub(now_since_boot())
                });
                if left.is_zero()
                    && let Err(problem) = core.expire().await
                {
                    tracing::error!(%problem, "a change that nobody confirmed could not be taken back");
                    left = RETRY;
                }
                drop(core);
                tokio::select! {
                    changed = desired.changed() => if changed.is_err() { return },
                    changed = published.changed(), if following => following = changed.is_ok(),
                    () = tokio::time::sleep(left) => {}
                }
            }
        });
    }

    pub(crate) async fn confirm(&self, caller: &Caller) -> Result<Receipt, Problem> {
        let event = |identity: &Identity| submit::event("config.confirm", identity, caller);
        let identity = self.require_for(caller, SETTLES, event).await?;
        let confirmed = self.confirm_as(&identity, caller).await;
        match confirmed {
            Ok(receipt) => Ok(receipt),
            Err(problem) => Err(self.refuse(event(&identity), problem).await),
        }
    }

    async fn confirm_as(&self, identity: &Identity, caller: &Caller) -> Result<Receipt, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let waiting = self.confirmation().clone();
        let waiting = waiting
            .filter(|waiting| !waiting.out_of_force)
            .ok_or_else(nothing_waits)?;
        if waiting.record.username != identity.username {
            return Err(Problem::conflict(
                "confirmation_of_another",
                "Somebody else made this change",
                format!(
                    "Only {} can confirm it: the question is whether they can still reach the box.",
                    waiting.record.username
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
        batch.urgent().remove(CONFIRMATIONS, KEY);
        let event = submit::event("config.confirm", identity, caller)
            .on(waiting.record.revision.to_string());
        self.commit(batch, event).await?;
        *self.confirmation() = None;
        Ok(Receipt {
            connection: None,
            revision: self.desired.borrow().revision,
            confirm: None,
            peer: None,
        })
    }

    pub(crate) async fn revert(&self, caller: &Caller) -> Result<Receipt, Problem> {
        let event = |identity: &Identity| submit::event("config.revert", identity, caller);
        let identity = self.require_for(caller, SETTLES, event).await?;
        let reverted = async {
            let _writer = self.writer_for(&identity, caller).await?;
            let waiting = self.confirmation().clone().ok_or_else(nothing_waits)?;
            let event = event(&identity).detail("taken back");
            self.take_back(&waiting, event).await
        };
        let reverted = reverted.await;
        let revision = match reverted {
            Ok(revision) => revision,
            Err(problem) => return Err(self.refuse(event(&identity), problem).await),
        };
        self.wait_until_tried(revision).await;
        Ok(Receipt {
            connection: None,
            revision,
            confirm: None,
            peer: None,
        })
    }

    /// Takes back what nobody confirmed in time, if that is still so once its turn has come.
    async fn expire(&self) -> Result<(), Problem> {
        let _writer = self.writer.lock().await;
        let over = self.confirmation().clone().filter(Confirmation::is_over);
        let Some(waiting) = over else { return Ok(()) };
        match self.take_back(&waiting, expired()).await {
            Ok(_) => Ok(()),
            Err(problem) => {
                if problem.code == "disk_full" {
                    self.put_out_of_force(&waiting)?;
                }
                Err(problem)
            }
        }
    }

    /// Goes back though it cannot be stored: nobody may stay cut off because the disk is full.
    fn put_out_of_force(&self, waiting: &Confirmation) -> Result<(), Problem> {
        if waiting.out_of_force {
            return Ok(());
        }
        let taken = self.without(waiting, None)?;
        self.install(taken.ca);
        self.want(taken.desired);
        if let Some(waiting) = self.confirmation().as_mut() {
            waiting.out_of_force = true;
        }
        tracing::warn!(
            revision = waiting.record.revision,
            "a change that nobody confirmed is out of force, but still stored: the disk is full"
        );
        Ok(())
    }

    /// As [`Self::expire`], before anything else runs.
    pub(crate) fn expire_at_start(&self) -> Result<(), OpenError> {
        let over = self.confirmation().clone().filter(Confirmation::is_over);
        let Some(waiting) = over else { return Ok(()) };
        let failed = |error: &dyn std::error::Error| OpenError::Revert(chain(error));
        let taken = self
            .without(&waiting, None)
            .map_err(|problem| failed(&problem))?;
        let event = expired().on(waiting.record.revision.to_string());
        let revision = match self.audit.commit(taken.batch, event) {
            Ok(committed) => committed.revision,
            Err(AuditError::Store(StoreError::DiskFull { .. })) => {
                return self
                    .put_out_of_force(&waiting)
                    .map_err(|problem| failed(&problem));
            }
            Err(error) => return Err(failed(&error)),
        };
        self.publish_taken_back(taken.desired, taken.ca, revision);
        tracing::warn!(
            revision = waiting.record.revision,
            "a change that nobody confirmed was taken back"
        );
        Ok(())
    }

    /// Undoes the waiting change and only that. With the writer's lock held.
    async fn take_back(&self, waiting: &Confirmation, event: AuditEvent) -> Result<u64, Problem> {
        let taken = self.without(waiting, event.actor.clone())?;
        let event = event.on(waiting.record.revision.to_string());
        let committed = self.commit(taken.batch, event).await?;
        Ok(self.publish_taken_back(taken.desired, taken.ca, committed.revision))
    }

    fn without(
        &self,
        waiting: &Confirmation,
        actor: Option<Username>,
    ) -> Result<TakenBack, Problem> {
        let current = match waiting.out_of_force {
            true => stored(&self.store, &self.sealer).map_err(|error| internal(&error))?,
            false => self.desired.borrow().clone(),
        };
        let config = current.config.clone().ok_or_else(Problem::internal)?;
        let mut undone = waiting.undone(&config)?;
        let then = self.time_of(waiting.record.revision.saturating_sub(1));
        self.without_strangers(&config, &mut undone, then);
        self.hold_to_limits(&mut undone);
        let mut keys = Keys::clone(&current.keys);
        let (gone, _) = edit::settle_preshared(&mut undone, &keys.preshared);
        let summary = format!("Took back revision {}", waiting.record.revision);
        let mut batch = Batch::new((self.clock)(), actor, summary);
        batch.expect_revision(current.revision);
        batch.urgent().remove(CONFIRMATIONS, KEY);
        for (name, _) in &gone {
            batch.remove_secret(keys::preshared(name));
            keys.preshared.remove(name);
        }
        if keys.relay_password.is_some() && loses_relay_password(&config, &undone) {
            self.put_relay_password(&mut batch, None)?;
            keys.relay_password = None;
        }
        self.settle_certificates(&mut batch, &mut keys, &undone)?;
        submit::put_documents(&mut batch, documents::changes(Some(&config), &undone))?;
        let ca = self.authority_for(Some(&config), &undone)?;
        for record in ca.iter().flat_map(PreparedCa::records) {
            batch.set_secret(record.name, record.sealed.clone());
        }
        Ok(TakenBack {
            batch,
            desired: Desired {
                revision: current.revision,
                config: Some(Arc::new(undone)),
                keys: Arc::new(keys),
                pairing: current.pairing,
                places: current.places,
            },
            ca,
        })
    }

    fn publish_taken_back(
        &self,
        mut desired: Desired,
        ca: Option<PreparedCa>,
        revision: Option<u64>,
    ) -> u64 {
        desired.revision = revision.unwrap_or(desired.revision);
        self.install(ca);
        *self.confirmation() = None;
        let revision = desired.revision;
        self.want(desired);
        revision
    }
}

fn expired() -> AuditEvent {
    AuditEvent::new("config.revert").detail("not confirmed in time")
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
