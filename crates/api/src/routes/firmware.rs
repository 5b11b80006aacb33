//! The system itself.

use cell_control::action::{Action, FirmwareFetch, IncomingBundle};
use cell_control::ask;
use cell_control::query::{Firmware, TrialLog};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use http::StatusCode;

use crate::answer::ok;
use crate::body;
use crate::parameter::{self, Parameter};

/// A version that is not newer than the running one.
pub(crate) const ALLOW_OLDER: Parameter = Parameter::flag(
    "allow_older",
    "Take a version that is not newer than the running one.",
);
/// One whose time is over.
pub(crate) const ALLOW_EXPIRED: Parameter =
    Parameter::flag("allow_expired", "Take a version whose time is over.");

/// GET /api/firmware
pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    ok(&ask(&*visit.control, &visit.caller, Firmware).await?)
}

/// POST /api/firmware/bundle
pub(crate) async fn receive(visit: Visit) -> Result<Reply, Problem> {
    let bundle = IncomingBundle {
        allow_older: parameter::flag(&visit.query, ALLOW_OLDER.name)?,
        allow_expired: parameter::flag(&visit.query, ALLOW_EXPIRED.name)?,
    };
    let body = visit.stream.clone().ok_or_else(Problem::internal)?;
    let received = body
        .hand_over(|stream| visit.control.receive(&visit.caller, bundle, stream))
        .await;
    body.finish().await;
    Reply::json(StatusCode::ACCEPTED, &received?)
}

/// GET /api/firmware/trial-log
pub(crate) async fn trial_log(visit: Visit) -> Result<Reply, Problem> {
    let text = ask(&*visit.control, &visit.caller, TrialLog).await?;
    Ok(Reply::new(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        text,
    ))
}

/// POST /api/firmware/restart
pub(crate) async fn restart(visit: Visit) -> Result<Reply, Problem> {
    act(visit, Action::Restart).await
}

/// POST /api/firmware/check
pub(crate) async fn check(visit: Visit) -> Result<Reply, Problem> {
    let outcome = visit.control.act(&visit.caller, Action::CheckFirmware);
    outcome.await?;
    show(visit).await
}

/// POST /api/firmware/fetch
pub(crate) async fn fetch(visit: Visit) -> Result<Reply, Problem> {
    let fetch: FirmwareFetch = body::read(&visit)?;
    let outcome = visit
        .control
        .act(&visit.caller, Action::FetchFirmware(fetch));
    outcome.await?;
    let firmware = ask(&*visit.control, &visit.caller, Firmware).await?;
    Reply::json(StatusCode::ACCEPTED, &firmware)
}

/// DELETE /api/firmware/bundle
pub(crate) async fn drop_bundle(visit: Visit) -> Result<Reply, Problem> {
    act(visit, Action::DropFirmware).await
}

/// POST /api/firmware/other
pub(crate) async fn other(visit: Visit) -> Result<Reply, Problem> {
    act(visit, Action::TryOtherSlot).await
}

async fn act(visit: Visit, action: Action) -> Result<Reply, Problem> {
    visit.control.act(&visit.caller, action).await?;
    Ok(Reply::no_content())
}
