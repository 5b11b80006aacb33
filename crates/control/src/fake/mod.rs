//! A core without a box behind it, for tests of whatever talks to one.
//!
//! It knows one session a role, answers every question with one plausible value, notes what it was asked, and
//! refuses when it is told to.

mod sample;

use std::collections::VecDeque;
use std::mem::discriminant;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_model::account::{Identity, Role};
use cell_model::problem::Problem;
use cell_model::scope::Area;
use cell_model::secret::Secret;

use crate::Control;
use crate::action::{Action, IncomingBundle, Outcome, REAUTHENTICATION_REQUIRED, TestResult};
use crate::caller::{Caller, Credential};
use crate::change::{Change, Pending, Preview, Receipt};
use crate::query::{Answer, Query};
use crate::view::FirmwareView;

/// A scripted core.
#[derive(Debug)]
pub struct FakeControl {
    stage: Stage,
    script: Mutex<Script>,
}

/// How far the box has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nobody has set it up: 428.
    BeforeSetup,
    /// It is set up and every account is gone: 503.
    WithoutAccounts,
    /// The core cannot be reached: 503.
    Unreachable,
    /// It is set up.
    Ready,
}

/// A call that came through, without who made it.
#[derive(Debug, Clone)]
pub enum Call {
    /// A question; those for the CSRF token and for a recent proof are not noted.
    Snapshot(Query),
    /// A preview.
    Preview(Change),
    /// A change.
    Submit(Change),
    /// A confirmation.
    Confirm,
    /// A change taken back.
    Revert,
    /// An act.
    Act(Action),
    /// A firmware bundle, with all that came of it.
    Receive(IncomingBundle, Vec<u8>),
}

#[derive(Debug, Default)]
struct Script {
    refusals: VecDeque<Problem>,
    pending: bool,
    proof_is_old: bool,
    asks_for_code: bool,
    answers: Vec<Answer>,
    calls: Vec<(Caller, Call)>,
}

impl FakeControl {
    /// The CSRF token of every session.
    pub const CSRF_TOKEN: &str = "csrf-token-of-this-session";
    /// The app password of every account.
    pub const APP_PASSWORD: &str = "0123456789abcdefghjkmnpqrs";

    /// The code of every invite.
    pub const INVITE: &str = "11111222223333344444555556";
    /// Every token that is made; it is good for reading about devices on behalf of an owner.
    pub const API_TOKEN: &str = "cell_0123456789abcdefghjkmnpqrs";

    /// The secret of every second factor that is offered.
    pub const TOTP_SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    /// The ticket of every sign-in that is asked for a code.
    pub const TICKET: &str = "ticket-of-this-sign-in";

    /// A core at this stage.
    pub fn new(stage: Stage) -> Self {
        Self {
            stage,
            script: Mutex::default(),
        }
    }

    /// The token of the session that an account of this role has open. The account is named like its role.
    pub fn session(role: Role) -> String {
        format!("session-of-{}", role.as_str())
    }

    /// Makes the next call that is noted fail; several wait in line.
    pub fn refuse(&self, problem: Problem) {
        self.script().refusals.push_back(problem);
    }

    /// Makes every change from now on wait for its confirmation.
    pub fn hold_changes(&self) {
        self.script().pending = true;
    }

    /// Makes every password one that was proven long ago, until somebody proves theirs.
    pub fn forget_proofs(&self) {
        self.script().proof_is_old = true;
    }

    /// Has every sign-in by password asked for a code from now on.
    pub fn ask_for_codes(&self) {
        self.script().asks_for_code = true;
    }

    /// Answers every question of this answer's kind with it from now on.
    pub fn answer(&self, answer: Answer) {
        let answers = &mut self.script().answers;
        answers.retain(|other| discriminant(other) != discriminant(&answer));
        answers.push(answer);
    }

