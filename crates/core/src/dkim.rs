//! The keys that mail is signed with: a record each, and the private half sealed beside it.
//!
//! A private half is destroyed as soon as nothing is signed with it any more. Keys have no history: taking back a revision
//! brings none back. Those of a former domain rest, so that a domain that is come back to has its own again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cell_audit::AuditEvent;
use cell_control::action::Outcome;
use cell_control::caller::Caller;
use cell_control::view::Page;
use cell_model::account::Identity;
use cell_model::config::Config;
use cell_model::mail::{DkimKey, DkimSeen, DkimState};
use cell_model::name::{DnsLabel, Domain, ServiceId, Username};
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_plan::mail::dkim::{self, DkimNext};
use cell_plan::resolve::Keys;
use cell_store::{Batch, Store, Tree};
use cell_vault::{DkimPair, Sealer, random_bytes};

use crate::authorise::setup_required;
use crate::keys::{KeyError, open_text};
use crate::set_up::internal;
use crate::{Core, submit};

/// Keys by selector.
const KEYS: Tree = Tree::new("dkim_keys");
/// Keys of former domains that are kept: those that sign there, and the newest of the others.
const FORMER: usize = 8;
/// How often is looked whether a key's time has come.
const LOOK: Duration = Duration::from_secs(600);

/// Private halves, by selector.
type Private = BTreeMap<DnsLabel, Secret<String>>;

/// The name the private half of a key is kept under.
fn secret_name(selector: &DnsLabel) -> String {
    format!("dkim/{selector}")
}

/// All keys, and the private halves there are.
pub(crate) fn open(store: &Store, sealer: &Sealer) -> Result<(Vec<DkimKey>, Private), KeyError> {
    let keys = store.records::<DkimKey>(KEYS).scan()?;
    let keys: Vec<DkimKey> = keys.into_iter().map(|(_, key)| key).collect();
    let mut private = BTreeMap::new();
    for key in &keys {
        if let Some(text) = open_text(store, sealer, &secret_name(&key.selector))? {
            private.insert(key.selector.clone(), text);
        }
    }
    Ok((keys, private))
}

impl Core {
    /// Keys of the present domain, by selector.
    pub(crate) fn dkim_keys(&self) -> Page<DkimKey> {
        let desired = self.desired.borrow();
        let domain = desired.config.as_ref().map(|config| &config.domain.name);
        let items = domain.map_or_else(Vec::new, |domain| of_domain(&desired.keys.dkim, domain));
        Page { items, next: None }
    }

    /// Makes a key that takes over once its record is seen in DNS.
    pub(crate) async fn add_dkim_key(
        &self,
        identity: &Identity,
        caller: &Caller,
    ) -> Result<Outcome, Problem> {
        let pair = self.new_pair().await?;
        let _writer = self.writer_for(identity, caller).await?;
        let event = submit::event("mail.dkim.add", identity, caller);
        let by = Some(identity.username.clone());
        let key = self.keep_new_key(pair, event, by).await?;
        Ok(Outcome::DkimKeyAdded(Box::new(key)))
    }

    /// Takes seconds, and so the writer does not wait for it.
    async fn new_pair(&self) -> Result<DkimPair, Problem> {
        self.refuse_second_key(&self.mail_domain()?)?;
        let pair = tokio::task::spawn_blocking(DkimPair::generate).await;
        let pair = pair.map_err(|error| internal(&error))?;
        pair.map_err(|error| internal(&error))
    }

