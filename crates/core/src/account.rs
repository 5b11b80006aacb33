//! Accounts and their passwords.

use cell_auth::{Account, TokenHash};
use cell_control::action::{AccountForm, Outcome, PasswordChange, PasswordReset};
use cell_control::caller::Caller;
use cell_model::account::{Identity, Role};
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_store::Batch;

use crate::people::ACCOUNTS;
use crate::set_up::internal;
use crate::sign_in::{own_session, remove_sessions};
use crate::{Core, submit};

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
        let keep = own_session(caller);
        let action = "auth.password.change";
        let changed = self
            .replace_account(identity, caller, action, &before, account, keep)
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
        self.replace_account(identity, caller, action, &before, account, None)
            .await
    }

    /// Puts an account in the place of its former self and ends its sessions but one.
    async fn replace_account(
        &self,
        identity: &Identity,
        caller: &Caller,
        action: &'static str,
        before: &Account,
        account: Account,
        keep: Option<TokenHash>,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer.lock().await;
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
        let now = (self.clock)();
        let ended: Vec<TokenHash> = self
            .people()
            .sessions
            .of_account(&account.username, now)
            .into_iter()
            .map(|session| session.token_hash)
            .filter(|hash| Some(*hash) != keep)
            .collect();
        remove_sessions(&mut batch, &ended);
        let event = submit::event(action, identity, caller).on(account.username.to_string());
        self.commit(batch, event).await?;
        let mut people = self.people();
        for hash in &ended {
            people.sessions.revoke(hash);
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
        let taken = || {
            Problem::conflict(
                "account_exists",
                "The name is taken",
                format!("There is an account {} already.", form.username),
            )
        };
        if self.people().accounts.contains_key(&form.username) {
            return Err(taken());
        }
        let new = Identity {
            username: form.username.clone(),
            role: form.role,
        };
        let mut account = self.make_account(new, form.password.clone()).await?;
        // Somebody else knows the password.
        account.must_change_password = true;
        let _writer = self.writer.lock().await;
        if self.people().accounts.contains_key(&form.username) {
            return Err(taken());
        }
        let mut batch = Batch::new(
            (self.clock)(),
            Some(identity.username.clone()),
            "Added an account",
        );
        batch
            .put(ACCOUNTS, account.username.to_string(), &account)
            .map_err(|error| internal(&error))?;
        let event = submit::event("account.add", identity, caller)
            .on(account.username.to_string())
            .detail(account.role.as_str());
        self.commit(batch, event).await?;
        self.people()
            .accounts
            .insert(account.username.clone(), account);
        Ok(Outcome::Done)
    }

    pub(crate) async fn remove_account(
        &self,
        identity: &Identity,
        caller: &Caller,
        username: &Username,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer.lock().await;
        self.account(username)?;
        let now = (self.clock)();
        let (last, sessions): (bool, Vec<TokenHash>) = {
            let people = self.people();
            let sessions = people.sessions.of_account(username, now);
            (
                people.is_last_owner(username),
                sessions
                    .into_iter()
                    .map(|session| session.token_hash)
                    .collect(),
            )
        };
        if last {
            return Err(Problem::conflict(
                "last_owner",
                "This is the last owner",
                "A box needs an owner. Make another one first.",
            ));
        }
        let mut batch = Batch::new(now, Some(identity.username.clone()), "Removed an account");
        batch.remove(ACCOUNTS, username.to_string());
        remove_sessions(&mut batch, &sessions);
        let event = submit::event("account.remove", identity, caller).on(username.to_string());
        self.commit(batch, event).await?;
        let mut people = self.people();
        people.accounts.remove(username);
        for hash in &sessions {
            people.sessions.revoke(hash);
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn account(&self, username: &Username) -> Result<Account, Problem> {
        let people = self.people();
        let account = people.accounts.get(username).cloned();
        account.ok_or_else(|| Problem::not_found(format!("account {username}")))
    }
}
