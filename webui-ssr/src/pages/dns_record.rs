//! A new record.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "A name of your own in the cell's domain, for something that is no device of the VPN: a printer, a camera." }
        (form(frame, draft, "/dns/records/new", "Add the record"))
    };
    form_page(frame, draft, &content)
}
