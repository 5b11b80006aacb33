//! Who a caller is and what they may do.

use cell_audit::{AuditEvent, Outcome};
use cell_auth::SessionToken;
use cell_control::action::Action;
use cell_control::caller::{Caller, Credential};
use cell_control::change::Change;
use cell_control::query::Query;
use cell_model::account::{Identity, Role};
use cell_model::problem::Problem;
use cell_model::scope::{Area, Scope};
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
        let now = (self.clock)();
        let token = match &caller.credential {
            Credential::Local => return Ok(local_identity()),
            Credential::Nobody => None,
            Credential::Session(text) => text.expose().parse::<SessionToken>().ok(),
            Credential::Token(text) => return self.bearer_of(text.expose(), now),
        };
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
            let account = account.filter(|account| !people.access_is_over(account, now));
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

    /// The writer's lock, for somebody who still is who they were when they were let in: while they waited for it, their
    /// session may have been ended, or they may have been given another role.
    pub(crate) async fn writer_for(
        &self,
        identity: &Identity,
        caller: &Caller,
    ) -> Result<tokio::sync::MutexGuard<'_, ()>, Problem> {
        let writer = self.writer.lock().await;
        let now = (self.clock)();
        let present = match &caller.credential {
            Credential::Local => local_identity(),
            Credential::Nobody => return Err(sign_in_required()),
            Credential::Token(text) => self.bearer_of(text.expose(), now)?,
            Credential::Session(text) => {
                let token: SessionToken = text.expose().parse().map_err(|_| sign_in_required())?;
                let people = self.people();
                let session = people.sessions.get(&token, now);
                let account = session.and_then(|session| people.accounts.get(&session.username));
                let account = account.filter(|account| !people.access_is_over(account, now));
                account.ok_or_else(sign_in_required)?.identity()
            }
        };
        match present == *identity {
            true => Ok(writer),
            false => Err(Problem::conflict(
                "account_changed",
                "The account has changed meanwhile",
                "Look at it again, and try again if you still may.",
            )),
        }
    }

    /// As [`Self::require`], for something that is audited: so is its refusal.
    pub(crate) async fn require_for(
        &self,
        caller: &Caller,
        needs: Needs,
        event: impl FnOnce(&Identity) -> AuditEvent,
    ) -> Result<Identity, Problem> {
        let identity = self.identify(caller).await?;
        match needs.met_by(&identity) {
            Ok(()) => Ok(identity),
            Err(problem) => Err(self.refuse(event(&identity), problem).await),
        }
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

    /// The caller, if they are who may.
    pub(crate) async fn require(&self, caller: &Caller, needs: Needs) -> Result<Identity, Problem> {
        let identity = self.identify(caller).await?;
        needs.met_by(&identity).map(|()| identity)
    }
}

/// What somebody has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    /// This role or a later one.
    role: Role,
    /// Who shows a token, one that is good for this; `None`: no token is.
    scope: Option<Scope>,
}

impl Needs {
    /// This role, and no token.
    pub(crate) const fn person(role: Role) -> Self {
        Self { role, scope: None }
    }

    /// This role, perhaps by a token that is good for this.
    pub(crate) const fn scoped(role: Role, scope: Scope) -> Self {
        Self {
            role,
            scope: Some(scope),
        }
    }

    fn met_by(self, identity: &Identity) -> Result<(), Problem> {
        if identity.role < self.role {
            return Err(wrong_role(identity.role, self.role));
        }
        match identity.has_scope(self.scope) {
            true => Ok(()),
            false => Err(wrong_scope(self.scope)),
        }
    }
}

