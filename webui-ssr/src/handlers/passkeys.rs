//! Passkeys of one's own, and signing in with one.

use cell_control::action::Action;
use cell_control::ask;
use cell_control::passkey::PasskeyView;
use cell_control::query::Passkeys;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::sign_in::{of_nobody, signed_in, way_back};
use super::{done, draft, frame, ok};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::pages;

const PAGE: &str = "/account/passkeys";

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let passkeys = own(&visit).await?;
    Ok(ok(pages::passkeys::render(&frame, &passkeys)))
}

pub(crate) async fn new(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = Draft::new(forms::passkey::NEW, []);
    Ok(ok(pages::passkey_new::render(&frame, &draft)))
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::passkey::NEW)?;
    if let Some(action) = forms::passkey::parse_new(&mut draft) {
        match visit.control.act(&visit.caller, action).await {
            Ok(_) => return Ok(done(PAGE, Done::Added)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::passkey_new::render(&frame, &draft)))
}

pub(crate) async fn ask_remove(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let id = visit.param("id");
    let passkeys = own(&visit).await?;
    let passkey = passkeys.iter().find(|passkey| passkey.id == id);
    let passkey = passkey.ok_or_else(|| Problem::not_found("passkey of yours with this id"))?;
    Ok(ok(pages::passkey_remove::render(&frame, passkey)))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let id = visit.param("id").to_owned();
    visit
        .control
        .act(&visit.caller, Action::RemovePasskey { id })
        .await?;
    Ok(done(PAGE, Done::Removed))
}

/// The page of the sign-in comes back when the passkey is not taken.
pub(crate) async fn sign_in(visit: Visit) -> Result<Reply, Problem> {
    let mut used = draft(&visit, forms::passkey::USED)?;
    let next = used.typed("next").to_owned();
    let mut draft = Draft::new(forms::session::SIGN_IN, [("next", next)]);
    if let Some(passkey) = forms::passkey::parse_used(&mut used) {
        let action = Action::SignInWithPasskey {
            used: passkey,
            user_agent: visit.user_agent().chars().take(256).collect(),
        };
        match visit.control.act(&visit.caller, action).await {
            Ok(outcome) => return signed_in(outcome, &draft),
            Err(problem) => draft.refuse(problem)?,
        }
    } else {
        draft.refuse(unreadable())?;
    }
    let frame = frame(&of_nobody(visit)).await;
    Ok(draft.reply(pages::sign_in::render(&frame, &draft)))
}

pub(crate) async fn reauthenticate(visit: Visit) -> Result<Reply, Problem> {
    let mut used = draft(&visit, forms::passkey::USED)?;
    let carried = ["next", "form"].map(|name| (name, used.typed(name).to_owned()));
    let mut draft = Draft::new(forms::session::REAUTHENTICATE, carried);
    if let Some(passkey) = forms::passkey::parse_used(&mut used) {
        let action = Action::ReauthenticateWithPasskey(passkey);
        match visit.control.act(&visit.caller, action).await {
            Ok(_) => return Ok(way_back(visit.require_identity()?, &draft)),
            Err(problem) => draft.refuse(problem)?,
        }
    } else {
        draft.refuse(unreadable())?;
    }
    let frame = frame(&visit).await;
    Ok(draft.reply(pages::reauthenticate::render(&frame, &draft)))
}

fn unreadable() -> Problem {
    Problem::new(
        422,
        "invalid_passkey",
        "What the browser sent cannot be read",
        "Try again, or use your password.",
    )
}

async fn own(visit: &Visit) -> Result<Vec<PasskeyView>, Problem> {
    let passkeys = ask(
        visit.control.as_ref(),
        &visit.caller,
        Passkeys { username: None },
    )
    .await?;
    Ok(passkeys.items)
}
