//! Services: what the store has, what is installed.

use std::collections::BTreeMap;

use cell_control::ask;
use cell_control::change::{Change, ServiceForm, ServiceUpdate};
use cell_control::query::{Offers, Range, Service, Services};
use cell_control::view::{OfferView, ServiceView};
use cell_gate::{Reply, Visit};
use cell_model::name::ServiceId;
use cell_model::problem::Problem;

use super::review::after_change;
use super::{frame, named, ok};
use crate::done::Done;
use crate::navigation::service_path;
use crate::pages;

/// All there are: more than a box can have installed.
const ALL: Range = Range {
    limit: Range::MAX_LIMIT,
    cursor: None,
};

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let installed = ask(control, caller, Services { range: ALL }).await?;
    let offers = ask(control, caller, Offers { range: ALL }).await?;
    Ok(ok(pages::services::render(
        &frame,
        &installed.items,
        &offers.items,
    )))
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let service = service(&visit).await?;
    Ok(ok(pages::service::render(&frame, &service)))
}

pub(crate) async fn ask_install(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let id: ServiceId = named(&visit, "service")?;
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let offers = ask(control, caller, Offers { range: ALL }).await?;
    let offer: Option<OfferView> = offers.items.into_iter().find(|offer| offer.id == id);
    let offer = offer.ok_or_else(|| Problem::not_found(format!("service {id} in the store")))?;
    Ok(ok(pages::service_install::render(&frame, &offer)))
}

pub(crate) async fn install(visit: Visit) -> Result<Reply, Problem> {
    let id: ServiceId = named(&visit, "service")?;
    let form = ServiceForm {
        id: id.clone(),
        answers: BTreeMap::new(),
    };
    let change = Change::InstallService(form);
    let receipt = visit.control.submit(&visit.caller, change).await?;
    Ok(after_change(&receipt, &service_path(&id), Done::Installing))
}

pub(crate) async fn ask_update(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let service = service(&visit).await?;
    Ok(ok(pages::service_update::render(&frame, &service)))
}

pub(crate) async fn update(visit: Visit) -> Result<Reply, Problem> {
    let id: ServiceId = named(&visit, "service")?;
    let change = Change::UpdateService { id: id.clone() };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    Ok(after_change(&receipt, &service_path(&id), Done::Updating))
}

pub(crate) async fn stop(visit: Visit) -> Result<Reply, Problem> {
    run(visit, false).await
}

pub(crate) async fn start(visit: Visit) -> Result<Reply, Problem> {
    run(visit, true).await
}

async fn run(visit: Visit, enabled: bool) -> Result<Reply, Problem> {
    let id: ServiceId = named(&visit, "service")?;
    let update = ServiceUpdate {
        enabled: Some(enabled),
        ..ServiceUpdate::default()
    };
    let change = Change::ChangeService {
        id: id.clone(),
        update,
    };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    Ok(after_change(&receipt, &service_path(&id), Done::Saved))
}

pub(crate) async fn ask_remove(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let service = service(&visit).await?;
    Ok(ok(pages::service_remove::render(&frame, &service)))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    end(visit, false).await
}

pub(crate) async fn delete(visit: Visit) -> Result<Reply, Problem> {
    end(visit, true).await
}

async fn end(visit: Visit, delete_data: bool) -> Result<Reply, Problem> {
    let id: ServiceId = named(&visit, "service")?;
    let change = Change::RemoveService { id, delete_data };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    Ok(after_change(&receipt, "/services", Done::Removed))
}

async fn service(visit: &Visit) -> Result<ServiceView, Problem> {
    let id = named(visit, "service")?;
    let service = ask(visit.control.as_ref(), &visit.caller, Service { id }).await?;
    Ok(*service)
}
