//! Settings and their history.

use cell_control::change::{Change, Receipt, SettingsUpdate};
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use crate::answer::{ChangeAnswer, changed, ok};
use crate::parameter::{self, Parameter};
use crate::{body, path};

/// The other side of a comparison.
pub(crate) const AGAINST: Parameter = Parameter::number(
    "against",
    "The revision to compare with; the one before when not said.",
);

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    ok(&ask(
        visit.control.as_ref(),
        &visit.caller,
        query::Settings { revision: None },
    )
    .await?)
}

pub(crate) async fn replace(visit: Visit) -> Result<Reply, Problem> {
    let update: SettingsUpdate = body::read(&visit)?;
    submit(visit, Change::Settings(Box::new(update))).await
}

pub(crate) async fn preview(visit: Visit) -> Result<Reply, Problem> {
    let update: SettingsUpdate = body::read(&visit)?;
    ok(&visit
        .control
        .preview(&visit.caller, Change::Settings(Box::new(update)))
        .await?)
}

pub(crate) async fn confirm(visit: Visit) -> Result<Reply, Problem> {
    settled(visit.control.confirm(&visit.caller).await)
}

pub(crate) async fn revert(visit: Visit) -> Result<Reply, Problem> {
    settled(visit.control.revert(&visit.caller).await)
}

pub(crate) async fn revisions(visit: Visit) -> Result<Reply, Problem> {
    let range = parameter::range(&visit.query)?;
    ok(&ask(
        visit.control.as_ref(),
        &visit.caller,
        query::Revisions { range },
    )
    .await?)
}

pub(crate) async fn revision(visit: Visit) -> Result<Reply, Problem> {
    let number = path::number(&visit, "number", "revision")?;
    ok(&ask(
        visit.control.as_ref(),
        &visit.caller,
        query::Revision { number },
    )
    .await?)
}

pub(crate) async fn diff(visit: Visit) -> Result<Reply, Problem> {
    let number = path::number(&visit, "number", "revision")?;
    let against = parameter::number(&visit.query, AGAINST.name)?;
    let against = against.unwrap_or_else(|| number.saturating_sub(1));
    let (from, to) = (against.min(number), against.max(number));
    ok(&ask(
        visit.control.as_ref(),
        &visit.caller,
        query::Diff { from, to },
    )
    .await?)
}

pub(crate) async fn restore(visit: Visit) -> Result<Reply, Problem> {
    let number = path::number(&visit, "number", "revision")?;
    submit(visit, Change::RestoreRevision { number }).await
}

/// What was refused on this connection may be taken on a new one, so the next request gets one.
fn settled(result: Result<Receipt, Problem>) -> Result<Reply, Problem> {
    match result {
        Ok(receipt) => ok(&ChangeAnswer::from(receipt)),
        Err(problem) => Ok(Reply::problem(&problem).closing_connection()),
    }
}

async fn submit(visit: Visit, change: Change) -> Result<Reply, Problem> {
    let receipt = visit.control.submit(&visit.caller, change).await?;
    let made = ok(&ChangeAnswer::from(receipt.clone()));
    changed(receipt, made)
}
