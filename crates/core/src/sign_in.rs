//! Sessions come and go.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cell_audit::{AuditEvent, Outcome as AuditOutcome};
use cell_auth::{Account, PasswordHash, Session, SessionToken, TokenHash};
use cell_control::action::Outcome;
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_model::account::Identity;
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_store::Batch;

use crate::authorise::{LOCAL_NAME, no_accounts, sign_in_required};
use crate::people::{HASHING, SESSIONS};
use crate::set_up::{internal, whole_seconds};
use crate::{Core, submit};

impl Core {
    pub(crate) async fn sign_in(
        &self,
        caller: &Caller,
        typed: &str,
        password: Secret<String>,
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
        let now = (self.clock)();
        let writer = self.writer.lock().await;
        // It may have gone, or been given another password, while this one was looked at.
        let same = |account: &Account| {
            let people = self.people();
            let now = people.accounts.get(&account.username);
            now.is_some_and(|now| now.password_hash == account.password_hash)
        };
        let known = account.as_ref().map(|account| account.username.to_string());
        let Some(account) = account.filter(|account| right && same(account)) else {
            drop(writer);
            let mut event = AuditEvent::new("auth.login")
                .from(address)
                .outcome(AuditOutcome::Refused);
            // What is no name of anybody may well be a password.
            event.object = known;
            self.note(event).await;
            return Err(wrong_credentials());
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
        batch.urgent();
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
        Credential::Nobody | Credential::Local => None,
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
