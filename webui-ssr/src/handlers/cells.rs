//! Links to other cells, and the invites that lead to them.

use cell_control::action::{Action, Outcome};
use cell_control::ask;
use cell_control::change::Change;
use cell_control::link::{LinkState, LinkUpdate, LinkView};
use cell_control::query::{Audit, Link, LinkInvites, Links, Range};
use cell_control::view::AuditPage;
use cell_gate::{Reply, Visit};
use cell_model::name::CellName;
use cell_model::problem::Problem;

use super::review::after_change;
use super::{done, draft, frame, named, ok};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::navigation::cell_path;
use crate::pages;

const PAGE: &str = "/cells";
/// Records that a cell's page shows.
const HISTORY: usize = 10;

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let links = ask(control, caller, Links).await?;
    let invites = ask(control, caller, LinkInvites).await?;
    Ok(ok(pages::cells::render(
        &frame,
        &links.items,
        &invites.items,
    )))
}

pub(crate) async fn ask_invite(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = forms::link::proposal();
    Ok(ok(pages::cell_invite::render(&frame, &draft)))
}

/// Answers with the invite, on a page that no cache keeps: its secret is shown this once.
pub(crate) async fn invite(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::link::INVITE)?;
    if let Some(action) = forms::link::parse_invite(&mut draft) {
        match visit.control.act(&visit.caller, action).await {
            Ok(Outcome::CellInvited(made)) => {
                return Ok(ok(pages::cell_invited::render(&frame, &made)));
            }
            Ok(_) => return Err(Problem::internal()),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::cell_invite::render(&frame, &draft)))
}

pub(crate) async fn revoke(visit: Visit) -> Result<Reply, Problem> {
    let draft = draft(&visit, forms::link::REVOKE)?;
    let id = draft.typed("id").to_owned();
    let action = Action::RevokeCellInvite { id };
    visit.control.act(&visit.caller, action).await?;
    Ok(done(PAGE, Done::Removed))
}

pub(crate) async fn new(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = Draft::new(forms::link::IMPORT, []);
    Ok(ok(pages::cell_new::render(&frame, &draft)))
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::link::IMPORT)?;
    if let Some(action) = forms::link::parse_import(&mut draft) {
        match visit.control.act(&visit.caller, action).await {
            Ok(Outcome::CellLinked(link)) => return Ok(done(&cell_path(&link.name), Done::Added)),
            Ok(_) => return Err(Problem::internal()),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::cell_new::render(&frame, &draft)))
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let link = link(&visit).await?;
    let draft = forms::link::of(&link);
    let history = history(&visit, &link).await?;
    Ok(ok(pages::cell::render(&frame, &link, &draft, &history)))
}

pub(crate) async fn change(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let link = link(&visit).await?;
    let mut draft = draft(&visit, forms::link::TERMS)?;
    if let Some(change) = forms::link::parse_terms(&mut draft, link.name.clone()) {
        match visit.control.submit(&visit.caller, change).await {
            Ok(receipt) => return Ok(after_change(&receipt, &cell_path(&link.name), Done::Saved)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    let history = history(&visit, &link).await?;
    Ok(draft.reply(pages::cell::render(&frame, &link, &draft, &history)))
}

pub(crate) async fn pause(visit: Visit) -> Result<Reply, Problem> {
    set_paused(&visit, true).await
}

pub(crate) async fn resume(visit: Visit) -> Result<Reply, Problem> {
    set_paused(&visit, false).await
}

async fn set_paused(visit: &Visit, paused: bool) -> Result<Reply, Problem> {
    let name: CellName = named(visit, "cell")?;
    let path = cell_path(&name);
    let update = LinkUpdate {
        paused: Some(paused),
        ..LinkUpdate::default()
    };
    let change = Change::ChangeLink { name, update };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    Ok(after_change(&receipt, &path, Done::Saved))
}

pub(crate) async fn ask_confirm(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let link = link(&visit).await?;
    let draft = Draft::new(forms::link::CODE, []);
    Ok(ok(pages::cell_confirm::render(&frame, &link, &draft)))
}

pub(crate) async fn confirm(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let link = link(&visit).await?;
    let mut draft = draft(&visit, forms::link::CODE)?;
    if let Some(action) = forms::link::parse_code(&mut draft, link.name.clone()) {
        match visit.control.act(&visit.caller, action).await {
            Ok(_) => return Ok(done(&cell_path(&link.name), Done::Added)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::cell_confirm::render(&frame, &link, &draft)))
}

pub(crate) async fn ask_accept(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let link = link(&visit).await?;
    Ok(ok(pages::cell_accept::render(&frame, &link)))
}

pub(crate) async fn accept(visit: Visit) -> Result<Reply, Problem> {
    let name: CellName = named(&visit, "cell")?;
    let action = Action::AcceptLink { name };
    match visit.control.act(&visit.caller, action).await? {
        // It may be called something else by now.
        Outcome::CellLinked(link) => Ok(done(&cell_path(&link.name), Done::Saved)),
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn ask_remove(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let link = link(&visit).await?;
    Ok(ok(pages::cell_remove::render(&frame, &link)))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let link = link(&visit).await?;
    let name = link.name;
    if link.state == LinkState::Linked {
        let change = Change::RemoveLink { name };
        let receipt = visit.control.submit(&visit.caller, change).await?;
        return Ok(after_change(&receipt, PAGE, Done::Removed));
    }
    let action = Action::DropLink { name };
    visit.control.act(&visit.caller, action).await?;
    Ok(done(PAGE, Done::Removed))
}

/// What was done about it, the newest first.
async fn history(visit: &Visit, link: &LinkView) -> Result<AuditPage, Problem> {
    let query = Audit {
        range: Range {
            limit: HISTORY,
            ..Range::default()
        },
        actor: None,
        action: Some("cell".to_owned()),
        object: Some(link.name.to_string()),
    };
    ask(visit.control.as_ref(), &visit.caller, query).await
}

async fn link(visit: &Visit) -> Result<LinkView, Problem> {
    let name = named(visit, "cell")?;
    ask(visit.control.as_ref(), &visit.caller, Link { name }).await
}
