//! A device goes: what happens then.

use cell_control::view::PeerView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page. `path` is that of the device.
pub(crate) fn render(frame: &Frame, peer: &PeerView, path: &str) -> Markup {
    let content = html! {
        p.lead { strong { (peer.name) } " is cut off at once." }
        ul {
            li { "Its file stops working, and with it " (peer.address) " and " (peer.address6) "." }
            li { "The name " (peer.label) " is free again." }
            li { "Nothing on the device itself changes. To let it in again, add it anew." }
        }
        div.buttons {
            (button(frame, &format!("{path}/remove"), "Remove the device", Look::Danger, &[]))
            (link(path, "Keep it", Look::Plain))
        }
    };
    page(frame, &content)
}
