//! Changes that are shown before they are made.

use cell_control::change::{Change, Receipt};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use maud::Markup;

use super::{done, ok, refuse};
use crate::done::Done;
use crate::forms::{Draft, REVIEWED};
use crate::frame::Frame;
use crate::pages;

/// A form whose change is to be seen before it is made.
pub(super) struct Reviewed<'a, F> {
    /// The form as sent.
    pub(super) draft: Draft<'static>,
    /// What it was read as; `None` when something is wrong with it.
    pub(super) change: Option<Change>,
    /// The form's own page.
    pub(super) form: F,
    /// Where to go afterwards.
    pub(super) after: &'a str,
    /// What was done then.
    pub(super) done: Done,
}

/// First the form, then what it would do, then the change.
pub(super) async fn review<F: Fn(&Frame, &Draft) -> Markup>(
    visit: &Visit,
    frame: &Frame,
    reviewed: Reviewed<'_, F>,
) -> Result<Reply, Problem> {
    let Reviewed {
        mut draft,
        change,
        form,
        after,
        done,
    } = reviewed;
    // The form that comes back has not been reviewed, whatever this one was.
    let word = draft.typed(REVIEWED.name).to_owned();
    draft.forget(REVIEWED.name);
    let Some(change) = change else {
        return Ok(draft.reply(form(frame, &draft)));
    };
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let refused = match word.as_str() {
        "yes" => match control.submit(caller, change).await {
            Ok(receipt) => return Ok(after_change(&receipt, after, done)),
            Err(problem) => problem,
        },
        "no" => return Ok(ok(form(frame, &draft))),
        _ => match control.preview(caller, change).await {
            Ok(preview) => return Ok(ok(pages::review::render(frame, &draft, &preview))),
            Err(problem) => problem,
        },
    };
    refuse(visit, &mut draft, refused).await?;
    Ok(draft.reply(form(frame, &draft)))
}

/// A change that waits for its confirmation leads to the page that asks for it, on a new connection: only there a
/// confirmation counts.
pub(super) fn after_change(receipt: &Receipt, path: &str, what: Done) -> Reply {
    if receipt.confirm.is_some() {
        Reply::see_other("/").closing_connection()
    } else {
        done(path, what)
    }
}
