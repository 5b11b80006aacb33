//! Services: what the store has, what is installed.

use cell_control::action::Action;
use cell_control::ask;
use cell_control::change::{Change, ServiceForm, ServiceUpdate};
use cell_control::query::{KeptData, Offers, Service, ServiceLogs};
use cell_control::view::{OfferView, ServiceView};
use cell_gate::{Reply, Visit};
use cell_model::name::ServiceId;
use cell_model::problem::Problem;

use super::review::after_change;
use super::{ALL, done, draft, frame, named, ok};
use crate::done::Done;
use crate::forms::service::Questions;
use crate::navigation::service_path;
use crate::pages;

/// Lines of a service's log on its page.
const LINES: usize = 20;

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let offers = ask(control, caller, Offers { range: ALL }).await?;
    let kept = ask(control, caller, KeptData).await?;
    Ok(ok(pages::services::render(
        &frame,
        &offers.items,
        &kept.items,
    )))
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let service = service(&visit).await?;
    let question = ServiceLogs {
        id: service.id.clone(),
        limit: LINES,
    };
    let lines = ask(visit.control.as_ref(), &visit.caller, question).await;
    // A service whose words cannot be read is still to be seen.
    let lines = lines.map(|page| page.items).unwrap_or_default();
    Ok(ok(pages::service::render(&frame, &service, &lines)))
}

pub(crate) async fn restart(visit: Visit) -> Result<Reply, Problem> {
    let id: ServiceId = named(&visit, "service")?;
    let path = service_path(&id);
    let action = Action::RestartService { id };
    visit.control.act(&visit.caller, action).await?;
    Ok(done(&path, Done::ServiceRestarted))
}

pub(crate) async fn ask_install(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let offer = offer(&visit).await?;
    let questions = Questions::of(&offer.settings);
    let fields = questions.fields();
    let page = pages::service_install::render(&frame, &offer, &questions.draft(&fields));
    Ok(ok(page))
}

pub(crate) async fn install(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let offer = offer(&visit).await?;
    let questions = Questions::of(&offer.settings);
    let fields = questions.fields();
    let mut draft = draft(&visit, &fields)?;
    if let Some(answers) = questions.parse(&mut draft) {
        let given = answers.into_iter();
        let form = ServiceForm {
            id: offer.id.clone(),
            answers: given
                .filter_map(|(key, answer)| Some((key, answer?)))
                .collect(),
        };
        let change = Change::InstallService(form);
        match visit.control.submit(&visit.caller, change).await {
            Ok(receipt) => {
                let path = service_path(&offer.id);
                return Ok(after_change(&receipt, &path, Done::Installing));
            }
            Err(problem) => draft.refuse(problem)?,
        }
    }
    let page = pages::service_install::render(&frame, &offer, &draft);
    Ok(draft.reply(page))
}

/// A service as the store has it.
async fn offer(visit: &Visit) -> Result<OfferView, Problem> {
    let id: ServiceId = named(visit, "service")?;
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let offers = ask(control, caller, Offers { range: ALL }).await?;
    let offer = offers.items.into_iter().find(|offer| offer.id == id);
    offer.ok_or_else(|| Problem::not_found(format!("service {id} in the store")))
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

/// The service of the path.
pub(super) async fn service(visit: &Visit) -> Result<ServiceView, Problem> {
    let id = named(visit, "service")?;
    let service = ask(visit.control.as_ref(), &visit.caller, Service { id }).await?;
    Ok(*service)
}
