//! Where new versions of the system come from, and when they are taken.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead {
            "Whatever the server is, the box takes only what is signed by keys that it trusts, is for its board, and is newer."
        }
        (form(frame, draft, "/system/updates", "Save"))
    };
    form_page(frame, draft, &content)
}
