//! Built-in parts.

use cell_control::action::{Action, Outcome};
use cell_control::ask;
use cell_control::query::{Logs, PartDetail, Status};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use cell_model::status::Part;

use super::{done, frame, ok};
use crate::done::Done;
use crate::pages;

/// Lines of the log on the page of a part: a screen or two.
const LINES: usize = 50;

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let status = ask(visit.control.as_ref(), &visit.caller, Status).await?;
    Ok(ok(pages::parts::render(&frame, &status)))
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let part = part(&visit)?;
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let detail = ask(control, caller, PartDetail { part }).await?;
    let logs = Logs {
        limit: LINES,
        part: Some(part),
        level: None,
        text: None,
    };
    let logs = ask(control, caller, logs).await?;
    Ok(ok(pages::part::render(&frame, &detail, &logs.items)))
}

pub(crate) async fn test(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let part = part(&visit)?;
    let tested = visit
        .control
        .act(&visit.caller, Action::TestPart { part })
        .await?;
    match tested {
        Outcome::Tested(result) => Ok(ok(pages::part_test::render(&frame, part, &result))),
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn restart(visit: Visit) -> Result<Reply, Problem> {
    let part = part(&visit)?;
    visit
        .control
        .act(&visit.caller, Action::RestartPart { part })
        .await?;
    Ok(done(&format!("/parts/{}", part.as_str()), Done::Restarted))
}

fn part(visit: &Visit) -> Result<Part, Problem> {
    Part::from_word(visit.param("part")).ok_or_else(|| Problem::not_found("part of this name"))
}
