//! From a change to a flushed revision, and on to the system.

use std::sync::Arc;
use std::time::Duration;

use cell_audit::{AuditError, AuditEvent};
use cell_control::caller::Caller;
use cell_control::change::{Change, OwnPeerChange, Preview, Receipt};
use cell_model::account::Identity;
use cell_model::config::{Config, ConnectionSecret};
use cell_model::facts::NetworkFacts;
use cell_model::name::Username;
use cell_model::problem::{Problem, chain};
use cell_model::status::{Part, State};
use cell_plan::diff::{Applied, diff};
use cell_plan::explain::explain;
use cell_plan::resolve::{Input, Keys, resolve, vpn_interface};
use cell_plan::{lint, sides};
use cell_reconcile::{Desired, ExitsStatus};
use cell_store::{Batch, StoreError};
use cell_vault::PreparedCa;
use uuid::Uuid;

use crate::authorise::needs_to_change;
use crate::confirmation::Confirmation;
use crate::documents::{Changes, DocumentError};
use crate::edit::mail::loses_relay_password;
use crate::edit::{self, Context, Edit};
use crate::file::Sources;
use crate::set_up::internal;
use crate::{Core, confirmation, documents, file, keys};

/// How long an answer waits for the system to follow. The change is safe by then in any case.
const FOLLOW: Duration = Duration::from_secs(5);

impl Core {
    pub(crate) async fn submit(&self, caller: &Caller, change: Change) -> Result<Receipt, Problem> {
        // What a change is judged by is not known before the first look at the network.
        self.wait_until_tried(0).await;
        if let Change::SetUp(form) = &change {
            self.refuse_during_trial()?;
            return self.set_up(caller, form).await;
        }
        let event = |identity: &Identity| event_of(&change, identity, caller);
        let needs = needs_to_change(&change);
        let identity = self.require_for(caller, needs, event).await?;
        if let Err(problem) = self.refuse_during_trial() {
            return Err(self.refuse(event(&identity), problem).await);
        }
        let result = match self.writer_for(&identity, caller).await {
            Ok(_writer) => self.change(&identity, caller, &change).await,
            Err(problem) => Err(problem),
        };
        match result {
            Ok(receipt) => {
                let tried = self.wait_until_tried(receipt.revision).await;
                if tried && receipt.confirm.is_some() && self.is_in_force() {
                    self.confirmation_starts(receipt.revision);
                }
                Ok(receipt)
            }
            Err(problem) => Err(self.refuse(event(&identity), problem).await),
        }
    }

