//! A token that was just made. It is shown this once: the box keeps only what it hashes to.

use cell_control::api_token::NewApiToken;
use maud::{Markup, html};

use crate::forms::api_token::spoken;
use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::shell::answer;
use crate::parts::text::{Weight, facts, notice, time_or};

/// The page. `url` is one that a program may try.
pub(crate) fn render(frame: &Frame, made: &NewApiToken, url: &str) -> Markup {
    let token = &made.api_token;
    let content = html! {
        (notice(Weight::Warning, &html! {
            p { strong { "This is shown once. " } "Give it to the program before you leave this page." }
        }))
        (facts(&[
            ("For", html! { (token.label) }),
            ("Good for", html! { @for scope in &token.scopes { (spoken(*scope)) br; } }),
            ("Ends", time_or(&frame.clock, token.expires_at, "Never")),
        ]))
        section {
            h2 { "Token" }
            div.scroll role="region" aria-label="The token" tabindex="0" { pre { (made.secret.expose()) } }
            p { "Programs send it with each request:" }
            div.scroll role="region" aria-label="An example" tabindex="0" { pre { "curl -H 'Authorization: Bearer TOKEN' " (url) } }
        }
        div.buttons { (link("/account/tokens", "Done", Look::Main)) }
    };
    answer(frame, &format!("Token for {}", token.label), &content)
}
