//! Acts that are no change of the config: who may do them, and the record of each.

use std::time::Duration;

use cell_audit::AuditEvent;
use cell_control::action::{Action, Outcome, Verbosity};
use cell_control::caller::Caller;
use cell_model::account::Identity;
use cell_model::problem::Problem;
use cell_model::status::Part;
use cell_reconcile::Nudge;

use crate::authorise::{is_dangerous, needs_to_act, sign_in_required};
use crate::{Core, submit};

/// How long a part's own restart, and telling the reconciler, may take.
const RESTART: Duration = Duration::from_secs(10);

impl Core {
    pub(crate) async fn act(&self, caller: &Caller, action: Action) -> Result<Outcome, Problem> {
        let identity = match (needs_to_act(&action), word(&action)) {
            (None, _) => return self.act_as_stranger(caller, action).await,
            (Some(needs), Some(_)) => {
                let event = |identity: &Identity| event(&action, identity, caller);
                self.require_for(caller, needs, event).await?
            }
            (Some(needs), None) => self.require(caller, needs).await?,
        };
        let refusal = word(&action).map(|_| event(&action, &identity, caller));
        match (self.act_as(&identity, caller, action).await, refusal) {
            (Err(problem), Some(event)) => Err(self.refuse(event, problem).await),
            (result, _) => result,
        }
    }

    async fn act_as_stranger(&self, caller: &Caller, action: Action) -> Result<Outcome, Problem> {
        match action {
            Action::SignIn {
                username,
                password,
                code,
                user_agent,
            } => {
                self.sign_in(caller, &username, password, code, &user_agent)
                    .await
            }
            Action::SignInWithCode {
                ticket,
                code,
                user_agent,
            } => {
                self.sign_in_with_code(caller, &ticket, &code, &user_agent)
                    .await
            }
            Action::CheckSetupCode { setup_code } => self
                .check_setup_code(setup_code.expose())
                .map(|()| Outcome::Done),
            Action::AcceptInvite {
                accepted,
                user_agent,
            } => self.accept_invite(caller, accepted, &user_agent).await,
            Action::Pair { message } => self.pair(caller, message).await,
            Action::ChallengePasskey => self.challenge_passkey(caller),
            Action::SignInWithPasskey { used, user_agent } => {
                self.sign_in_with_passkey(caller, &used, &user_agent).await
            }
            Action::CheckAppPassword(sign_in) => self.check_app_password(caller, &sign_in),
            _ => Err(sign_in_required()),
        }
    }

