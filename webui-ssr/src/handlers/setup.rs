//! The first config and the owner's account.

use cell_control::ask;
use cell_control::change::Change;
use cell_control::query::{RootCertificate, Setup};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::{draft, frame, ok};
use crate::forms;
use crate::pages;

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let setup = ask(visit.control.as_ref(), &visit.caller, Setup).await?;
    let draft = forms::setup::proposal(&setup);
    Ok(ok(pages::setup::render(&frame, &draft)))
}

pub(crate) async fn complete(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::setup::FIELDS)?;
    if let Some(form) = forms::setup::parse(&mut draft) {
        let change = Change::SetUp(Box::new(form));
        match visit.control.submit(&visit.caller, change).await {
            // The box has its own certificate now; the browser is to see it at once.
            Ok(_) => return Ok(Reply::see_other("/setup/done").closing_connection()),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::setup::render(&frame, &draft)))
}

pub(crate) async fn finished(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let root = ask(visit.control.as_ref(), &visit.caller, RootCertificate).await?;
    Ok(ok(pages::setup_done::render(&frame, &root)))
}

/// The root certificate as a file.
pub(crate) async fn root_certificate(visit: Visit) -> Result<Reply, Problem> {
    let root = ask(visit.control.as_ref(), &visit.caller, RootCertificate).await?;
    Ok(Reply::attachment(
        "cell-root.pem",
        "application/x-pem-file",
        root.pem,
    ))
}
