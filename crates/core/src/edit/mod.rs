//! Changes applied to a config, purely: what comes out is a config, the secrets that come and go with
//! it, and words for history and audit.

pub(crate) mod connection;
pub(crate) mod group;
pub(crate) mod link;
pub(crate) mod mail;
pub(crate) mod peer;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod services;
mod settings;
mod sources;
mod undo;

use std::collections::BTreeSet;

use cell_control::change::{Change, ServiceForm};
use cell_model::Timestamp;
use cell_model::config::{Config, ConnectionSecret};
use cell_model::facts::StartOptions;
use cell_model::key::{PresharedKey, PrivateKey, PublicKey};
use cell_model::name::PeerName;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use uuid::Uuid;

pub(crate) use undo::{restore, settle_preshared, undo};

/// A secret of a way out: whose, and which.
pub(crate) type SecretOf = (Uuid, ConnectionSecret);

/// What a change makes of a config.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    /// The config afterwards.
    pub(crate) config: Config,
    /// For the history, in a sentence.
    pub(crate) summary: String,
    /// For the audit, a stable word.
    pub(crate) action: &'static str,
    /// For the audit: what it was done to.
    pub(crate) object: Option<String>,
    /// A pre-shared key to keep or to destroy, by device.
    pub(crate) preshared: Vec<(PeerName, Option<PresharedKey>)>,
    /// The password of the box at the relay, to keep or to destroy.
    pub(crate) relay_password: Option<Option<Secret<String>>>,
    /// Secrets of ways out to keep or to destroy, by the way's id.
    pub(crate) connection_secrets: Vec<(SecretOf, Option<Secret<String>>)>,
    /// A way out that was added or changed.
    pub(crate) connection: Option<Uuid>,
    /// A device that was added, given a key or whose file is fetched.
    pub(crate) peer: Option<EditedPeer>,
}

/// A device whose file is to be handed out.
#[derive(Debug, Clone)]
pub(crate) struct EditedPeer {
    /// Which.
    pub(crate) name: PeerName,
    /// Its private key, when the box has just made it.
    pub(crate) private_key: Option<PrivateKey>,
    /// Its pre-shared key, when one was made with it.
    pub(crate) preshared_key: Option<PresharedKey>,
}

/// What a change may draw on beside the config.
pub(crate) struct Context<'a> {
    /// The present time.
    pub(crate) now: Timestamp,
    /// The key of the VPN interface.
    pub(crate) own_key: Option<PublicKey>,
    /// The latest revision.
    pub(crate) revision: u64,
    /// Whether there is a password for the relay.
    pub(crate) relay_password: bool,
    /// Secrets of ways out that there are.
    pub(crate) connection_secrets: &'a BTreeSet<SecretOf>,
    /// How the daemon was started.
    pub(crate) options: &'a StartOptions,
    /// 32 fresh random bytes a call.
    pub(crate) random: &'a dyn Fn() -> Result<[u8; 32], Problem>,
}

/// Applies a change that stands on the present config alone.
pub(crate) fn apply(
    config: &Config,
    change: &Change,
    context: &Context<'_>,
) -> Result<Edit, Problem> {
    match change {
        Change::Settings(update) => settings::update(config, update, context),
        Change::AddPeer(form) => peer::add(config, form, context),
        Change::ChangePeer { name, update } => peer::change(config, name, update, context),
        Change::RekeyPeer { name } => peer::rekey(config, name, context),
        Change::FetchPeerFile { name } => peer::fetch(config, name),
        Change::RemovePeer { name } => peer::remove(config, name),
        Change::PutGroup { name, members } => group::put(config, name, members),
        Change::RemoveGroup { name } => group::remove(config, name),
        Change::Mail(update) => mail::update(config, update, context),
        Change::PutMailAlias { name, targets } => mail::put_alias(config, name, targets),
        Change::RemoveMailAlias { name } => mail::remove_alias(config, name),
        Change::ChangeLink { name, update } => link::change(config, name, update),
        Change::RemoveLink { name } => link::remove(config, name),
        Change::AddConnection(form) => connection::add(config, form, context),
        Change::PutConnection { id, form } => connection::put(config, *id, form, context),
        Change::RemoveConnection { id } => connection::remove(config, *id),
        Change::ChangeService { id, update } => services::change(config, id, update),
        Change::RemoveService { id, delete_data } => services::remove(config, id, *delete_data),
        Change::SetUp(_) => Err(already_set_up()),
        // Is one of the others by now: see `Core`.
        Change::OwnPeer(_) => Err(Problem::internal()),
        // Needs the library: see `Core`.
        Change::InstallService(ServiceForm { id, .. }) | Change::UpdateService { id } => {
            Err(services::not_offered(id))
        }
        // Needs the history: see `Core`.
        Change::RestoreRevision { number } => Err(Problem::not_found(format!("revision {number}"))),
    }
}

/// 410: the box has its config.
pub(crate) fn already_set_up() -> Problem {
    Problem::new(
        410,
        "setup_complete",
        "Setup is done",
        "Sign in to change the settings.",
    )
}

impl Edit {
    /// Whether secrets come or go with it.
    pub(crate) fn has_secrets(&self) -> bool {
        !self.preshared.is_empty()
            || self.relay_password.is_some()
            || !self.connection_secrets.is_empty()
    }

    pub(crate) fn new(
        config: Config,
        action: &'static str,
        object: impl Into<String>,
        summary: String,
    ) -> Self {
        Self {
            config,
            summary,
            action,
            object: Some(object.into()),
            preshared: Vec::new(),
            relay_password: None,
            connection_secrets: Vec::new(),
            connection: None,
            peer: None,
        }
    }
}