    /// The calls so far, each with its caller, and forgets them.
    pub fn take_calls(&self) -> Vec<(Caller, Call)> {
        std::mem::take(&mut self.script().calls)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, and refuses it if that is its turn.
    fn note(&self, caller: &Caller, call: Call) -> Result<(), Problem> {
        if let Stage::Unreachable = self.stage {
            return Err(Problem::unavailable());
        }
        let mut script = self.script();
        script.calls.push((caller.clone(), call));
        script.refusals.pop_front().map_or(Ok(()), Err)
    }

    fn receipt(&self) -> Receipt {
        Receipt {
            revision: sample::REVISION,
            confirm: self.script().pending.then(|| Pending {
                revision: sample::REVISION,
                username: sample::username(Role::Owner),
                seconds_left: 90,
            }),
            connection: None,
            peer: None,
        }
    }
}

#[async_trait]
impl Control for FakeControl {
    async fn identify(&self, caller: &Caller) -> Result<Identity, Problem> {
        match self.stage {
            Stage::BeforeSetup => {
                return Err(Problem::new(428, "setup_required", "Not set up", ""));
            }
            Stage::WithoutAccounts => {
                return Err(Problem::new(503, "no_accounts", "There is no account", ""));
            }
            Stage::Unreachable => return Err(Problem::unavailable()),
            Stage::Ready => {}
        }
        if let Credential::Token(token) = &caller.credential
            && token.expose() == Self::API_TOKEN
        {
            return Ok(Identity {
                scopes: Some([Area::Peers.read()].into()),
                ..sample::identity(Role::Owner)
            });
        }
        let role = match &caller.credential {
            Credential::Local => Some(Role::Owner),
            Credential::Session(token) => [Role::Member, Role::Helper, Role::Admin, Role::Owner]
                .into_iter()
                .find(|role| *token.expose() == Self::session(*role)),
            Credential::Nobody | Credential::Token(_) => None,
        };
        role.map(sample::identity)
            .ok_or_else(|| Problem::new(401, "sign_in_required", "Nobody is signed in", ""))
    }

    async fn snapshot(&self, caller: &Caller, query: Query) -> Result<Answer, Problem> {
        if let Query::CsrfToken(_) = query {
            self.identify(caller).await?;
            return Ok(Answer::CsrfToken(Self::CSRF_TOKEN.to_owned()));
        }
        if let Query::RecentProof(_) = query {
            self.identify(caller).await?;
            return match self.script().proof_is_old {
                true => Err(Problem::new(403, REAUTHENTICATION_REQUIRED, "Too old", "")),
                false => Ok(Answer::RecentProof(())),
            };
        }
        self.note(caller, Call::Snapshot(query.clone()))?;
        let role = self.identify(caller).await.map(|identity| identity.role);
        let usual = sample::answer(query, role.unwrap_or(Role::Member));
        let script = self.script();
        let mut answers = script.answers.iter();
        let other = answers.find(|other| discriminant(*other) == discriminant(&usual));
        Ok(other.cloned().unwrap_or(usual))
    }

    async fn preview(&self, caller: &Caller, change: Change) -> Result<Preview, Problem> {
        self.note(caller, Call::Preview(change))?;
        Ok(Preview {
            steps: vec!["The name server is told.".to_owned()],
            warnings: Vec::new(),
            needs_confirmation: false,
            changes_nothing: false,
        })
    }

    async fn submit(&self, caller: &Caller, change: Change) -> Result<Receipt, Problem> {
        let peer = sample::peer_receipt(&change);
        let connection = match &change {
            Change::AddConnection(_) => Some(sample::connection().id),
            Change::PutConnection { id, .. } => Some(*id),
            _ => None,
        };
        self.note(caller, Call::Submit(change))?;
        Ok(Receipt {
            connection,
            peer,
            ..self.receipt()
        })
    }

    async fn confirm(&self, caller: &Caller) -> Result<Receipt, Problem> {
        self.note(caller, Call::Confirm)?;
        self.script().pending = false;
        Ok(self.receipt())
    }

    async fn revert(&self, caller: &Caller) -> Result<Receipt, Problem> {
        self.note(caller, Call::Revert)?;
        self.script().pending = false;
        Ok(self.receipt())
    }

