//! Built-in parts and how they are.

use cell_control::view::StatusView;
use maud::{Markup, html};

use super::overview::parts_table;
use crate::frame::Frame;
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, status: &StatusView) -> Markup {
    page(
        frame,
        &html! {
            p.lead { "What the box is made of. Each part can be tested, read about in the log and started anew." }
            (parts_table(frame, status))
        },
    )
}
