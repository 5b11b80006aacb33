//! Acts that are no change of the config: signing in and out, passwords, accounts, parts.

use std::net::{IpAddr, Ipv4Addr};

use cell_audit::{AuditEvent, Outcome as AuditOutcome};
use cell_auth::{Account, Session, SessionToken, TokenHash};
use cell_control::action::{
    AccountForm, Action, Outcome, PasswordChange, PasswordReset, TestResult,
};
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_firewall::FirewallStatus;
use cell_model::account::{Identity, Role};
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_model::status::Part;
use cell_reconcile::Nudge;
use cell_store::Batch;

use crate::authorise::{LOCAL_NAME, LOCAL_SUFFIX, sign_in_required};
use crate::people::{ACCOUNTS, HASHING, SESSIONS};
use crate::set_up::internal;
use crate::system::System;
use crate::{Core, chain, submit};

impl Core {
    pub(crate) async fn act(&self, caller: &Caller, action: Action) -> Result<Outcome, Problem> {
        match action {
            Action::SignIn {
                username,
                password,
                user_agent,
            } => self.sign_in(caller, &username, password, &user_agent).await,
            Action::CheckSetupCode { setup_code } => self
                .check_setup_code(setup_code.expose())
                .map(|()| Outcome::Done),
            Action::SignOut => self.sign_out(caller).await,
            Action::RevokeSession { id } => self.revoke_session(caller, &id).await,
            Action::ChangePassword(change) => self.change_password(caller, change).await,
            Action::ResetPassword(reset) => self.reset_password(caller, reset).await,
            Action::AddAccount(form) => self.add_account(caller, form).await,
            Action::RemoveAccount { username } => self.remove_account(caller, &username).await,
            Action::TestPart { part } => {
                self.require(caller, Role::Helper).await?;
                Ok(Outcome::Tested(self.test(part).await))
            }
            Action::RestartPart { part } => self.restart(caller, part).await,
            Action::SetVerbosity(verbosity) => {
                let identity = self.require(caller, Role::Admin).await?;
                self.logs.set_verbosity(&verbosity);
                let detail = format!("{:?}", verbosity.level).to_lowercase();
                let object = verbosity.part.map_or("all", Part::as_str);
                self.note(
                    submit::event("logs.verbosity", &identity, caller)
                        .on(object)
                        .detail(detail),
                )
                .await;
                Ok(Outcome::Done)
            }
        }
    }

    async fn sign_in(
        &self,
        caller: &Caller,
        typed: &str,
        password: Secret<String>,
        user_agent: &str,
    ) -> Result<Outcome, Problem> {
        if self.desired.borrow().config.is_none() {
            return Err(crate::authorise::setup_required());
        }
        let address = caller.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        // A name nobody can have still costs a try and the time of a hash.
        let username: Option<Username> = typed.parse().ok();
        let counted = username.clone().unwrap_or_else(nobody);
        let account = {
            let mut people = self.people();
            if people.accounts.is_empty() {
                return Err(no_accounts());
            }
            if let Err(throttled) = people.throttle.admit(address, &counted, now_since_boot()) {
                return Err(too_often(throttled.retry_after));
            }
            username
                .as_ref()
                .and_then(|username| people.accounts.get(username).cloned())
        };
        let hash = account
            .as_ref()
            .map(|account| account.password_hash.clone());
        let right = {
            let _permit = HASHING.acquire().await.map_err(|_| Problem::internal())?;
            let verify = move || cell_auth::verify_password(hash.as_ref(), &password);
            tokio::task::spawn_blocking(verify)
                .await
                .map_err(|_| Problem::internal())?
        };
        let now = (self.clock)();
        let Some(account) = account.filter(|_| right) else {
            let mut event = AuditEvent::new("auth.login")
                .from(address)
                .outcome(AuditOutcome::Refused);
            event.object = username.map(|username| username.to_string());
            self.note(event).await;
            return Err(Problem::new(
                401,
                "wrong_credentials",
                "The name or the password is wrong",
                "Check both and try again.",
            ));
        };
        let token = SessionToken::generate().map_err(|error| internal(&error))?;
        let session = Session::new(
            token.hash(),
            account.username.clone(),
            address,
            user_agent,
            now,
        );
        let mut batch = Batch::new(now, Some(account.username.clone()), "Signed in");
        batch
            .put(SESSIONS, session.token_hash.to_string(), &session)
            .map_err(|error| internal(&error))?;
        let dropped = {
            let mut people = self.people();
            people.throttle.succeeded(address, &account.username);
            let mut dropped = people.sessions.expire(now);
            dropped.extend(people.sessions.insert(session));
            dropped
        };
        remove_sessions(&mut batch, &dropped);
        let event = AuditEvent::new("auth.login")
            .by(&account.identity())
            .from(address);
        if let Err(problem) = self.commit(batch, event).await {
            self.people().sessions.revoke(&token.hash());
            return Err(problem);
        }
        Ok(Outcome::SignedIn {
            token: token.expose_text(),
            identity: account.identity(),
            must_change_password: account.must_change_password,
        })
    }

