//! Accounts and their passwords.

use cell_auth::{AccessLimit, Account, ApiToken, AppPassword, Invite, Passkey, Removal, TokenHash};
use cell_control::action::{AccountForm, Outcome, PasswordChange, PasswordReset};
use cell_control::caller::Caller;
use cell_model::account::{Identity, Role};
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_store::Batch;

use crate::access::last_owner;
use crate::api_token::remove_api_tokens;
use crate::app_password::{day, note_removal, remove_app_passwords};
use crate::authorise::setup_required;
use crate::invite::{remove_invites, taken};
use crate::passkey::remove_passkeys;
use crate::people::{ACCESS_LIMITS, ACCOUNTS, People};
use crate::set_up::internal;
use crate::sign_in::{own_session, remove_sessions};
use crate::{Core, departure, documents, edit, second_factor, submit};

/// What outlives another password of an account.
#[derive(Clone, Copy)]
enum Outlives {
    /// One's own new password: the session it was set in, and the devices that use services.
    Own(Option<TokenHash>),
    /// One that somebody else has set, perhaps because the account is in wrong hands: nothing.
    Nothing,
}

impl Core {
    pub(crate) async fn change_password(
        &self,
        identity: &Identity,
        caller: &Caller,
        change: PasswordChange,
    ) -> Result<Outcome, Problem> {
        let before = self.account(&identity.username)?;
        cell_auth::check_password_rules(&change.new_password, &identity.username)
            .map_err(|error| Problem::field("new_password", error))?;
        let (field, typed) = ("current_password", change.current_password);
        self.check_password(caller, &before, field, typed).await?;
        let fresh = self
            .make_account(identity.clone(), change.new_password)
            .await?;
        let mut account = before.clone();
        account.set_password(fresh.password_hash, (self.clock)());
        let outlives = Outlives::Own(own_session(caller));
        let action = "auth.password.change";
        let changed = self
            .replace_account(identity, caller, action, &before, account, outlives)
            .await?;
        self.note_proof(caller);
        Ok(changed)
    }

    pub(crate) async fn reset_password(
        &self,
        identity: &Identity,
        caller: &Caller,
        reset: PasswordReset,
    ) -> Result<Outcome, Problem> {
        let before = self.account(&reset.username)?;
        // Who can set an owner's password is an owner.
        if before.role > Role::Member && identity.role < Role::Owner {
            return Err(Problem::new(
                403,
                "wrong_role",
                "You may not do this",
                "Admins can set the password of members only. Ask an owner.",
            ));
        }
        cell_auth::check_password_rules(&reset.new_password, &reset.username)
            .map_err(|error| Problem::field("new_password", error))?;
        let fresh = self
            .make_account(before.identity(), reset.new_password)
            .await?;
        let mut account = before.clone();
        account.reset_password(fresh.password_hash, (self.clock)());
        let action = "auth.password.reset";
        self.replace_account(
            identity,
            caller,
            action,
            &before,
            account,
            Outlives::Nothing,
        )
        .await
    }

    /// Puts an account in the place of its former self and ends what does not outlive that.
    async fn replace_account(
        &self,
        identity: &Identity,
        caller: &Caller,
        action: &'static str,
        before: &Account,
        account: Account,
        outlives: Outlives,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        // It may have gone, or been given another password, while this one was hashed.
        if self.account(&account.username)? != *before {
            return Err(Problem::conflict(
                "account_changed",
                "The account has changed meanwhile",
                "Sign in anew and try again.",
            ));
        }
        let mut batch = Batch::new((self.clock)(), Some(identity.username.clone()), action);
        batch
            .put(ACCOUNTS, account.username.to_string(), &account)
            .map_err(|error| internal(&error))?;
        let mut ended = self.open_to(&account.username);
        match outlives {
            Outlives::Own(session) => {
                ended.sessions.retain(|hash| Some(*hash) != session);
                ended.app_passwords.clear();
                ended.api_tokens.clear();
                ended.invites.clear();
                ended.passkeys.clear();
            }
            Outlives::Nothing => {
                let today = day((self.clock)());
                let people = self.people();
                let removed = &people.removed_app_passwords;
                ended.removal = removed.removal(&ended.app_passwords, today);
            }
        }
        if let Outlives::Nothing = outlives {
            second_factor::remove(&mut batch, &account.username);
        }
        ended.remove_from(&mut batch)?;
        let event = submit::event(action, identity, caller).on(account.username.to_string());
        self.commit(batch, event).await?;
        let opened_services = !ended.app_passwords.is_empty();
        let mut people = self.people();
        ended.end(&mut people);
        // Not before: whoever is sent away would get in again.
        if opened_services {
            self.dismiss(&account.username);
        }
        if let Outlives::Nothing = outlives {
            people.second_factors.remove(&account.username);
            people.offers.remove(&account.username);
        }
        people.accounts.insert(account.username.clone(), account);
        Ok(Outcome::Done)
    }

