//! Interfaces and their addresses.

use cell_control::ask;
use cell_control::query::Network;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::review::{Reviewed, review};
use super::{draft, frame, ok, settings};
use crate::done::Done;
use crate::forms;
use crate::pages;

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let config = settings(&visit).await?;
    let network = ask(visit.control.as_ref(), &visit.caller, Network).await?;
    Ok(ok(pages::network::render(&frame, &config, &network)))
}

pub(crate) async fn addresses(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = forms::network::of(&settings(&visit).await?);
    Ok(ok(pages::network_addresses::render(&frame, &draft)))
}

pub(crate) async fn set_addresses(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::network::FIELDS)?;
    let change = forms::network::parse(&mut draft);
    let reviewed = Reviewed {
        draft,
        change,
        form: pages::network_addresses::render,
        after: "/network",
        done: Done::Saved,
    };
    review(&visit, &frame, reviewed).await
}
