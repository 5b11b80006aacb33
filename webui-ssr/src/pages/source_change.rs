//! A source of services is to be another one.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "Another address is the same publisher at another place. Other keys are another publisher." }
        (form(frame, draft, &frame.path, "Review it"))
    };
    form_page(frame, draft, &content)
}
