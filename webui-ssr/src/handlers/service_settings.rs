//! What a service asks, and the answers.

use cell_control::change::{Change, ServiceUpdate};
use cell_control::view::ServiceView;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::review::after_change;
use super::services::service;
use super::{draft, frame, ok};
use crate::done::Done;
use crate::forms::service::{Answers, Questions};
use crate::navigation::service_path;
use crate::pages;

pub(crate) async fn ask(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let service = service(&visit).await?;
    let questions = Questions::of(&service.settings);
    let fields = questions.fields();
    let page = pages::service_settings::render(&frame, &service, &questions.draft(&fields));
    Ok(ok(page))
}

pub(crate) async fn change(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let service = service(&visit).await?;
    let questions = Questions::of(&service.settings);
    let fields = questions.fields();
    let mut draft = draft(&visit, &fields)?;
    if let Some(answers) = questions.parse(&mut draft) {
        match submit(&visit, &service, answers).await {
            Ok(reply) => return Ok(reply),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    let page = pages::service_settings::render(&frame, &service, &draft);
    Ok(draft.reply(page))
}

/// Everything as the manifest has it.
pub(crate) async fn reset(visit: Visit) -> Result<Reply, Problem> {
    let service = service(&visit).await?;
    let keys = service.settings.iter().map(|setting| &setting.key);
    let answers = keys.map(|key| (key.clone(), None)).collect();
    submit(&visit, &service, answers).await
}

async fn submit(visit: &Visit, service: &ServiceView, answers: Answers) -> Result<Reply, Problem> {
    let change = Change::ChangeService {
        id: service.id.clone(),
        update: ServiceUpdate {
            answers,
            ..ServiceUpdate::default()
        },
    };
    let receipt = visit.control.submit(&visit.caller, change).await?;
    Ok(after_change(
        &receipt,
        &service_path(&service.id),
        Done::Saved,
    ))
}
