//! Passkeys: offered, added, used and ended by whoever's they are.

use std::net::IpAddr;

use cell_audit::{AuditEvent, Outcome as AuditOutcome};
use cell_auth::{
    Account, Assertion, Passkey, PasskeyError, Registration, challenge_of, user_handle,
};
use cell_control::action::Outcome;
use cell_control::caller::{Caller, now_since_boot};
use cell_control::passkey::{
    OfferedPasskey, PasskeyChallenge, PasskeyForm, PasskeyView, UsedPasskey,
};
use cell_control::view::Page;
use cell_model::account::Identity;
use cell_model::base64url::Base64Url;
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_store::Batch;

use crate::access::{access_over, looks_after};
use crate::app_password::day;
use crate::authorise::{no_accounts, sign_in_required};
use crate::people::{PASSKEYS, People};
use crate::set_up::internal;
use crate::sign_in::{source, too_often};
use crate::{Core, submit};

impl Core {
    pub(crate) fn passkeys(
        &self,
        identity: &Identity,
        username: Option<Username>,
    ) -> Result<Page<PasskeyView>, Problem> {
        let account = self.account_of(identity, username)?;
        let here = self.relying_party()?;
        let people = self.people();
        let mut items: Vec<PasskeyView> = people
            .own_passkeys(&account)
            .map(|passkey| view(passkey, &here))
            .collect();
        items.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(Page { items, next: None })
    }

    /// The one name of the box whose pages may use passkeys. Not its domain itself: a page of a service, which is below
    /// that too, could have them used.
    fn relying_party(&self) -> Result<String, Problem> {
        Ok(format!("admin.{}", self.config()?.domain.name))
    }

    pub(crate) fn offer_passkey(&self, identity: &Identity) -> Result<Outcome, Problem> {
        let account = self.account(&identity.username)?;
        let (relying_party, config) = (self.relying_party()?, self.config()?);
        let mut people = self.people();
        let exclude: Vec<Base64Url> = people
            .own_passkeys(&account)
            .map(|passkey| passkey.credential_id.clone())
            .collect();
        if exclude.len() >= Passkey::MAX_PER_ACCOUNT {
            return Err(too_many());
        }
        let challenges = &mut people.challenges;
        let challenge = challenges.begin_addition(account.username.clone(), now_since_boot());
        let challenge = challenge.map_err(|error| internal(&error))?;
        Ok(Outcome::PasskeyOffered(Box::new(OfferedPasskey {
            challenge: challenge.to_vec().into(),
            relying_party,
            cell_name: config.cell.name.to_string(),
            user_handle: user_handle(&account.username, account.created_at).into(),
            username: account.username,
            algorithms: Passkey::ALGORITHMS.to_vec(),
            exclude,
        })))
    }

    pub(crate) async fn add_passkey(
        &self,
        identity: &Identity,
        caller: &Caller,
        form: PasskeyForm,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let account = self.account(&identity.username)?;
        let relying_party = self.relying_party()?;
        let answered = challenge_of(form.client_data.bytes()).unwrap_or_default();
        let now = now_since_boot();
        let challenge = {
            let mut people = self.people();
            let challenges = &mut people.challenges;
            challenges.take_addition(&answered, &account.username, now)
        };
        let challenge = challenge.ok_or_else(not_offered)?;
        {
            let people = self.people();
            if people.own_passkeys(&account).count() >= Passkey::MAX_PER_ACCOUNT {
                return Err(too_many());
            }
            let id = &form.credential_id;
            if people
                .passkeys
                .values()
                .any(|other| other.credential_id == *id)
            {
                return Err(there_is_one());
            }
        }
        let registration = Registration {
            credential_id: form.credential_id.bytes().to_vec(),
            client_data: form.client_data.bytes().to_vec(),
            authenticator_data: form.authenticator_data.bytes().to_vec(),
            public_key: form.public_key.bytes().to_vec(),
        };
        let now = (self.clock)();
        let label = form.label;
        let made = Passkey::register(
            &account,
            label,
            &relying_party,
            &challenge,
            registration,
            now,
        );
        let passkey = made
            .map_err(|error| not_taken(403, error))?
            .map_err(|error| internal(&error))?;
        let action = "auth.passkey.add";
        let mut batch = Batch::new(now, Some(identity.username.clone()), action);
        put(&mut batch, &passkey)?;
        let event = submit::event(action, identity, caller).detail(passkey.label.as_str());
        self.commit(batch, event).await?;
        let added = view(&passkey, &relying_party);
        self.people().passkeys.insert(passkey.id, passkey);
        Ok(Outcome::PasskeyAdded(Box::new(added)))
    }

