//! From a state directory to a core.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cell_audit::AuditLog;
use cell_model::Timestamp;
use cell_reconcile::Desired;
use cell_store::{Store, StoreError};
use cell_vault::{CellVault, SealKey, SealKeyError, Sealer, VaultError};
use tokio::sync::watch;

use crate::documents::{self, DocumentError};
use crate::keys::{self, KeyError};
use crate::links::Links;
use crate::people::{People, PeopleError};
use crate::{Core, LogBuffer, Settings, confirmation, seed};

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sealing key cannot be had.
    #[error("the sealing key cannot be used")]
    SealKey(#[from] SealKeyError),
    /// The config in it cannot be read.
    #[error("the config cannot be read")]
    Config(#[from] DocumentError),
    /// A key in it cannot be opened.
    #[error("a key cannot be opened")]
    Key(#[from] KeyError),
    /// The certificate authority in it cannot be used.
    #[error("the certificate authority cannot be used")]
    Vault(#[from] VaultError),
    /// There is a config, but no certificate authority.
    #[error("the certificate authority is missing")]
    NoAuthority,
    /// Accounts or sessions cannot be loaded.
    #[error("accounts or sessions cannot be loaded")]
    People(#[from] PeopleError),
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A change that was not confirmed could not be taken back.
    #[error("a change that was not confirmed could not be taken back: {0}")]
    Revert(String),
}

impl Core {
    /// Opens the state directory, alone, and takes back a risky change that nobody confirmed in time.
    pub fn open(
        settings: Settings,
        logs: Arc<LogBuffer>,
        clock: fn() -> Timestamp,
    ) -> Result<Arc<Self>, OpenError> {
        Self::open_with(settings, logs, clock, confirmation::DEADLINE)
    }

    /// As [`Self::open`], with another deadline for confirmations.
    pub(crate) fn open_with(
        mut settings: Settings,
        logs: Arc<LogBuffer>,
        clock: fn() -> Timestamp,
        confirm_within: Duration,
    ) -> Result<Arc<Self>, OpenError> {
        // Whatever is stored is enough to come up with; that nothing can be added is told to who tries.
        let spare = settings.runtime_dir.join("store");
        let store = Arc::new(Store::open_even_full(&settings.state_dir, &spare)?);
        let sealer = Arc::new(Sealer::new(&SealKey::on_disk(&settings.state_dir)?));
        let vault = Arc::new(CellVault::new(Arc::clone(&sealer), &settings.runtime_dir));
        let audit = Arc::new(AuditLog::new(Arc::clone(&store)));
        let confirmation = confirmation::load(&store)?;
        let desired = load(&store, &sealer, &vault)?;
        let seeded = seed::settings(&store)?;
        seeded.put_into(&mut settings.options.initial.network);
        let code = seed::setup_code(&store, &sealer)?;
        let people = People::load(&store, desired.config.is_none(), code)?;
        let links = Links::load(&store)?;
        let core = Self {
            settings,
            proposed_name: seeded.cell_name,
            store,
            audit,
            sealer,
            vault,
            people: Mutex::new(people),
            writer: tokio::sync::Mutex::new(()),
            confirmation: Mutex::new(confirmation),
            desired: watch::channel(desired).0,
            system: OnceLock::new(),
            appliance: OnceLock::new(),
            update: Default::default(),
            offered: Default::default(),
            sizes: Default::default(),
            dismissals: Default::default(),
            looking: Default::default(),
            refreshing: Default::default(),
            asked: Default::default(),
            mail_look: Default::default(),
            links: Mutex::new(links),
            link_work: Default::default(),
            logs,
            clock,
            confirm_within,
        };
        core.expire_at_start()?;
        core.show_setup_code()?;
        Ok(Arc::new(core))
    }

    /// Takes over what the store says: config, keys, people, what waits.
    pub(crate) fn read_anew(&self) -> Result<(), OpenError> {
        let confirmation = confirmation::load(&self.store)?;
        let desired = load(&self.store, &self.sealer, &self.vault)?;
        let code = seed::setup_code(&self.store, &self.sealer)?;
        self.people()
            .read_anew(&self.store, desired.config.is_none(), code)?;
        self.links_kept().read_anew(&self.store)?;
        *self.confirmation() = confirmation;
        self.want(desired);
        self.show_setup_code()
    }
}

/// What the store says the system shall be, with the authority in it put to use.
fn load(store: &Store, sealer: &Sealer, vault: &CellVault) -> Result<Desired, OpenError> {
    let desired = stored(store, sealer)?;
    if desired.config.is_none() {
        return Ok(desired);
    }
    let root = store
        .secret(CellVault::ROOT_RECORD)?
        .ok_or(OpenError::NoAuthority)?;
    let issuing = store
        .secret(CellVault::ISSUING_RECORD)?
        .ok_or(OpenError::NoAuthority)?;
    vault.open(&root, &issuing)?;
    Ok(desired)
}

/// What the store says the system shall be.
pub(crate) fn stored(store: &Store, sealer: &Sealer) -> Result<Desired, OpenError> {
    let (revision, found) = store.current()?;
    let Some(config) = documents::read(&found)? else {
        return Ok(Desired::default());
    };
    let keys = keys::open(store, sealer, &config)?;
    Ok(Desired {
        revision,
        config: Some(Arc::new(config)),
        keys: Arc::new(keys),
        pairing: None,
        places: Arc::default(),
    })
}

/// Looks a state directory over without starting anything; answers what it holds, in a line.
pub fn check(state_dir: &Path) -> Result<String, OpenError> {
    if !state_dir.is_dir() {
        return Err(StoreError::Missing(state_dir.to_owned()).into());
    }
    let store = Store::open(state_dir)?;
    let (revision, found) = store.current()?;
    let Some(config) = documents::read(&found)? else {
        return Ok("not set up yet".to_owned());
    };
    let sealer = Sealer::new(&SealKey::on_disk(state_dir)?);
    keys::open(&store, &sealer, &config)?;
    Ok(format!(
        "revision {revision}, cell {} at {}, {} devices",
        config.cell.name,
        config.domain.name,
        config.peers.len()
    ))
}