/// What somebody has to be to ask this; `None`: nobody needs to be signed in.
pub(crate) fn needs_to_ask(query: &Query) -> Option<Needs> {
    use Role::{Admin, Helper, Member};
    Some(match query {
        Query::Setup(_)
        | Query::RootCertificate(_)
        | Query::Invited(_)
        | Query::Person(_)
        | Query::MailLookup(_) => return None,
        Query::CsrfToken(_) | Query::RecentProof(_) | Query::Passkeys(_) | Query::ApiTokens(_) => {
            Needs::person(Member)
        }
        Query::AppPasswords(_) | Query::Sessions(_) => Needs::scoped(Member, Area::People.read()),
        Query::Cell(_) => Needs::scoped(Member, Area::Status.read()),
        Query::OwnPeers(_) | Query::OwnServices(_) => Needs::scoped(Member, Area::Peers.read()),
        Query::OwnMail(_) => Needs::scoped(Member, Area::Mail.read()),
        Query::Accounts(_) | Query::Account(_) | Query::Groups(_) | Query::Invites(_) => {
            Needs::scoped(Admin, Area::People.read())
        }
        Query::Mail(_) | Query::MailRecords(_) | Query::DkimKeys(_) | Query::MailFindings(_) => {
            Needs::scoped(Helper, Area::Mail.read())
        }
        Query::Links(_) | Query::Link(_) | Query::LinkInvites(_) => {
            Needs::scoped(Helper, Area::Cells.read())
        }
        Query::Connections(_) | Query::Connection(_) => {
            Needs::scoped(Helper, Area::Connectivity.read())
        }
        Query::TrialLog(_) => Needs::scoped(Admin, Area::Firmware.read()),
        Query::Firmware(_) => Needs::scoped(Helper, Area::Firmware.read()),
        Query::Status(_) | Query::Network(_) | Query::PartDetail(_) => {
            Needs::scoped(Helper, Area::Status.read())
        }
        Query::Settings(_) | Query::Revisions(_) | Query::Revision(_) | Query::Diff(_) => {
            Needs::scoped(Helper, Area::Config.read())
        }
        Query::Peers(_) | Query::Peer(_) | Query::WireGuard(_) => {
            Needs::scoped(Helper, Area::Peers.read())
        }
        Query::Audit(_) | Query::AuditVerify(_) => Needs::scoped(Helper, Area::Audit.read()),
        Query::Services(_)
        | Query::Service(_)
        | Query::ServiceLogs(_)
        | Query::KeptData(_)
        | Query::Offers(_)
        | Query::Sources(_) => Needs::scoped(Helper, Area::Services.read()),
        Query::Logs(_) | Query::VerbosityLevels(_) => Needs::scoped(Helper, Area::Logs.read()),
    })
}

/// What somebody has to be to change this. The setup needs nobody, and its code.
pub(crate) fn needs_to_change(change: &Change) -> Needs {
    match change {
        Change::OwnPeer(_) => Needs::scoped(Role::Member, Area::Peers.write()),
        Change::SetUp(_) => Needs::person(Role::Admin),
        Change::Settings(_) | Change::RestoreRevision { .. } => {
            Needs::scoped(Role::Admin, Area::Config.write())
        }
        Change::AddPeer(_)
        | Change::ChangePeer { .. }
        | Change::RekeyPeer { .. }
        | Change::FetchPeerFile { .. }
        | Change::RemovePeer { .. } => Needs::scoped(Role::Admin, Area::Peers.write()),
        Change::PutGroup { .. } | Change::RemoveGroup { .. } => {
            Needs::scoped(Role::Admin, Area::People.write())
        }
        Change::Mail(_) | Change::PutMailAlias { .. } | Change::RemoveMailAlias { .. } => {
            Needs::scoped(Role::Admin, Area::Mail.write())
        }
        Change::ChangeLink { .. } | Change::RemoveLink { .. } => {
            Needs::scoped(Role::Admin, Area::Cells.write())
        }
        Change::AddConnection(_)
        | Change::PutConnection { .. }
        | Change::RemoveConnection { .. } => Needs::scoped(Role::Admin, Area::Connectivity.write()),
        Change::InstallService(_)
        | Change::UpdateService { .. }
        | Change::ChangeService { .. }
        | Change::RemoveService { .. } => Needs::scoped(Role::Admin, Area::Services.write()),
    }
}

