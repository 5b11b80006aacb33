//! What an account may do, until when, and what lets somebody in as it beside the password.

use cell_control::api_token::ApiTokenView;
use cell_control::passkey::PasskeyView;
use cell_control::view::AccountView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::forms::api_token::spoken;
use crate::frame::Frame;
use crate::navigation::person_path;
use crate::parts::action::{Look, button};
use crate::parts::form::form;
use crate::parts::list::table;
use crate::parts::shell::form_page;
use crate::parts::text::time;

/// An account, and what lets somebody in as it.
pub(crate) struct Access {
    /// It.
    pub(crate) account: AccountView,
    /// Its passkeys.
    pub(crate) passkeys: Vec<PasskeyView>,
    /// Tokens of its programs.
    pub(crate) tokens: Vec<ApiTokenView>,
}

/// The page.
pub(crate) fn render(frame: &Frame, access: &Access, draft: &Draft) -> Markup {
    let path = format!("{}/access", person_path(access.account.username.as_str()));
    let content = html! {
        p.lead { "It counts at once, for sessions that are open too. Devices of theirs lose access with them." }
        (form(frame, draft, &path, "Save"))
        @if !access.passkeys.is_empty() {
            section {
                h2 { "Passkeys" }
                (table("Passkeys", &["Name", "Since", "Change"], &passkeys(frame, &path, access)))
            }
        }
        @if !access.tokens.is_empty() {
            section {
                h2 { "Tokens" }
                (table("Tokens", &["For", "Good for", "Since", "Change"], &tokens(frame, &path, access)))
            }
        }
    };
    form_page(frame, draft, &content)
}

fn passkeys(frame: &Frame, path: &str, access: &Access) -> Vec<Vec<Markup>> {
    let row = |passkey: &PasskeyView| {
        let id = [("id", passkey.id.as_str())];
        vec![
            html! { (passkey.label) },
            time(&frame.clock, passkey.created_at),
            button(
                frame,
                &format!("{path}/passkey"),
                "End it",
                Look::Danger,
                &id,
            ),
        ]
    };
    access.passkeys.iter().map(row).collect()
}

fn tokens(frame: &Frame, path: &str, access: &Access) -> Vec<Vec<Markup>> {
    let row = |token: &ApiTokenView| {
        let id = [("id", token.id.as_str())];
        vec![
            html! { (token.label) },
            html! { @for scope in &token.scopes { (spoken(*scope)) br; } },
            time(&frame.clock, token.created_at),
            button(frame, &format!("{path}/token"), "End it", Look::Danger, &id),
        ]
    };
    access.tokens.iter().map(row).collect()
}
