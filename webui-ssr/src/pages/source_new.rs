//! A new source of services.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;
use crate::parts::text::{Weight, notice};

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "A folder on somebody's server or on a USB stick, with services that their publisher has signed." }
        (notice(Weight::Warning, &html! {
            p { strong { "Adding a source is trusting its publisher. " } "Whoever has their keys decides what its services do with what you give them." }
        }))
        (form(frame, draft, "/sources/new", "Review it"))
    };
    form_page(frame, draft, &content)
}
