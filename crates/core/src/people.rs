//! Accounts, sessions, app passwords, the brakes on guessing and the setup code, in memory; the store has the lasting
//! copy.

use std::collections::BTreeMap;
use std::time::Duration;

use cell_auth::{
    AccessLimit, Account, ApiToken, ApiTokenTable, AppPassword, AppPasswordTable, Challenges,
    Invite, Passkey, PasswordHash, PendingSignIns, RandomError, RecordId, RemovedAppPassword,
    RemovedAppPasswords, SecondFactor, Session, SessionTable, SetupCode, SetupGate, Throttle,
};
use cell_model::Timestamp;
use cell_model::account::Role;
use cell_model::name::Username;
use cell_store::{Store, StoreError, Tree};
use tokio::sync::Semaphore;

use crate::departure::Departure;
use crate::second_factor::Offer;

/// Accounts by name.
pub(crate) const ACCOUNTS: Tree = Tree::new("accounts");
/// Sessions by the hash of their token.
pub(crate) const SESSIONS: Tree = Tree::new("sessions");
/// Second factors by the name of their account.
pub(crate) const SECOND_FACTORS: Tree = Tree::new("second_factors");
/// Ends of access by the name of their account.
pub(crate) const ACCESS_LIMITS: Tree = Tree::new("access_limits");
/// Invites by their id.
pub(crate) const INVITES: Tree = Tree::new("invites");
/// Tokens by their id.
pub(crate) const API_TOKENS: Tree = Tree::new("api_tokens");
/// Passkeys by their id.
pub(crate) const PASSKEYS: Tree = Tree::new("passkeys");
/// People who have left, and of whom services still have something, by their name.
pub(crate) const DEPARTURES: Tree = Tree::new("departures");
/// App passwords by their id.
pub(crate) const APP_PASSWORDS: Tree = Tree::new("app_passwords");
/// App passwords that were removed lately, by the id they had.
pub(crate) const REMOVED_APP_PASSWORDS: Tree = Tree::new("removed_app_passwords");

/// So many passwords are hashed at once: each takes a core and 19 MiB, one that a seed brought up to 128 MiB.
pub(crate) static HASHING: Semaphore = Semaphore::const_new(2);

/// Why people cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// There is no setup code.
    #[error("a setup code cannot be made")]
    SetupCode(#[from] RandomError),
}

/// Everybody, and everybody who tries.
pub(crate) struct People {
    pub(crate) accounts: BTreeMap<Username, Account>,
    pub(crate) sessions: SessionTable,
    pub(crate) throttle: Throttle,
    pub(crate) second_factors: BTreeMap<Username, SecondFactor>,
    /// For tries at their codes: one each, so that none keeps another out.
    pub(crate) code_throttles: BTreeMap<Username, Throttle>,
    pub(crate) offers: BTreeMap<Username, Offer>,
    pub(crate) pending: PendingSignIns,
    /// Ends of access; see [`Self::access_until`].
    pub(crate) access_limits: BTreeMap<Username, AccessLimit>,
    pub(crate) invites: BTreeMap<RecordId, Invite>,
    pub(crate) api_tokens: ApiTokenTable,
    pub(crate) passkeys: BTreeMap<RecordId, Passkey>,
    pub(crate) challenges: Challenges,
    pub(crate) departures: BTreeMap<Username, Departure>,
    pub(crate) app_passwords: AppPasswordTable,
    pub(crate) removed_app_passwords: RemovedAppPasswords,
    /// For tries at services. Not shared with the sign-in: a phone that goes on sending an app password that is gone
    /// must not keep its owner from the admin page.
    pub(crate) service_throttle: Throttle,
    /// For tries at codes of invites, by source alone: whoever mistypes theirs keeps nobody from signing in.
    pub(crate) invite_throttle: Throttle,
    /// `None` once setup is done.
    pub(crate) setup: Option<SetupGate>,
    /// Until when no setup code is looked at, since boot.
    pub(crate) setup_paused_until: Duration,
}

