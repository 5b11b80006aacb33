//! A passkey goes: what happens then.

use cell_control::passkey::PasskeyView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, passkey: &PasskeyView) -> Markup {
    let id = cell_gate::form::encode(&passkey.id);
    let path = format!("/account/passkeys/{id}/remove");
    let content = html! {
        p.lead { strong { (passkey.label) } " signs nobody in any more." }
        ul {
            li { "Sessions that are open stay; end them in your account." }
            li { "The device keeps its key, which opens nothing then. Remove it there too, or it goes on offering it." }
        }
        div.buttons {
            (button(frame, &path, "Remove the passkey", Look::Danger, &[]))
            (link("/account/passkeys", "Keep it", Look::Plain))
        }
    };
    page(frame, &content)
}
