//! A new invite for another cell.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "The other owner imports it on their box. It is good for one cell, once. A router before this box has to pass on the VPN's port, UDP and TCP." }
        (form(frame, draft, "/cells/invite", "Make the invite"))
    };
    form_page(frame, draft, &content)
}
