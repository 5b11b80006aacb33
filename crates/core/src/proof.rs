//! A password proven once more, before what is dangerous.

use cell_auth::{Account, SessionToken};
use cell_control::action::{Outcome, REAUTHENTICATION_REQUIRED};
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_model::account::Identity;
use cell_model::problem::Problem;
use cell_model::secret::Secret;

use crate::authorise::{sign_in_required, wrong_scope};
use crate::sign_in::{own_session, source, too_often, verified};
use crate::{Core, submit};

impl Core {
    /// 403 unless the password of the caller's session was proven a short time ago. Root on the local socket has none.
    pub(crate) fn require_proof(&self, caller: &Caller) -> Result<(), Problem> {
        let text = match &caller.credential {
            Credential::Local => return Ok(()),
            Credential::Nobody => return Err(sign_in_required()),
            // It proves no password, and nobody could be asked.
            Credential::Token(_) => return Err(wrong_scope(None)),
            Credential::Session(text) => text,
        };
        let token: SessionToken = text.expose().parse().map_err(|_| sign_in_required())?;
        match self.people().sessions.is_proven(&token, (self.clock)()) {
            true => Ok(()),
            false => Err(reauthentication_required()),
        }
    }

    pub(crate) async fn reauthenticate(
        &self,
        identity: &Identity,
        caller: &Caller,
        password: Secret<String>,
    ) -> Result<Outcome, Problem> {
        if own_session(caller).is_none() {
            return Err(sign_in_required());
        }
        let account = self.account(&identity.username)?;
        self.check_password(caller, &account, "password", password)
            .await?;
        // A password that was replaced meanwhile has ended the session.
        if !self.note_proof(caller) {
            return Err(sign_in_required());
        }
        self.note(submit::event("auth.reauthenticate", identity, caller))
            .await;
        Ok(Outcome::Done)
    }

    /// Notes that the password of the caller's session was proven now; `false` when they have none.
    pub(crate) fn note_proof(&self, caller: &Caller) -> bool {
        let now = (self.clock)();
        own_session(caller).is_some_and(|hash| self.people().sessions.prove(&hash, now))
    }

    /// 403, about this field, unless it is the account's password; 429 after too many tries. It can be guessed here as
    /// well as at the sign-in, so that tries at both are counted together.
    pub(crate) async fn check_password(
        &self,
        caller: &Caller,
        account: &Account,
        field: &'static str,
        password: Secret<String>,
    ) -> Result<(), Problem> {
        let (address, username) = (source(caller), &account.username);
        let now = now_since_boot();
        let admitted = self.people().throttle.admit(address, username, now);
        admitted.map_err(|throttled| too_often(throttled.retry_after))?;
        if !verified(Some(account.password_hash.clone()), password).await? {
            return Err(Problem {
                status: 403,
                code: "wrong_password".into(),
                ..Problem::field(field, "is not your present password")
            });
        }
        self.people().throttle.succeeded(address, username);
        Ok(())
    }
}

fn reauthentication_required() -> Problem {
    Problem::new(
        403,
        REAUTHENTICATION_REQUIRED,
        "Enter your password again",
        "This decides what the box runs or who may sign in, and you proved your password more than 15 minutes ago. Nothing \
         was changed. Send your password to /api/auth/reauthenticate, or sign in anew, and try again.",
    )
}