    async fn keep_new_key(
        &self,
        pair: DkimPair,
        event: AuditEvent,
        by: Option<Username>,
    ) -> Result<DkimKey, Problem> {
        let domain = self.mail_domain()?;
        self.refuse_second_key(&domain)?;
        let mut keys = self.own_keys();
        let now = (self.clock)();
        let chance = random_bytes().map_err(|error| internal(&error))?;
        let selector = dkim::new_selector(&keys.dkim, now, u16::from_ne_bytes(chance));
        let selector = selector.map_err(|error| internal(&error))?;
        let key = DkimKey {
            selector,
            domain,
            state: DkimState::Made,
            since: now,
            public: pair.public,
        };
        let name = secret_name(&key.selector);
        let text = pair.private_pem.expose().as_bytes();
        let sealed = self.sealer.seal(&name, text);
        let mut batch = Batch::new(now, by, "Made a key that mail is signed with");
        batch.set_secret(name, sealed.map_err(|error| internal(&error))?);
        put(&mut batch, &key)?;
        self.commit(batch, event.on(key.selector.to_string()))
            .await?;
        keys.dkim_private
            .insert(key.selector.clone(), pair.private_pem);
        keys.dkim.push(key.clone());
        self.publish_dkim(keys);
        Ok(key)
    }

    /// Signs with a key from now on, because somebody says that its record is there.
    pub(crate) async fn sign_with_dkim_key(
        &self,
        identity: &Identity,
        caller: &Caller,
        selector: &DnsLabel,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let domain = self.mail_domain()?;
        let keys = of_domain(&self.own_keys().dkim, &domain);
        let key = keys.iter().find(|key| key.selector == *selector);
        let key = key.ok_or_else(|| Problem::not_found(format!("key {selector}")))?;
        match key.state {
            DkimState::Signing => return Ok(Outcome::Done),
            DkimState::Made | DkimState::Published => {}
            DkimState::Retiring | DkimState::Revoked => return Err(time_is_over(selector)),
        }
        let next = dkim::sign_with(&keys, selector, (self.clock)());
        let event = submit::event("mail.dkim.sign", identity, caller).on(selector.to_string());
        let by = Some(identity.username.clone());
        self.keep_dkim(&domain, next, by, event).await?;
        Ok(Outcome::Done)
    }

    /// Moves the keys on as far as time and what public DNS was `seen` to say allow; see [`dkim::advance`].
    pub(crate) async fn advance_dkim(
        &self,
        seen: &BTreeMap<DnsLabel, DkimSeen>,
    ) -> Result<(), Problem> {
        let _writer = self.writer.lock().await;
        let domain = self.mail_domain()?;
        let keys = of_domain(&self.own_keys().dkim, &domain);
        let next = dkim::advance(&keys, seen, (self.clock)());
        let event = AuditEvent::new("mail.dkim");
        self.keep_dkim(&domain, next, None, event).await
    }

    /// Keeps what has become of the keys of a domain.
    async fn keep_dkim(
        &self,
        domain: &Domain,
        next: DkimNext,
        by: Option<Username>,
        mut event: AuditEvent,
    ) -> Result<(), Problem> {
        let mut keys = self.own_keys();
        let others = keys.dkim.iter().filter(|key| key.domain != *domain);
        let mut others: Vec<DkimKey> = others.cloned().collect();
        // What signs, or may sign, once its domain is back comes first.
        others.sort_by_key(|key| {
            let signs = key.state == DkimState::Signing;
            std::cmp::Reverse((signs, key.state.has_private(), key.since))
        });
        others.truncate(FORMER);
        let kept = [next.keys.as_slice(), others.as_slice()].concat();
        let left: BTreeSet<&DnsLabel> = kept.iter().map(|key| &key.selector).collect();
        let gone = keys.dkim.iter().map(|key| &key.selector);
        let gone: BTreeSet<DnsLabel> = gone.filter(|name| !left.contains(name)).cloned().collect();
        let changed: Vec<&DkimKey> = next
            .keys
            .iter()
            .filter(|key| !keys.dkim.contains(key))
            .collect();
        if gone.is_empty() && changed.is_empty() {
            return Ok(());
        }
        let summary = format!("Moved on the keys that mail of {domain} is signed with");
        let mut batch = Batch::new((self.clock)(), by, summary);
        let mut told = Vec::new();
        for key in &changed {
            put(&mut batch, key)?;
            let state = format!("{:?}", key.state).to_lowercase();
            told.push(format!("{}: {state}", key.selector));
        }
        for selector in &gone {
            batch.remove(KEYS, selector.to_string());
            told.push(format!("{selector}: gone"));
        }
        for selector in gone.iter().chain(&next.destroy) {
            batch.remove_secret(secret_name(selector));
            keys.dkim_private.remove(selector);
        }
        event = event.detail(told.join(", "));
        self.commit(batch, event).await?;
        keys.dkim = kept;
        keys.dkim.sort_by(|a, b| a.selector.cmp(&b.selector));
        self.publish_dkim(keys);
        Ok(())
    }

