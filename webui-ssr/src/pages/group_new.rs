//! A new group.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "Choose on the page of a service which groups it is for." }
        (form(frame, draft, "/groups/new", "Add the group"))
    };
    form_page(frame, draft, &content)
}
