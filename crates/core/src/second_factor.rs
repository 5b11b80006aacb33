//! Second factors: offered, proven and ended by whoever's they are, and asked for at the sign-in.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cell_auth::{Account, RecoveryCodes, SecondFactor, TotpSecret};
use cell_control::action::Outcome;
use cell_control::caller::{Caller, now_since_boot};
use cell_control::second_factor::{NewRecoveryCodes, OfferedSecondFactor};
use cell_model::account::Identity;
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_store::Batch;

use crate::people::SECOND_FACTORS;
use crate::set_up::{internal, whole_seconds};
use crate::sign_in::{own_session, remove_sessions, too_often};
use crate::{Core, submit};

/// How long an offer waits for its first code.
const OFFER: Duration = Duration::from_secs(15 * 60);
/// Codes are counted for an account, wherever they come from: who tries some knows the password already.
const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A secret that no app was proven to have yet.
pub(crate) struct Offer {
    secret: TotpSecret,
    since: Duration,
}

impl Core {
    pub(crate) fn offer_second_factor(&self, identity: &Identity) -> Result<Outcome, Problem> {
        let account = self.account(&identity.username)?;
        let cell = self.config()?.cell.name.clone();
        let mut people = self.people();
        if people.second_factor(&account).is_some() {
            return Err(there_is_one());
        }
        let secret = TotpSecret::generate().map_err(|error| internal(&error))?;
        let offered = OfferedSecondFactor {
            secret: secret.expose_text(),
            uri: secret.uri(cell.as_str(), &account.username),
        };
        let since = now_since_boot();
        let offer = Offer { secret, since };
        people.offers.insert(account.username, offer);
        Ok(Outcome::SecondFactorOffered(Box::new(offered)))
    }

    pub(crate) async fn add_second_factor(
        &self,
        identity: &Identity,
        caller: &Caller,
        code: &Secret<String>,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let account = self.account(&identity.username)?;
        let now = (self.clock)();
        let (secret, step) = {
            let people = self.people();
            if people.second_factor(&account).is_some() {
                return Err(there_is_one());
            }
            let offer = people.offers.get(&account.username);
            let in_time = |offer: &&Offer| now_since_boot().saturating_sub(offer.since) < OFFER;
            let secret = &offer.filter(in_time).ok_or_else(not_offered)?.secret;
            let step = secret.step_of(code.expose(), now);
            (secret.clone(), step.ok_or_else(not_the_code)?)
        };
        let codes = RecoveryCodes::generate().map_err(|error| internal(&error))?;
        let username = account.username.clone();
        let factor = SecondFactor::new(username, account.created_at, step, &codes, now);
        let action = "auth.second_factor.add";
        let mut batch = Batch::new(now, Some(identity.username.clone()), action);
        let name = secret_name(&account.username);
        let sealed = self.sealer.seal(&name, secret.expose());
        batch.set_secret(name, sealed.map_err(|error| internal(&error))?);
        put(&mut batch, &factor)?;
        // What was opened without a code may be somebody else's.
        let own = own_session(caller);
        let mut others = {
            let people = self.people();
            let sessions = people.sessions.of_account(&account.username, now);
            let hashes = sessions.iter().map(|session| session.token_hash);
            hashes.collect::<Vec<_>>()
        };
        others.retain(|hash| Some(*hash) != own);
        remove_sessions(&mut batch, &others);
        self.commit(batch, submit::event(action, identity, caller))
            .await?;
        let mut people = self.people();
        people.offers.remove(&account.username);
        for hash in &others {
            people.sessions.revoke(hash);
        }
        people.keep_second_factor(factor);
        Ok(shown(&codes))
    }

    pub(crate) async fn renew_recovery_codes(
        &self,
        identity: &Identity,
        caller: &Caller,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let mut factor = self.own_second_factor(identity)?;
        let codes = RecoveryCodes::generate().map_err(|error| internal(&error))?;
        factor.renew(&codes);
        let action = "auth.recovery_codes.renew";
        let mut batch = Batch::new((self.clock)(), Some(identity.username.clone()), action);
        put(&mut batch, &factor)?;
        self.commit(batch, submit::event(action, identity, caller))
            .await?;
        self.people().keep_second_factor(factor);
        Ok(shown(&codes))
    }

