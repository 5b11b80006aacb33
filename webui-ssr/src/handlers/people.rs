//! Other people's accounts.

use cell_control::action::Action;
use cell_control::ask;
use cell_control::query::{Account, Accounts, Invites};
use cell_control::view::AccountView;
use cell_gate::{Reply, Visit};
use cell_model::name::Username;
use cell_model::problem::Problem;

use super::{done, draft, frame, named, ok, range};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::pages;

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let range = range(&visit);
    let first = range.cursor.is_none();
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let accounts = ask(control, caller, Accounts { range }).await?;
    let invites = ask(control, caller, Invites).await?.items;
    Ok(ok(pages::people::render(
        &frame, &accounts, first, &invites,
    )))
}

pub(crate) async fn new(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = Draft::new(forms::account::NEW, [("role", "member".to_owned())]);
    Ok(ok(pages::person_new::render(&frame, &draft)))
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::account::NEW)?;
    if let Some(action) = forms::account::parse_new(&mut draft, &frame.clock) {
        match visit.control.act(&visit.caller, action).await {
            Ok(_) => return Ok(done("/people", Done::Added)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::person_new::render(&frame, &draft)))
}

pub(crate) async fn ask_password(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let username: Username = named(&visit, "username")?;
    let draft = Draft::new(forms::account::RESET, []);
    Ok(ok(pages::person_password::render(
        &frame, &username, &draft,
    )))
}

pub(crate) async fn set_password(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let username: Username = named(&visit, "username")?;
    let mut draft = draft(&visit, forms::account::RESET)?;
    if let Some(action) = forms::account::parse_reset(&mut draft, username.clone()) {
        match visit.control.act(&visit.caller, action).await {
            Ok(_) => return Ok(done("/people", Done::PasswordChanged)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::person_password::render(&frame, &username, &draft)))
}

pub(crate) async fn ask_remove(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let username: Username = named(&visit, "username")?;
    Ok(ok(pages::person_remove::render(&frame, &username)))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let username: Username = named(&visit, "username")?;
    visit
        .control
        .act(&visit.caller, Action::RemoveAccount { username })
        .await?;
    Ok(done("/people", Done::Removed))
}

pub(crate) async fn ask_access(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let account = account(&visit).await?;
    let draft = forms::account::access_of(&account, &frame.clock);
    Ok(ok(pages::person_access::render(&frame, &account, &draft)))
}

pub(crate) async fn set_access(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let account = account(&visit).await?;
    let mut draft = draft(&visit, forms::account::ACCESS)?;
    if let Some(action) = forms::account::parse_access(&mut draft, &frame.clock, &account) {
        match visit.control.act(&visit.caller, action).await {
            Ok(_) => return Ok(done("/people", Done::Saved)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::person_access::render(&frame, &account, &draft)))
}

async fn account(visit: &Visit) -> Result<AccountView, Problem> {
    let username = named(visit, "username")?;
    ask(visit.control.as_ref(), &visit.caller, Account { username }).await
}
