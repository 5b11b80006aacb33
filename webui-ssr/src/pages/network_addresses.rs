//! Addresses of the interfaces.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "A wrong address can cut you off. So you see first what would happen, and afterwards the change returns by itself unless you confirm it." }
        (form(frame, draft, "/network/addresses", "Review"))
    };
    form_page(frame, draft, &content)
}
