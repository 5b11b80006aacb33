//! App passwords: made, shown once, ended; and the question whether one opens a service.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use cell_auth::{AppPassword, AppPasswordCheck, AppPasswordTable, Removal};
use cell_control::action::Outcome;
use cell_control::app_password::{AppPasswordForm, AppPasswordView, NewAppPassword, ServiceSignIn};
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_control::view::Page;
use cell_model::account::{Identity, Role};
use cell_model::name::Username;
use cell_model::problem::{Problem, chain};
use cell_model::{Date, Timestamp};
use cell_store::Batch;
use jiff::tz::Offset;

use crate::access::access_over;
use crate::authorise::{no_accounts, wrong_role};
use crate::people::{APP_PASSWORDS, REMOVED_APP_PASSWORDS};
use crate::set_up::internal;
use crate::sign_in::{nobody, source, too_often};
use crate::{Core, submit};

/// How far the stored days of last use may fall behind: use is written in one go, so that a phone that asks every
/// minute costs the disk nothing.
const SAVE_EVERY: Duration = Duration::from_secs(60 * 60);

impl Core {
    pub(crate) fn app_passwords(
        &self,
        identity: &Identity,
        caller: &Caller,
        username: Option<Username>,
    ) -> Result<Page<AppPasswordView>, Problem> {
        let wanted = match (&caller.credential, username) {
            (Credential::Local, None) => None,
            (_, None) => Some(identity.username.clone()),
            (_, Some(username)) => {
                if username != identity.username && identity.role < Role::Admin {
                    return Err(wrong_role(identity.role, Role::Admin));
                }
                self.account(&username)?;
                Some(username)
            }
        };
        let people = self.people();
        let mut items: Vec<AppPasswordView> = match &wanted {
            Some(username) => people
                .app_passwords
                .of_account(username)
                .map(view)
                .collect(),
            None => people.app_passwords.iter().map(view).collect(),
        };
        items.sort_by(|a, b| {
            (&a.username, a.created_at, &a.id).cmp(&(&b.username, b.created_at, &b.id))
        });
        Ok(Page { items, next: None })
    }

    pub(crate) async fn add_app_password(
        &self,
        identity: &Identity,
        caller: &Caller,
        form: AppPasswordForm,
    ) -> Result<Outcome, Problem> {
        let username = match (form.username, &caller.credential) {
            (Some(username), _) => username,
            (None, Credential::Local) => {
                return Err(Problem::field(
                    "username",
                    "is required: root has no account",
                ));
            }
            (None, _) => identity.username.clone(),
        };
        if form
            .services
            .as_ref()
            .is_some_and(|services| services.is_empty())
        {
            return Err(Problem::field(
                "services",
                "must name a service, or be left out",
            ));
        }
        if username != identity.username && identity.role < Role::Admin {
            return Err(wrong_role(identity.role, Role::Admin));
        }
        let _writer = self.writer_for(identity, caller).await?;
        let account = self.account(&username)?;
        // It opens what is the account's alone, as a password set for it would.
        if username != identity.username
            && account.role > Role::Member
            && identity.role < Role::Owner
        {
            return Err(Problem::new(
                403,
                "wrong_role",
                "You may not do this",
                "Admins can make app passwords for members only. Ask an owner.",
            ));
        }
        if !self.people().app_passwords.has_room(&username) {
            return Err(Problem::conflict(
                "too_many",
                "There are too many app passwords",
                format!(
                    "{username} has {}. Remove one that is no longer in use.",
                    AppPasswordTable::MAX_PER_ACCOUNT
                ),
            ));
        }
        let now = (self.clock)();
        let (password, secret) = AppPassword::generate(username, form.device, form.services, now)
            .map_err(|error| internal(&error))?;
        let mut batch = Batch::new(
            now,
            Some(identity.username.clone()),
            "Added an app password",
        );
        batch
            .put(APP_PASSWORDS, password.id.to_string(), &password)
            .map_err(|error| internal(&error))?;
        let event = submit::event("app_password.add", identity, caller)
            .on(password.username.to_string())
            .detail(password.device.as_str());
        self.commit(batch, event).await?;
        let made = NewAppPassword {
            app_password: view(&password),
            password: secret.expose_text(),
        };
        self.people().app_passwords.insert(password);
        Ok(Outcome::AppPasswordAdded(Box::new(made)))
    }

    pub(crate) async fn remove_app_password(
        &self,
        identity: &Identity,
        caller: &Caller,
        id: &str,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let found = id
            .parse()
            .ok()
            .and_then(|id| self.people().app_passwords.get(id).cloned())
            .filter(|password| {
                password.username == identity.username || identity.role >= Role::Admin
            });
        let password = found.ok_or_else(|| Problem::not_found("app password with this id"))?;
        let now = (self.clock)();
        // Gone at once, whatever the disk says: one that goes on opening things is the worse mistake.
        let removal = {
            let mut people = self.people();
            people.app_passwords.remove(password.id);
            let removed = &mut people.removed_app_passwords;
            let removal = removed.removal([&password], day(now));
            removed.apply(removal.clone());
            removal
        };
        let action = "app_password.remove";
        let mut batch = Batch::new(now, Some(identity.username.clone()), action);
        batch.urgent();
        remove_app_passwords(&mut batch, slice::from_ref(&password));
        note_removal(&mut batch, &removal)?;
        let event = submit::event(action, identity, caller)
            .on(password.username.to_string())
            .detail(password.device.as_str());
        self.dismiss(&password.username);
        self.commit(batch, event).await?;
        Ok(Outcome::Done)
    }

