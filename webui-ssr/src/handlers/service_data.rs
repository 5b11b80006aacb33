//! What removed services have kept.

use cell_control::ask;
use cell_control::change::Change;
use cell_control::query::KeptData;
use cell_control::view::KeptDataView;
use cell_gate::{Reply, Visit};
use cell_model::name::ServiceId;
use cell_model::problem::Problem;

use super::review::after_change;
use super::{frame, named, ok};
use crate::done::Done;
use crate::pages;

pub(crate) async fn ask_delete(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let data = kept(&visit).await?;
    Ok(ok(pages::service_data::render(&frame, &data)))
}

pub(crate) async fn delete(visit: Visit) -> Result<Reply, Problem> {
    // Of a service that is installed again meanwhile, nothing goes.
    let data = kept(&visit).await?;
    let change = Change::RemoveService {
        id: data.id,
        delete_data: true,
    };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    Ok(after_change(&receipt, "/services", Done::Removed))
}

async fn kept(visit: &Visit) -> Result<KeptDataView, Problem> {
    let id: ServiceId = named(visit, "service")?;
    let all = ask(visit.control.as_ref(), &visit.caller, KeptData).await?;
    let data = all.items.into_iter().find(|data| data.id == id);
    data.ok_or_else(|| Problem::not_found(format!("data that was kept of {id}")))
}