    async fn sign_out(&self, caller: &Caller) -> Result<Outcome, Problem> {
        let identity = self.identify(caller).await?;
        let hash = own_session(caller).ok_or_else(sign_in_required)?;
        self.end_sessions(&identity, caller, "auth.logout", vec![hash])
            .await
    }

    async fn revoke_session(&self, caller: &Caller, id: &str) -> Result<Outcome, Problem> {
        let identity = self.identify(caller).await?;
        let now = (self.clock)();
        let own = self
            .people()
            .sessions
            .of_account(&identity.username, now)
            .into_iter()
            .map(|session| session.token_hash)
            .find(|hash| hash.to_string() == id);
        let hash = own.ok_or_else(|| Problem::not_found("session of yours with this id"))?;
        self.end_sessions(&identity, caller, "auth.session.revoke", vec![hash])
            .await
    }

    async fn end_sessions(
        &self,
        identity: &Identity,
        caller: &Caller,
        action: &'static str,
        hashes: Vec<TokenHash>,
    ) -> Result<Outcome, Problem> {
        // Gone at once, whatever the disk says: a session that lives on is the worse mistake.
        for hash in &hashes {
            self.people().sessions.revoke(hash);
        }
        let mut batch = Batch::new((self.clock)(), Some(identity.username.clone()), action);
        remove_sessions(&mut batch, &hashes);
        self.commit(batch, submit::event(action, identity, caller))
            .await?;
        Ok(Outcome::Done)
    }

    async fn change_password(
        &self,
        caller: &Caller,
        change: PasswordChange,
    ) -> Result<Outcome, Problem> {
        let identity = self.identify(caller).await?;
        let account = self.account(&identity.username)?;
        let address = caller.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        cell_auth::check_password_rules(&change.new_password, &identity.username)
            .map_err(|error| Problem::field("new_password", error))?;
        // The present password can be guessed here as well as at the sign-in.
        let admitted = self
            .people()
            .throttle
            .admit(address, &identity.username, now_since_boot());
        admitted.map_err(|throttled| too_often(throttled.retry_after))?;
        let hash = account.password_hash.clone();
        let current = change.current_password;
        let right = {
            let _permit = HASHING.acquire().await.map_err(|_| Problem::internal())?;
            let verify = move || cell_auth::verify_password(Some(&hash), &current);
            tokio::task::spawn_blocking(verify)
                .await
                .map_err(|_| Problem::internal())?
        };
        if !right {
            let event = submit::event("auth.password.change", &identity, caller)
                .outcome(AuditOutcome::Refused);
            self.note(event).await;
            return Err(Problem {
                status: 403,
                code: "wrong_password".into(),
                ..Problem::field("current_password", "is not your present password")
            });
        }
        self.people()
            .throttle
            .succeeded(address, &identity.username);
        let fresh = self
            .make_account(identity.clone(), change.new_password)
            .await?;
        let mut account = account;
        account.set_password(fresh.password_hash, (self.clock)());
        let keep = own_session(caller);
        self.replace_account(&identity, caller, "auth.password.change", account, keep)
            .await
    }