    /// With the writer's lock held.
    async fn change(
        &self,
        identity: &Identity,
        caller: &Caller,
        change: &Change,
    ) -> Result<Receipt, Problem> {
        let current = self.desired.borrow().clone();
        let config = current
            .config
            .clone()
            .ok_or_else(crate::authorise::setup_required)?;
        // A key of one's own opens the network of the box, from anywhere and for as long as it is there.
        if let Change::OwnPeer(OwnPeerChange::Add(_) | OwnPeerChange::Rekey { .. }) = change {
            self.require_proof(caller)?;
        }
        let change = &self.of_whom(identity, &config, change)?;
        let mut edit = self.edit(&current, &config, change)?;
        self.hold_to_limits(&mut edit.config);
        // Where versions come from, and when the box restarts into them, is as much as giving it one.
        if edit.config.updates != config.updates {
            self.require_proof(caller)?;
        }
        // Whoever brings mail on reads all that leaves the box, and signs in as it.
        if edit.config.mail.delivery != config.mail.delivery || edit.relay_password.is_some() {
            self.require_proof(caller)?;
        }
        // What people have put there is gone for good.
        if let Change::RemoveService {
            delete_data: true, ..
        } = change
        {
            self.require_proof(caller)?;
        }
        self.check(change, &config, &edit.config)?;
        let risky = lint::is_risky(&config, &edit.config);
        let waiting = self.confirmation().clone();
        match waiting {
            Some(_) if risky => return Err(confirmation::waiting()),
            // So that taking back never fails.
            Some(waiting) => drop(waiting.undone(&edit.config)?),
            None => {}
        }
        let changes =
            documents::changes(Some(&config), &edit.config).map_err(|error| internal(&error))?;
        let revision = if changes.is_empty() && !edit.has_secrets() {
            if edit.peer.is_some() {
                // Nothing changes, but a file with a shared key in it leaves the box.
                self.note(event_of(change, identity, caller)).await;
            }
            current.revision
        } else {
            let confirmation = risky.then(|| {
                let after = Arc::new(edit.config.clone());
                let revision = current.revision + 1;
                Confirmation::new(revision, identity, config, after, self.confirm_within)
            });
            let event = event(edit.action, identity, caller);
            let by = Some(identity.username.clone());
            self.keep(by, event, &current, &edit, changes, confirmation)
                .await?
        };
        let pending = self.confirmation().as_ref().map(Confirmation::view);
        Ok(Receipt {
            revision,
            confirm: pending.filter(|pending| risky && pending.revision == revision),
            connection: edit.connection,
            peer: edit.peer.as_ref().and_then(|peer| {
                let desired = self.desired.borrow();
                let keys = Arc::clone(&desired.keys);
                let server_key = keys.interface.as_ref()?.public_key();
                let mut peer = peer.clone();
                // The file of a device that keeps its keys still needs the one both ends share.
                peer.preshared_key = peer
                    .preshared_key
                    .or_else(|| keys.preshared.get(&peer.name).cloned());
                file::receipt(
                    &Sources {
                        config: &edit.config,
                        facts: &self.facts(),
                        options: &self.settings.options,
                        server_key,
                        now: (self.clock)(),
                    },
                    &peer,
                )
            }),
        })
    }

    fn edit(&self, current: &Desired, config: &Config, change: &Change) -> Result<Edit, Problem> {
        if let Change::RestoreRevision { number } = change {
            return self.restoring(current, config, *number);
        }
        match change {
            Change::InstallService(form) => return self.installing(config, form),
            Change::UpdateService { id } => return self.updating(config, id),
            _ => {}
        }
        let random = || cell_vault::random_bytes().map_err(|error| internal(&error));
        let connection_secrets = current.keys.connections.keys().copied().collect();
        let context = Context {
            now: (self.clock)(),
            own_key: current.keys.interface.as_ref().map(|key| key.public_key()),
            revision: current.revision,
            relay_password: current.keys.relay_password.is_some(),
            connection_secrets: &connection_secrets,
            options: &self.settings.options,
            random: &random,
        };
        edit::apply(config, change, &context)
    }

    fn restoring(&self, current: &Desired, config: &Config, number: u64) -> Result<Edit, Problem> {
        let found = match self.store.documents_at(number) {
            Ok(found) => found,
            Err(StoreError::NoRevision(_)) => {
                return Err(Problem::not_found(format!("revision {number}")));
            }
            Err(error) => return Err(internal(&error)),
        };
        let earlier = documents::read(&found).map_err(|error| internal(&error))?;
        let earlier =
            earlier.ok_or_else(|| Problem::not_found(format!("config in revision {number}")))?;
        let mut earlier = earlier;
        let lost = self.without_strangers(config, &mut earlier, self.time_of(number));
        let keys = &current.keys.preshared;
        let mut edit = edit::restore(config, earlier, number, keys);
        if current.keys.relay_password.is_some() && loses_relay_password(config, &edit.config) {
            edit.relay_password = Some(None);
            edit.summary.push_str("; the password of the relay is gone");
        }
        let known = current.keys.connections.keys().copied().collect();
        let without: Vec<(Uuid, String)> =
            edit::connection::without_secrets(config, &edit.config, &known)
                .map(|(id, connection)| (id, connection.name.to_string()))
                .collect();
        if !without.is_empty() {
            let names: Vec<&str> = without.iter().map(|(_, name)| name.as_str()).collect();
            edit.summary
                .push_str("; passwords and keys are gone of the ways out ");
            edit.summary.push_str(&names.join(", "));
        }
        let gone = without.into_iter().flat_map(|(id, _)| {
            let secrets = ConnectionSecret::ALL.into_iter();
            secrets.map(move |secret| ((id, secret), None))
        });
        edit.connection_secrets.extend(gone);
        if !lost.is_empty() {
            edit.summary
                .push_str("; whose they were has gone, and so stay away ");
            edit.summary.push_str(&lost.join(", "));
        }
        Ok(edit)
    }

