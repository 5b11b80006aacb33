//! Accounts, sessions, the brake on guessing and the setup code, in memory; the store has the lasting copy.

use std::collections::BTreeMap;

use cell_auth::{Account, Session, SessionTable, SetupCode, SetupGate, Throttle};
use cell_model::account::Role;
use cell_model::name::Username;
use cell_store::{Store, StoreError, Tree};
use tokio::sync::Semaphore;

/// Accounts by name.
pub(crate) const ACCOUNTS: Tree = Tree::new("accounts");
/// Sessions by the hash of their token.
pub(crate) const SESSIONS: Tree = Tree::new("sessions");

/// So many passwords are hashed at once: each takes 19 MiB and a core.
pub(crate) static HASHING: Semaphore = Semaphore::const_new(2);

/// People cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeopleError {
    #[error("accounts or sessions cannot be read")]
    Store(#[from] StoreError),
    #[error("no random numbers are to be had")]
    Random,
}

/// Everybody, and everybody who tries.
pub(crate) struct People {
    pub(crate) accounts: BTreeMap<Username, Account>,
    pub(crate) sessions: SessionTable,
    pub(crate) throttle: Throttle,
    /// `None` once setup is done.
    pub(crate) setup: Option<SetupGate>,
}

impl People {
    pub(crate) fn load(store: &Store, before_setup: bool) -> Result<Self, PeopleError> {
        let accounts = store.records::<Account>(ACCOUNTS).scan()?;
        let sessions = store.records::<Session>(SESSIONS).scan()?;
        let setup = if before_setup {
            let code = SetupCode::generate().map_err(|_| PeopleError::Random)?;
            Some(SetupGate::new(code))
        } else {
            None
        };
        Ok(Self {
            accounts: accounts
                .into_iter()
                .map(|(_, account)| (account.username.clone(), account))
                .collect(),
            sessions: SessionTable::from_stored(sessions.into_iter().map(|(_, session)| session)),
            throttle: Throttle::default(),
            setup,
        })
    }

    /// Whether the account is the only owner.
    pub(crate) fn is_last_owner(&self, username: &Username) -> bool {
        let mut owners = self
            .accounts
            .values()
            .filter(|account| account.role == Role::Owner);
        owners
            .next()
            .is_some_and(|owner| owner.username == *username)
            && owners.next().is_none()
    }
}
