//! Who a caller is and what they may do.

use cell_audit::{AuditEvent, Outcome};
use cell_auth::SessionToken;
use cell_control::action::Action;
use cell_control::caller::{Caller, Credential};
use cell_control::query::Query;
use cell_model::account::{Identity, Role};
use cell_model::problem::Problem;
use cell_store::Batch;

use crate::Core;
use crate::people::SESSIONS;

/// The name root goes by on the local socket.
pub(crate) const LOCAL_NAME: &str = "root@console";

impl Core {
    /// Who the caller is. See [`cell_control::Control::identify`].
    pub(crate) async fn identify(&self, caller: &Caller) -> Result<Identity, Problem> {
        if self.desired.borrow().config.is_none() {
            return Err(setup_required());
        }
        let token = match &caller.credential {
            Credential::Local => return Ok(local_identity()),
            Credential::Nobody => None,
            Credential::Session(text) => text.expose().parse::<SessionToken>().ok(),
        };
        let now = (self.clock)();
        let (identity, save) = {
            let mut people = self.people();
            if people.accounts.is_empty() {
                return Err(no_accounts());
            }
            let touch = token
                .as_ref()
                .and_then(|token| people.sessions.touch(token, now));
            let touch = touch.ok_or_else(sign_in_required)?;
            let account = people.accounts.get(&touch.session.username);
            let identity = account.ok_or_else(sign_in_required)?.identity();
            (identity, touch.save.then_some(touch.session))
        };
        if let Some((token, session)) = token.zip(save) {
            let _writer = self.writer.lock().await;
            // Ended meanwhile, it must not come back to the disk.
            if self.people().sessions.get(&token, now).is_none() {
                return Err(sign_in_required());
            }
            // Losing the time of last use costs nobody anything: not worth failing the request.
            let mut batch = Batch::new(now, None, "session used");
            if batch
                .put(SESSIONS, session.token_hash.to_string(), &session)
                .is_ok()
            {
                let store = std::sync::Arc::clone(&self.store);
                let _ = tokio::task::spawn_blocking(move || store.commit(batch)).await;
            }
        }
        Ok(identity)
    }

    /// As [`Self::require`], for something that is audited: so is its refusal.
    pub(crate) async fn require_for(
        &self,
        caller: &Caller,
        role: Role,
        event: impl FnOnce(&Identity) -> AuditEvent,
    ) -> Result<Identity, Problem> {
        let identity = self.identify(caller).await?;
        if identity.role >= role {
            return Ok(identity);
        }
        let problem = wrong_role(identity.role, role);
        Err(self.refuse(event(&identity), problem).await)
    }

    /// Keeps a record of what was refused or did not work, and why.
    pub(crate) async fn refuse(&self, event: AuditEvent, problem: Problem) -> Problem {
        let outcome = if problem.status < 500 {
            Outcome::Refused
        } else {
            Outcome::Failed
        };
        let event = event.outcome(outcome).detail(problem.code.clone());
        self.note(event).await;
        problem
    }

    /// The caller, if they may do at least what the role may.
    pub(crate) async fn require(&self, caller: &Caller, role: Role) -> Result<Identity, Problem> {
        let identity = self.identify(caller).await?;
        if identity.role >= role {
            Ok(identity)
        } else {
            Err(wrong_role(identity.role, role))
        }
    }
}

/// What a role must be at least to ask this; `None`: nobody needs to be signed in.
pub(crate) fn role_for(query: &Query) -> Option<Role> {
    match query {
        Query::Setup(_) | Query::RootCertificate(_) => None,
        Query::AppPasswords(_)
        | Query::Sessions(_)
        | Query::CsrfToken(_)
        | Query::RecentProof(_) => Some(Role::Member),
        Query::Accounts(_) | Query::TrialLog(_) => Some(Role::Admin),
        Query::Status(_)
        | Query::Settings(_)
        | Query::Peers(_)
        | Query::Peer(_)
        | Query::WireGuard(_)
        | Query::Network(_)
        | Query::Revisions(_)
        | Query::Revision(_)
        | Query::Diff(_)
        | Query::Audit(_)
        | Query::AuditVerify(_)
        | Query::PartDetail(_)
        | Query::Services(_)
        | Query::Service(_)
        | Query::ServiceLogs(_)
        | Query::KeptData(_)
        | Query::Offers(_)
        | Query::Sources(_)
        | Query::Logs(_)
        | Query::Firmware(_)
        | Query::VerbosityLevels(_) => Some(Role::Helper),
    }
}

