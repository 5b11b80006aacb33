//! Somebody's own mail.

use cell_control::ask;
use cell_control::query::{OwnMail, OwnServices};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::{frame, ok};
use crate::pages;

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let mail = match ask(control, caller, OwnMail).await {
        Ok(mail) => Some(mail),
        Err(problem) if problem.code == "no_mail" => None,
        Err(problem) => return Err(problem),
    };
    let services = ask(control, caller, OwnServices).await?;
    let service = services.items.iter().find(|service| service.mail.is_some());
    let frame = frame(&visit).await;
    let page = pages::own_mail::render(&frame, mail.as_ref(), service);
    Ok(ok(page))
}
