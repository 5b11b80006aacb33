//! Going to the version in the other slot: what happens then.

use cell_control::view::FirmwareView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, firmware: &FirmwareView) -> Markup {
    let content = html! {
        p.lead { "The version in the other slot is tried at the next start." }
        ul {
            li { "Nothing happens before you restart the box." }
            li { "What was set up and changed stays. A version that cannot read it does not come up." }
            li { "Should it not get well, the box comes back to version " (firmware.version) " by itself." }
        }
        div.buttons {
            (button(frame, "/system/other", "Try the other version", Look::Main, &[]))
            (link("/system", "Stay with this one", Look::Plain))
        }
    };
    page(frame, &content)
}
