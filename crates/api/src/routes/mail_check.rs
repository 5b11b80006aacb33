//! A look at mail as others see it, and what the last one found.

use cell_control::action::{Action, Outcome};
use cell_control::mail::MailCheckForm;
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use crate::answer::ok;
use crate::body;

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    ok(&ask(visit.control.as_ref(), &visit.caller, query::MailFindings).await?)
}

pub(crate) async fn check(visit: Visit) -> Result<Reply, Problem> {
    let form: MailCheckForm = body::read(&visit)?;
    let checked = visit.control.act(&visit.caller, Action::CheckMail(form));
    match checked.await? {
        Outcome::MailChecked(found) => ok(&*found),
        _ => Err(Problem::internal()),
    }
}
