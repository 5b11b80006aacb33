//! A new device of one's own.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "Get the WireGuard app on the device first. The next page shows a code for it to scan, and a file. It is shown once." }
        (form(frame, draft, "/account/devices/new", "Add the device"))
    };
    form_page(frame, draft, &content)
}