    pub(crate) async fn remove_second_factor(
        &self,
        identity: &Identity,
        caller: &Caller,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let factor = self.own_second_factor(identity)?;
        let action = "auth.second_factor.remove";
        let mut batch = Batch::new((self.clock)(), Some(identity.username.clone()), action);
        remove(&mut batch, &factor.username);
        self.commit(batch, submit::event(action, identity, caller))
            .await?;
        self.people().second_factors.remove(&factor.username);
        Ok(Outcome::Done)
    }

    fn own_second_factor(&self, identity: &Identity) -> Result<SecondFactor, Problem> {
        let account = self.account(&identity.username)?;
        let people = self.people();
        let factor = people.second_factor(&account).cloned();
        factor.ok_or_else(|| Problem::not_found("second factor of yours"))
    }

    /// What an account's second factor is once this code was used. 401 when it does not count, 429 after too many.
    pub(crate) fn use_code(
        &self,
        account: &Account,
        factor: &SecondFactor,
        code: &Secret<String>,
    ) -> Result<SecondFactor, Problem> {
        let username = &account.username;
        let secret = self.totp_secret(username)?;
        // A recovery code is too long to be guessed: it lets in whom guesses of others keep out.
        let is_of_app = SecondFactor::is_of_app(code.expose());
        let mut people = self.people();
        let throttle = people.code_throttles.entry(username.clone()).or_default();
        if is_of_app {
            let admitted = throttle.admit(ANYWHERE, username, now_since_boot());
            admitted.map_err(|throttled| too_many_codes(throttled.retry_after))?;
        }
        let used = factor.use_code(&secret, code.expose(), (self.clock)());
        let used = used.ok_or_else(wrong_code)?;
        throttle.succeeded(ANYWHERE, username);
        Ok(used)
    }

    fn totp_secret(&self, username: &Username) -> Result<TotpSecret, Problem> {
        let name = secret_name(username);
        let sealed = self.store.secret(&name);
        let sealed = sealed.map_err(|error| internal(&error))?;
        let sealed = sealed.ok_or_else(Problem::internal)?;
        let opened = self.sealer.open(&name, &sealed);
        let opened = opened.map_err(|error| internal(&error))?;
        TotpSecret::from_bytes(opened.expose()).ok_or_else(Problem::internal)
    }
}

fn secret_name(username: &Username) -> String {
    format!("account/{username}/totp")
}

/// Has a second factor kept.
pub(crate) fn put(batch: &mut Batch, factor: &SecondFactor) -> Result<(), Problem> {
    let put = batch.put(SECOND_FACTORS, factor.username.to_string(), factor);
    put.map(drop).map_err(|error| internal(&error))
}

/// Has that of an account go, with its secret.
pub(crate) fn remove(batch: &mut Batch, username: &Username) {
    batch.remove(SECOND_FACTORS, username.to_string());
    batch.remove_secret(secret_name(username));
}

fn shown(codes: &RecoveryCodes) -> Outcome {
    let recovery_codes = codes.expose_text();
    Outcome::RecoveryCodes(Box::new(NewRecoveryCodes { recovery_codes }))
}

fn there_is_one() -> Problem {
    Problem::conflict(
        "second_factor_exists",
        "There is a second factor already",
        "Remove it first to set another app up.",
    )
}

fn not_offered() -> Problem {
    Problem::conflict(
        "second_factor_not_offered",
        "The app was not set up in time",
        "Begin anew: what was shown counts for 15 minutes, and until the box is started again.",
    )
}

fn not_the_code() -> Problem {
    Problem::field(
        "code",
        "is not what the app shows now; if it is, the clocks of the box and of the phone differ",
    )
}

fn too_many_codes(retry_after: Duration) -> Problem {
    let minutes = whole_seconds(retry_after).div_ceil(60);
    Problem {
        title: "Too many wrong codes".into(),
        detail: format!(
            "Codes of this account's app are not looked at for {minutes} minutes, wherever they come from. A recovery code \
             is. If the tries were not yours, somebody knows the password: change it."
        ),
        ..too_often(retry_after)
    }
}

/// The code of the one refusal that is a guess.
pub(crate) const WRONG_CODE: &str = "wrong_code";

fn wrong_code() -> Problem {
    Problem::new(
        401,
        WRONG_CODE,
        "The code is wrong",
        "Enter the six digits that the app shows now, each once, or a recovery code that was not used yet.",
    )
}