    /// Asked for each request to a service, so it waits for nothing: no disk, no slow hash, no lock but that of people.
    pub(crate) fn check_app_password(
        &self,
        caller: &Caller,
        sign_in: &ServiceSignIn,
    ) -> Result<Outcome, Problem> {
        let config = self.config()?;
        let address = source(caller);
        let today = day((self.clock)());
        let mut people = self.people();
        if people.accounts.is_empty() {
            return Err(no_accounts());
        }
        let username = people.named(&sign_in.username, &config);
        let username = username.unwrap_or_else(nobody);
        people
            .service_throttle
            .admit(address, &username, now_since_boot())
            .map_err(|throttled| too_often(throttled.retry_after))?;
        let typed = sign_in.password.expose();
        let service = &sign_in.service;
        let checked = people.app_passwords.check(&username, typed, service, today);
        let known = people.accounts.contains_key(&username);
        if checked == AppPasswordCheck::Wrong || !known {
            if known && people.removed_app_passwords.knows(&username, typed, today) {
                // A program that nobody has told yet: it shall not keep the person's others on that device away.
                people.service_throttle.was_no_guess(address, &username);
                drop(people);
                // It may come with every request, so not in the log that is kept.
                tracing::debug!(account = username.as_str(), %address, %service, "a removed app password was refused");
                return Err(wrong_app_password());
            }
            drop(people);
            // What is no name of anybody may well be a password.
            let account = known.then_some(username.as_str());
            // In the log and not in the audit, which is on the disk; the throttle bounds how often.
            tracing::info!(account, %address, %service, "an app password was refused");
            return Err(wrong_app_password());
        }
        people.service_throttle.succeeded(address, &username);
        let now = (self.clock)();
        let account = people.accounts.get(&username);
        let is_over = account.is_none_or(|account| people.access_is_over(account, now));
        match checked {
            _ if is_over => Err(access_over()),
            _ if !config.may_use(&username, service) => Err(not_for_you()),
            AppPasswordCheck::Right => Ok(Outcome::Admitted { username }),
            _ => Err(other_service()),
        }
    }

    /// Writes from time to time when app passwords were last used.
    pub(crate) fn keep_last_used(self: &Arc<Self>) {
        let core = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SAVE_EVERY).await;
                let Some(core) = core.upgrade() else { return };
                core.save_last_used().await;
            }
        });
    }

    /// Writes when app passwords were last used, if that has changed. Losing it costs nobody anything.
    pub(crate) async fn save_last_used(&self) {
        // One that is removed meanwhile must not come back to the disk.
        let _writer = self.writer.lock().await;
        let unsaved = self.people().app_passwords.take_unsaved();
        let mut batch = Batch::new((self.clock)(), None, "app passwords and tokens used");
        for password in &unsaved {
            if let Err(error) = batch.put(APP_PASSWORDS, password.id.to_string(), password) {
                tracing::warn!(error = %chain(&error), "the last use of an app password is not kept");
            }
        }
        if self.put_used_tokens(&mut batch) + unsaved.len() == 0 {
            return;
        }
        let store = Arc::clone(&self.store);
        let kept = tokio::task::spawn_blocking(move || store.commit(batch)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(error = %chain(&error), "the last use of app passwords is not kept");
        }
    }
}

pub(crate) fn remove_app_passwords(batch: &mut Batch, passwords: &[AppPassword]) {
    for password in passwords {
        batch.remove(APP_PASSWORDS, password.id.to_string());
    }
}

/// Keeps what is known of app passwords that were removed.
pub(crate) fn note_removal(batch: &mut Batch, removal: &Removal) -> Result<(), Problem> {
    for id in &removal.forgotten {
        batch.remove(REMOVED_APP_PASSWORDS, id.to_string());
    }
    for removed in &removal.kept {
        let key = removed.id.to_string();
        let put = batch.put(REMOVED_APP_PASSWORDS, key, removed);
        put.map_err(|error| internal(&error))?;
    }
    Ok(())
}

fn view(password: &AppPassword) -> AppPasswordView {
    AppPasswordView {
        id: password.id.to_string(),
        username: password.username.clone(),
        device: password.device.clone(),
        services: password.services.clone(),
        created_at: password.created_at,
        last_used: password.last_used,
    }
}

/// The day it is, UTC.
pub(crate) fn day(at: Timestamp) -> Date {
    Offset::UTC.to_datetime(at).date()
}

fn wrong_app_password() -> Problem {
    Problem::new(
        401,
        "wrong_credentials",
        "The name or the app password is wrong",
        "Services take your name and an app password, which your account's page makes for each device; never the password \
         you sign in with.",
    )
}

fn not_for_you() -> Problem {
    Problem::new(
        403,
        "not_for_you",
        "The service is for others",
        "Whoever runs the box has chosen who may use it.",
    )
}

fn other_service() -> Problem {
    Problem::new(
        403,
        "other_service",
        "This app password is for other services",
        "Make one for this service on your account's page.",
    )
}
