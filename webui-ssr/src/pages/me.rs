//! What a member sees of the box.

use cell_control::view::RootCertificateView;
use maud::{Markup, html};

use super::setup_done::trust;
use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::shell::page;
use crate::parts::text::facts;

/// The page.
pub(crate) fn render(frame: &Frame, root: &RootCertificateView) -> Markup {
    let name = frame
        .identity
        .as_ref()
        .map(|identity| identity.username.as_str());
    let content = html! {
        (facts(&[
            ("Signed in as", html! { (name.unwrap_or_default()) }),
            ("Role", html! { "member" }),
        ]))
        p { "Whoever runs the box adds your devices to it. Ask them for the code to scan." }
        (trust(root))
        div.buttons {
            (link("/account", "My account", Look::Plain))
            (link("/account/app-passwords", "App passwords", Look::Plain))
        }
    };
    page(frame, &content)
}
