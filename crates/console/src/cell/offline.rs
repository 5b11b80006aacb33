//! On the store itself, when there is no daemon. Open for one act and no longer: the daemon could not start otherwise.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cell_audit::{AuditEvent, AuditLog, Outcome};
use cell_auth::{
    Account, ApiToken, AppPassword, Invite, Passkey, Session, SetupCode, Throttle,
    check_password_rules, hash_password, verify_password,
};
use cell_control::caller::now_since_boot;
use cell_model::Timestamp;
use cell_model::account::{Identity, Role};
use cell_model::config::{AddressingConfig, Config, NetworkConfig};
use cell_model::facts::NetworkFacts;
use cell_model::name::Username;
use cell_model::problem::chain;
use cell_model::secret::Secret;
use cell_plan::lint;
use cell_plan::resolve::vpn_interface;
use cell_store::{Batch, Store, StoreError, Tree};
use serde::de::DeserializeOwned;

use super::{Applied, Cell};
use crate::effect::Side;
use crate::refusal::Refusal;
use crate::situation::Stored;

// The places of `cell-core`, which the tests beside this one start the real daemon for.
const ACCOUNTS: Tree = Tree::new("accounts");
const SESSIONS: Tree = Tree::new("sessions");
const APP_PASSWORDS: Tree = Tree::new("app_passwords");
const API_TOKENS: Tree = Tree::new("api_tokens");
const INVITES: Tree = Tree::new("invites");
const PASSKEYS: Tree = Tree::new("passkeys");
const SECOND_FACTORS: Tree = Tree::new("second_factors");
const CONFIRMATIONS: Tree = Tree::new("confirmation");
const OUTSTANDING: &str = "outstanding";
const NETWORK: &str = "network";

/// The name root goes by at the console, in the audit.
const CONSOLE: &str = "root@console";

/// The cell without its daemon.
pub struct OfflineCell {
    store: Arc<Store>,
    audit: AuditLog,
    setup_code: PathBuf,
    clock: fn() -> Timestamp,
}

impl OfflineCell {
    /// Opens the store of a state directory that has one. `setup_code`: where the daemon left the code.
    ///
    /// # Errors
    /// When there is none, when it is in use, or when it cannot be read.
    pub fn open(state_dir: &Path, setup_code: &Path) -> Result<Self, Refusal> {
        // Opening makes what is not there; a box that was never started stays as it is.
        if !state_dir.join("store").is_dir() {
            return Err(StoreError::Missing(state_dir.to_owned()).into());
        }
        let store = Arc::new(Store::open(state_dir)?);
        Ok(Self {
            audit: AuditLog::new(Arc::clone(&store)),
            store,
            setup_code: setup_code.to_owned(),
            clock: Timestamp::now,
        })
    }

    fn account(&self, name: &Username) -> Result<Account, Refusal> {
        let account = self.store.records(ACCOUNTS).get(name.as_str())?;
        account.ok_or_else(|| {
            Refusal::new(
                format!("There is no account {name}."),
                "Go back and choose one that is there.",
            )
        })
    }

    fn batch(&self, summary: &str) -> Batch {
        let mut batch = Batch::new((self.clock)(), Some(console().username), summary);
        // A full disk may be what the person is here for.
        batch.urgent();
        batch
    }

    fn hash(
        &self,
        account: &Username,
        password: &Secret<String>,
    ) -> Result<cell_auth::PasswordHash, Refusal> {
        check_password_rules(password, account).map_err(|error| {
            Refusal::new(format!("The password {error}."), "Choose another one.")
        })?;
        hash_password(password).map_err(|error| {
            Refusal::new(
                format!("The password cannot be hashed: {}.", chain(&error)),
                "Restart the box and try again.",
            )
        })
    }

    /// The config without its devices and updates, which no rule about addresses looks at.
    fn config(&self, documents: &BTreeMap<String, Vec<u8>>) -> Result<Config, Refusal> {
        Ok(Config {
            cell: section(documents, "cell")?,
            domain: section(documents, "domain")?,
            network: section(documents, NETWORK)?,
            vpn: section(documents, "vpn")?,
            dns: section(documents, "dns")?,
            updates: Default::default(),
            services: Default::default(),
            groups: BTreeMap::new(),
            mail: Default::default(),
            peers: BTreeMap::new(),
            connections: BTreeMap::new(),
            links: Vec::new(),
        })
    }
}

