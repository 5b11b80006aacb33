//! The second factor of one's own account.

use cell_control::action::{Action, Outcome};
use cell_control::ask;
use cell_control::query::Sessions;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::{done, draft, frame, ok};
use crate::done::Done;
use crate::forms::{self, Draft};
use crate::pages;

const PAGE: &str = "/account/second-factor";

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let own = ask(visit.control.as_ref(), &visit.caller, Sessions).await?;
    let factor = own.second_factor.as_ref();
    Ok(ok(pages::second_factor::render(&frame, factor)))
}

/// Answers with what an app has to know, which is shown this once.
pub(crate) async fn offer(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let action = Action::OfferSecondFactor;
    match visit.control.act(&visit.caller, action).await? {
        Outcome::SecondFactorOffered(offered) => {
            let draft = Draft::new(forms::session::CODE, []);
            let page = pages::second_factor_new::render(&frame, &draft, Some(&offered));
            Ok(ok(page))
        }
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn ask_code(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = Draft::new(forms::session::CODE, []);
    Ok(ok(pages::second_factor_new::render(&frame, &draft, None)))
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let mut draft = draft(&visit, forms::session::CODE)?;
    if let Some(code) = forms::session::parse_code(&mut draft) {
        let action = Action::AddSecondFactor { code };
        match visit.control.act(&visit.caller, action).await {
            Ok(outcome) => return codes(&visit, outcome).await,
            Err(problem) => draft.refuse(problem)?,
        }
    }
    let frame = frame(&visit).await;
    Ok(draft.reply(pages::second_factor_new::render(&frame, &draft, None)))
}

pub(crate) async fn renew(visit: Visit) -> Result<Reply, Problem> {
    let action = Action::RenewRecoveryCodes;
    let outcome = visit.control.act(&visit.caller, action).await?;
    codes(&visit, outcome).await
}

async fn codes(visit: &Visit, outcome: Outcome) -> Result<Reply, Problem> {
    match outcome {
        Outcome::RecoveryCodes(codes) => {
            let frame = frame(visit).await;
            Ok(ok(pages::recovery_codes::render(&frame, &codes)))
        }
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    visit
        .control
        .act(&visit.caller, Action::RemoveSecondFactor)
        .await?;
    Ok(done(PAGE, Done::Removed))
}
