//! One's own account and sessions.

use cell_control::view::{SessionView, SessionsView};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button, link};
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::text::{Weight, facts, notice, time};

/// The page.
pub(crate) fn render(frame: &Frame, view: &SessionsView) -> Markup {
    let rows: Vec<Vec<Markup>> = view
        .sessions
        .iter()
        .map(|session| row(frame, session))
        .collect();
    let content = html! {
        @if view.must_change_password {
            (notice(Weight::Warning, &html! {
                p { "Your password was set by somebody else. " a href="/account/password" { "Choose one of your own" } "." }
            }))
        }
        (facts(&[
            ("Name", html! { (view.identity.username) }),
            ("Role", html! { (view.identity.role.as_str()) }),
            ("Second factor", html! { @if view.second_factor.is_some() { "On" } @else { "Off" } }),
        ]))
        div.buttons {
            (link("/account/password", "Change the password", Look::Plain))
            (link("/account/second-factor", "Second factor", Look::Plain))
            (link("/account/passkeys", "Passkeys", Look::Plain))
            (link("/account/app-passwords", "App passwords", Look::Plain))
            (link("/account/tokens", "Tokens", Look::Plain))
            (link("/account/devices", "My devices", Look::Plain))
            (link("/account/services", "My services", Look::Plain))
            (link("/account/mail", "My mail", Look::Plain))
            (button(frame, "/sign-out", "Sign out", Look::Plain, &[]))
        }
        section {
            h2 { "Where you are signed in" }
            (table("Sessions", &["Browser", "From", "Since", "Change"], &rows))
        }
    };
    page(frame, &content)
}

fn row(frame: &Frame, session: &SessionView) -> Vec<Markup> {
    let browser = if session.user_agent.is_empty() {
        "Unknown"
    } else {
        session.user_agent.as_str()
    };
    vec![
        html! { span.value { (browser) } },
        match session.address {
            Some(address) => html! { (address) },
            None => html! { "The box itself" },
        },
        time(&frame.clock, session.created_at),
        if session.current {
            html! { "This session" }
        } else {
            button(
                frame,
                "/account/sessions/end",
                "End it",
                Look::Plain,
                &[("id", &session.id)],
            )
        },
    ]
}
