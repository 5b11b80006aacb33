//! Sessions come and go.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cell_audit::{AuditEvent, Outcome as AuditOutcome};
use cell_auth::{Account, PasswordHash, SecondFactor, Session, SessionToken, TokenHash};
use cell_control::action::Outcome;
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_model::account::Identity;
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_store::Batch;

use crate::access::access_over;
use crate::authorise::{LOCAL_NAME, no_accounts, sign_in_required};
use crate::people::{HASHING, SESSIONS};
use crate::second_factor::WRONG_CODE;
use crate::set_up::{internal, whole_seconds};
use crate::{Core, second_factor, submit};

impl Core {
    pub(crate) async fn sign_in(
        &self,
        caller: &Caller,
        typed: &str,
        password: Secret<String>,
        code: Option<Secret<String>>,
        user_agent: &str,
    ) -> Result<Outcome, Problem> {
        if self.desired.borrow().config.is_none() {
            return Err(crate::authorise::setup_required());
        }
        let address = source(caller);
        // A name nobody can have still costs a try and the time of a hash.
        let username: Option<Username> = typed.parse().ok();
        let counted = username.clone().unwrap_or_else(nobody);
        let (account, hash) = {
            let mut people = self.people();
            if people.accounts.is_empty() {
                return Err(no_accounts());
            }
            if let Err(throttled) = people.throttle.admit(address, &counted, now_since_boot()) {
                return Err(too_often(throttled.retry_after));
            }
            let account = username
                .as_ref()
                .and_then(|username| people.accounts.get(username).cloned());
            let hash = match &account {
                Some(account) => Some(account.password_hash.clone()),
                None => people.costliest_hash(),
            };
            (account, hash)
        };
        let right = verified(hash, password).await?;
        let writer = self.writer.lock().await;
        // It may have gone, or been given another password, while this one was looked at.
        let same = |account: &Account| self.is_still(&account.username, &account.password_hash);
        let known = account.as_ref().map(|account| account.username.to_string());
        let Some(account) = account.filter(|account| right && same(account)) else {
            drop(writer);
            let mut event = refused(address);
            // What is no name of anybody may well be a password.
            event.object = known;
            self.note(event).await;
            return Err(wrong_credentials());
        };
        if self.people().access_is_over(&account, (self.clock)()) {
            drop(writer);
            return Err(self.refuse_code(address, &account, access_over()).await);
        }
        let factor = self.people().second_factor(&account).cloned();
        let used = match (factor, code) {
            (None, _) => Ok(None),
            (Some(_), None) => {
                drop(writer);
                return self.ask_for_code(address, account).await;
            }
            (Some(factor), Some(code)) => self.use_code(&account, &factor, &code).map(Some),
        };
        match used {
            Ok(used) => self.open_session(address, &account, user_agent, used).await,
            Err(problem) => {
                drop(writer);
                Err(self.refuse_code(address, &account, problem).await)
            }
        }
    }

    /// The password was right: no guess, and nothing that is open yet.
    async fn ask_for_code(&self, address: IpAddr, account: Account) -> Result<Outcome, Problem> {
        let ticket = {
            let mut people = self.people();
            people.throttle.was_no_guess(address, &account.username);
            let (username, hash) = (account.username.clone(), account.password_hash.clone());
            people.pending.begin(username, hash, now_since_boot())
        };
        let ticket = ticket.map_err(|error| internal(&error))?.expose_text();
        // Whose password others know learns of it here, even if they get no further.
        let event = AuditEvent::new("auth.login.ask-code").by(&account.identity());
        self.note(event.from(address)).await;
        Ok(Outcome::CodeRequired { ticket })
    }

    pub(crate) async fn sign_in_with_code(
        &self,
        caller: &Caller,
        ticket: &Secret<String>,
        code: &Secret<String>,
        user_agent: &str,
    ) -> Result<Outcome, Problem> {
        let address = source(caller);
        let ticket: SessionToken = ticket.expose().parse().map_err(|_| too_late())?;
        let writer = self.writer.lock().await;
        let (account, factor) = {
            let people = self.people();
            let pending = people.pending.find(&ticket, now_since_boot());
            let pending = pending.ok_or_else(too_late)?;
            let account = people.accounts.get(&pending.username);
            let account = account.filter(|now| now.password_hash == pending.password_hash);
            let now = (self.clock)();
            let account = account.filter(|account| !people.access_is_over(account, now));
            let account = account.ok_or_else(too_late)?.clone();
            let factor = people.second_factor(&account).cloned();
            (account, factor)
        };
        let admitted = self
            .people()
            .throttle
            .admit(address, &account.username, now_since_boot());
        admitted.map_err(|throttled| too_often(throttled.retry_after))?;
        // One that was removed meanwhile is asked for no more.
        let used = factor.map(|factor| self.use_code(&account, &factor, code));
        match used.transpose() {
            Ok(used) => {
                self.people().pending.end(&ticket);
                self.open_session(address, &account, user_agent, used).await
            }
            Err(problem) => {
                drop(writer);
                Err(self.refuse_code(address, &account, problem).await)
            }
        }
    }