    pub(crate) async fn remove_passkey(
        &self,
        identity: &Identity,
        caller: &Caller,
        id: &str,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let found = {
            let people = self.people();
            let mut passkeys = people.passkeys.values();
            let found = passkeys.find(|passkey| passkey.id.to_string() == id);
            found
                .filter(|passkey| looks_after(identity, &passkey.username))
                .cloned()
        };
        let passkey = found.ok_or_else(|| Problem::not_found("passkey of yours with this id"))?;
        // Gone at once, whatever the disk says.
        self.people().passkeys.remove(&passkey.id);
        let action = "auth.passkey.remove";
        let mut batch = Batch::new((self.clock)(), Some(identity.username.clone()), action);
        batch.urgent();
        remove_passkeys(&mut batch, std::slice::from_ref(&passkey));
        let event = submit::event(action, identity, caller)
            .on(passkey.username.to_string())
            .detail(passkey.label.as_str());
        self.commit(batch, event).await?;
        Ok(Outcome::Done)
    }

    pub(crate) fn challenge_passkey(&self, caller: &Caller) -> Result<Outcome, Problem> {
        let relying_party = self.relying_party()?;
        let challenge = {
            let mut people = self.people();
            let challenges = &mut people.challenges;
            challenges.begin_sign_in(source(caller), now_since_boot())
        };
        let challenge = challenge.map_err(|error| internal(&error))?;
        Ok(Outcome::PasskeyChallenged(PasskeyChallenge {
            challenge: challenge.to_vec().into(),
            relying_party,
        }))
    }

    pub(crate) async fn sign_in_with_passkey(
        &self,
        caller: &Caller,
        used: &UsedPasskey,
        user_agent: &str,
    ) -> Result<Outcome, Problem> {
        let address = source(caller);
        let writer = self.writer.lock().await;
        let found = self.use_passkey(used);
        let is_over = |account: &Account| {
            let people = self.people();
            people.access_is_over(account, (self.clock)())
        };
        let refused = match found {
            Ok((account, _)) if is_over(&account) => {
                Unused::Refused(Box::new(account.username), access_over())
            }
            Ok((account, passkey)) => {
                self.keep_used(passkey).await?;
                return self.open_session(address, &account, user_agent, None).await;
            }
            Err(refused) => refused,
        };
        drop(writer);
        Err(self.refuse_passkey(address, refused).await)
    }

    pub(crate) async fn reauthenticate_with_passkey(
        &self,
        identity: &Identity,
        caller: &Caller,
        used: &UsedPasskey,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        // The session is there all the same: 401 would say that it is not.
        let forbidden = |problem| Problem {
            status: 403,
            ..problem
        };
        let (account, passkey) = match self.use_passkey(used) {
            Ok(found) => found,
            Err(Unused::Unknown(problem) | Unused::Refused(_, problem)) => {
                return Err(forbidden(problem));
            }
        };
        if account.username != identity.username {
            return Err(not_taken(403, PasskeyError::UserHandle));
        }
        self.keep_used(passkey).await?;
        // Without a session there is nothing to prove.
        if !self.note_proof(caller) {
            return Err(sign_in_required());
        }
        self.note(submit::event("auth.reauthenticate", identity, caller).detail("passkey"))
            .await;
        Ok(Outcome::Done)
    }

    /// Whose passkey it is, and what it is now that it was used.
    fn use_passkey(&self, used: &UsedPasskey) -> Result<(Account, Passkey), Unused> {
        let relying_party = self.relying_party().map_err(Unused::Unknown)?;
        let mut people = self.people();
        if people.accounts.is_empty() {
            return Err(Unused::Unknown(no_accounts()));
        }
        let answered = challenge_of(used.client_data.bytes()).unwrap_or_default();
        let challenges = &mut people.challenges;
        let challenge = challenges.take_sign_in(&answered, now_since_boot());
        let challenge = challenge.ok_or_else(|| Unused::Unknown(challenge_over()))?;
        let id = &used.credential_id;
        let mut passkeys = people.passkeys.values();
        let passkey = passkeys.find(|passkey| passkey.credential_id == *id);
        let account = passkey.and_then(|passkey| {
            let account = people.accounts.get(&passkey.username);
            account.filter(|account| passkey.is_of(account))
        });
        let Some((passkey, account)) = passkey.zip(account) else {
            return Err(Unused::Unknown(nobodys()));
        };
        let assertion = Assertion {
            credential_id: id.bytes().to_vec(),
            client_data: used.client_data.bytes().to_vec(),
            authenticator_data: used.authenticator_data.bytes().to_vec(),
            signature: used.signature.bytes().to_vec(),
            user_handle: used.user_handle.bytes().to_vec(),
        };
        let today = day((self.clock)());
        match passkey.used(&relying_party, &challenge, &assertion, today) {
            Ok(used) => Ok((account.clone(), used)),
            Err(error) => Err(Unused::Refused(
                Box::new(account.username.clone()),
                not_taken(401, error),
            )),
        }
    }

