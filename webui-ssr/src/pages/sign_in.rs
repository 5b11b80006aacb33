//! Signing in. Pasting and password managers work.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        (form(frame, draft, "/sign-in", "Sign in"))
        details {
            summary { "I cannot sign in" }
            p { "An owner can set a new password for you. An owner who has lost theirs sets one at the box itself:" }
            pre { "cellctl reset-password NAME" }
            p { "The browser warns about the certificate until the device trusts the cell: " a href="/setup/done" { "how to do that" } "." }
        }
    };
    form_page(frame, draft, &content)
}
