//! What a member sees of the box.

use cell_control::view::{OwnServiceView, PeerView, RootCertificateView};
use maud::{Markup, html};

use super::peers::connection;
use super::setup_done::trust;
use crate::frame::Frame;
use crate::navigation::own_peer_path;
use crate::parts::action::{Look, link};
use crate::parts::shell::page;
use crate::parts::text::facts;

/// The page.
pub(crate) fn render(
    frame: &Frame,
    root: &RootCertificateView,
    devices: &[PeerView],
    services: &[OwnServiceView],
) -> Markup {
    let name = frame
        .identity
        .as_ref()
        .map(|identity| identity.username.as_str());
    let content = html! {
        (facts(&[
            ("Signed in as", html! { (name.unwrap_or_default()) }),
            ("Role", html! { "member" }),
        ]))
        section {
            h2 { "My devices" }
            @if devices.is_empty() {
                p { "None yet. A phone or computer that you add reaches the box from anywhere." }
            } @else {
                ul {
                    @for peer in devices {
                        li { a href=(own_peer_path(peer.name.as_str())) { (peer.name) } " " (connection(frame, peer)) }
                    }
                }
            }
            div.buttons { (link("/account/devices", "My devices", Look::Plain)) }
        }
        section {
            h2 { "My services" }
            @if services.is_empty() {
                p { "There is no service yet." }
            } @else {
                ul {
                    @for service in services {
                        li {
                            (service.name)
                            @if let Some(url) = service.urls.first() { ": " a href=(url) { (url) } }
                        }
                    }
                }
            }
            div.buttons {
                (link("/account/services", "How to use them", Look::Plain))
                @if services.iter().any(|service| service.mail.is_some()) {
                    (link("/account/mail", "My mail", Look::Plain))
                }
                (link("/account/app-passwords", "App passwords", Look::Plain))
            }
        }
        (trust(root))
        div.buttons { (link("/account", "My account", Look::Plain)) }
    };
    page(frame, &content)
}