    pub(crate) async fn add_account(
        &self,
        identity: &Identity,
        caller: &Caller,
        form: AccountForm,
    ) -> Result<Outcome, Problem> {
        if form.username.is_kept_for_the_console() {
            return Err(Problem::field("username", "is kept for the console"));
        }
        cell_auth::check_password_rules(&form.password, &form.username)
            .map_err(|error| Problem::field("password", error))?;
        self.check_access_until(form.role, form.access_until)?;
        self.refuse_alias(&form.username)?;
        if self.people().accounts.contains_key(&form.username) {
            return Err(taken(&form.username));
        }
        self.check_departed(&form.username)?;
        let new = Identity::new(form.username.clone(), form.role);
        let mut account = self.make_account(new, form.password.clone()).await?;
        // Somebody else knows the password.
        account.must_change_password = true;
        let _writer = self.writer_for(identity, caller).await?;
        self.refuse_alias(&form.username)?;
        if self.people().accounts.contains_key(&form.username) {
            return Err(taken(&form.username));
        }
        self.check_departed(&form.username)?;
        let limit = form.access_until;
        let limit = limit.map(|until| AccessLimit::new(&account, until));
        // The name has somebody now.
        let invites = self.people().invites_about(&form.username);
        let mut batch = Batch::new(
            (self.clock)(),
            Some(identity.username.clone()),
            "Added an account",
        );
        batch
            .put(ACCOUNTS, account.username.to_string(), &account)
            .map_err(|error| internal(&error))?;
        if let Some(limit) = &limit {
            let put = batch.put(ACCESS_LIMITS, account.username.to_string(), limit);
            put.map(drop).map_err(|error| internal(&error))?;
        }
        remove_invites(&mut batch, &invites);
        let event = submit::event("account.add", identity, caller)
            .on(account.username.to_string())
            .detail(account.role.as_str());
        self.commit(batch, event).await?;
        let mut people = self.people();
        people.end_invites(&invites);
        people.keep_limit(&account.username, limit);
        people.accounts.insert(account.username.clone(), account);
        Ok(Outcome::Done)
    }

    pub(crate) async fn remove_account(
        &self,
        identity: &Identity,
        caller: &Caller,
        username: &Username,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        self.account(username)?;
        if self.people().is_last_owner(username) {
            return Err(last_owner());
        }
        let current = self.desired.borrow().clone();
        let config = current.config.clone().ok_or_else(setup_required)?;
        let devices = edit::peer::remove_all_of(&config, username);
        let waiting = self.confirmation().clone();
        if let Some((edit, waiting)) = devices.as_ref().zip(waiting) {
            // So that taking back never fails.
            drop(waiting.undone(&edit.config)?);
        }
        let now = (self.clock)();
        let summary = devices.as_ref().map(|edit| edit.summary.as_str());
        let by = Some(identity.username.clone());
        let mut batch = Batch::new(now, by, summary.unwrap_or("Removed an account"));
        // Who is cut off is so at once, also when the disk is nearly full.
        batch.urgent().remove(ACCOUNTS, username.to_string());
        batch.remove(ACCESS_LIMITS, username.to_string());
        second_factor::remove(&mut batch, username);
        let mut ended = self.open_to(username);
        ended.removal = self.people().removed_app_passwords.end_of(username);
        ended.remove_from(&mut batch)?;
        let departure = self.departure_of(&config, username);
        if let Some(departure) = &departure {
            departure::put(&mut batch, departure)?;
        }
        let event = submit::event("account.remove", identity, caller).on(username.to_string());
        match devices {
            None => drop(self.commit(batch, event).await?),
            Some(edit) => {
                let event = event.detail(edit.summary.as_str());
                let changes = documents::changes(Some(&config), &edit.config)
                    .map_err(|error| internal(&error))?;
                self.keep_with(batch, event, &current, &edit, changes, None)
                    .await?;
            }
        }
        let mut people = self.people();
        people.accounts.remove(username);
        people.access_limits.remove(username);
        people.second_factors.remove(username);
        people.offers.remove(username);
        people.code_throttles.remove(username);
        people
            .departures
            .extend(departure.map(|departure| (username.clone(), departure)));
        ended.end(&mut people);
        drop(people);
        self.dismiss(username);
        Ok(Outcome::Done)
    }

    /// Whatever lets somebody in as this account, its password apart.
    fn open_to(&self, username: &Username) -> Openings {
        let people = self.people();
        let sessions = people.sessions.of_account(username, (self.clock)());
        Openings {
            sessions: sessions.iter().map(|session| session.token_hash).collect(),
            app_passwords: people.app_passwords.of_account(username).cloned().collect(),
            api_tokens: people.api_tokens.of_account(username).cloned().collect(),
            invites: people.invites_about(username),
            passkeys: people.passkeys_of(username),
            removal: Removal::default(),
        }
    }

    pub(crate) fn account(&self, username: &Username) -> Result<Account, Problem> {
        let people = self.people();
        let account = people.accounts.get(username).cloned();
        account.ok_or_else(|| Problem::not_found(format!("account {username}")))
    }
}

/// What is to end with an account or its password.
struct Openings {
    sessions: Vec<TokenHash>,
    app_passwords: Vec<AppPassword>,
    api_tokens: Vec<ApiToken>,
    passkeys: Vec<Passkey>,
    /// Whoever they let in would be in wrong hands too.
    invites: Vec<Invite>,
    /// What is known of its app passwords that are removed, afterwards.
    removal: Removal,
}

impl Openings {
    fn remove_from(&self, batch: &mut Batch) -> Result<(), Problem> {
        remove_sessions(batch, &self.sessions);
        remove_app_passwords(batch, &self.app_passwords);
        remove_api_tokens(batch, &self.api_tokens);
        remove_invites(batch, &self.invites);
        remove_passkeys(batch, &self.passkeys);
        note_removal(batch, &self.removal)
    }

    fn end(self, people: &mut People) {
        for hash in &self.sessions {
            people.sessions.revoke(hash);
        }
        for password in &self.app_passwords {
            people.app_passwords.remove(password.id);
        }
        for token in &self.api_tokens {
            people.api_tokens.remove(token.id);
        }
        people.end_invites(&self.invites);
        people.end_passkeys(&self.passkeys);
        people.removed_app_passwords.apply(self.removal);
    }
}
