//! One's own account.

use cell_control::action::Action;
use cell_control::ask;
use cell_control::query::{OwnPeers, OwnServices, RootCertificate, Sessions};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::{done, draft, frame, ok};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::pages;

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let sessions = ask(visit.control.as_ref(), &visit.caller, Sessions).await?;
    Ok(ok(pages::account::render(&frame, &sessions)))
}

/// What a member sees of the box.
pub(crate) async fn me(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let root = ask(control, caller, RootCertificate).await?;
    let devices = ask(control, caller, OwnPeers).await?.items;
    let services = ask(control, caller, OwnServices).await?.items;
    Ok(ok(pages::me::render(&frame, &root, &devices, &services)))
}

/// What whoever has just come does first.
pub(crate) async fn welcome(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let root = ask(control, caller, RootCertificate).await?;
    let own = ask(control, caller, Sessions).await?;
    let devices = ask(control, caller, OwnPeers).await?.items;
    Ok(ok(pages::welcome::render(&frame, &root, &own, &devices)))
}

pub(crate) async fn ask_password(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = Draft::new(forms::session::PASSWORD, []);
    Ok(ok(pages::account_password::render(&frame, &draft)))
}

pub(crate) async fn set_password(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::session::PASSWORD)?;
    if let Some(action) = forms::session::parse_password(&mut draft) {
        match visit.control.act(&visit.caller, action).await {
            Ok(_) => return Ok(done("/account", Done::PasswordChanged)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::account_password::render(&frame, &draft)))
}

pub(crate) async fn revoke(visit: Visit) -> Result<Reply, Problem> {
    let draft = draft(&visit, forms::session::REVOKE)?;
    let id = draft.typed("id").to_owned();
    visit
        .control
        .act(&visit.caller, Action::RevokeSession { id })
        .await?;
    Ok(done("/account", Done::SessionEnded))
}