    /// Has the box itself change its config, if there is something to change.
    pub(crate) async fn change_by_itself(
        &self,
        edit: impl FnOnce(&Config) -> Option<Edit> + Send,
    ) -> Result<(), Problem> {
        let _writer = self.writer.lock().await;
        let current = self.desired.borrow().clone();
        let Some(config) = current.config.clone() else {
            return Ok(());
        };
        let Some(edit) = edit(&config) else {
            return Ok(());
        };
        let waiting = self.confirmation().clone();
        if let Some(waiting) = waiting {
            drop(waiting.undone(&edit.config)?);
        }
        let changes =
            documents::changes(Some(&config), &edit.config).map_err(|error| internal(&error))?;
        let event = AuditEvent::new(edit.action);
        self.keep(None, event, &current, &edit, changes, None)
            .await
            .map(drop)
    }

    /// Commits and publishes. The event says who and from where.
    async fn keep(
        &self,
        by: Option<Username>,
        mut event: AuditEvent,
        current: &Desired,
        edit: &Edit,
        changes: Changes,
        confirmation: Option<Confirmation>,
    ) -> Result<u64, Problem> {
        let now = (self.clock)();
        let mut batch = Batch::new(now, by, edit.summary.as_str());
        if edit.action == "peer.remove" {
            batch.urgent();
        }
        event = event.detail(edit.summary.as_str());
        event.object.clone_from(&edit.object);
        self.keep_with(batch, event, current, edit, changes, confirmation)
            .await
    }

    /// As [`Self::keep`], together with what is in the batch already.
    pub(crate) async fn keep_with(
        &self,
        mut batch: Batch,
        event: AuditEvent,
        current: &Desired,
        edit: &Edit,
        changes: Changes,
        confirmation: Option<Confirmation>,
    ) -> Result<u64, Problem> {
        batch.expect_revision(current.revision);
        let nothing_to_number = changes.is_empty();
        put_documents(&mut batch, Ok(changes))?;
        let mut keys = Keys::clone(&current.keys);
        for (name, key) in &edit.preshared {
            match key {
                Some(key) => {
                    let secret = keys::preshared(name);
                    let sealed = self
                        .sealer
                        .seal(&secret, key.expose())
                        .map_err(|error| internal(&error))?;
                    batch.set_secret(secret, sealed);
                    keys.preshared.insert(name.clone(), key.clone());
                }
                None => {
                    batch.remove_secret(keys::preshared(name));
                    keys.preshared.remove(name);
                }
            }
        }
        self.settle_certificates(&mut batch, &mut keys, &edit.config)?;
        self.settle_connections(&mut batch, &mut keys, edit)?;
        if let Some(password) = &edit.relay_password {
            self.put_relay_password(&mut batch, password.as_ref())?;
            keys.relay_password.clone_from(password);
        }
        let ca = self.authority_for(current.config.as_deref(), &edit.config)?;
        for record in ca.iter().flat_map(PreparedCa::records) {
            batch.set_secret(record.name, record.sealed.clone());
        }
        if let Some(confirmation) = &confirmation {
            confirmation
                .put(&mut batch)
                .map_err(|error| internal(&error))?;
        }
        let committed = self.commit(batch, event).await?;
        let revision = match committed.revision {
            Some(revision) => revision,
            None if nothing_to_number => current.revision,
            None => return Err(Problem::internal()),
        };
        self.install(ca);
        if confirmation.is_some() {
            *self.confirmation() = confirmation;
        }
        self.want(Desired {
            revision,
            config: Some(Arc::new(edit.config.clone())),
            keys: Arc::new(keys),
            pairing: current.pairing.clone(),
            places: Arc::clone(&current.places),
        });
        Ok(revision)
    }