/// What somebody has to be to do this; `None`: nobody needs to be signed in.
pub(crate) fn needs_to_act(action: &Action) -> Option<Needs> {
    use Role::{Admin, Helper, Member, Owner};
    Some(match action {
        Action::SignIn { .. }
        | Action::SignInWithCode { .. }
        | Action::AcceptInvite { .. }
        | Action::ChallengePasskey
        | Action::SignInWithPasskey { .. }
        | Action::CheckSetupCode { .. }
        | Action::Pair { .. }
        | Action::CheckAppPassword(_) => return None,
        Action::OfferSecondFactor
        | Action::AddSecondFactor { .. }
        | Action::RenewRecoveryCodes
        | Action::RemoveSecondFactor
        | Action::OfferPasskey
        | Action::AddPasskey(_)
        | Action::RemovePasskey { .. }
        | Action::Reauthenticate { .. }
        | Action::ReauthenticateWithPasskey(_)
        | Action::AddAppPassword(_)
        | Action::AddApiToken(_)
        | Action::RemoveApiToken { .. }
        | Action::SignOut
        | Action::RevokeSession { .. }
        | Action::ChangePassword(_) => Needs::person(Member),
        Action::ResetPassword(_)
        | Action::Invite(_)
        | Action::InviteCell(_)
        | Action::LinkCell(_)
        | Action::AcceptLink { .. }
        | Action::ConfirmLink { .. } => Needs::person(Admin),
        Action::RevokeCellInvite { .. } | Action::DropLink { .. } => {
            Needs::scoped(Admin, Area::Cells.write())
        }
        Action::AddAccount(_) | Action::ChangeAccount { .. } | Action::RemoveAccount { .. } => {
            Needs::person(Owner)
        }
        Action::DropFirmware | Action::TryOtherSlot | Action::FetchFirmware(_) => {
            Needs::person(Admin)
        }
        Action::RemoveAppPassword { .. } => Needs::scoped(Member, Area::People.write()),
        Action::RevokeInvite { .. } => Needs::scoped(Admin, Area::People.write()),
        Action::TestPart { .. } => Needs::scoped(Helper, Area::Status.write()),
        Action::RestartPart { .. } => Needs::scoped(Admin, Area::Status.write()),
        Action::RestartService { .. } | Action::RefreshStore => {
            Needs::scoped(Admin, Area::Services.write())
        }
        Action::AddDkimKey | Action::SignWithDkimKey { .. } => {
            Needs::scoped(Admin, Area::Mail.write())
        }
        Action::CheckMail(_) => Needs::scoped(Helper, Area::Mail.write()),
        Action::SetVerbosity(_) => Needs::scoped(Admin, Area::Logs.write()),
        Action::Restart | Action::CheckFirmware => Needs::scoped(Admin, Area::Firmware.write()),
    })
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
        | Action::AddApiToken(_)
        | Action::Invite(_)
        | Action::InviteCell(_)
        | Action::LinkCell(_)
        | Action::AcceptLink { .. }
        | Action::ConfirmLink { .. }
        | Action::ChangeAccount { .. }
        | Action::OfferSecondFactor
        | Action::AddSecondFactor { .. }
        | Action::RenewRecoveryCodes
        | Action::RemoveSecondFactor
        | Action::OfferPasskey
        | Action::AddPasskey(_)
        | Action::RemovePasskey { .. } => true,
        // A restart brings back what runs, or what somebody had to prove their password for.
        Action::Restart => false,
        // It asks for the present password itself.
        Action::ChangePassword(_) => false,
        Action::SignIn { .. }
        | Action::SignInWithCode { .. }
        | Action::CheckSetupCode { .. }
        | Action::CheckAppPassword(_)
        | Action::AcceptInvite { .. }
        | Action::ChallengePasskey
        | Action::SignInWithPasskey { .. }
        | Action::ReauthenticateWithPasskey(_)
        | Action::RevokeInvite { .. }
        | Action::RevokeCellInvite { .. }
        | Action::DropLink { .. }
        | Action::Pair { .. }
        | Action::RemoveApiToken { .. }
        | Action::RemoveAppPassword { .. }
        | Action::Reauthenticate { .. }
        | Action::SignOut
        | Action::RevokeSession { .. }
        | Action::TestPart { .. }
        | Action::RestartPart { .. }
        | Action::RestartService { .. }
        | Action::AddDkimKey
        | Action::SignWithDkimKey { .. }
        | Action::CheckMail(_)
        | Action::CheckFirmware
        | Action::RefreshStore
        | Action::SetVerbosity(_) => false,
    }
}

fn local_identity() -> Identity {
    Identity::new(
        LOCAL_NAME.parse().expect("the name of root is a valid one"),
        Role::Owner,
    )
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

pub(crate) fn wrong_scope(needed: Option<Scope>) -> Problem {
    let needed = match needed {
        Some(scope) => format!("It would have to be good for {scope}."),
        None => "No token is: sign in with name and password.".to_owned(),
    };
    Problem::new(403, "wrong_scope", "The token is not good for this", needed)
}
