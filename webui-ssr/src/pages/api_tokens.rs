//! One's own tokens of the interface.

use cell_control::api_token::ApiTokenView;
use maud::{Markup, html};

use crate::forms::api_token::spoken;
use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::text::{empty, time, time_or};

/// The page.
pub(crate) fn render(frame: &Frame, tokens: &[ApiTokenView]) -> Markup {
    let add = link("/account/tokens/new", "Add a token", Look::Main);
    let rows: Vec<Vec<Markup>> = tokens.iter().map(|token| row(frame, token)).collect();
    let content = html! {
        p.lead { "For programs that act on your behalf, over the interface that " a href="/api/openapi.json" { "the description" } " tells about. Each can do what it is good for, and never what a password is asked for." }
        @if rows.is_empty() {
            (empty("You have no token.", &html! { div.buttons { (add) } }))
        } @else {
            div.buttons { (add) }
            (table("Tokens", &["For", "Good for", "Since", "Last used", "Ends", "Change"], &rows))
        }
    };
    page(frame, &content)
}

fn row(frame: &Frame, token: &ApiTokenView) -> Vec<Markup> {
    let id = cell_gate::form::encode(&token.id);
    vec![
        html! { (token.label) },
        html! { @for scope in &token.scopes { (spoken(*scope)) br; } },
        time(&frame.clock, token.created_at),
        match token.last_used {
            Some(day) => html! { time datetime=(day) { (day) } },
            None => html! { "Never" },
        },
        time_or(&frame.clock, token.expires_at, "Never"),
        html! { a href={ "/account/tokens/" (id) "/remove" } { "Remove that for " (token.label) } },
    ]
}
