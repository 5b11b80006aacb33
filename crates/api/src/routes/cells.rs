//! Links to other cells, and the invites that lead to them.

use cell_control::action::{Action, Outcome};
use cell_control::change::{Change, Receipt};
use cell_control::link::{LinkCode, LinkForm, LinkInviteForm, LinkState, LinkUpdate, LinkView};
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::config::ServiceToggle;
use cell_model::name::CellName;
use cell_model::problem::Problem;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::{LinkAnswer, changed, ok, part_of};
use crate::{body, path};

/// What the other cell's people may use here; what is not named stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PermissionsForm {
    /// Calendar and contacts.
    #[serde(default)]
    calendar: Option<bool>,
    /// Files in the browser.
    #[serde(default)]
    files: Option<bool>,
    /// Mail and webmail.
    #[serde(default)]
    mail: Option<bool>,
    /// Files over WebDAV.
    #[serde(default)]
    webdav: Option<bool>,
}

/// Whether anything passes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PauseForm {
    /// Nothing passes, in either direction.
    paused: bool,
}

/// Whether the other cell's people may go out by way of this one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExitOfferForm {
    /// They may.
    offer: bool,
}

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let links = ask(visit.control.as_ref(), &visit.caller, query::Links).await?;
    part_of(&visit, links.items, |link| link.name.to_string())
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    ok(&link(&visit, name).await?)
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let form: LinkForm = body::read(&visit)?;
    let action = Action::LinkCell(Box::new(form));
    let link = linked(visit.control.act(&visit.caller, action).await?)?;
    let status = match link.state {
        LinkState::Linked => StatusCode::CREATED,
        LinkState::AwaitingConfirmation | LinkState::Failed => StatusCode::ACCEPTED,
    };
    Reply::json(status, &LinkAnswer { cell: link })
}

pub(crate) async fn confirm(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let code: LinkCode = body::read(&visit)?;
    let action = Action::ConfirmLink { name, code };
    let link = linked(visit.control.act(&visit.caller, action).await?)?;
    ok(&LinkAnswer { cell: link })
}

pub(crate) async fn permissions(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let form: PermissionsForm = body::read(&visit)?;
    let mut services = link(&visit, name.clone()).await?.services;
    for (toggle, asked) in [
        (ServiceToggle::Calendar, form.calendar),
        (ServiceToggle::Files, form.files),
        (ServiceToggle::Mail, form.mail),
        (ServiceToggle::Webdav, form.webdav),
    ] {
        match asked {
            Some(true) => drop(services.insert(toggle)),
            Some(false) => drop(services.remove(&toggle)),
            None => {}
        }
    }
    let update = LinkUpdate {
        services: Some(services),
        ..LinkUpdate::default()
    };
    change(&visit, name, update).await
}

pub(crate) async fn pause(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let form: PauseForm = body::read(&visit)?;
    let update = LinkUpdate {
        paused: Some(form.paused),
        ..LinkUpdate::default()
    };
    change(&visit, name, update).await
}

pub(crate) async fn exit_offer(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let form: ExitOfferForm = body::read(&visit)?;
    let update = LinkUpdate {
        offers_exit: Some(form.offer),
        ..LinkUpdate::default()
    };
    change(&visit, name, update).await
}

pub(crate) async fn accept(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    let action = Action::AcceptLink { name };
    let link = linked(visit.control.act(&visit.caller, action).await?)?;
    ok(&LinkAnswer { cell: link })
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let name = name(&visit)?;
    if link(&visit, name.clone()).await?.state == LinkState::Linked {
        let receipt = submit(&visit, Change::RemoveLink { name }).await?;
        return changed(receipt, Ok(Reply::no_content()));
    }
    let action = Action::DropLink { name };
    visit.control.act(&visit.caller, action).await?;
    Ok(Reply::no_content())
}

pub(crate) async fn invites(visit: Visit) -> Result<Reply, Problem> {
    let invites = ask(visit.control.as_ref(), &visit.caller, query::LinkInvites).await?;
    part_of(&visit, invites.items, |invite| invite.id.clone())
}

pub(crate) async fn add_invite(visit: Visit) -> Result<Reply, Problem> {
    let form: LinkInviteForm = body::read(&visit)?;
    let made = visit.control.act(&visit.caller, Action::InviteCell(form));
    match made.await? {
        Outcome::CellInvited(made) => Reply::json(StatusCode::CREATED, &*made),
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn remove_invite(visit: Visit) -> Result<Reply, Problem> {
    let id = visit.param("id").to_owned();
    let action = Action::RevokeCellInvite { id };
    visit.control.act(&visit.caller, action).await?;
    Ok(Reply::no_content())
}

/// What another cell says that has an invite, or is linked. Only the listener for other cells has this.
pub(crate) async fn pair(visit: Visit) -> Result<Reply, Problem> {
    let message = serde_json::from_slice(&visit.body).map_err(|_| {
        Problem::new(
            400,
            "invalid_json",
            "The body is not valid JSON",
            "Nothing was changed.",
        )
    })?;
    match visit
        .control
        .act(&visit.caller, Action::Pair { message })
        .await?
    {
        Outcome::Paired(answer) => ok(&answer),
        _ => Err(Problem::internal()),
    }
}

async fn change(visit: &Visit, name: CellName, update: LinkUpdate) -> Result<Reply, Problem> {
    let change = Change::ChangeLink {
        name: name.clone(),
        update,
    };
    let receipt = submit(visit, change).await?;
    let cell = link(visit, name).await?;
    changed(receipt, ok(&LinkAnswer { cell }))
}

async fn link(visit: &Visit, name: CellName) -> Result<LinkView, Problem> {
    ask(visit.control.as_ref(), &visit.caller, query::Link { name }).await
}

fn linked(outcome: Outcome) -> Result<LinkView, Problem> {
    match outcome {
        Outcome::CellLinked(link) => Ok(*link),
        _ => Err(Problem::internal()),
    }
}

fn name(visit: &Visit) -> Result<CellName, Problem> {
    path::name(visit, "name", "cell")
}

async fn submit(visit: &Visit, change: Change) -> Result<Receipt, Problem> {
    visit.control.submit(&visit.caller, change).await
}
