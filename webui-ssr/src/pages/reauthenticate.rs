//! The password, once more. Pasting and password managers work.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::passkey::{script, use_one};
use crate::parts::shell::scripted_form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let carried = ["next", "form"].map(|name| (name, draft.typed(name)));
    let content = html! {
        p.lead { "What comes next decides what the box runs, or who may sign in." }
        @if let Some(identity) = &frame.identity {
            p { "You are signed in as " strong { (identity.username) } ". Your password counts for 15 minutes." }
        }
        (form(frame, draft, "/reauthenticate", "Go on"))
        (use_one(frame, "/reauthenticate/passkey", "Use a passkey", &carried))
    };
    scripted_form_page(frame, draft, &script(), &content)
}
