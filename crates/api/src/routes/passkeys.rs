//! Passkeys.

use cell_control::action::{Action, Outcome};
use cell_control::passkey::{PasskeyForm, UsedPasskey};
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use http::StatusCode;

use super::api_tokens::WHOSE;
use super::auth::signed_in;
use crate::answer::{PasskeyAnswer, ok, part_of};
use crate::{body, parameter};

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let username = parameter::parsed(&visit.query, WHOSE.name)?;
    let own = ask(
        visit.control.as_ref(),
        &visit.caller,
        query::Passkeys { username },
    )
    .await?;
    part_of(&visit, own.items, |passkey| passkey.id.clone())
}

pub(crate) async fn offer(visit: Visit) -> Result<Reply, Problem> {
    match act(&visit, Action::OfferPasskey).await? {
        Outcome::PasskeyOffered(offered) => ok(&*offered),
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let form: PasskeyForm = body::read(&visit)?;
    match act(&visit, Action::AddPasskey(Box::new(form))).await? {
        Outcome::PasskeyAdded(passkey) => {
            Reply::json(StatusCode::CREATED, &PasskeyAnswer { passkey })
        }
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let id = visit.param("id").to_owned();
    act(&visit, Action::RemovePasskey { id }).await?;
    Ok(Reply::no_content())
}

pub(crate) async fn challenge(visit: Visit) -> Result<Reply, Problem> {
    match act(&visit, Action::ChallengePasskey).await? {
        Outcome::PasskeyChallenged(challenge) => ok(&challenge),
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn login(visit: Visit) -> Result<Reply, Problem> {
    let used: UsedPasskey = body::read(&visit)?;
    let action = Action::SignInWithPasskey {
        used: Box::new(used),
        user_agent: visit.user_agent().to_owned(),
    };
    signed_in(StatusCode::OK, act(&visit, action).await?)
}

pub(crate) async fn reauthenticate(visit: Visit) -> Result<Reply, Problem> {
    let used: UsedPasskey = body::read(&visit)?;
    act(&visit, Action::ReauthenticateWithPasskey(Box::new(used))).await?;
    Ok(Reply::no_content())
}

async fn act(visit: &Visit, action: Action) -> Result<Outcome, Problem> {
    visit.control.act(&visit.caller, action).await
}
