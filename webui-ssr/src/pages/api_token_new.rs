//! A new token of the interface.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "The next page shows the token, once. Give it no more than the program needs." }
        (form(frame, draft, "/account/tokens/new", "Make the token"))
    };
    form_page(frame, draft, &content)
}