    /// Keeps how often it was used: a copy of it is known by that.
    async fn keep_used(&self, passkey: Passkey) -> Result<(), Problem> {
        let mut batch = Batch::new((self.clock)(), None, "passkey used");
        batch.urgent();
        put(&mut batch, &passkey)?;
        let store = std::sync::Arc::clone(&self.store);
        // Whatever the disk says: one that counts twice is the worse mistake.
        self.people().passkeys.insert(passkey.id, passkey);
        let kept = tokio::task::spawn_blocking(move || store.commit(batch)).await;
        match kept {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                self.recover();
                Err(submit::store_problem(&error.into()))
            }
            Err(_) => Err(Problem::internal()),
        }
    }

    /// Nobody guesses a passkey, so nothing keeps the right one from being tried. But what is wrong with one that is known
    /// is worth a record, and records are worth a bound: the brake on passwords of the account gives it.
    async fn refuse_passkey(&self, address: IpAddr, refused: Unused) -> Problem {
        let (username, problem) = match refused {
            Unused::Refused(username, problem) => (username, problem),
            Unused::Unknown(problem) => {
                tracing::info!(%address, code = &*problem.code, "a passkey was refused");
                return problem;
            }
        };
        let admitted = {
            let mut people = self.people();
            let throttle = &mut people.throttle;
            throttle.admit(address, &username, now_since_boot())
        };
        if let Err(throttled) = admitted {
            return too_often(throttled.retry_after);
        }
        let event = AuditEvent::new("auth.login").from(address);
        let event = event.outcome(AuditOutcome::Refused);
        let event = event.on(username.to_string());
        self.note(event.detail(problem.code.clone())).await;
        problem
    }
}

/// Why nobody is let in with a passkey.
enum Unused {
    /// It is nobody's, or answers nothing that was asked.
    Unknown(Problem),
    /// It is this account's, and something is wrong with it.
    Refused(Box<Username>, Problem),
}

impl People {
    /// Those of an account, in no order.
    fn own_passkeys(&self, account: &Account) -> impl Iterator<Item = &Passkey> {
        let passkeys = self.passkeys.values();
        passkeys.filter(move |passkey| passkey.is_of(account))
    }

    /// Those of whoever has, or had, a name.
    pub(crate) fn passkeys_of(&self, username: &Username) -> Vec<Passkey> {
        let passkeys = self.passkeys.values();
        let of = passkeys.filter(|passkey| passkey.username == *username);
        of.cloned().collect()
    }

    pub(crate) fn end_passkeys(&mut self, passkeys: &[Passkey]) {
        for passkey in passkeys {
            self.passkeys.remove(&passkey.id);
        }
    }
}

pub(crate) fn remove_passkeys(batch: &mut Batch, passkeys: &[Passkey]) {
    for passkey in passkeys {
        batch.remove(PASSKEYS, passkey.id.to_string());
    }
}

fn put(batch: &mut Batch, passkey: &Passkey) -> Result<(), Problem> {
    let put = batch.put(PASSKEYS, passkey.id.to_string(), passkey);
    put.map(drop).map_err(|error| internal(&error))
}

fn view(passkey: &Passkey, here: &str) -> PasskeyView {
    PasskeyView {
        id: passkey.id.to_string(),
        username: passkey.username.clone(),
        label: passkey.label.clone(),
        relying_party: passkey.relying_party.clone(),
        usable: passkey.relying_party == here,
        synced: passkey.backup_eligible,
        created_at: passkey.created_at,
        last_used: passkey.last_used,
    }
}

fn not_taken(status: u16, error: PasskeyError) -> Problem {
    if error == PasskeyError::Malformed {
        return Problem::new(
            400,
            "invalid_passkey",
            "What the browser sent cannot be read",
            "It is not what browsers send for a passkey. Nothing was changed, and nobody signed in. Try again, or use your \
             password.",
        );
    }
    Problem::new(
        status,
        "wrong_passkey",
        "The passkey is not taken",
        format!(
            "Nothing was changed, and nobody signed in: {error}. Try again, or use your password."
        ),
    )
}

fn nobodys() -> Problem {
    Problem::new(
        401,
        "wrong_passkey",
        "The passkey is nobody's here",
        "It was removed, or is for another box. Use your password, then remove it from your device.",
    )
}

fn challenge_over() -> Problem {
    Problem::new(
        401,
        "challenge_over",
        "That took too long",
        "What the box has asked counts for five minutes, once, and until it is started again. Try again.",
    )
}

fn not_offered() -> Problem {
    Problem::conflict(
        "passkey_not_offered",
        "The passkey was not asked for",
        "What the box has asked counts for five minutes, once, and until it is started again. Begin anew.",
    )
}

fn there_is_one() -> Problem {
    Problem::conflict(
        "passkey_exists",
        "The passkey is there already",
        "Each is added once. To begin anew, remove it first.",
    )
}

fn too_many() -> Problem {
    Problem::conflict(
        "too_many",
        "You have too many passkeys",
        format!(
            "You have {}. Remove one that is no longer in use.",
            Passkey::MAX_PER_ACCOUNT
        ),
    )
}
