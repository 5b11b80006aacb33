//! A request that was refused: what happened, what it means, what to do next.

use cell_model::problem::Problem;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation;
use crate::parts::action::{Look, link};
use crate::parts::shell::answer;

/// The page.
pub(crate) fn render(frame: &Frame, problem: &Problem) -> Markup {
    let content = html! {
        p.quiet { "Error " (problem.status) " (" (problem.code) ")" }
        @if !problem.detail.is_empty() { p.lead { (problem.detail) } }
        @if !problem.errors.is_empty() {
            ul { @for error in &problem.errors { li { (error.field) " " (error.message) } } }
        }
        @if let Some(seconds) = problem.retry_after { p { "Try again in " (seconds) " seconds." } }
        div.buttons {
            @match frame.role() {
                Some(role) => (link(navigation::home(role), "To the start", Look::Main)),
                None if problem.status == 428 => (link("/setup", "To the setup", Look::Main)),
                None => (link("/sign-in", "Sign in", Look::Main)),
            }
            @if problem.status == 409 { (link("/", "Look again", Look::Plain)) }
        }
    };
    answer(frame, &problem.title, &content)
}