    async fn act_as(
        &self,
        identity: &Identity,
        caller: &Caller,
        action: Action,
    ) -> Result<Outcome, Problem> {
        if is_dangerous(&action) {
            self.require_proof(caller)?;
        }
        if keeps_something(&action) {
            self.refuse_during_trial()?;
        }
        match action {
            Action::SignIn { .. }
            | Action::SignInWithCode { .. }
            | Action::AcceptInvite { .. }
            | Action::ChallengePasskey
            | Action::SignInWithPasskey { .. }
            | Action::CheckSetupCode { .. }
            | Action::Pair { .. }
            | Action::CheckAppPassword(_) => self.act_as_stranger(caller, action).await,
            Action::Reauthenticate { password } => {
                self.reauthenticate(identity, caller, password).await
            }
            Action::SignOut => self.sign_out(identity, caller).await,
            Action::RevokeSession { id } => self.revoke_session(identity, caller, &id).await,
            Action::ChangePassword(change) => self.change_password(identity, caller, change).await,
            Action::ResetPassword(reset) => self.reset_password(identity, caller, reset).await,
            Action::OfferSecondFactor => self.offer_second_factor(identity),
            Action::AddSecondFactor { code } => {
                self.add_second_factor(identity, caller, &code).await
            }
            Action::RenewRecoveryCodes => self.renew_recovery_codes(identity, caller).await,
            Action::RemoveSecondFactor => self.remove_second_factor(identity, caller).await,
            Action::OfferPasskey => self.offer_passkey(identity),
            Action::AddPasskey(form) => self.add_passkey(identity, caller, *form).await,
            Action::RemovePasskey { id } => self.remove_passkey(identity, caller, &id).await,
            Action::ReauthenticateWithPasskey(used) => {
                self.reauthenticate_with_passkey(identity, caller, &used)
                    .await
            }
            Action::AddAccount(form) => self.add_account(identity, caller, form).await,
            Action::ChangeAccount { username, update } => {
                self.change_account(identity, caller, &username, update)
                    .await
            }
            Action::Invite(form) => self.invite(identity, caller, form).await,
            Action::InviteCell(form) => self.invite_cell(identity, caller, &form).await,
            Action::RevokeCellInvite { id } => self.revoke_cell_invite(identity, caller, &id).await,
            Action::LinkCell(form) => self.link_cell(identity, caller, &form).await,
            Action::ConfirmLink { name, code } => {
                self.confirm_link(identity, caller, &name, &code).await
            }
            Action::DropLink { name } => self.drop_link(identity, caller, &name).await,
            Action::AcceptLink { name } => self.accept_link(identity, caller, &name).await,
            Action::RevokeInvite { id } => self.revoke_invite(identity, caller, &id).await,
            Action::AddApiToken(form) => self.add_api_token(identity, caller, form).await,
            Action::RemoveApiToken { id } => self.remove_api_token(identity, caller, &id).await,
            Action::RemoveAccount { username } => {
                self.remove_account(identity, caller, &username).await
            }
            Action::AddAppPassword(form) => self.add_app_password(identity, caller, form).await,
            Action::RemoveAppPassword { id } => {
                self.remove_app_password(identity, caller, &id).await
            }
            Action::TestPart { part } => Ok(Outcome::Tested(self.test(part).await)),
            Action::RestartPart { part } => self.restart(identity, caller, part).await,
            Action::RestartService { id } => self.restart_service(identity, caller, id).await,
            Action::Restart => self.restart_box(identity, caller).await,
            Action::DropFirmware => self.drop_firmware(identity, caller).await,
            Action::TryOtherSlot => self.try_other_slot(identity, caller).await,
            Action::CheckFirmware => self.check_firmware().await.map(|()| Outcome::Done),
            Action::FetchFirmware(fetch) => self.fetch_firmware(identity, caller, fetch).await,
            Action::AddDkimKey => self.add_dkim_key(identity, caller).await,
            Action::SignWithDkimKey { selector } => {
                self.sign_with_dkim_key(identity, caller, &selector).await
            }
            Action::CheckMail(form) => self.check_mail(identity, caller, form).await,
            Action::RefreshStore => self.refresh_store(identity, caller).await,
            Action::SetVerbosity(verbosity) => {
                self.set_verbosity(identity, caller, &verbosity).await
            }
        }
    }

    async fn restart(
        &self,
        identity: &Identity,
        caller: &Caller,
        part: Part,
    ) -> Result<Outcome, Problem> {
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        let restart = async {
            system.processes.restart(part).await;
            // The box's name has no process of its own to end; told the same again, it would go on as it is.
            if part == Part::Mdns
                && let Err(error) = system.parts.mdns.apply(None).await
            {
                tracing::debug!(%error, "it did not stop");
            }
            system.nudge.send(Nudge::Restart(part)).await
        };
        match tokio::time::timeout(RESTART, restart).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(Problem::unavailable()),
        }
        self.note(submit::event("part.restart", identity, caller).on(part.as_str()))
            .await;
        Ok(Outcome::Done)
    }

    async fn set_verbosity(
        &self,
        identity: &Identity,
        caller: &Caller,
        verbosity: &Verbosity,
    ) -> Result<Outcome, Problem> {
        self.logs.set_verbosity(verbosity);
        if let Some(system) = self.system.get() {
            system.processes.set_verbosity().await;
        }
        let object = verbosity.part.map_or("all", Part::as_str);
        let event = submit::event("logs.verbosity", identity, caller);
        self.note(event.on(object).detail(verbosity.level.as_str()))
            .await;
        Ok(Outcome::Done)
    }
}