    /// Keeps secrets of ways out that came, and destroys those that nobody has a use for.
    fn settle_connections(
        &self,
        batch: &mut Batch,
        keys: &mut Keys,
        edit: &Edit,
    ) -> Result<(), Problem> {
        for (of, text) in &edit.connection_secrets {
            let secret = keys::connection(of.0, of.1);
            match text {
                Some(text) => {
                    let sealed = self.sealer.seal(&secret, text.expose().as_bytes());
                    batch.set_secret(secret, sealed.map_err(|error| internal(&error))?);
                    keys.connections.insert(*of, text.clone());
                }
                None => {
                    batch.remove_secret(secret);
                    keys.connections.remove(of);
                }
            }
        }
        keys.connections.retain(|(id, secret), _| {
            let stays = edit::connection::has_use(&edit.config, *id, *secret);
            if !stays {
                batch.remove_secret(keys::connection(*id, *secret));
            }
            stays
        });
        Ok(())
    }

    /// Makes keys for services that have a certificate of their own, and destroys those of services that are gone.
    pub(crate) fn settle_certificates(
        &self,
        batch: &mut Batch,
        keys: &mut Keys,
        config: &Config,
    ) -> Result<(), Problem> {
        let installed = &config.services.installed;
        keys.certificates.retain(|id, _| {
            let stays = installed.contains_key(id);
            if !stays {
                batch.remove_secret(keys::certificate(id));
                keys.certificate_hashes.remove(id);
            }
            stays
        });
        for id in keys::with_certificates(config) {
            if keys.certificates.contains_key(id) {
                continue;
            }
            let key = cell_vault::new_certificate_key().map_err(|error| internal(&error))?;
            let name = keys::certificate(id);
            let sealed = self.sealer.seal(&name, key.expose());
            batch.set_secret(name, sealed.map_err(|error| internal(&error))?);
            keys::put_certificate(keys, id, key).map_err(|error| internal(&error))?;
        }
        Ok(())
    }

    /// Whether the parts a person reaches the box through are as asked. A change that was tried and failed is none that
    /// somebody could say they survived.
    fn is_in_force(&self) -> bool {
        let Some(system) = self.system.get() else {
            return false;
        };
        let published = system.published.borrow();
        [
            Part::Firewall,
            Part::Network,
            Part::Wireguard,
            Part::Vault,
            Part::Web,
        ]
        .iter()
        .all(|part| {
            let item = published.items.iter().find(|item| item.id == part.as_str());
            item.is_some_and(|item| item.state == State::Ok)
        })
    }

    /// Refuses a config that cannot work. A network that turned up meanwhile and overlaps another is no reason to
    /// refuse a change that has nothing to do with either: cutting a device off above all.
    fn check(&self, change: &Change, before: &Config, after: &Config) -> Result<(), Problem> {
        let begins = before.services.network != after.services.network
            || before.services.installed.is_empty() && !after.services.installed.is_empty();
        let facts = match begins || lint::takes_addresses(before, after) {
            true => self.facts(),
            false => Arc::default(),
        };
        lint::check(after, &facts, &vpn_interface())?;
        // Whoever chooses it hears at once that it is taken, and not when the first service is installed.
        if matches!(change, Change::Settings(_))
            && before.services.network != after.services.network
        {
            lint::check_services_network(after, &facts, &vpn_interface())?;
        }
        match before.network == after.network {
            true => Ok(()),
            false => sides::check(after, &facts, &self.settings.options),
        }
    }