impl Cell for OfflineCell {
    fn stored(&mut self) -> Result<Stored, Refusal> {
        let documents = self.store.documents()?;
        if documents.is_empty() {
            return Ok(Stored::default());
        }
        let accounts = self.store.records::<Account>(ACCOUNTS).scan()?;
        let owners = accounts
            .into_iter()
            .filter(|(_, account)| account.role == Role::Owner)
            .map(|(_, account)| account.username);
        // A name that cannot be read must not keep the owner from the rest.
        let cell = section::<cell_model::config::CellConfig>(&documents, "cell");
        Ok(Stored {
            cell_name: Some(cell.map_or_else(|_| "cell".to_owned(), |cell| cell.name.to_string())),
            owners: owners.collect(),
            network: section::<NetworkConfig>(&documents, NETWORK).ok(),
        })
    }

    fn set_password(&mut self, owner: &Username, password: Secret<String>) -> Result<(), Refusal> {
        let mut account = self.account(owner)?;
        account.reset_password(self.hash(owner, &password)?, (self.clock)());
        let mut batch = self.batch("auth.password.reset");
        batch.put(ACCOUNTS, owner.to_string(), &account)?;
        for (key, session) in self.store.records::<Session>(SESSIONS).scan()? {
            if session.username == *owner {
                batch.remove(SESSIONS, key);
            }
        }
        for (key, password) in self.store.records::<AppPassword>(APP_PASSWORDS).scan()? {
            if password.username == *owner {
                batch.remove(APP_PASSWORDS, key);
            }
        }
        for (key, token) in self.store.records::<ApiToken>(API_TOKENS).scan()? {
            if token.username == *owner {
                batch.remove(API_TOKENS, key);
            }
        }
        for (key, invite) in self.store.records::<Invite>(INVITES).scan()? {
            if invite.invited_by == *owner {
                batch.remove(INVITES, key);
            }
        }
        for (key, passkey) in self.store.records::<Passkey>(PASSKEYS).scan()? {
            if passkey.username == *owner {
                batch.remove(PASSKEYS, key);
            }
        }
        batch.remove(SECOND_FACTORS, owner.to_string());
        batch.remove_secret(format!("account/{owner}/totp"));
        let event = AuditEvent::new("auth.password.reset")
            .by(&console())
            .on(owner.as_str())
            .detail("at the console, without the daemon");
        self.audit.commit(batch, event)?;
        Ok(())
    }

    fn add_owner(&mut self, owner: &Username, password: Secret<String>) -> Result<(), Refusal> {
        let present = self
            .store
            .records::<Account>(ACCOUNTS)
            .get(owner.as_str())?;
        if present.is_some() {
            return Err(Refusal::new(
                format!("There is an account {owner} already."),
                "Go back and choose another name.",
            ));
        }
        let hash = self.hash(owner, &password)?;
        let mut account = Account::new(owner.clone(), Role::Owner, hash, (self.clock)());
        account.must_change_password = true;
        let mut batch = self.batch("Added an account");
        batch.put(ACCOUNTS, owner.to_string(), &account)?;
        let event = AuditEvent::new("account.add")
            .by(&console())
            .on(owner.as_str())
            .detail("owner, at the console, without the daemon");
        self.audit.commit(batch, event)?;
        Ok(())
    }

    fn set_addressing(
        &mut self,
        side: Side,
        addressing: AddressingConfig,
    ) -> Result<Applied, Refusal> {
        let (revision, documents) = self.store.current()?;
        if documents.is_empty() {
            return Err(Refusal::new(
                "The box is not set up yet.",
                "Addresses are automatic until then.",
            ));
        }
        let mut config = self.config(&documents)?;
        match side {
            Side::Wan => config.network.wan.addressing = addressing,
            Side::Lan => config.network.lan.addressing = addressing,
        }
        // What the interfaces look like without the daemon says nothing about how they will.
        lint::check(&config, &NetworkFacts::default(), &vpn_interface())?;
        let json =
            serde_json::to_vec(&config.network).map_err(|error| unreadable(NETWORK, &error))?;
        let waits = self
            .store
            .records::<serde_json::Value>(CONFIRMATIONS)
            .get(OUTSTANDING);
        let settled = !matches!(waits, Ok(None));
        let mut batch = self.batch("Changed the settings of network");
        batch.expect_revision(revision).set_document(NETWORK, json);
        if settled {
            // Taking it back at the next start would take this one back, too, or fail over it.
            batch.remove(CONFIRMATIONS, OUTSTANDING);
        }
        let event = AuditEvent::new("config.change")
            .by(&console())
            .on(NETWORK)
            .detail("at the console, without the daemon");
        self.audit.commit(batch, event)?;
        Ok(Applied::AtStart { settled })
    }

