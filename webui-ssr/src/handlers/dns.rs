//! Names: own records, upstream servers, figures.

use cell_control::ask;
use cell_control::change::Change;
use cell_control::query::PartDetail;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use cell_model::status::Part;

use super::{done, draft, frame, ok, refuse, settings};
use crate::done::Done;
use crate::forms::{self, Draft, REVISION};
use crate::pages;

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let config = settings(&visit).await?;
    let part = ask(
        visit.control.as_ref(),
        &visit.caller,
        PartDetail { part: Part::Dns },
    )
    .await?;
    Ok(ok(pages::dns::render(&frame, &config, &part)))
}

pub(crate) async fn new_record(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let config = settings(&visit).await?;
    let draft = Draft::new(forms::dns::RECORD, [("type", "A".to_owned())])
        .propose(REVISION.name, config.revision.to_string());
    Ok(ok(pages::dns_record::render(&frame, &draft)))
}

pub(crate) async fn add_record(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let config = settings(&visit).await?;
    let mut draft = draft(&visit, forms::dns::RECORD)?;
    let change = forms::dns::parse_record(&mut draft, config.dns);
    match submitted(&visit, &mut draft, change).await? {
        Sent::Done => Ok(done("/dns", Done::Added)),
        Sent::Refused => Ok(draft.reply(pages::dns_record::render(&frame, &draft))),
    }
}

pub(crate) async fn remove_record(visit: Visit) -> Result<Reply, Problem> {
    let config = settings(&visit).await?;
    let mut draft = draft(&visit, forms::dns::REMOVE)?;
    let change = forms::dns::parse_remove(&mut draft, config.dns)
        .ok_or_else(|| Problem::not_found("record like this: it may be gone already"))?;
    visit.control.submit(&visit.caller, change).await?;
    Ok(done("/dns", Done::Removed))
}

pub(crate) async fn upstreams(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = forms::dns::upstreams_of(&settings(&visit).await?);
    Ok(ok(pages::dns_upstreams::render(&frame, &draft)))
}

pub(crate) async fn set_upstreams(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let config = settings(&visit).await?;
    let mut draft = draft(&visit, forms::dns::UPSTREAMS)?;
    let change = forms::dns::parse_upstreams(&mut draft, config.dns);
    match submitted(&visit, &mut draft, change).await? {
        Sent::Done => Ok(done("/dns", Done::Saved)),
        Sent::Refused => Ok(draft.reply(pages::dns_upstreams::render(&frame, &draft))),
    }
}

/// What came of a form.
enum Sent {
    Done,
    /// The draft says why.
    Refused,
}

async fn submitted(
    visit: &Visit,
    draft: &mut Draft<'_>,
    change: Option<Change>,
) -> Result<Sent, Problem> {
    let Some(change) = change else {
        return Ok(Sent::Refused);
    };
    match visit.control.submit(&visit.caller, change).await {
        Ok(_) => Ok(Sent::Done),
        Err(problem) => {
            refuse(visit, draft, forms::dns::own_fields(problem)).await?;
            Ok(Sent::Refused)
        }
    }
}
