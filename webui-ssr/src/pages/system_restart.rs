//! The box restarts: what happens then.

use cell_control::view::{FirmwareView, UpdateState};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, firmware: &FirmwareView) -> Markup {
    let content = html! {
        p.lead { "Names, the VPN and this page are away for a minute or two." }
        ul {
            @if firmware.update.state == UpdateState::Ready {
                li {
                    "Version " (firmware.update.version.as_deref().unwrap_or("in the other slot"))
                    " is tried. Changes wait until it has proven itself."
                }
                li { "Should it not get well, the box comes back to version " (firmware.version) " by itself." }
            } @else {
                li { "Version " (firmware.version) " starts again." }
            }
        }
        div.buttons {
            (button(frame, "/system/restart", "Restart now", Look::Danger, &[]))
            (link("/system", "Not now", Look::Plain))
        }
    };
    page(frame, &content)
}
