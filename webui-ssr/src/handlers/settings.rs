//! Who the box is.

use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::review::{Reviewed, review};
use super::{draft, frame, ok, settings};
use crate::done::Done;
use crate::forms;
use crate::pages;

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = forms::settings::of(&settings(&visit).await?);
    Ok(ok(pages::settings::render(&frame, &draft)))
}

pub(crate) async fn change(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let config = settings(&visit).await?;
    let mut draft = draft(&visit, forms::settings::FIELDS)?;
    let change = forms::settings::parse(&mut draft, config);
    let reviewed = Reviewed {
        draft,
        change,
        form: pages::settings::render,
        after: "/settings",
        done: Done::Saved,
    };
    review(&visit, &frame, reviewed).await
}
