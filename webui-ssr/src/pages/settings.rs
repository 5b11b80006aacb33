//! Who the box is.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;
use crate::parts::text::facts;

/// The page. Who may not change the settings reads them.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = if frame.may_post("/settings") {
        html! {
            p.lead { "You see what would happen before anything changes." }
            (form(frame, draft, "/settings", "Review"))
        }
    } else {
        let shown: Vec<(&str, Markup)> = draft
            .fields()
            .iter()
            .filter(|field| !matches!(field.kind, crate::forms::field::Kind::Hidden))
            .map(|field| (field.label, html! { (or_dash(draft.typed(field.name))) }))
            .collect();
        facts(&shown)
    };
    form_page(frame, draft, &content)
}

fn or_dash(value: &str) -> &str {
    if value.is_empty() { "–" } else { value }
}
