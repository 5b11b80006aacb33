//! A new device.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "The next page shows a file for the device's WireGuard app, as a code to scan and as a download. It is shown once." }
        (form(frame, draft, "/peers/new", "Add the device"))
    };
    form_page(frame, draft, &content)
}