    async fn refuse_code(&self, address: IpAddr, account: &Account, problem: Problem) -> Problem {
        if problem.code != WRONG_CODE {
            let mut people = self.people();
            people.throttle.was_no_guess(address, &account.username);
        }
        let event = refused(address).on(account.username.to_string());
        self.note(event.detail(problem.code.clone())).await;
        problem
    }

    /// Opens a session of an account that has proven who it is, and keeps what became of its second factor.
    pub(crate) async fn open_session(
        &self,
        address: IpAddr,
        account: &Account,
        user_agent: &str,
        used: Option<SecondFactor>,
    ) -> Result<Outcome, Problem> {
        let now = (self.clock)();
        let token = SessionToken::generate().map_err(|error| internal(&error))?;
        let session = Session::new(
            token.hash(),
            account.username.clone(),
            address,
            user_agent,
            now,
        );
        let mut batch = Batch::new(now, Some(account.username.clone()), "Signed in");
        batch.urgent();
        batch
            .put(SESSIONS, session.token_hash.to_string(), &session)
            .map_err(|error| internal(&error))?;
        if let Some(used) = &used {
            second_factor::put(&mut batch, used)?;
        }
        let dropped = {
            let mut people = self.people();
            people.throttle.succeeded(address, &account.username);
            // Whatever the disk says: a code that counts twice is the worse mistake.
            used.into_iter()
                .for_each(|used| people.keep_second_factor(used));
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

    /// Whether an account is there, with that password.
    fn is_still(&self, username: &Username, hash: &PasswordHash) -> bool {
        let people = self.people();
        let account = people.accounts.get(username);
        account.is_some_and(|account| account.password_hash == *hash)
    }

    pub(crate) async fn sign_out(
        &self,
        identity: &Identity,
        caller: &Caller,
    ) -> Result<Outcome, Problem> {
        let hash = own_session(caller).ok_or_else(sign_in_required)?;
        self.end_sessions(identity, caller, "auth.logout", vec![hash])
            .await
    }

    pub(crate) async fn revoke_session(
        &self,
        identity: &Identity,
        caller: &Caller,
        id: &str,
    ) -> Result<Outcome, Problem> {
        let now = (self.clock)();
        let own = self
            .people()
            .sessions
            .of_account(&identity.username, now)
            .into_iter()
            .map(|session| session.token_hash)
            .find(|hash| hash.to_string() == id);
        let hash = own.ok_or_else(|| Problem::not_found("session of yours with this id"))?;
        self.end_sessions(identity, caller, "auth.session.revoke", vec![hash])
            .await
    }

    async fn end_sessions(
        &self,
        identity: &Identity,
        caller: &Caller,
        action: &'static str,
        hashes: Vec<TokenHash>,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer.lock().await;
        // Gone at once, whatever the disk says: a session that lives on is the worse mistake.
        for hash in &hashes {
            self.people().sessions.revoke(hash);
        }
        let mut batch = Batch::new((self.clock)(), Some(identity.username.clone()), action);
        batch.urgent();
        remove_sessions(&mut batch, &hashes);
        self.commit(batch, submit::event(action, identity, caller))
            .await?;
        Ok(Outcome::Done)
    }
}

/// Whether the password is right; off the async threads, few at a time. Without a hash it takes as long.
pub(crate) async fn verified(
    hash: Option<PasswordHash>,
    password: Secret<String>,
) -> Result<bool, Problem> {
    let _permit = HASHING.acquire().await.map_err(|_| Problem::internal())?;
    let verify = move || cell_auth::verify_password(hash.as_ref(), &password);
    tokio::task::spawn_blocking(verify)
        .await
        .map_err(|_| Problem::internal())
}

/// Where a try is counted: the box itself when it comes over the local socket.
pub(crate) fn source(caller: &Caller) -> IpAddr {
    caller.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// The hash of the caller's own token.
pub(crate) fn own_session(caller: &Caller) -> Option<TokenHash> {
    match &caller.credential {
        Credential::Session(text) => text
            .expose()
            .parse::<SessionToken>()
            .ok()
            .map(|token| token.hash()),
        Credential::Nobody | Credential::Token(_) | Credential::Local => None,
    }
}

pub(crate) fn remove_sessions(batch: &mut Batch, hashes: &[TokenHash]) {
    for hash in hashes {
        batch.remove(SESSIONS, hash.to_string());
    }
}

/// Tries with names nobody can have count as one name.
pub(crate) fn nobody() -> Username {
    LOCAL_NAME.parse().expect("the name of root is a valid one")
}

/// A sign-in that is not let through.
fn refused(address: IpAddr) -> AuditEvent {
    let event = AuditEvent::new("auth.login");
    event.from(address).outcome(AuditOutcome::Refused)
}

fn too_late() -> Problem {
    Problem::new(
        401,
        "sign_in_over",
        "The sign-in took too long",
        "Enter name and password again; then there are five minutes for the code.",
    )
}

fn wrong_credentials() -> Problem {
    Problem::new(
        401,
        "wrong_credentials",
        "The name or the password is wrong",
        "Check both and try again.",
    )
}

pub(crate) fn too_often(retry_after: Duration) -> Problem {
    let seconds = whole_seconds(retry_after);
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
