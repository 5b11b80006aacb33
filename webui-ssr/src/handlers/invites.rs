//! Invites: made by whoever runs the box, accepted by whoever holds the link.

use cell_control::action::{Action, Outcome};
use cell_control::ask;
use cell_control::invite::InvitedView;
use cell_control::query::{Invited, Network};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use cell_model::secret::Secret;

use super::sign_in::{of_nobody, session};
use super::{done, draft, frame, ok};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::pages;

const WELCOME: &str = "/account/welcome";

pub(crate) async fn new(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let usual = [
        ("role", "member".to_owned()),
        ("expires_in_s", "604800".to_owned()),
    ];
    let draft = Draft::new(forms::account::INVITE, usual);
    Ok(ok(pages::invite_new::render(&frame, &draft)))
}

/// Answers with the link, on a page that no cache keeps: the box forgets the code with this answer.
pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::account::INVITE)?;
    if let Some(action) = forms::account::parse_invite(&mut draft, &frame.clock) {
        match visit.control.act(&visit.caller, action).await {
            Ok(Outcome::Invited(made)) => {
                let path = format!("/invite?code={}", made.code.expose());
                let local = local_name(&visit).await;
                let local = local.map(|name| format!("https://{name}{}{path}", port(&visit)));
                let url = visit.url(&path);
                let page = pages::invite_shown::render(&frame, &made, &url, local.as_deref());
                return Ok(ok(page));
            }
            Ok(_) => return Err(Problem::internal()),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::invite_new::render(&frame, &draft)))
}

/// The name the box is found by at home, if whoever asks did not use it anyway.
async fn local_name(visit: &Visit) -> Option<String> {
    let network = ask(visit.control.as_ref(), &visit.caller, Network).await;
    let name = network.ok()?.local_name?;
    (!visit.authority.starts_with(&name)).then_some(name)
}

/// The port of whoever asks, with its colon; empty where it is the usual one.
fn port(visit: &Visit) -> &str {
    let host_end = visit.authority.rfind(']').unwrap_or(0);
    let port = visit.authority[host_end..].rfind(':');
    port.map_or("", |at| &visit.authority[host_end + at..])
}

pub(crate) async fn revoke(visit: Visit) -> Result<Reply, Problem> {
    let draft = draft(&visit, forms::account::REVOKE)?;
    let id = draft.typed("id").to_owned();
    visit
        .control
        .act(&visit.caller, Action::RevokeInvite { id })
        .await?;
    Ok(done("/people", Done::Removed))
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let code = visit.query.get("code").unwrap_or_default().to_owned();
    let mut draft = Draft::new(forms::account::ACCEPT, [("code", code.clone())]);
    let invited = match code.is_empty() {
        true => None,
        false => match invited(&visit, &code).await {
            Ok(invited) => Some(invited),
            Err(problem) => {
                draft.refuse(problem)?;
                None
            }
        },
    };
    let frame = frame(&of_nobody(visit)).await;
    Ok(draft.reply(pages::invited::render(&frame, &draft, invited.as_ref())))
}

pub(crate) async fn accept(visit: Visit) -> Result<Reply, Problem> {
    let mut draft = draft(&visit, forms::account::ACCEPT)?;
    if let Some(action) = forms::account::parse_accepted(&mut draft, visit.user_agent()) {
        match visit.control.act(&visit.caller, action).await {
            Ok(outcome) => return session(outcome, WELCOME),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    let code = draft.typed("code").to_owned();
    let invited = invited(&visit, &code).await.ok();
    let frame = frame(&of_nobody(visit)).await;
    Ok(draft.reply(pages::invited::render(&frame, &draft, invited.as_ref())))
}

async fn invited(visit: &Visit, code: &str) -> Result<InvitedView, Problem> {
    let code = Secret::new(code.to_owned());
    ask(visit.control.as_ref(), &visit.caller, Invited { code }).await
}
