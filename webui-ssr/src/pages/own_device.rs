//! A device of one's own.

use cell_control::view::PeerView;
use maud::{Markup, html};

use super::own_devices::way_out;
use super::peer::details;
use crate::frame::Frame;
use crate::navigation::own_peer_path;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;
use crate::parts::text::{Weight, facts, notice};

/// The page.
pub(crate) fn render(frame: &Frame, peer: &PeerView) -> Markup {
    let path = own_peer_path(peer.name.as_str());
    let mut about = details(frame, peer);
    about.push(("Way out", html! { (way_out(peer)) }));
    let content = html! {
        @if peer.reinstall_needed {
            (notice(Weight::Warning, &html! {
                p { "The device needs its file anew: what is in it has changed since it was last fetched." }
            }))
        }
        (facts(&about))
        section {
            h2 { "Its file" }
            p { "Lost the file, or using another phone? A new key makes a whole file again, and shuts out whoever has the old one." }
            div.buttons {
                (link(&format!("{path}/key"), "Make a new key", Look::Plain))
                (button(frame, &format!("{path}/file"), "Show the file without its key", Look::Plain, &[]))
            }
        }
        section {
            h2 { "Remove" }
            div.buttons { (link(&format!("{path}/remove"), "Remove this device", Look::Danger)) }
        }
    };
    page(frame, &content)
}