impl People {
    pub(crate) fn load(
        store: &Store,
        before_setup: bool,
        seeded_code: Option<SetupCode>,
    ) -> Result<Self, PeopleError> {
        let mut people = Self {
            accounts: BTreeMap::new(),
            sessions: SessionTable::default(),
            throttle: Throttle::default(),
            second_factors: BTreeMap::new(),
            code_throttles: BTreeMap::new(),
            offers: BTreeMap::new(),
            pending: PendingSignIns::default(),
            access_limits: BTreeMap::new(),
            invites: BTreeMap::new(),
            api_tokens: ApiTokenTable::default(),
            passkeys: BTreeMap::new(),
            challenges: Challenges::default(),
            departures: BTreeMap::new(),
            app_passwords: AppPasswordTable::default(),
            removed_app_passwords: RemovedAppPasswords::default(),
            service_throttle: Throttle::default(),
            invite_throttle: Throttle::default(),
            setup: None,
            setup_paused_until: Duration::ZERO,
        };
        people.read_anew(store, before_setup, seeded_code)?;
        Ok(people)
    }

    /// The hash whose check takes longest: a name that nobody has is not told by the time its refusal takes.
    pub(crate) fn costliest_hash(&self) -> Option<PasswordHash> {
        let hashes = self.accounts.values().map(|account| &account.password_hash);
        hashes.max_by_key(|hash| hash.work()).cloned()
    }

    /// Takes over what the store says. What was tried and failed stays counted.
    pub(crate) fn read_anew(
        &mut self,
        store: &Store,
        before_setup: bool,
        seeded_code: Option<SetupCode>,
    ) -> Result<(), PeopleError> {
        let accounts = store.records::<Account>(ACCOUNTS).scan()?;
        let sessions = store.records::<Session>(SESSIONS).scan()?;
        let second_factors = store.records::<SecondFactor>(SECOND_FACTORS).scan()?;
        let access_limits = store.records::<AccessLimit>(ACCESS_LIMITS).scan()?;
        let invites = store.records::<Invite>(INVITES).scan()?;
        let api_tokens = store.records::<ApiToken>(API_TOKENS).scan()?;
        let passkeys = store.records::<Passkey>(PASSKEYS).scan()?;
        let departures = store.records::<Departure>(DEPARTURES).scan()?;
        let app_passwords = store.records::<AppPassword>(APP_PASSWORDS).scan()?;
        let removed = store.records::<RemovedAppPassword>(REMOVED_APP_PASSWORDS);
        let removed = removed.scan()?.into_iter().map(|(_, removed)| removed);
        let removed = RemovedAppPasswords::from_stored(removed);
        if !before_setup {
            self.setup = None;
        } else if self.setup.is_none() {
            let code = seeded_code.map_or_else(SetupCode::generate, Ok)?;
            self.setup = Some(SetupGate::new(code));
        }
        self.accounts = accounts
            .into_iter()
            .map(|(_, account)| (account.username.clone(), account))
            .collect();
        self.sessions = SessionTable::from_stored(sessions.into_iter().map(|(_, session)| session));
        self.second_factors = second_factors
            .into_iter()
            .map(|(_, factor)| (factor.username.clone(), factor))
            .collect();
        self.access_limits = access_limits
            .into_iter()
            .map(|(_, limit)| (limit.username.clone(), limit))
            .collect();
        self.departures = departures
            .into_iter()
            .map(|(_, departure)| (departure.username.clone(), departure))
            .collect();
        let invites = invites.into_iter();
        self.invites = invites.map(|(_, invite)| (invite.id, invite)).collect();
        let passkeys = passkeys.into_iter();
        self.passkeys = passkeys.map(|(_, passkey)| (passkey.id, passkey)).collect();
        let api_tokens = api_tokens.into_iter().map(|(_, token)| token);
        self.api_tokens = ApiTokenTable::from_stored(api_tokens);
        let app_passwords = app_passwords.into_iter().map(|(_, password)| password);
        self.app_passwords = AppPasswordTable::from_stored(app_passwords);
        self.removed_app_passwords = removed;
        Ok(())
    }

    /// When the access of an account ends.
    pub(crate) fn access_until(&self, account: &Account) -> Option<Timestamp> {
        let limit = self.access_limits.get(&account.username);
        let limit = limit.filter(|limit| limit.is_of(account));
        limit.map(|limit| limit.until)
    }

    /// Whether it has ended.
    pub(crate) fn access_is_over(&self, account: &Account, now: Timestamp) -> bool {
        self.access_until(account).is_some_and(|until| until <= now)
    }

    /// The second factor of an account.
    pub(crate) fn second_factor(&self, account: &Account) -> Option<&SecondFactor> {
        let factor = self.second_factors.get(&account.username);
        factor.filter(|factor| factor.account_created_at == account.created_at)
    }

    /// Puts one in the place of what was there.
    pub(crate) fn keep_second_factor(&mut self, factor: SecondFactor) {
        self.second_factors.insert(factor.username.clone(), factor);
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
