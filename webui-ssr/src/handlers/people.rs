//! Other people's accounts.

use cell_control::action::Action;
use cell_control::ask;
use cell_control::query::{Account, Accounts, ApiTokens, Invites, Passkeys};
use cell_gate::{Reply, Visit};
use cell_model::name::Username;
use cell_model::problem::Problem;

use super::{done, draft, frame, named, ok, range};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::navigation::person_path;
use crate::pages;
use crate::pages::person_access::Access;

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
    let access = access(&visit).await?;
    let draft = forms::account::access_of(&access.account, &frame.clock);
    Ok(ok(pages::person_access::render(&frame, &access, &draft)))
}

pub(crate) async fn set_access(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let access = access(&visit).await?;
    let mut draft = draft(&visit, forms::account::ACCESS)?;
    if let Some(action) = forms::account::parse_access(&mut draft, &frame.clock, &access.account) {
        match visit.control.act(&visit.caller, action).await {
            Ok(_) => return Ok(done("/people", Done::Saved)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::person_access::render(&frame, &access, &draft)))
}

pub(crate) async fn end_passkey(visit: Visit) -> Result<Reply, Problem> {
    end(&visit, |id| Action::RemovePasskey { id }).await
}

pub(crate) async fn end_token(visit: Visit) -> Result<Reply, Problem> {
    end(&visit, |id| Action::RemoveApiToken { id }).await
}

async fn end(visit: &Visit, action: fn(String) -> Action) -> Result<Reply, Problem> {
    let username: Username = named(visit, "username")?;
    let draft = draft(visit, forms::account::REVOKE)?;
    let action = action(draft.typed("id").to_owned());
    visit.control.act(&visit.caller, action).await?;
    let path = format!("{}/access", person_path(username.as_str()));
    Ok(done(&path, Done::Removed))
}

async fn access(visit: &Visit) -> Result<Access, Problem> {
    let username: Username = named(visit, "username")?;
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    let account = Account {
        username: username.clone(),
    };
    let whose = || Some(username.clone());
    Ok(Access {
        account: ask(control, caller, account).await?,
        passkeys: ask(control, caller, Passkeys { username: whose() })
            .await?
            .items,
        tokens: ask(control, caller, ApiTokens { username: whose() })
            .await?
            .items,
    })
}
