//! The keys that mail is signed with: a record each, and the private half sealed beside it.
//!
//! A private half is destroyed as soon as nothing is signed with it any more. Keys have no history: taking back a
//! revision brings none back.

use std::collections::{BTreeMap, BTreeSet};

use cell_audit::AuditEvent;
use cell_model::mail::{DkimKey, DkimState};
use cell_model::name::{DnsLabel, Domain, Username};
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_plan::mail::dkim::{self, DkimSeen};
use cell_store::{Batch, Tree};
use cell_vault::DkimPair;

use crate::Core;
use crate::set_up::internal;

/// Keys by selector.
const KEYS: Tree = Tree::new("dkim_keys");

/// The name the private half of a key is kept under.
fn secret_name(selector: &DnsLabel) -> String {
    format!("dkim/{selector}")
}

impl Core {
    /// All keys, by selector.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn dkim_keys(&self) -> Result<Vec<DkimKey>, Problem> {
        let keys = self.store.records::<DkimKey>(KEYS).scan();
        let keys = keys.map_err(|error| internal(&error))?;
        Ok(keys.into_iter().map(|(_, key)| key).collect())
    }

    /// The private halves there are, PKCS #8 in PEM, by selector.
    ///
    /// # Errors
    /// When the store cannot be read, or what it holds cannot be opened.
    pub fn dkim_private(&self) -> Result<BTreeMap<DnsLabel, Secret<String>>, Problem> {
        let mut halves = BTreeMap::new();
        for key in self.dkim_keys()? {
            let name = secret_name(&key.selector);
            let sealed = self.store.secret(&name).map_err(|error| internal(&error))?;
            let Some(sealed) = sealed else { continue };
            let opened = self.sealer.open(&name, &sealed);
            let opened = opened.map_err(|error| internal(&error))?;
            let pem = std::str::from_utf8(opened.expose()).map_err(|error| internal(&error))?;
            halves.insert(key.selector, Secret::new(pem.to_owned()));
        }
        Ok(halves)
    }

    /// Makes a key that takes over once its record is seen in DNS: the first of a box, or the next. `event` says who
    /// wants it, and `actor` is their name.
    ///
    /// # Errors
    /// 409 `dkim_key_waits` while another waits for that; 428 before setup; when it cannot be made or kept.
    pub async fn add_dkim_key(
        &self,
        event: AuditEvent,
        actor: Option<Username>,
    ) -> Result<DkimKey, Problem> {
        let domain = self.config()?.domain.name.clone();
        let refuse = |keys: &[DkimKey]| match dkim::is_coming(&of_domain(keys, &domain)) {
            true => Err(one_waits()),
            false => Ok(()),
        };
        refuse(&self.dkim_keys()?)?;
        let pair = tokio::task::spawn_blocking(DkimPair::generate).await;
        let pair = pair.map_err(|error| internal(&error))?;
        let pair = pair.map_err(|error| internal(&error))?;

        let _writer = self.writer.lock().await;
        let keys = self.dkim_keys()?;
        refuse(&keys)?;
        let now = (self.clock)();
        let selector = dkim::new_selector(&keys, now).map_err(|error| internal(&error))?;
        let key = DkimKey {
            selector,
            domain,
            state: DkimState::Made,
            since: now,
            public: pair.public,
        };
        let name = secret_name(&key.selector);
        let sealed = self
            .sealer
            .seal(&name, pair.private_pem.expose().as_bytes());
        let mut batch = Batch::new(now, actor, "Made a key that mail is signed with");
        batch.set_secret(name, sealed.map_err(|error| internal(&error))?);
        put(&mut batch, &key)?;
        self.commit(batch, event.on(key.selector.to_string()))
            .await?;
        Ok(key)
    }

    /// Moves the keys on as far as time and what public DNS was `seen` to say allow; see
    /// [`dkim::advance`]. Those of a former domain go at once. Answers whether anything has changed.
    ///
    /// # Errors
    /// 428 before setup; when it cannot be kept.
    pub async fn advance_dkim(&self, seen: &BTreeMap<DnsLabel, DkimSeen>) -> Result<bool, Problem> {
        let _writer = self.writer.lock().await;
        let domain = self.config()?.domain.name.clone();
        let keys = self.dkim_keys()?;
        let now = (self.clock)();
        let next = dkim::advance(&of_domain(&keys, &domain), seen, now);
        let left: BTreeSet<&DnsLabel> = next.keys.iter().map(|key| &key.selector).collect();
        let gone = keys.iter().filter(|key| !left.contains(&key.selector));
        let gone: Vec<&DkimKey> = gone.collect();
        let changed: Vec<&DkimKey> = next.keys.iter().filter(|key| !keys.contains(key)).collect();
        if gone.is_empty() && changed.is_empty() {
            return Ok(false);
        }
        let mut batch = Batch::new(now, None, "Moved keys on that mail is signed with");
        let mut event = AuditEvent::new("mail.dkim");
        for key in &changed {
            put(&mut batch, key)?;
            event = event
                .on(key.selector.to_string())
                .detail(format!("{:?}", key.state).to_lowercase());
        }
        for key in gone {
            batch.remove(KEYS, key.selector.to_string());
            batch.remove_secret(secret_name(&key.selector));
        }
        for selector in &next.destroy {
            batch.remove_secret(secret_name(selector));
        }
        self.commit(batch, event).await?;
        Ok(true)
    }
}

fn of_domain(keys: &[DkimKey], domain: &Domain) -> Vec<DkimKey> {
    let keys = keys.iter().filter(|key| key.domain == *domain);
    keys.cloned().collect()
}

fn put(batch: &mut Batch, key: &DkimKey) -> Result<(), Problem> {
    let put = batch.put(KEYS, key.selector.to_string(), key);
    put.map(drop).map_err(|error| internal(&error))
}

fn one_waits() -> Problem {
    Problem::conflict(
        "dkim_key_waits",
        "A new key waits already",
        "Put its record into DNS. Once it signs, another can be made.",
    )
}
