//! The second half of signing in: a code.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        (form(frame, draft, "/sign-in/code", "Sign in"))
        details {
            summary { "I do not have the phone" }
            p { "Enter one of your recovery codes instead. Without any, an owner can set a new password for you, which ends the second factor too." }
        }
        p { a href="/sign-in" { "Sign in as somebody else" } }
    };
    form_page(frame, draft, &content)
}
