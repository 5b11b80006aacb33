//! Earlier settings.

use cell_control::ask;
use cell_control::change::Change;
use cell_control::query::{Diff, Revision, Revisions};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::review::after_change;
use super::{frame, named, ok, range};
use crate::done::Done;
use crate::pages;

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let range = range(&visit);
    let first = range.cursor.is_none();
    let revisions = ask(visit.control.as_ref(), &visit.caller, Revisions { range }).await?;
    Ok(ok(pages::revisions::render(&frame, &revisions, first)))
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let number: u64 = named(&visit, "number")?;
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let revision = ask(control, caller, Revision { number }).await?;
    // The one before may not be kept any more; then there is nothing to compare with.
    let diff = match number.checked_sub(1) {
        Some(before) => ask(
            control,
            caller,
            Diff {
                from: before,
                to: number,
            },
        )
        .await
        .ok(),
        None => None,
    };
    let diff = diff.map(|diff| diff.changes);
    Ok(ok(pages::revision::render(
        &frame,
        &revision,
        diff.as_deref(),
    )))
}

pub(crate) async fn ask_restore(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let number: u64 = named(&visit, "number")?;
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let revision = ask(control, caller, Revision { number }).await?;
    let preview = control
        .preview(caller, Change::RestoreRevision { number })
        .await?;
    Ok(ok(pages::revision_restore::render(
        &frame, &revision, &preview,
    )))
}

pub(crate) async fn restore(visit: Visit) -> Result<Reply, Problem> {
    let number: u64 = named(&visit, "number")?;
    let receipt = visit
        .control
        .submit(&visit.caller, Change::RestoreRevision { number })
        .await?;
    Ok(after_change(&receipt, "/revisions", Done::Restored))
}