    async fn reset_password(
        &self,
        caller: &Caller,
        reset: PasswordReset,
    ) -> Result<Outcome, Problem> {
        let identity = self.require(caller, Role::Admin).await?;
        let mut account = self.account(&reset.username)?;
        // Who can set an owner's password is an owner.
        if account.role > Role::Member && identity.role < Role::Owner {
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
            .make_account(account.identity(), reset.new_password)
            .await?;
        account.reset_password(fresh.password_hash, (self.clock)());
        self.replace_account(&identity, caller, "auth.password.reset", account, None)
            .await
    }

    /// Puts an account in the place of its former self and ends its sessions but one.
    async fn replace_account(
        &self,
        identity: &Identity,
        caller: &Caller,
        action: &'static str,
        account: Account,
        keep: Option<TokenHash>,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer.lock().await;
        // It may have been removed while the password was hashed.
        self.account(&account.username)?;
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

    async fn add_account(&self, caller: &Caller, form: AccountForm) -> Result<Outcome, Problem> {
        let identity = self.require(caller, Role::Owner).await?;
        if form.username.as_str().ends_with(LOCAL_SUFFIX) {
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
        let event = submit::event("account.add", &identity, caller)
            .on(account.username.to_string())
            .detail(account.role.as_str());
        self.commit(batch, event).await?;
        self.people()
            .accounts
            .insert(account.username.clone(), account);
        Ok(Outcome::Done)
    }

    async fn remove_account(
        &self,
        caller: &Caller,
        username: &Username,
    ) -> Result<Outcome, Problem> {
        let identity = self.require(caller, Role::Owner).await?;
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
        let event = submit::event("account.remove", &identity, caller).on(username.to_string());
        self.commit(batch, event).await?;
        let mut people = self.people();
        people.accounts.remove(username);
        for hash in &sessions {
            people.sessions.revoke(hash);
        }
        Ok(Outcome::Done)
    }

    async fn restart(&self, caller: &Caller, part: Part) -> Result<Outcome, Problem> {
        let identity = self.require(caller, Role::Admin).await?;
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        self.note(submit::event("part.restart", &identity, caller).on(part.as_str()))
            .await;
        system.processes.restart(part).await;
        let nudged = system.nudge.send(Nudge::Restart(part)).await;
        nudged.map_err(|_| Problem::unavailable())?;
        Ok(Outcome::Done)
    }

    /// Tries what the part is there for.
    async fn test(&self, part: Part) -> TestResult {
        let Some(system) = self.system.get() else {
            return TestResult {
                ok: false,
                detail: vec!["The box is starting.".to_owned()],
            };
        };
        match self.try_part(system, part).await {
            Ok(detail) => TestResult { ok: true, detail },
            Err(detail) => TestResult {
                ok: false,
                detail: vec![detail],
            },
        }
    }

    async fn try_part(&self, system: &System, part: Part) -> Result<Vec<String>, String> {
        let parts = &system.parts;
        let published = system.published.borrow().clone();
        let spec = published
            .spec
            .clone()
            .ok_or("Nothing was asked of it yet.")?;
        match part {
            Part::Firewall => {
                let seen = parts
                    .firewall
                    .observe()
                    .await
                    .map_err(|error| chain(&error))?;
                if seen == FirewallStatus::of(&spec.firewall) {
                    Ok(vec![format!(
                        "The kernel holds all rules, for {} devices.",
                        spec.firewall.peers.len()
                    )])
                } else {
                    Err(
                        "The kernel's rules are not what was asked for. Restart the firewall."
                            .to_owned(),
                    )
                }
            }
            Part::Network => {
                let left = parts
                    .network
                    .verify(&spec.network)
                    .await
                    .map_err(|error| chain(&error))?;
                if left.is_empty() {
                    Ok(vec![
                        "Addresses, default route and forwarding are as asked.".to_owned(),
                    ])
                } else {
                    Err("Addresses, default route or forwarding are not as asked.".to_owned())
                }
            }
            Part::Wireguard => {
                let seen = parts
                    .wireguard
                    .observe()
                    .await
                    .map_err(|error| chain(&error))?;
                match (&spec.wireguard, seen) {
                    (None, _) => Ok(vec!["There is no VPN before setup.".to_owned()]),
                    (Some(_), None) => Err("The interface does not exist.".to_owned()),
                    (Some(spec), Some(seen)) if seen.peers.len() == spec.peers.len() => {
                        Ok(vec![format!(
                            "{} listens on UDP port {} and knows {} devices.",
                            seen.interface,
                            seen.listen_port,
                            seen.peers.len()
                        )])
                    }
                    (Some(spec), Some(seen)) => Err(format!(
                        "It knows {} devices instead of {}.",
                        seen.peers.len(),
                        spec.peers.len()
                    )),
                }
            }
            Part::Vault => {
                let leaf = parts.vault.leaf().await.ok_or("There is no certificate.")?;
                if leaf.is_due(&spec.leaf, (self.clock)()) {
                    return Err("The certificate is due for renewal.".to_owned());
                }
                Ok(vec![format!(
                    "The certificate is good until {}; fingerprint {}.",
                    leaf.not_after, leaf.fingerprint
                )])
            }
            Part::Dns => {
                let step = cell_model::step::DnsStep::Replace(std::sync::Arc::clone(&spec.dns));
                parts
                    .dns
                    .verify(&step)
                    .await
                    .map_err(|error| chain(&error))?;
                Ok(vec![
                    "It answers questions for the cell's own names.".to_owned(),
                ])
            }
            Part::Web => {
                let mut detail = Vec::new();
                for address in &spec.web.listen {
                    let connected = tokio::time::timeout(
                        std::time::Duration::from_secs(2),
                        tokio::net::TcpStream::connect(address),
                    );
                    match connected.await {
                        Ok(Ok(_)) => detail.push(format!("{address} accepts connections.")),
                        _ => return Err(format!("{address} does not accept connections.")),
                    }
                }
                Ok(detail)
            }
        }
    }

    pub(crate) fn account(&self, username: &Username) -> Result<Account, Problem> {
        let people = self.people();
        let account = people.accounts.get(username).cloned();
        account.ok_or_else(|| Problem::not_found(format!("account {username}")))
    }
}

/// The hash of the caller's own token.
pub(crate) fn own_session(caller: &Caller) -> Option<TokenHash> {
    match &caller.credential {
        Credential::Session(text) => text
            .expose()
            .parse::<SessionToken>()
            .ok()
            .map(|token| token.hash()),
        Credential::Nobody | Credential::Local => None,
    }
}

fn remove_sessions(batch: &mut Batch, hashes: &[TokenHash]) {
    for hash in hashes {
        batch.remove(SESSIONS, hash.to_string());
    }
}

/// Tries with names nobody can have count as one name.
fn nobody() -> Username {
    LOCAL_NAME.parse().expect("the name of root is a valid one")
}

fn no_accounts() -> Problem {
    Problem::new(
        503,
        "no_accounts",
        "There is no account",
        "Make an owner account at the console of the box.",
    )
}

fn too_often(retry_after: std::time::Duration) -> Problem {
    let seconds = u32::try_from(retry_after.as_secs().max(1)).unwrap_or(u32::MAX);
    Problem {
        retry_after: Some(seconds),
        ..Problem::new(
            429,
            "too_many_tries",
            "Too many failed tries",
            format!(
                "Wait {} minutes, then try again. Other people and devices are not affected.",
                seconds.div_ceil(60)
            ),
        )
    }
}
