//! Signing in and out.

use cell_control::action::{Action, Outcome};
use cell_gate::{Reply, Visit};
use cell_model::account::Identity;
use cell_model::problem::Problem;

use super::{done, draft, frame, ok};
use crate::done::Done;
use crate::forms::session::local_path;
use crate::forms::{self, Draft};
use crate::{navigation, pages};

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    if let Some(identity) = &visit.identity {
        return Ok(Reply::see_other(navigation::home(identity.role)));
    }
    let next = visit.query.get("next").and_then(local_path);
    let draft = Draft::new(
        forms::session::SIGN_IN,
        [("next", next.unwrap_or_default().to_owned())],
    );
    Ok(ok(pages::sign_in::render(&frame(&visit).await, &draft)))
}

pub(crate) async fn sign_in(visit: Visit) -> Result<Reply, Problem> {
    let mut draft = draft(&visit, forms::session::SIGN_IN)?;
    let mut refused = None;
    if let Some(action) = forms::session::parse_sign_in(&mut draft, visit.user_agent()) {
        match visit.control.act(&visit.caller, action).await {
            Ok(Outcome::CodeRequired { ticket }) => {
                let next = draft.typed("next").to_owned();
                let hidden = [("ticket", ticket.expose().clone()), ("next", next)];
                let draft = Draft::new(forms::session::SIGN_IN_CODE, hidden);
                let frame = frame(&of_nobody(visit)).await;
                return Ok(ok(pages::sign_in_code::render(&frame, &draft)));
            }
            Ok(outcome) => return signed_in(outcome, &draft),
            Err(problem) => refused = Some(problem),
        }
    }
    if let Some(problem) = refused {
        draft.refuse(problem)?;
    }
    let frame = frame(&of_nobody(visit)).await;
    Ok(draft.reply(pages::sign_in::render(&frame, &draft)))
}

/// Nobody is led here; who comes all the same has no ticket, and is told so when they send the form.
pub(crate) async fn ask_code(visit: Visit) -> Result<Reply, Problem> {
    let draft = Draft::new(forms::session::SIGN_IN_CODE, []);
    let frame = frame(&of_nobody(visit)).await;
    Ok(ok(pages::sign_in_code::render(&frame, &draft)))
}

pub(crate) async fn sign_in_with_code(visit: Visit) -> Result<Reply, Problem> {
    let mut draft = draft(&visit, forms::session::SIGN_IN_CODE)?;
    if let Some(action) = forms::session::parse_sign_in_code(&mut draft, visit.user_agent()) {
        match visit.control.act(&visit.caller, action).await {
            Ok(outcome) => return signed_in(outcome, &draft),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    let frame = frame(&of_nobody(visit)).await;
    Ok(draft.reply(pages::sign_in_code::render(&frame, &draft)))
}

/// Where the person was going, if that is a page for them.
pub(super) fn signed_in(outcome: Outcome, draft: &Draft) -> Result<Reply, Problem> {
    let Outcome::SignedIn {
        token,
        identity,
        must_change_password,
    } = outcome
    else {
        return Err(Problem::internal());
    };
    let next = local_path(draft.typed("next"))
        .filter(|next| navigation::opens(identity.role, next))
        .unwrap_or(navigation::home(identity.role));
    let next = if must_change_password {
        "/account/password"
    } else {
        next
    };
    Ok(Reply::see_other(next).with_session(&token))
}

/// A session that was just opened, and on to this page.
pub(super) fn session(outcome: Outcome, next: &str) -> Result<Reply, Problem> {
    match outcome {
        Outcome::SignedIn { token, .. } => Ok(Reply::see_other(next).with_session(&token)),
        _ => Err(Problem::internal()),
    }
}

/// Somebody else's session may be open in this browser: the page is that of nobody all the same.
pub(super) fn of_nobody(visit: Visit) -> Visit {
    Visit {
        identity: None,
        csrf_token: None,
        ..visit
    }
}

/// Asks for the password once more, before what is dangerous.
pub(crate) async fn ask_again(visit: Visit) -> Result<Reply, Problem> {
    let path = |name| {
        let path = visit.query.get(name).and_then(local_path);
        (name, path.unwrap_or_default().to_owned())
    };
    let draft = Draft::new(forms::session::REAUTHENTICATE, [path("next"), path("form")]);
    Ok(ok(pages::reauthenticate::render(
        &frame(&visit).await,
        &draft,
    )))
}

pub(crate) async fn reauthenticate(visit: Visit) -> Result<Reply, Problem> {
    let mut draft = draft(&visit, forms::session::REAUTHENTICATE)?;
    if let Some(action) = forms::session::parse_reauthenticate(&mut draft) {
        match visit.control.act(&visit.caller, action).await {
            Ok(_) => return Ok(way_back(visit.require_identity()?, &draft)),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    let frame = frame(&visit).await;
    Ok(draft.reply(pages::reauthenticate::render(&frame, &draft)))
}

/// Back to where the person was: the page they asked for, or the page of the form that they sent.
pub(super) fn way_back(identity: &Identity, draft: &Draft) -> Reply {
    let opens = |path: &str| navigation::opens(identity.role, path);
    let page = local_path(draft.typed("form")).and_then(navigation::page_of_form);
    if let Some(page) = page.filter(|page| opens(page)) {
        return done(&page, Done::Proven);
    }
    let next = local_path(draft.typed("next")).filter(|next| opens(next));
    Reply::see_other(next.unwrap_or(navigation::home(identity.role)))
}

pub(crate) async fn sign_out(visit: Visit) -> Result<Reply, Problem> {
    visit.control.act(&visit.caller, Action::SignOut).await?;
    let path = format!("/sign-in?done={}", Done::SignedOut.word());
    Ok(Reply::see_other(&path).without_session())
}
