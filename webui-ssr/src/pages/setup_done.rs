//! After the setup: make devices trust the cell, then sign in.

use cell_control::view::RootCertificateView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::home;
use crate::parts::action::{Look, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, root: &RootCertificateView) -> Markup {
    let content = html! {
        p.lead { "The cell makes its own certificates. Install its root certificate on your devices once, and browsers stop warning." }
        (trust(root))
        div.buttons {
            @match &frame.identity {
                Some(identity) => (link(home(identity.role), "Go on", Look::Main)),
                None => (link("/sign-in", "Sign in", Look::Main)),
            }
        }
    };
    page(frame, &content)
}

/// The root certificate and how each kind of device comes to trust it.
pub(crate) fn trust(root: &RootCertificateView) -> Markup {
    html! {
        section {
            h2 { "Root certificate" }
            p { "Compare this fingerprint (SHA-256) with what your device shows before you trust it:" }
            p.fingerprint { (root.fingerprint) }
            div.buttons { a class=(Look::Plain.class()) href="/ca.pem" download="cell-root.pem" { "Download the certificate" } }
            @for (platform, steps) in PLATFORMS {
                details {
                    summary { (platform) }
                    ol { @for step in steps { li { (step) } } }
                }
            }
        }
    }
}

/// Steps by kind of device.
const PLATFORMS: [(&str, &[&str]); 5] = [
    (
        "iPhone and iPad",
        &[
            "Open the download in Safari and allow the profile.",
            "Settings, General, VPN & Device Management: install the profile.",
            "Settings, General, About, Certificate Trust Settings: switch it on.",
        ],
    ),
    (
        "Android",
        &[
            "Download the certificate.",
            "Settings, Security, Encryption & credentials, Install a certificate, CA certificate: choose the file.",
        ],
    ),
    (
        "Windows",
        &[
            "Rename the download so that it ends in .crt and open it.",
            "Install Certificate, Local Machine, Trusted Root Certification Authorities.",
        ],
    ),
    (
        "macOS",
        &[
            "Open the download: Keychain Access adds it to the login keychain.",
            "Double-click it there, open Trust, and choose Always Trust.",
        ],
    ),
    (
        "Linux and Firefox",
        &[
            "Debian, Ubuntu: put it into /usr/local/share/ca-certificates with the ending .crt and run update-ca-certificates.",
            "Fedora: trust anchor cell-root.pem.",
            "Firefox keeps its own list: Settings, Privacy & Security, View Certificates, Authorities, Import.",
        ],
    ),
];
