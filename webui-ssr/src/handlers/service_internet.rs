//! Whether the internet reaches a service.

use cell_control::change::{Change, ServiceUpdate};
use cell_gate::{Reply, Visit};
use cell_model::name::ServiceId;
use cell_model::problem::Problem;

use super::review::{Reviewed, after_change, review};
use super::services::service;
use super::{draft, frame, named, ok};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::frame::Frame;
use crate::navigation::service_path;
use crate::pages;

pub(crate) async fn ask(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let service = service(&visit).await?;
    let draft = Draft::new(forms::service::OPEN, []);
    Ok(ok(pages::service_internet::render(
        &frame, &service, &draft,
    )))
}

pub(crate) async fn open(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let service = service(&visit).await?;
    let draft = draft(&visit, forms::service::OPEN)?;
    let change = draft.accept(Some(change(&service.id, true)));
    let reviewed = Reviewed {
        draft,
        change,
        form: |frame: &Frame, draft: &Draft<'_>| {
            pages::service_internet::render(frame, &service, draft)
        },
        after: &service_path(&service.id),
        done: Done::Saved,
    };
    review(&visit, &frame, reviewed).await
}

/// Not reviewed first: it takes nothing from anybody at home.
pub(crate) async fn close(visit: Visit) -> Result<Reply, Problem> {
    let id: ServiceId = named(&visit, "service")?;
    let receipt = visit
        .control
        .submit(&visit.caller, change(&id, false))
        .await?;
    Ok(after_change(&receipt, &service_path(&id), Done::Saved))
}

fn change(id: &ServiceId, published: bool) -> Change {
    Change::ChangeService {
        id: id.clone(),
        update: ServiceUpdate {
            published: Some(published),
            ..ServiceUpdate::default()
        },
    }
}
