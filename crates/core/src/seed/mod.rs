//! `seed/cell.toml`: applied before the daemon's first start, once.
//!
//! What a seed says is one transaction: settings that hold until setup, or the whole setup, and the record that this
//! file was applied. Files outside the store follow from what is in it: a mark stands while they are behind, so that a
//! power cut at any moment leaves the seed unapplied with its file in place, or applied and to be tidied up.
//!
//! Start reading at [`apply`].

mod files;
mod outcome;

use std::io;
use std::path::Path;
use std::sync::Arc;

use cell_audit::{AuditEvent, AuditLog};
use cell_auth::{Account, SetupCode};
use cell_model::Timestamp;
use cell_model::account::{Identity, Role};
use cell_model::config::{AddressingConfig, InitialConfig, NetworkConfig};
use cell_model::name::CellName;
use cell_model::problem::chain;
use cell_model::seed::{Seed, SeedAnswers, SeedSetup};
use cell_store::{Batch, Store, StoreError, Tree};
use cell_vault::{CellVault, SealKey, Sealer};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::outcome::{SeedFailure, SeedOutcome};
use crate::{documents, prepare};
use files::{Found, Moment, SeedFile};

/// The sealed setup code of a seed, until setup.
pub(crate) const CODE: &str = "setup/code";
/// When a seed was applied, by its SHA-256.
const SEEDS: Tree = Tree::new("seeds");
/// What all seeds together said, under [`SETTINGS_KEY`].
const SETTINGS: Tree = Tree::new("seed_settings");
const SETTINGS_KEY: &str = "current";

/// What is to be applied, and where.
#[derive(Debug, Clone, Copy)]
pub struct SeedRequest<'a> {
    /// The seed; `None` only finishes what a power cut interrupted.
    pub file: Option<&'a Path>,
    /// Where state is kept; made when it is not there.
    pub state_dir: &'a Path,
    /// Where the names of the interfaces are written for the scripts that start the daemon.
    pub start_conf: &'a Path,
    /// Where the keys go that may sign in over SSH.
    pub authorized_keys: &'a Path,
    /// What the daemon will be started with: what a seed does not say about addresses comes from it.
    pub initial: &'a InitialConfig,
    /// The clock.
    pub clock: fn() -> Timestamp,
}

/// What seeds said, as kept. No secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedSettings {
    pub(crate) cell_name: Option<CellName>,
    wan: Option<AddressingConfig>,
    lan: Option<AddressingConfig>,
    /// The last seed, and its files.
    sha256: String,
    start_conf: Option<String>,
    authorized_keys: Option<String>,
}

impl SeedSettings {
    /// Addresses that were seeded take the place of those the daemon was started with.
    pub(crate) fn put_into(&self, network: &mut NetworkConfig) {
        for (seeded, interface) in [(&self.wan, &mut network.wan), (&self.lan, &mut network.lan)] {
            if let Some(addressing) = seeded {
                interface.addressing = addressing.clone();
            }
        }
    }

    /// What another seed says takes the place of what was said; its files stand alone.
    fn take(&mut self, seed: &Seed, sha256: &str) {
        if seed.cell_name.is_some() {
            self.cell_name.clone_from(&seed.cell_name);
        }
        if seed.wan_addressing.is_some() {
            self.wan.clone_from(&seed.wan_addressing);
        }
        if seed.lan_addressing.is_some() {
            self.lan.clone_from(&seed.lan_addressing);
        }
        sha256.clone_into(&mut self.sha256);
        // Names of interfaces are nothing a shell would act on: their type allows letters, digits, `.`, `_` and `-`.
        self.start_conf = seed.interfaces.as_ref().map(|interfaces| {
            let lan = interfaces.lan.as_ref();
            let lan = lan.map(|lan| format!("LAN={lan}\n")).unwrap_or_default();
            format!("WAN={}\n{lan}", interfaces.wan)
        });
        let keys = seed.ssh_keys.iter().map(|key| format!("{key}\n"));
        self.authorized_keys = Some(keys.collect::<String>()).filter(|keys| !keys.is_empty());
    }
}

