//! App passwords: for the devices that use services.

use cell_control::action::{Action, Outcome};
use cell_control::app_password::AppPasswordForm;
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use http::StatusCode;

use crate::answer::part_of;
use crate::parameter::Parameter;
use crate::{body, parameter};

/// Whose.
pub(crate) const USERNAME: Parameter = Parameter::text(
    "username",
    "Of this account, for admins; your own when not said.",
);

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let username = parameter::parsed(&visit.query, USERNAME.name)?;
    let question = query::AppPasswords { username };
    let all = ask(visit.control.as_ref(), &visit.caller, question).await?;
    part_of(&visit, all.items, |password| password.id.clone())
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let form: AppPasswordForm = body::read(&visit)?;
    let made = visit
        .control
        .act(&visit.caller, Action::AddAppPassword(form))
        .await?;
    let Outcome::AppPasswordAdded(made) = made else {
        return Err(Problem::internal());
    };
    Reply::json(StatusCode::CREATED, &*made)
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let id = visit.param("id").to_owned();
    visit
        .control
        .act(&visit.caller, Action::RemoveAppPassword { id })
        .await?;
    Ok(Reply::no_content())
}
