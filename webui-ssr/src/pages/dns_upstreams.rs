//! The servers asked for everything that is not the cell's own.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "When one does not answer, the next is asked." }
        (form(frame, draft, "/dns/upstreams", "Save"))
    };
    form_page(frame, draft, &content)
}
