//! Services as whoever uses them sees them.

use cell_control::ask;
use cell_control::query::OwnServices;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::{frame, ok};
use crate::pages;

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let services = ask(visit.control.as_ref(), &visit.caller, OwnServices).await?;
    Ok(ok(pages::own_services::render(&frame, &services.items)))
}