    /// Another issuing CA when the names it may vouch for change.
    pub(crate) fn authority_for(
        &self,
        before: Option<&Config>,
        after: &Config,
    ) -> Result<Option<PreparedCa>, Problem> {
        let same = before.is_some_and(|before| {
            before.domain.name == after.domain.name && before.cell.name == after.cell.name
        });
        if same {
            return Ok(None);
        }
        self.vault
            .reissue_domain(&after.cell.name, &after.domain.name, (self.clock)())
            .map(Some)
            .map_err(|error| internal(&error))
    }

    /// Puts an authority to use whose records are stored; from there on it is too late to fail.
    pub(crate) fn install(&self, ca: Option<PreparedCa>) {
        if let Some(Err(error)) = ca.map(|ca| self.vault.install(ca)) {
            tracing::error!(error = %chain(&error), "the root certificate could not be published");
        }
    }

    pub(crate) async fn preview(
        &self,
        caller: &Caller,
        change: &Change,
    ) -> Result<Preview, Problem> {
        let identity = self.require(caller, needs_to_change(change)).await?;
        let current = self.desired.borrow().clone();
        let config = current
            .config
            .clone()
            .ok_or_else(crate::authorise::setup_required)?;
        let change = &self.of_whom(&identity, &config, change)?;
        let mut edit = self.edit(&current, &config, change)?;
        self.hold_to_limits(&mut edit.config);
        let facts = self.facts();
        self.check(change, &config, &edit.config)?;
        let proxy_image = self
            .system
            .get()
            .and_then(|system| system.parts.library.proxy());
        let exits = self.exits_status();
        let resolved = |config: &Config, serial| {
            resolve(&Input {
                options: &self.settings.options,
                facts: &facts,
                config: Some(config),
                keys: &current.keys,
                now: (self.clock)(),
                serial,
                proxy_image: proxy_image.as_ref(),
                opened_after: Duration::ZERO,
                pairing: None,
                places: &current.places,
                exits: &exits,
            })
        };
        let steps = diff(
            &Applied::all(&resolved(&config, 0)),
            &resolved(&edit.config, 1),
        );
        let mut warnings = lint::consequences(&config, &edit.config);
        warnings.extend(lint::warnings(&edit.config, &facts));
        warnings.extend(sides::finding(&edit.config, &facts, &self.settings.options));
        let changes =
            documents::changes(Some(&config), &edit.config).map_err(|error| internal(&error))?;
        Ok(Preview {
            changes_nothing: changes.is_empty() && !edit.has_secrets(),
            steps: explain(&steps),
            warnings,
            needs_confirmation: lint::is_risky(&config, &edit.config),
        })
    }

    /// How ways out are.
    fn exits_status(&self) -> ExitsStatus {
        let system = self.system.get();
        let status = system.map(|system| system.exits.borrow().clone());
        status.unwrap_or_default()
    }

    /// Waits until the reconciler has been through this revision, but not for ever. Whether it has.
    pub(crate) async fn wait_until_tried(&self, revision: u64) -> bool {
        let Some(system) = self.system.get() else {
            return false;
        };
        let mut published = system.published.clone();
        let tried = published.wait_for(|published| published.tried_revision >= Some(revision));
        let tried = matches!(tokio::time::timeout(FOLLOW, tried).await, Ok(Ok(_)));
        if !tried {
            tracing::warn!(revision, "the system is slow to follow");
        }
        tried
    }

    /// What the network looks like, as last published.
    pub(crate) fn facts(&self) -> Arc<NetworkFacts> {
        self.system
            .get()
            .map(|system| Arc::clone(&system.published.borrow().facts))
            .unwrap_or_default()
    }
}

pub(crate) fn put_documents(
    batch: &mut Batch,
    changes: Result<Changes, DocumentError>,
) -> Result<(), Problem> {
    for (key, json) in changes.map_err(|error| internal(&error))? {
        match json {
            Some(json) => batch.set_document(key, json),
            None => batch.remove_document(key),
        };
    }
    Ok(())
}

