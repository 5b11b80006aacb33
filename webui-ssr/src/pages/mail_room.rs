//! How much mail people may keep.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "What one person may keep on the box, all folders together." }
        p { "A mailbox that is full takes no more: what is sent to it is refused until something is deleted. Less room deletes nothing." }
        (form(frame, draft, "/mail/room", "Save"))
    };
    form_page(frame, draft, &content)
}
