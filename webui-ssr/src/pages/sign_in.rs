//! Signing in. Pasting and password managers work.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::passkey::{script, use_one};
use crate::parts::shell::scripted_form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        (form(frame, draft, "/sign-in", "Sign in"))
        (use_one(frame, "/sign-in/passkey", "Use a passkey", &[("next", draft.typed("next"))]))
        details {
            summary { "I cannot sign in" }
            p { "An owner can set a new password for you. An owner who has lost theirs sets one at the box itself:" }
            pre { "cellctl reset-password NAME" }
            p { "The browser warns about the certificate until the device trusts the cell: " a href="/setup/done" { "how to do that" } "." }
        }
    };
    scripted_form_page(frame, draft, &script(), &content)
}
