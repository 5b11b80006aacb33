//! The overview, its live part, and the answer to a change that waits.

use cell_control::ask;
use cell_control::query::Status;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::{done, frame, ok};
use crate::done::Done;
use crate::pages;

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let status = ask(visit.control.as_ref(), &visit.caller, Status).await?;
    let reply = ok(pages::overview::render(&frame, &status));
    // The confirmation must come on a connection that is newer than the change.
    Ok(match status.pending {
        Some(_) => reply.closing_connection(),
        None => reply,
    })
}

/// The live part alone, for the script.
pub(crate) async fn fragment(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let status = ask(visit.control.as_ref(), &visit.caller, Status).await?;
    let reply = ok(pages::overview::live(&frame, &status));
    Ok(match status.pending {
        Some(_) => reply.closing_connection(),
        None => reply,
    })
}

pub(crate) async fn confirm(visit: Visit) -> Result<Reply, Problem> {
    visit.control.confirm(&visit.caller).await?;
    Ok(done("/", Done::Confirmed))
}

pub(crate) async fn revert(visit: Visit) -> Result<Reply, Problem> {
    visit.control.revert(&visit.caller).await?;
    Ok(done("/", Done::TakenBack).closing_connection())
}
