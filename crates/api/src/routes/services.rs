//! Services: what the store has, what is installed.

use std::collections::BTreeMap;

use cell_control::action::{Action, Outcome};
use cell_control::change::{Change, ServiceForm, ServiceUpdate};
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::config::SettingValue;
use cell_model::name::{ServiceId, SettingKey};
use cell_model::problem::Problem;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::{ServiceAnswer, changed, ok, part_of};
use crate::parameter::LIMIT;
use crate::{body, parameter, path};

/// What is known about a service to install.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstallForm {
    /// Answers to its questions; all else is as its manifest says.
    #[serde(default)]
    answers: BTreeMap<SettingKey, SettingValue>,
}

/// What becomes of what a service has kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveForm {
    /// Delete it; otherwise it is there again when the service is installed again.
    #[serde(default)]
    delete_data: bool,
}

pub(crate) async fn offers(visit: Visit) -> Result<Reply, Problem> {
    let range = parameter::range(&visit.query)?;
    ok(&ask(
        visit.control.as_ref(),
        &visit.caller,
        query::Offers { range },
    )
    .await?)
}

pub(crate) async fn sources(visit: Visit) -> Result<Reply, Problem> {
    let all = ask(visit.control.as_ref(), &visit.caller, query::Sources).await?;
    part_of(&visit, all.items, |source| source.source.to_string())
}

pub(crate) async fn refresh(visit: Visit) -> Result<Reply, Problem> {
    let outcome = visit.control.act(&visit.caller, Action::RefreshStore);
    match outcome.await? {
        Outcome::Refreshed(refreshed) => ok(&refreshed),
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn active(visit: Visit) -> Result<Reply, Problem> {
    let range = parameter::range(&visit.query)?;
    ok(&ask(
        visit.control.as_ref(),
        &visit.caller,
        query::Services { range },
    )
    .await?)
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    answer(&visit, StatusCode::OK, id(&visit)?).await
}

pub(crate) async fn install(visit: Visit) -> Result<Reply, Problem> {
    let id = id(&visit)?;
    let InstallForm { answers } = body::read(&visit)?;
    let form = ServiceForm {
        id: id.clone(),
        answers,
    };
    let change = Change::InstallService(form);
    let receipt = visit.control.submit(&visit.caller, change).await?;
    let made = answer(&visit, StatusCode::CREATED, id).await;
    changed(receipt, made)
}

pub(crate) async fn update(visit: Visit) -> Result<Reply, Problem> {
    let id = id(&visit)?;
    let change = Change::UpdateService { id: id.clone() };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    let made = answer(&visit, StatusCode::OK, id).await;
    changed(receipt, made)
}

pub(crate) async fn change(visit: Visit) -> Result<Reply, Problem> {
    let id = id(&visit)?;
    let update: ServiceUpdate = body::read(&visit)?;
    let change = Change::ChangeService {
        id: id.clone(),
        update,
    };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    let made = answer(&visit, StatusCode::OK, id).await;
    changed(receipt, made)
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let id = id(&visit)?;
    let RemoveForm { delete_data } = body::read(&visit)?;
    let change = Change::RemoveService { id, delete_data };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    changed(receipt, Ok(Reply::no_content()))
}

pub(crate) async fn restart(visit: Visit) -> Result<Reply, Problem> {
    let action = Action::RestartService { id: id(&visit)? };
    visit.control.act(&visit.caller, action).await?;
    Ok(Reply::no_content())
}

pub(crate) async fn logs(visit: Visit) -> Result<Reply, Problem> {
    let limit = parameter::limit(&visit.query, LIMIT.name)?;
    let question = query::ServiceLogs {
        id: id(&visit)?,
        limit: limit.unwrap_or(query::Range::DEFAULT_LIMIT),
    };
    ok(&ask(visit.control.as_ref(), &visit.caller, question).await?)
}

pub(crate) async fn kept(visit: Visit) -> Result<Reply, Problem> {
    let all = ask(visit.control.as_ref(), &visit.caller, query::KeptData).await?;
    part_of(&visit, all.items, |data| data.id.to_string())
}

fn id(visit: &Visit) -> Result<ServiceId, Problem> {
    path::name(visit, "service", "service")
}

async fn answer(visit: &Visit, status: StatusCode, id: ServiceId) -> Result<Reply, Problem> {
    let question = query::Service { id };
    let service = ask(visit.control.as_ref(), &visit.caller, question).await?;
    Reply::json(status, &ServiceAnswer { service })
}
