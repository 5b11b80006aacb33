//! What an account may do, and until when.

use std::sync::Arc;

use cell_auth::{AccessLimit, Account};
use cell_control::action::{AccountUpdate, Outcome};
use cell_control::caller::Caller;
use cell_model::Timestamp;
use cell_model::account::{Identity, Role};
use cell_model::config::Config;
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_store::Batch;

use crate::authorise::{setup_required, wrong_role};
use crate::edit::Edit;
use crate::people::{ACCESS_LIMITS, ACCOUNTS, People};
use crate::set_up::internal;
use crate::{Core, documents, submit};

impl Core {
    pub(crate) async fn change_account(
        &self,
        identity: &Identity,
        caller: &Caller,
        username: &Username,
        update: AccountUpdate,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let mut account = self.account(username)?;
        let limit_before = self.people().access_until(&account);
        account.role = update.role.unwrap_or(account.role);
        let until = update.access_until.unwrap_or(limit_before);
        if update.access_until.is_some() || update.role.is_some() {
            self.check_access_until(account.role, until.filter(|_| until != limit_before))?;
            check_limited_role(account.role, until)?;
        }
        if account.role < Role::Owner && self.people().is_last_owner(username) {
            return Err(last_owner());
        }
        let limit = until.map(|until| AccessLimit::new(&account, until));
        let action = "account.change";
        let by = Some(identity.username.clone());
        let mut batch = Batch::new(
            (self.clock)(),
            by,
            format!("Changed the account {username}"),
        );
        batch
            .put(ACCOUNTS, username.to_string(), &account)
            .map_err(|error| internal(&error))?;
        match &limit {
            Some(limit) => {
                let put = batch.put(ACCESS_LIMITS, username.to_string(), limit);
                put.map(drop).map_err(|error| internal(&error))?;
            }
            None => drop(batch.remove(ACCESS_LIMITS, username.to_string())),
        }
        let current = self.desired.borrow().clone();
        let config = current.config.clone().ok_or_else(setup_required)?;
        let mut limited = Config::clone(&config);
        move_ends(&mut limited, username, limit_before, until);
        let changes = documents::changes(Some(&config), &limited);
        let changes = changes.map_err(|error| internal(&error))?;
        let event = submit::event(action, identity, caller).on(username.to_string());
        let event = event.detail(described(&account, until));
        match changes.is_empty() {
            true => drop(self.commit(batch, event).await?),
            false => {
                let waiting = self.confirmation().clone();
                if let Some(waiting) = waiting {
                    // So that taking back never fails.
                    drop(waiting.undone(&limited)?);
                }
                let edit = Edit::new(limited, action, username.as_str(), String::new());
                self.keep_with(batch, event, &current, &edit, changes, None)
                    .await?;
            }
        }
        let mut people = self.people();
        people.keep_limit(username, limit);
        people.accounts.insert(username.clone(), account);
        Ok(Outcome::Done)
    }

    /// The account that is asked about: one's own when none is named, anybody's for owners.
    pub(crate) fn account_of(
        &self,
        identity: &Identity,
        username: Option<Username>,
    ) -> Result<Account, Problem> {
        let username = username.unwrap_or_else(|| identity.username.clone());
        match looks_after(identity, &username) {
            true => self.account(&username),
            false => Err(wrong_role(identity.role, Role::Owner)),
        }
    }

    /// Refuses an end that lies in the past, or one for somebody who cannot have any.
    pub(crate) fn check_access_until(
        &self,
        role: Role,
        until: Option<Timestamp>,
    ) -> Result<(), Problem> {
        if until.is_some_and(|until| until <= (self.clock)()) {
            return Err(Problem::field("access_until", "must be in the future"));
        }
        check_limited_role(role, until)
    }

    /// No device outlives the access of whose it is.
    pub(crate) fn hold_to_limits(&self, config: &mut Config) {
        let people = self.people();
        if people.access_limits.is_empty() {
            return;
        }
        for peer in config.peers.values_mut() {
            let account = peer.username.as_ref();
            let account = account.and_then(|username| people.accounts.get(username));
            let until = account.and_then(|account| people.access_until(account));
            if let Some(until) = until.filter(|until| is_later(peer.expires_at, *until)) {
                Arc::make_mut(peer).expires_at = Some(until);
            }
        }
    }
}

impl People {
    /// Puts an end in the place of what was there.
    pub(crate) fn keep_limit(&mut self, username: &Username, limit: Option<AccessLimit>) {
        match limit {
            Some(limit) => drop(self.access_limits.insert(username.clone(), limit)),
            None => drop(self.access_limits.remove(username)),
        }
    }
}

/// Devices that ended with their person's access go on doing so.
fn move_ends(
    config: &mut Config,
    username: &Username,
    before: Option<Timestamp>,
    until: Option<Timestamp>,
) {
    for peer in config.peers.values_mut() {
        if peer.username.as_ref() != Some(username) {
            continue;
        }
        let ends_with_it = before.is_some() && peer.expires_at == before;
        let too_late = until.is_some_and(|until| is_later(peer.expires_at, until));
        if (ends_with_it || too_late) && peer.expires_at != until {
            Arc::make_mut(peer).expires_at = until;
        }
    }
}

/// Whether what lets an account in is somebody's to see and to end.
pub(crate) fn looks_after(identity: &Identity, username: &Username) -> bool {
    identity.role == Role::Owner || identity.username == *username
}

fn is_later(expires_at: Option<Timestamp>, until: Timestamp) -> bool {
    expires_at.is_none_or(|expiry| expiry > until)
}

/// An owner whose time is over could let nobody in any more.
fn check_limited_role(role: Role, until: Option<Timestamp>) -> Result<(), Problem> {
    match until {
        Some(_) if role == Role::Owner => Err(Problem::field(
            "access_until",
            "must be left out for an owner",
        )),
        _ => Ok(()),
    }
}

fn described(account: &Account, until: Option<Timestamp>) -> String {
    match until {
        Some(until) => format!("{} until {until}", account.role.as_str()),
        None => account.role.as_str().to_owned(),
    }
}

/// 409: somebody has to be one.
pub(crate) fn last_owner() -> Problem {
    Problem::conflict(
        "last_owner",
        "This is the last owner",
        "A box needs an owner. Make another one first.",
    )
}

/// 403: the password is right, and of no more use.
pub(crate) fn access_over() -> Problem {
    Problem::new(
        403,
        "access_over",
        "Your access has ended",
        "It was given for a time, and that is over. Ask an owner of the box for more.",
    )
}
