//! A new key for a device, before it is made.

use cell_control::view::PeerView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page. `path` is that of the device.
pub(crate) fn render(frame: &Frame, peer: &PeerView, path: &str) -> Markup {
    let content = html! {
        p.lead { "The box makes a new key for the device and shows a whole file once." }
        ul {
            li { "The file that " strong { (peer.name) } " has now stops working at once." }
            li { "Its name, addresses and access stay." }
        }
        div.buttons {
            (button(frame, &format!("{path}/key"), "Make a new key", Look::Danger, &[]))
            (link(path, "Keep the key", Look::Plain))
        }
    };
    page(frame, &content)
}
