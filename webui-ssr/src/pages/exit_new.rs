//! A new way out.

use cell_control::connection::ConnectionType;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;
use crate::parts::text::{Weight, notice};

/// The page.
pub(crate) fn render(frame: &Frame, kind: ConnectionType, draft: &Draft) -> Markup {
    let content = html! {
        @match kind {
            ConnectionType::Proxy => {
                p.lead { "A proxy of your work or of a provider. Nobody leaves by it until you choose it on the page of a device." }
                (notice(Weight::Note, &not_encrypted()))
                (form(frame, draft, "/exits/new/proxy", "Add the proxy"))
            },
            ConnectionType::WireguardExt => {
                p.lead { "A tunnel of a VPN provider, or of another network of yours, by which devices reach the internet. Nobody leaves by it until you choose it on the page of a device." }
                (notice(Weight::Note, &html! {
                    p { "The provider gives you a file with the ending .conf for it: open it with a text editor, and paste all of its text here. Every file is for one box alone. One that would run programs is refused." }
                }))
                (form(frame, draft, "/exits/new/wireguard", "Add the tunnel"))
            },
        }
    };
    form_page(frame, draft, &content)
}

/// What a proxy does not do.
pub(super) fn not_encrypted() -> Markup {
    html! {
        p { "Neither SOCKS5 nor HTTP is encrypted on the way to the proxy. Whoever carries your packets there can read the password, the names of what is reached, and all that programs do not encrypt themselves. The proxy hides where you are from those you speak with, and nothing from those in between." }
    }
}