/// What seeds said; nothing when there was none.
pub(crate) fn settings(store: &Store) -> Result<SeedSettings, StoreError> {
    let records = store.records::<SeedSettings>(SETTINGS);
    Ok(records.get(SETTINGS_KEY)?.unwrap_or_default())
}

/// The setup code of a seed. One that cannot be opened is told and no more: a random one does as well.
pub(crate) fn setup_code(store: &Store, sealer: &Sealer) -> Result<Option<SetupCode>, StoreError> {
    let Some(sealed) = store.secret(CODE)? else {
        return Ok(None);
    };
    let code = match sealer.open(CODE, &sealed) {
        Ok(code) => std::str::from_utf8(code.expose())
            .ok()
            .and_then(|code| code.parse().ok()),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the seeded setup code cannot be opened");
            None
        }
    };
    Ok(code)
}

/// Applies a seed, and finishes what was begun before. Nothing else may have the state directory open.
///
/// # Errors
/// Why the seed was not applied; where the seed itself is why, it is written beside the seed too.
pub fn apply(request: &SeedRequest<'_>) -> Result<SeedOutcome, SeedFailure> {
    apply_until(request, &mut |_| Ok(()))
}

/// As [`apply`], asking before each moment at which the power could fail.
fn apply_until(
    request: &SeedRequest<'_>,
    moment: &mut Moment<'_>,
) -> Result<SeedOutcome, SeedFailure> {
    let outcome = match request.file {
        None => SeedOutcome::Nothing,
        Some(path) => match SeedFile::open(path, moment)? {
            Found::Seed(file) => return take(request, file, moment),
            Found::Used(wiped) => SeedOutcome::AppliedBefore(wiped),
        },
    };
    Home::open(request)?.finish(moment)?;
    Ok(outcome)
}

fn take(
    request: &SeedRequest<'_>,
    file: SeedFile,
    moment: &mut Moment<'_>,
) -> Result<SeedOutcome, SeedFailure> {
    let home = Home::open(request)?;
    home.finish(moment)?;
    let sha256 = HEXLOWER.encode(&Sha256::digest(file.content()));
    let applied = home.store.records::<Timestamp>(SEEDS).get(&sha256)?;
    if applied.is_some() && settings(&home.store)?.sha256 == sha256 {
        return Ok(SeedOutcome::AppliedBefore(file.wipe(moment)));
    }
    if documents::read(&home.store.current()?.1)?.is_some() {
        return Ok(SeedOutcome::SetUpAlready);
    }
    if applied.is_some() {
        return Ok(SeedOutcome::Superseded);
    }
    let planned = Seed::parse(file.content())
        .map_err(SeedFailure::Wrong)
        .and_then(|seed| Ok((home.batch(&seed, &sha256)?, seed)));
    let ((batch, event), seed) = match planned {
        Ok(planned) => planned,
        Err(failure) => {
            file.explain(&failure);
            return Err(failure);
        }
    };

    let mark = request.state_dir.join(files::MARK);
    moment("before the mark")
        .and_then(|()| files::replace(&mark, sha256.as_bytes(), 0o600))
        .and_then(|()| moment("before the transaction"))
        .map_err(failed(&mark))?;
    AuditLog::new(Arc::clone(&home.store)).commit(batch, event)?;
    home.finish(moment)?;
    let set_up = match seed.setup {
        Some(SeedSetup::Answers(answers)) => Some(answers.cell_name),
        _ => None,
    };
    Ok(SeedOutcome::Applied {
        set_up,
        wiped: file.wipe(moment),
    })
}

/// The state a seed goes into.
struct Home<'a> {
    request: &'a SeedRequest<'a>,
    store: Arc<Store>,
    sealer: Arc<Sealer>,
}

impl<'a> Home<'a> {
    fn open(request: &'a SeedRequest<'a>) -> Result<Self, SeedFailure> {
        let dir = request.state_dir;
        files::make_folder(dir).map_err(failed(dir))?;
        Ok(Self {
            request,
            store: Arc::new(Store::open(dir)?),
            sealer: Arc::new(Sealer::new(&SealKey::on_disk(dir)?)),
        })
    }

