//! Whether the audit's chain holds.

use cell_control::view::AuditVerifyView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::icon::Icon;
use crate::parts::shell::page;
use crate::parts::state::labelled;

/// The page.
pub(crate) fn render(frame: &Frame, verified: &AuditVerifyView) -> Markup {
    let content = html! {
        p.figure {
            @if verified.ok { (labelled("ok", Icon::Tick, "The chain holds")) }
            @else { (labelled("failed", Icon::Cross, "The chain is broken")) }
        }
        @match verified.broken_at {
            Some(number) => p { "Record " (number) " does not fit the one before it: it was changed, or one was taken out. Keep a copy of the disk before anything else." },
            None => p { (verified.records) " records were checked, from the first to the newest." },
        }
        div.buttons { (link("/audit", "Back to the audit", Look::Plain)) }
    };
    page(frame, &content)
}
