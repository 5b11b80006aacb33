//! One's own new password.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "Other sessions of yours end. This one stays, and so do your app passwords, passkeys, tokens and devices." }
        p {
            "If somebody else knew your password, look whether they left something of theirs: "
            a href="/account/passkeys" { "passkeys" } ", " a href="/account/tokens" { "tokens" } ", "
            a href="/account/app-passwords" { "app passwords" } ", " a href="/account/devices" { "devices" } "."
        }
        (form(frame, draft, "/account/password", "Change the password"))
    };
    form_page(frame, draft, &content)
}
