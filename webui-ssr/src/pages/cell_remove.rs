//! A link ends: what happens then.

use cell_control::link::{LinkState, LinkView};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::cell_path;
use crate::parts::action::{Look, button, link as leads};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, link: &LinkView) -> Markup {
    let path = cell_path(&link.name);
    let content = html! {
        p.lead { strong { (link.name) } " is linked no more, on both sides." }
        ul {
            @if link.state == LinkState::Linked {
                li { "Its people reach nothing here any more, and yours nothing there." }
                li { "Names in " (link.domain) " are not found by way of it." }
                li { "If it is away now, it learns of the end within seven days, as soon as it is back." }
            }
            li { "To link again, one of you makes a new invite." }
        }
        div.buttons {
            (button(frame, &format!("{path}/remove"), "End the link", Look::Danger, &[]))
            (leads(&path, "Keep it", Look::Plain))
        }
    };
    page(frame, &content)
}
