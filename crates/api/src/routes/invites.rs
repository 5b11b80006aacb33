//! Invites.

use cell_control::action::{Action, Outcome};
use cell_control::invite::{AcceptedInvite, InviteForm};
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use http::StatusCode;

use super::auth::signed_in;
use crate::answer::{NewInviteAnswer, part_of};
use crate::body;

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let invites = ask(visit.control.as_ref(), &visit.caller, query::Invites).await?;
    part_of(&visit, invites.items, |invite| invite.id.clone())
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let form: InviteForm = body::read(&visit)?;
    let invited = visit
        .control
        .act(&visit.caller, Action::Invite(form))
        .await?;
    let Outcome::Invited(made) = invited else {
        return Err(Problem::internal());
    };
    let url = visit.url(&format!("/invite?code={}", made.code.expose()));
    let answer = NewInviteAnswer {
        invite: made.invite,
        url: Secret::new(url),
        code: made.code,
    };
    Reply::json(StatusCode::CREATED, &answer)
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let id = visit.param("id").to_owned();
    visit
        .control
        .act(&visit.caller, Action::RevokeInvite { id })
        .await?;
    Ok(Reply::no_content())
}

pub(crate) async fn accept(visit: Visit) -> Result<Reply, Problem> {
    let accepted: AcceptedInvite = body::read(&visit)?;
    let user_agent = visit.user_agent().to_owned();
    let action = Action::AcceptInvite {
        accepted,
        user_agent,
    };
    let outcome = visit.control.act(&visit.caller, action).await?;
    signed_in(StatusCode::CREATED, outcome)
}
