//! The system itself: its version, and the next one.

use cell_control::action::{Action, IncomingBundle, REAUTHENTICATION_REQUIRED};
use cell_control::ask;
use cell_control::query::{Firmware, RecentProof, TrialLog};
use cell_control::view::FirmwareView;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use http::StatusCode;

use super::{done, draft, frame, ok, refuse, settings};
use crate::done::Done;
use crate::forms;
use crate::pages;

pub(crate) const PATH: &str = "/system";

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let is_proven = ask(&*visit.control, &visit.caller, RecentProof).await;
    Ok(ok(pages::system::render(
        &frame,
        &firmware(&visit).await?,
        is_proven.is_ok(),
        None,
    )))
}

pub(crate) async fn fragment(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    Ok(ok(pages::system::live(&frame, &firmware(&visit).await?)))
}

/// A bundle from a browser. What is refused comes back with the same page.
pub(crate) async fn receive(visit: Visit) -> Result<Reply, Problem> {
    let body = visit.stream.clone().ok_or_else(Problem::internal)?;
    let bundle = IncomingBundle::default();
    let received = body
        .hand_over(|stream| visit.control.receive(&visit.caller, bundle, stream))
        .await;
    body.finish().await;
    shown(&visit, received.map(drop), Done::Received).await
}

/// What came of something that the page itself tells, also when it was refused.
async fn shown(visit: &Visit, came: Result<(), Problem>, said: Done) -> Result<Reply, Problem> {
    match came {
        Ok(()) => Ok(done(PATH, said)),
        // 502: the box is well, another one is not.
        Err(problem)
            if (problem.status < 500 || problem.status == 502)
                && problem.code != REAUTHENTICATION_REQUIRED =>
        {
            let frame = frame(visit).await;
            let firmware = firmware(visit).await?;
            let page = pages::system::render(&frame, &firmware, true, Some(&problem));
            let status = StatusCode::from_u16(problem.status);
            let status = status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
            Ok(Reply::html(status, page.into_string()))
        }
        Err(problem) => Err(problem),
    }
}

pub(crate) async fn check(visit: Visit) -> Result<Reply, Problem> {
    let checked = visit
        .control
        .act(&visit.caller, Action::CheckFirmware)
        .await;
    shown(&visit, checked.map(drop), Done::Looked).await
}

pub(crate) async fn fetch(visit: Visit) -> Result<Reply, Problem> {
    let mut draft = draft(&visit, forms::updates::FETCH)?;
    let fetch = forms::updates::parse_fetch(&mut draft)
        .ok_or_else(|| Problem::field("from", "must be channel or stick"))?;
    let fetched = visit
        .control
        .act(&visit.caller, Action::FetchFirmware(fetch))
        .await;
    shown(&visit, fetched.map(drop), Done::Fetching).await
}

pub(crate) async fn ask_updates(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = forms::updates::of(&settings(&visit).await?);
    Ok(ok(pages::system_updates::render(&frame, &draft)))
}

pub(crate) async fn set_updates(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::updates::FIELDS)?;
    if let Some(change) = forms::updates::parse(&mut draft) {
        match visit.control.submit(&visit.caller, change).await {
            Ok(_) => return Ok(done(PATH, Done::Saved)),
            Err(problem) => refuse(&visit, &mut draft, problem).await?,
        }
    }
    Ok(draft.reply(pages::system_updates::render(&frame, &draft)))
}

/// Why a version was left, as far as it could say so itself.
pub(crate) async fn trial_log(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let log = match ask(&*visit.control, &visit.caller, TrialLog).await {
        Ok(log) => Some(log),
        Err(problem) if problem.status == 404 => None,
        Err(problem) => return Err(problem),
    };
    let page = pages::system_trial_log::render(&frame, log.as_deref());
    Ok(ok(page))
}

pub(crate) async fn drop_version(visit: Visit) -> Result<Reply, Problem> {
    act(visit, Action::DropFirmware, Done::Dropped).await
}

pub(crate) async fn ask_other(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    Ok(ok(pages::system_other::render(
        &frame,
        &firmware(&visit).await?,
    )))
}

pub(crate) async fn other(visit: Visit) -> Result<Reply, Problem> {
    act(visit, Action::TryOtherSlot, Done::Chosen).await
}

pub(crate) async fn ask_restart(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    Ok(ok(pages::system_restart::render(
        &frame,
        &firmware(&visit).await?,
    )))
}

pub(crate) async fn restart(visit: Visit) -> Result<Reply, Problem> {
    act(visit, Action::Restart, Done::Restarting).await
}

async fn act(visit: Visit, action: Action, said: Done) -> Result<Reply, Problem> {
    visit.control.act(&visit.caller, action).await?;
    Ok(done(PATH, said))
}

async fn firmware(visit: &Visit) -> Result<FirmwareView, Problem> {
    Ok(*ask(visit.control.as_ref(), &visit.caller, Firmware).await?)
}