    /// Has a key made when mail has none, and those that there are moved on, from now on.
    pub(crate) fn keep_dkim_keys(self: &Arc<Self>) {
        let (core, mut desired) = (Arc::downgrade(self), self.desired.subscribe());
        tokio::spawn(async move {
            desired.mark_changed();
            loop {
                tokio::select! {
                    changed = desired.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(LOOK) => {}
                }
                let Some(core) = core.upgrade() else { return };
                if let Err(problem) = core.look_after_dkim().await {
                    tracing::warn!(%problem, "keys that mail is signed with are not moved on");
                }
            }
        });
    }

    pub(crate) async fn look_after_dkim(&self) -> Result<(), Problem> {
        let Ok(domain) = self.mail_domain() else {
            return Ok(());
        };
        if self.may_be_taken_back() {
            return Ok(());
        }
        let keys = of_domain(&self.own_keys().dkim, &domain);
        if dkim::is_wanted(&keys) || dkim::is_rotation_due(&keys, (self.clock)()) {
            let pair = self.new_pair().await?;
            let _writer = self.writer.lock().await;
            if self.may_be_taken_back() {
                return Ok(());
            }
            let event = AuditEvent::new("mail.dkim.add");
            self.keep_new_key(pair, event, None).await?;
        }
        self.advance_dkim(&BTreeMap::new()).await
    }

    /// Whether what is now is not sure to stay: what is kept during a trial is lost when the box goes back to its version of
    /// before, and a domain that nobody has confirmed may be gone in a moment.
    fn may_be_taken_back(&self) -> bool {
        self.refuse_during_trial().is_err() || self.confirmation().is_some()
    }

    /// The domain that mail is for; 404 without the mail service.
    pub(crate) fn mail_domain(&self) -> Result<Domain, Problem> {
        let desired = self.desired.borrow();
        let config = desired.config.as_ref().ok_or_else(setup_required)?;
        match has_mail(config) {
            true => Ok(config.domain.name.clone()),
            false => Err(Problem::new(
                404,
                "mail_not_installed",
                "Mail is not installed",
                "Install the mail service first.",
            )),
        }
    }

    fn own_keys(&self) -> Keys {
        Keys::clone(&self.desired.borrow().keys)
    }

    fn publish_dkim(&self, keys: Keys) {
        self.desired
            .send_modify(|desired| desired.keys = Arc::new(keys));
    }

    fn refuse_second_key(&self, domain: &Domain) -> Result<(), Problem> {
        let keys = of_domain(&self.desired.borrow().keys.dkim, domain);
        match dkim::is_coming(&keys) {
            true => Err(Problem::conflict(
                "dkim_key_waits",
                "A new key waits already",
                "Put its record into DNS. Once it signs, another can be made.",
            )),
            false => Ok(()),
        }
    }
}

fn has_mail(config: &Config) -> bool {
    config.services.installed.contains_key(&ServiceId::mail())
}

fn of_domain(keys: &[DkimKey], domain: &Domain) -> Vec<DkimKey> {
    let keys = keys.iter().filter(|key| key.domain == *domain);
    keys.cloned().collect()
}

fn put(batch: &mut Batch, key: &DkimKey) -> Result<(), Problem> {
    let put = batch.put(KEYS, key.selector.to_string(), key);
    put.map(drop).map_err(|error| internal(&error))
}

fn time_is_over(selector: &DnsLabel) -> Problem {
    Problem::conflict(
        "dkim_key_over",
        "The time of this key is over",
        format!("Nothing is signed with {selector} any more. Make a new key."),
    )
}
