//! The file of a device. With its private key it is shown this once: the box forgets the key with the page.

use cell_control::change::PeerReceipt;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::shell::answer;
use crate::parts::text::{Weight, notice, qr_figure};

/// The page. `path` is that of the device, `all` that of all of them.
pub(crate) fn render(frame: &Frame, receipt: &PeerReceipt, path: &str, all: &str) -> Markup {
    let name = receipt.peer.name.as_str();
    let file = receipt
        .config
        .as_ref()
        .map(|config| config.expose().as_str());
    let whole = file.is_some_and(|file| file.contains("PrivateKey"));
    let content = html! {
        @if whole {
            (notice(Weight::Warning, &html! {
                p { strong { "This is shown once. " } "The box does not keep the device's private key. Put the file on the device before you leave this page." }
            }))
        }
        @for note in &receipt.notes { (notice(Weight::Note, &html! { p { (note) } })) }
        @match file {
            Some(file) => (shown(name, file, whole)),
            None => p { "The device keeps the file it has." },
        }
        div.buttons {
            (link(path, "Done", Look::Main))
            (link(all, "All devices", Look::Plain))
        }
    };
    answer(frame, &format!("File for {name}"), &content)
}

fn shown(name: &str, file: &str, whole: bool) -> Markup {
    // A link and not a form: there is nothing to ask the box for again.
    let download = format!(
        "data:application/octet-stream;charset=utf-8,{}",
        cell_gate::form::encode(file)
    );
    html! {
        div.pair {
            @if whole { (qr_figure(file, &format!("Code for {name}: scan it with the WireGuard app"))) }
            section {
                h2 { "On another device" }
                p { "Import the file in the WireGuard app, or save it as /etc/wireguard/wg0.conf." }
                @if !whole { p { "Put the device's own private key in its place first." } }
                div.buttons { a class=(Look::Plain.class()) href=(download) download={ (name) ".conf" } { "Download the file" } }
                details open[!whole] {
                    summary { "Show the text" }
                    div.scroll role="region" aria-label="The file" tabindex="0" { pre { (file) } }
                }
            }
        }
    }
}