    async fn act(&self, caller: &Caller, action: Action) -> Result<Outcome, Problem> {
        self.note(caller, Call::Act(action.clone()))?;
        Ok(match action {
            Action::Reauthenticate { .. } | Action::ReauthenticateWithPasskey(_) => {
                self.script().proof_is_old = false;
                Outcome::Done
            }
            Action::SignIn { code: None, .. } if self.script().asks_for_code => {
                Outcome::CodeRequired {
                    ticket: Secret::new(Self::TICKET.to_owned()),
                }
            }
            Action::SignIn { .. }
            | Action::SignInWithCode { .. }
            | Action::SignInWithPasskey { .. }
            | Action::AcceptInvite { .. } => sample::signed_in(),
            Action::OfferPasskey => sample::passkey_offered(),
            Action::AddPasskey(_) => sample::passkey_added(),
            Action::ChallengePasskey => sample::passkey_challenged(),
            Action::InviteCell(form) => sample::cell_invited(&form),
            Action::LinkCell(_) | Action::ConfirmLink { .. } | Action::AcceptLink { .. } => {
                sample::cell_linked()
            }
            Action::Pair { message } => Outcome::Paired(message),
            Action::Invite(form) => sample::invited(&form),
            Action::AddApiToken(form) => sample::api_token_added(form),
            Action::OfferSecondFactor => sample::second_factor_offered(),
            Action::AddSecondFactor { .. } | Action::RenewRecoveryCodes => sample::recovery_codes(),
            Action::AddAppPassword(form) => sample::app_password_added(form),
            Action::CheckAppPassword(check) => return sample::admitted(&check),
            Action::AddDkimKey => sample::dkim_key_added(),
            Action::CheckMail(_) => sample::mail_checked(),
            Action::RefreshStore => sample::refreshed(),
            Action::TestPart { .. } => Outcome::Tested(TestResult {
                ok: true,
                detail: vec!["It answers.".to_owned()],
            }),
            _ => Outcome::Done,
        })
    }

    async fn receive(
        &self,
        caller: &Caller,
        bundle: IncomingBundle,
        stream: OwnedFd,
    ) -> Result<FirmwareView, Problem> {
        let mut stream = std::os::unix::net::UnixStream::from(stream);
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            stream.set_nonblocking(false)?;
            std::io::Read::read_to_end(&mut stream, &mut bytes).map(|_| bytes)
        });
        let bytes = read.await.ok().and_then(Result::ok);
        let bytes = bytes.ok_or_else(Problem::internal)?;
        self.note(caller, Call::Receive(bundle, bytes))?;
        Ok(sample::firmware())
    }

    async fn changed(&self, _: &Caller, seen: u64) -> Result<u64, Problem> {
        Ok(seen + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Peers, Range, Status};
    use crate::view::Page;
    use cell_model::secret::Secret;

    fn caller(role: Role) -> Caller {
        Caller {
            credential: Credential::Session(Secret::new(FakeControl::session(role))),
            ..Caller::local()
        }
    }

    #[tokio::test]
    async fn each_role_has_its_session() {
        let control = FakeControl::new(Stage::Ready);
        let identity = control.identify(&caller(Role::Helper)).await.unwrap();
        assert_eq!(
            (identity.username.as_str(), identity.role),
            ("helper", Role::Helper)
        );
        let nobody = Caller {
            credential: Credential::Session(Secret::new("session-of-nobody".to_owned())),
            ..Caller::local()
        };
        assert_eq!(control.identify(&nobody).await.unwrap_err().status, 401);
    }

    #[tokio::test]
    async fn calls_are_noted_and_refused_in_turn() {
        let control = FakeControl::new(Stage::Ready);
        control.refuse(Problem::internal());
        let caller = caller(Role::Owner);
        assert!(crate::ask(&control, &caller, Status).await.is_err());
        assert!(crate::ask(&control, &caller, Status).await.is_ok());
        assert_eq!(control.take_calls().len(), 2);
        assert!(control.take_calls().is_empty());
    }

    #[tokio::test]
    async fn question_is_answered_as_it_was_told_to() {
        let control = FakeControl::new(Stage::Ready);
        let caller = caller(Role::Owner);
        for next in [None, Some("a".to_owned())] {
            let items = Vec::new();
            control.answer(Answer::Peers(Page {
                items,
                next: next.clone(),
            }));
            let range = Range::default();
            let peers = crate::ask(&control, &caller, Peers { range }).await;
            assert_eq!(peers.unwrap().next, next);
        }
        assert!(crate::ask(&control, &caller, Status).await.is_ok());
    }
}
