//! One's own tokens of the interface.

use cell_control::action::{Action, Outcome};
use cell_control::api_token::ApiTokenView;
use cell_control::ask;
use cell_control::query::ApiTokens;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::{done, draft, frame, ok};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::pages;

const PAGE: &str = "/account/tokens";

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let tokens = own(&visit).await?;
    Ok(ok(pages::api_tokens::render(&frame, &tokens)))
}

pub(crate) async fn new(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = Draft::new(forms::api_token::NEW, []);
    Ok(ok(pages::api_token_new::render(&frame, &draft)))
}

/// Answers with the token, on a page that no cache keeps: the box forgets it with this answer.
pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = draft(&visit, forms::api_token::NEW)?;
    if let Some(action) = forms::api_token::parse(&mut draft, &frame.clock) {
        match visit.control.act(&visit.caller, action).await {
            Ok(Outcome::ApiTokenAdded(made)) => {
                let url = visit.url("/api/status");
                return Ok(ok(pages::api_token_shown::render(&frame, &made, &url)));
            }
            Ok(_) => return Err(Problem::internal()),
            Err(problem) => draft.refuse(problem)?,
        }
    }
    Ok(draft.reply(pages::api_token_new::render(&frame, &draft)))
}

pub(crate) async fn ask_remove(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let id = visit.param("id");
    let tokens = own(&visit).await?;
    let token = tokens.iter().find(|token| token.id == id);
    let token = token.ok_or_else(|| Problem::not_found("token of yours with this id"))?;
    Ok(ok(pages::api_token_remove::render(&frame, token)))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let id = visit.param("id").to_owned();
    visit
        .control
        .act(&visit.caller, Action::RemoveApiToken { id })
        .await?;
    Ok(done(PAGE, Done::Removed))
}

async fn own(visit: &Visit) -> Result<Vec<ApiTokenView>, Problem> {
    let tokens = ask(
        visit.control.as_ref(),
        &visit.caller,
        ApiTokens { username: None },
    )
    .await?;
    Ok(tokens.items)
}