    fn keep(&mut self) -> Result<(), Refusal> {
        Err(daemon_needed())
    }

    fn take_back(&mut self) -> Result<(), Refusal> {
        Err(daemon_needed())
    }

    fn install_from_stick(&mut self) -> Result<String, Refusal> {
        Err(Refusal::new(
            "The daemon does not run, and nobody else can install a version.",
            "Restart the box. If it stays so, boot the other system and install from there.",
        ))
    }

    fn check_owner(&mut self, owner: &Username, password: Secret<String>) -> Result<(), Refusal> {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let admitted = throttle().admit(here, owner, now_since_boot());
        admitted.map_err(|throttled| {
            Refusal::new("Too many wrong passwords.", format!("{throttled}."))
        })?;
        let account = self
            .store
            .records::<Account>(ACCOUNTS)
            .get(owner.as_str())?;
        let hash = account.as_ref().map(|account| &account.password_hash);
        let right = verify_password(hash, &password);
        let event = AuditEvent::new("auth.login")
            .on(owner.as_str())
            .detail("for a shell at the console, without the daemon");
        let (event, answer) = match account {
            Some(account) if right && account.role == Role::Owner => {
                throttle().succeeded(here, owner);
                (event.by(&account.identity()), Ok(()))
            }
            Some(_) if right => (event.outcome(Outcome::Refused), Err(not_owner(owner))),
            _ => {
                let refusal = Refusal::new("The password is wrong.", "Check it and try again.");
                (event.outcome(Outcome::Refused), Err(refusal))
            }
        };
        // A disk that takes no record must not keep the owner out of the shell that mends it.
        if let Err(error) = self.audit.record(event, (self.clock)()) {
            tracing::warn!(error = %chain(&error), "an audit record could not be kept");
        }
        answer
    }

    fn check_setup_code(&mut self, code: Secret<String>) -> Result<(), Refusal> {
        let shown = std::fs::read_to_string(&self.setup_code).unwrap_or_default();
        let right = shown
            .parse::<SetupCode>()
            .is_ok_and(|shown| shown.matches(code.expose()));
        if right && self.store.documents()?.is_empty() {
            return Ok(());
        }
        Err(Refusal::new(
            "That is not the setup code.",
            "Type the code this console shows.",
        ))
    }

    fn logs(&mut self) -> Vec<String> {
        Vec::new()
    }
}

pub(super) fn not_owner(name: &Username) -> Refusal {
    Refusal::new(
        format!("{name} is not an owner."),
        "Only an owner may open a shell.",
    )
}

fn daemon_needed() -> Refusal {
    Refusal::new(
        "The daemon has stopped meanwhile.",
        "A change that was not kept returns by itself when it starts.",
    )
}

/// Counts for as long as the console runs, over all openings of the store.
fn throttle() -> std::sync::MutexGuard<'static, Throttle> {
    static THROTTLE: OnceLock<Mutex<Throttle>> = OnceLock::new();
    let throttle = THROTTLE.get_or_init(Mutex::default);
    throttle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn console() -> Identity {
    Identity::new(
        CONSOLE.parse().expect("the name of root is a valid one"),
        Role::Owner,
    )
}

fn section<T: DeserializeOwned>(
    documents: &BTreeMap<String, Vec<u8>>,
    key: &str,
) -> Result<T, Refusal> {
    let json = documents.get(key).map_or(&b"null"[..], Vec::as_slice);
    serde_json::from_slice(json).map_err(|error| unreadable(key, &error))
}

fn unreadable(key: &str, error: &serde_json::Error) -> Refusal {
    Refusal::new(
        format!("The settings of {key} cannot be read: {error}."),
        "They may be of a newer system: boot the other one. Export the logs if it stays.",
    )
}
