//! What whoever has just come does first, in the order that works.

use cell_control::view::{PeerView, RootCertificateView, SessionsView};
use maud::{Markup, html};

use super::setup_done::trust;
use crate::frame::Frame;
use crate::navigation::home;
use crate::parts::action::{Look, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(
    frame: &Frame,
    root: &RootCertificateView,
    own: &SessionsView,
    devices: &[PeerView],
) -> Markup {
    let name = own.identity.username.as_str();
    let content = html! {
        p.lead { "You are in, " strong { (name) } ". Four things make the box yours; each can wait." }
        section {
            h2 { "1. Trust the box" }
            p { "Then this device stops warning about its pages." }
            (trust(root))
        }
        section {
            h2 { "2. Sign in safely" }
            @if own.second_factor.is_some() {
                p { "Your second factor is on." }
            } @else {
                p { "With a second factor, nobody gets in who only learns your password. With a passkey there is nothing to learn." }
                div.buttons {
                    (link("/account/second-factor", "Set up a second factor", Look::Plain))
                    (link("/account/passkeys", "Add a passkey", Look::Plain))
                }
            }
        }
        section {
            h2 { "3. Add your devices" }
            @if devices.is_empty() {
                p { "A phone or computer that you add reaches the box from anywhere." }
            } @else {
                p { "You have " (devices.len()) ". Add another, or look after them." }
            }
            div.buttons { (link("/account/devices", "My devices", Look::Plain)) }
        }
        section {
            h2 { "4. Use the services" }
            p { "Calendar, files and what else there is: each device gets a password of its own for them." }
            div.buttons {
                (link("/account/services", "How to use them", Look::Plain))
                (link("/account/app-passwords", "App passwords", Look::Plain))
            }
        }
        div.buttons { (link(home(own.identity.role), "Done", Look::Main)) }
    };
    page(frame, &content)
}
