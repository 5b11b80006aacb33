//! A new invite.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "They get a link, and choose a password that nobody else knows. Then they set up a second factor and their devices themselves." }
        (form(frame, draft, "/people/invite", "Make the invite"))
    };
    form_page(frame, draft, &content)
}
