//! Pairing where the joiner does not reach the inviter: the joiner's acceptance, which is handed back, so that the inviter's
//! box calls.

use cell_cells::Acceptance;
use cell_control::action::Outcome;
use cell_control::caller::Caller;
use cell_control::link::{InviteText, LinkState, LinkView};
use cell_model::account::Identity;
use cell_model::config::Claims;
use cell_model::problem::Problem;
use cell_plan::lint::links::is_public;

use super::import::{public_domain, read};
use super::{KeptImport, KeptInvite, refusal, view};
use crate::set_up::internal;
use crate::{Core, submit};

impl Core {
    /// What the owner of an inviter is to be handed that is not reached.
    pub(super) fn acceptance_of(&self, import: &KeptImport) -> Option<InviteText> {
        if !import.inside || import.code.is_some() {
            return None;
        }
        match self.accept_by_hand(import) {
            Ok(text) => Some(text),
            Err(problem) => {
                tracing::warn!(%problem, "an invite cannot be accepted by hand");
                None
            }
        }
    }

    fn accept_by_hand(&self, import: &KeptImport) -> Result<InviteText, Problem> {
        let key = self.identity()?;
        let offer = self.imported(import)?;
        let sealed = Acceptance::seal(&offer, self.own_claims(&key)?, &key);
        let sealed = sealed.map_err(|error| internal(&error))?;
        let text = serde_json::to_value(&sealed).and_then(serde_json::from_value);
        text.map_err(|error| internal(&error))
    }

    /// Takes what the owner of a joiner has handed back: from now on its box is called, which then says what any joiner says.
    pub(super) async fn take_acceptance(
        &self,
        identity: &Identity,
        caller: &Caller,
        text: &InviteText,
    ) -> Result<Outcome, Problem> {
        let acceptance: Acceptance = read(text)?;
        let id = acceptance.invite().map_err(|error| refusal(&error))?;
        let _writer = self.writer_for(identity, caller).await?;
        let mut invite = self.good_invite(id).map_err(|_| no_invite())?;
        let offer = self.offer_of(&invite, &self.identity()?)?;
        let claims = acceptance.open(&offer).map_err(|error| refusal(&error))?;
        let joiner = claims.identity.clone();
        if invite.is_of_another(&joiner) {
            return Err(Problem::conflict(
                "invite_used",
                "Another cell has the invite",
                "An invite is good for one cell. Make a new one; if nobody else was to have it, see who it is in \"Other cells\".",
            ));
        }
        if !self.is_linked(&joiner)? {
            if is_public(&claims.domain) && !invite.allow_public_domain {
                let remedy = "make an invite that allows it";
                return Err(public_domain(&claims, remedy));
            }
            self.check_link(&claims)?;
            let event = submit::event("cell.invite.accept", identity, caller);
            let event = event.on(claims.name.to_string());
            invite.accepted = Some(claims);
            self.keep_invite(invite, event).await?;
            self.link_work.woken.notify_one();
        }
        Ok(Outcome::CellLinked(Box::new(self.link_of(&joiner)?)))
    }
}

fn no_invite() -> Problem {
    Problem::new(
        404,
        "no_invite",
        "There is no such invite here",
        "An acceptance is for the cell that has made the invite: hand it to its owner. If that is you, the invite was used or \
         taken back, or is over: make a new one.",
    )
}

/// A cell that has accepted an invite, and has not spoken yet.
pub(super) fn expected(claims: &Claims, invite: &KeptInvite) -> LinkView {
    let detail = format!(
        "This box calls that of the cell {} now. Both go on as soon as they reach each other, until the invite is over.",
        claims.name
    );
    LinkView {
        detail: Some(detail),
        ..view(claims, LinkState::Failed, invite.created_at)
    }
}