/// The start of an audit event: what, who, from where.
pub(crate) fn event(action: &'static str, identity: &Identity, caller: &Caller) -> AuditEvent {
    let event = AuditEvent::new(action).by(identity);
    match caller.address {
        Some(address) => event.from(address),
        None => event,
    }
}

/// The event of a change that has not come to anything yet.
fn event_of(change: &Change, identity: &Identity, caller: &Caller) -> AuditEvent {
    let (action, object) = match change {
        Change::SetUp(form) => ("setup.complete", Some(form.cell_name.to_string())),
        Change::Settings(_) => ("config.change", None),
        Change::AddPeer(form) => ("peer.add", Some(form.name.to_string())),
        Change::ChangePeer { name, .. } => ("peer.change", Some(name.to_string())),
        Change::RekeyPeer { name } => ("peer.rekey", Some(name.to_string())),
        Change::FetchPeerFile { name } => ("peer.fetch", Some(name.to_string())),
        Change::RemovePeer { name } => ("peer.remove", Some(name.to_string())),
        Change::OwnPeer(change) => {
            let (action, name) = match change {
                OwnPeerChange::Add(form) => ("peer.add", &form.name),
                OwnPeerChange::Rekey { name } => ("peer.rekey", name),
                OwnPeerChange::FetchFile { name } => ("peer.fetch", name),
                OwnPeerChange::Remove { name } => ("peer.remove", name),
            };
            (action, Some(name.to_string()))
        }
        Change::PutGroup { name, .. } => ("group.put", Some(name.to_string())),
        Change::RemoveGroup { name } => ("group.remove", Some(name.to_string())),
        Change::Mail(_) => ("mail.change", Some("mail".to_owned())),
        Change::PutMailAlias { name, .. } => ("mail.alias.put", Some(name.to_string())),
        Change::RemoveMailAlias { name } => ("mail.alias.remove", Some(name.to_string())),
        Change::ChangeLink { name, .. } => ("cell.link.change", Some(name.to_string())),
        Change::RemoveLink { name } => ("cell.link.remove", Some(name.to_string())),
        Change::AddConnection(form) => ("connection.add", Some(form.name.to_string())),
        Change::PutConnection { id, .. } => ("connection.change", Some(id.to_string())),
        Change::RemoveConnection { id } => ("connection.remove", Some(id.to_string())),
        Change::InstallService(form) => ("service.install", Some(form.id.to_string())),
        Change::UpdateService { id } => ("service.update", Some(id.to_string())),
        Change::ChangeService { id, .. } => ("service.change", Some(id.to_string())),
        Change::RemoveService { id, .. } => ("service.remove", Some(id.to_string())),
        Change::RestoreRevision { number } => ("config.restore", Some(number.to_string())),
    };
    let mut event = event(action, identity, caller);
    event.object = object;
    event
}

/// What a failed commit means to the person who waits for it.
pub(crate) fn store_problem(error: &AuditError) -> Problem {
    match error {
        AuditError::Store(StoreError::DiskFull { free, needed }) => Problem::new(
            503,
            "disk_full",
            "The box's disk is full",
            format!(
                "{free} bytes are free, {needed} are needed. Nothing was changed. Remove something, then try again."
            ),
        ),
        AuditError::Store(StoreError::Stale { .. }) => Problem::conflict(
            "stale_revision",
            "The settings have changed meanwhile",
            "Look at them again and repeat the change.",
        ),
        AuditError::Store(StoreError::Write(_) | StoreError::Sync(_) | StoreError::Poisoned) => {
            Problem::new(
                503,
                "store_failed",
                "The change could not be written to disk",
                "It may or may not be there. Look before you try again; if it stays, the disk may be worn out.",
            )
        }
        _ => Problem::internal(),
    }
}