/// Whether it changes what has to outlive a restart, sessions apart.
fn keeps_something(action: &Action) -> bool {
    matches!(
        action,
        Action::ChangePassword(_)
            | Action::AddSecondFactor { .. }
            | Action::RenewRecoveryCodes
            | Action::RemoveSecondFactor
            | Action::AddPasskey(_)
            | Action::RemovePasskey { .. }
            | Action::ResetPassword(_)
            | Action::AddAccount(_)
            | Action::ChangeAccount { .. }
            | Action::RemoveAccount { .. }
            | Action::Invite(_)
            | Action::RevokeInvite { .. }
            | Action::InviteCell(_)
            | Action::RevokeCellInvite { .. }
            | Action::LinkCell(_)
            | Action::ConfirmLink { .. }
            | Action::DropLink { .. }
            | Action::AcceptLink { .. }
            | Action::AddApiToken(_)
            | Action::RemoveApiToken { .. }
            | Action::AddAppPassword(_)
            | Action::RemoveAppPassword { .. }
            | Action::AddDkimKey
            | Action::SignWithDkimKey { .. }
            | Action::RefreshStore
    )
}

/// The word of the audit, and what it is done to; `None` for acts that keep their own record or need none.
fn word(action: &Action) -> Option<(&'static str, Option<String>)> {
    Some(match action {
        Action::SignIn { .. }
        | Action::SignInWithCode { .. }
        | Action::AcceptInvite { .. }
        | Action::ChallengePasskey
        | Action::SignInWithPasskey { .. }
        | Action::CheckSetupCode { .. }
        | Action::CheckAppPassword(_)
        | Action::Pair { .. }
        | Action::TestPart { .. }
        | Action::CheckFirmware => {
            return None;
        }
        Action::Reauthenticate { .. } | Action::ReauthenticateWithPasskey(_) => {
            ("auth.reauthenticate", None)
        }
        Action::OfferPasskey | Action::AddPasskey(_) => ("auth.passkey.add", None),
        Action::RemovePasskey { .. } => ("auth.passkey.remove", None),
        Action::SignOut => ("auth.logout", None),
        Action::RevokeSession { .. } => ("auth.session.revoke", None),
        Action::ChangePassword(_) => ("auth.password.change", None),
        Action::OfferSecondFactor | Action::AddSecondFactor { .. } => {
            ("auth.second_factor.add", None)
        }
        Action::RenewRecoveryCodes => ("auth.recovery_codes.renew", None),
        Action::RemoveSecondFactor => ("auth.second_factor.remove", None),
        Action::ResetPassword(reset) => ("auth.password.reset", Some(reset.username.to_string())),
        Action::AddAccount(form) => ("account.add", Some(form.username.to_string())),
        Action::ChangeAccount { username, .. } => ("account.change", Some(username.to_string())),
        Action::Invite(form) => ("invite.add", Some(form.username.to_string())),
        Action::RevokeInvite { .. } => ("invite.remove", None),
        Action::InviteCell(_) => ("cell.invite.add", None),
        Action::RevokeCellInvite { .. } => ("cell.invite.remove", None),
        Action::LinkCell(_) => ("cell.link.add", None),
        Action::ConfirmLink { name, .. } => ("cell.link.confirm", Some(name.to_string())),
        Action::DropLink { name } => ("cell.link.drop", Some(name.to_string())),
        Action::AcceptLink { name } => ("cell.link.accept", Some(name.to_string())),
        Action::AddApiToken(_) => ("api_token.add", None),
        Action::RemoveApiToken { .. } => ("api_token.remove", None),
        Action::RemoveAccount { username } => ("account.remove", Some(username.to_string())),
        Action::AddAppPassword(form) => {
            let whose = form.username.as_ref().map(ToString::to_string);
            ("app_password.add", whose)
        }
        Action::RemoveAppPassword { .. } => ("app_password.remove", None),
        Action::RestartPart { part } => ("part.restart", Some(part.as_str().to_owned())),
        Action::RestartService { id } => ("service.restart", Some(id.to_string())),
        Action::AddDkimKey => ("mail.dkim.add", None),
        Action::SignWithDkimKey { selector } => ("mail.dkim.sign", Some(selector.to_string())),
        Action::CheckMail(_) => ("mail.check", None),
        Action::RefreshStore => ("store.refresh", None),
        Action::SetVerbosity(_) => ("logs.verbosity", None),
        Action::Restart => ("box.restart", None),
        Action::DropFirmware => ("firmware.drop", None),
        Action::TryOtherSlot => ("firmware.other", None),
        Action::FetchFirmware(_) => ("firmware.fetch", None),
    })
}

fn event(action: &Action, identity: &Identity, caller: &Caller) -> AuditEvent {
    let (action, object) = word(action).unwrap_or(("act", None));
    let mut event = submit::event(action, identity, caller);
    event.object = object;
    event
}
