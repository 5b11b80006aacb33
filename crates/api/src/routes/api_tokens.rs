//! Tokens of the interface.

use cell_control::action::{Action, Outcome};
use cell_control::api_token::ApiTokenForm;
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use http::StatusCode;

use crate::answer::part_of;
use crate::parameter::Parameter;
use crate::{body, parameter};

/// Whose.
pub(crate) const WHOSE: Parameter = Parameter::text(
    "username",
    "Of this account, for owners; your own when not said.",
);

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let username = parameter::parsed(&visit.query, WHOSE.name)?;
    let tokens = ask(
        visit.control.as_ref(),
        &visit.caller,
        query::ApiTokens { username },
    )
    .await?;
    part_of(&visit, tokens.items, |token| token.id.clone())
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let form: ApiTokenForm = body::read(&visit)?;
    let added = visit
        .control
        .act(&visit.caller, Action::AddApiToken(form))
        .await?;
    match added {
        Outcome::ApiTokenAdded(made) => Reply::json(StatusCode::CREATED, &*made),
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let id = visit.param("id").to_owned();
    visit
        .control
        .act(&visit.caller, Action::RemoveApiToken { id })
        .await?;
    Ok(Reply::no_content())
}
