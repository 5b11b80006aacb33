//! App passwords: one's own, and those of others.

use cell_control::action::{Action, Outcome};
use cell_control::app_password::AppPasswordView;
use cell_control::ask;
use cell_control::query::AppPasswords;
use cell_control::view::Page;
use cell_gate::{Reply, Visit};
use cell_model::name::Username;
use cell_model::problem::Problem;

use super::{done, draft, frame, named, ok};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::navigation::app_passwords_path;
use crate::pages;

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let whose = whose(&visit)?;
    let page = of(&visit, whose.as_ref()).await?;
    let rendered = pages::app_passwords::render(&frame, whose.as_ref(), &page.items);
    Ok(ok(rendered))
}

pub(crate) async fn new(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let whose = whose(&visit)?;
    let draft = Draft::new(forms::app_password::NEW, []);
    Ok(ok(pages::app_password_new::render(
        &frame,
        whose.as_ref(),
        &draft,
    )))
}

/// Answers with the password, on a page that no cache keeps: the box forgets it with this answer.
pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let whose = whose(&visit)?;
    let mut draft = draft(&visit, forms::app_password::NEW)?;
    if let Some(action) = forms::app_password::parse(&mut draft, whose.clone()) {
        match visit.control.act(&visit.caller, action).await {
            Ok(Outcome::AppPasswordAdded(made)) => {
                let whose = whose.as_ref();
                return Ok(ok(pages::app_password_shown::render(&frame, whose, &made)));
            }
            Ok(_) => return Err(Problem::internal()),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::app_password_new::render(
        &frame,
        whose.as_ref(),
        &draft,
    )))
}

pub(crate) async fn ask_remove(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let whose = whose(&visit)?;
    let id = visit.param("id");
    let page = of(&visit, whose.as_ref()).await?;
    let found = page.items.iter().find(|password| password.id == id);
    let password = found.ok_or_else(|| Problem::not_found("app password with this id"))?;
    Ok(ok(pages::app_password_remove::render(
        &frame,
        whose.as_ref(),
        password,
    )))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let whose = whose(&visit)?;
    let id = visit.param("id").to_owned();
    visit
        .control
        .act(&visit.caller, Action::RemoveAppPassword { id })
        .await?;
    Ok(done(&app_passwords_path(whose.as_ref()), Done::Removed))
}

/// Whose page it is; `None`: one's own.
fn whose(visit: &Visit) -> Result<Option<Username>, Problem> {
    match visit.param("username") {
        "" => Ok(None),
        _ => named(visit, "username").map(Some),
    }
}

async fn of(visit: &Visit, whose: Option<&Username>) -> Result<Page<AppPasswordView>, Problem> {
    let username = whose.cloned();
    let question = AppPasswords { username };
    ask(visit.control.as_ref(), &visit.caller, question).await
}