/// What a role must be at least to do this; `None`: nobody needs to be signed in.
pub(crate) fn role_to_act(action: &Action) -> Option<Role> {
    match action {
        Action::SignIn { .. }
        | Action::SignInWithCode { .. }
        | Action::CheckSetupCode { .. }
        | Action::CheckAppPassword(_) => None,
        Action::OfferSecondFactor
        | Action::AddSecondFactor { .. }
        | Action::RenewRecoveryCodes
        | Action::RemoveSecondFactor
        | Action::Reauthenticate { .. }
        | Action::AddAppPassword(_)
        | Action::RemoveAppPassword { .. }
        | Action::SignOut
        | Action::RevokeSession { .. }
        | Action::ChangePassword(_) => Some(Role::Member),
        Action::TestPart { .. } => Some(Role::Helper),
        Action::ResetPassword(_)
        | Action::RestartPart { .. }
        | Action::RestartService { .. }
        | Action::SetVerbosity(_)
        | Action::RefreshStore
        | Action::Restart
        | Action::DropFirmware
        | Action::TryOtherSlot
        | Action::CheckFirmware
        | Action::FetchFirmware(_) => Some(Role::Admin),
        Action::AddAccount(_) | Action::RemoveAccount { .. } => Some(Role::Owner),
    }
}

/// Whether it is done only for somebody whose password was proven a short time ago: what boots next, and who may sign in.
/// A browser that was left alone, or a stolen cookie, shall not be enough to keep the box.
pub(crate) fn is_dangerous(action: &Action) -> bool {
    match action {
        Action::DropFirmware
        | Action::TryOtherSlot
        | Action::FetchFirmware(_)
        | Action::ResetPassword(_)
        | Action::AddAccount(_)
        | Action::RemoveAccount { .. }
        | Action::AddAppPassword(_)
        | Action::OfferSecondFactor
        | Action::AddSecondFactor { .. }
        | Action::RenewRecoveryCodes
        | Action::RemoveSecondFactor => true,
        // A restart brings back what runs, or what somebody had to prove their password for.
        Action::Restart => false,
        // It asks for the present password itself.
        Action::ChangePassword(_) => false,
        Action::SignIn { .. }
        | Action::SignInWithCode { .. }
        | Action::CheckSetupCode { .. }
        | Action::CheckAppPassword(_)
        | Action::RemoveAppPassword { .. }
        | Action::Reauthenticate { .. }
        | Action::SignOut
        | Action::RevokeSession { .. }
        | Action::TestPart { .. }
        | Action::RestartPart { .. }
        | Action::RestartService { .. }
        | Action::CheckFirmware
        | Action::RefreshStore
        | Action::SetVerbosity(_) => false,
    }
}

fn local_identity() -> Identity {
    Identity {
        username: LOCAL_NAME.parse().expect("the name of root is a valid one"),
        role: Role::Owner,
    }
}

/// 428: nothing but the setup answers yet.
pub(crate) fn setup_required() -> Problem {
    Problem::new(
        428,
        "setup_required",
        "The box is not set up",
        "Open the admin page and enter the setup code shown on the box.",
    )
}

pub(crate) fn sign_in_required() -> Problem {
    Problem::new(
        401,
        "sign_in_required",
        "You are not signed in",
        "Sign in and try again.",
    )
}

pub(crate) fn no_accounts() -> Problem {
    Problem::new(
        503,
        "no_accounts",
        "There is no account",
        "Nobody can sign in. Make an owner account at the console of the box.",
    )
}

pub(crate) fn wrong_role(have: Role, need: Role) -> Problem {
    Problem::new(
        403,
        "wrong_role",
        "You may not do this",
        format!(
            "This needs the role {}, you have the role {}.",
            need.as_str(),
            have.as_str()
        ),
    )
}