    /// Brings the files outside the store to what the last seed said, when a mark says that they may be behind.
    fn finish(&self, moment: &mut Moment<'_>) -> Result<(), SeedFailure> {
        let mark = self.request.state_dir.join(files::MARK);
        let marked = match std::fs::read_to_string(&mark) {
            Ok(marked) => marked,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(failed(&mark)(source)),
        };
        let settings = settings(&self.store)?;
        // Otherwise its transaction did not happen, and the files are nobody's business.
        if settings.sha256 == marked {
            let SeedRequest {
                start_conf,
                authorized_keys,
                ..
            } = self.request;
            for (path, content, mode) in [
                (start_conf, &settings.start_conf, 0o644),
                (authorized_keys, &settings.authorized_keys, 0o600),
            ] {
                let Some(content) = content else { continue };
                moment("before a file")
                    .and_then(|()| files::replace(path, content.as_bytes(), mode))
                    .map_err(failed(path))?;
            }
        }
        moment("before the mark is removed")
            .and_then(|()| cell_durable::remove(&mark))
            .map_err(failed(&mark))
    }

    /// Everything the seed says, as one transaction.
    fn batch(&self, seed: &Seed, sha256: &str) -> Result<(Batch, AuditEvent), SeedFailure> {
        let now = (self.request.clock)();
        let mut settings = settings(&self.store)?;
        settings.take(seed, sha256);
        let detail = format!("by a seed file, SHA-256 {sha256}: {}", said(seed));
        let (mut batch, event) = match &seed.setup {
            Some(SeedSetup::Answers(answers)) => self.set_up(answers, &settings, now)?,
            _ => (
                Batch::new(now, None, "Took a seed"),
                AuditEvent::new("seed.apply"),
            ),
        };
        if let Some(SeedSetup::Code(code)) = &seed.setup {
            let sealed = self.sealer.seal(CODE, code.expose().as_bytes())?;
            batch.set_secret(CODE, sealed);
        }
        batch.put(SETTINGS, SETTINGS_KEY, &settings)?;
        batch.put(SEEDS, sha256, &now)?;
        // Nobody was set up between the look and the transaction.
        batch.expect_revision(0);
        Ok((batch, event.detail(detail)))
    }

    fn set_up(
        &self,
        answers: &SeedAnswers,
        settings: &SeedSettings,
        now: Timestamp,
    ) -> Result<(Batch, AuditEvent), SeedFailure> {
        let mut network = self.request.initial.network.clone();
        settings.put_into(&mut network);
        // No interface is up yet: what the network is like is judged by the daemon.
        let config = prepare::config(answers.into(), &network, &Default::default())?;
        let owner = Identity::new(answers.admin_username.clone(), Role::Owner);
        let hash = (&answers.admin_password_hash).into();
        let account = Account::new(owner.username, owner.role, hash, now);
        // Only its records are wanted; the daemon publishes the root.
        let vault = CellVault::new(Arc::clone(&self.sealer), self.request.state_dir);
        let prepared = prepare::prepare(&vault, &self.sealer, &config, &account, now)?;
        Ok((prepared.batch, prepared.event))
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SeedFailure {
    let path = path.to_owned();
    move |source| SeedFailure::Write { path, source }
}

/// What a seed speaks of, in words.
fn said(seed: &Seed) -> String {
    let network =
        seed.interfaces.is_some() || seed.wan_addressing.is_some() || seed.lan_addressing.is_some();
    let words = [
        (seed.cell_name.is_some(), "name"),
        (network, "network"),
        (!seed.ssh_keys.is_empty(), "keys for SSH"),
        (
            matches!(seed.setup, Some(SeedSetup::Code(_))),
            "code of the setup",
        ),
        (
            matches!(seed.setup, Some(SeedSetup::Answers(_))),
            "answers of the setup",
        ),
    ];
    let words = words.into_iter().filter(|(is_said, _)| *is_said);
    words.map(|(_, word)| word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
