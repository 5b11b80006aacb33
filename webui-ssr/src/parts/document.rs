//! A document that one person hands to another: as a QR code, as a file, as text.

use cell_gate::form::encode;
use maud::{Markup, html};

use super::action::Look;
use super::text::qr_figure;

/// Shows it, and what is to be known of it beside it.
pub(crate) fn handed_over(text: &str, label: &str, file_name: &str, beside: &Markup) -> Markup {
    // A link and not a form: there is nothing to ask the box for again.
    let download = format!("data:application/json;charset=utf-8,{}", encode(text));
    html! {
        div.pair {
            (qr_figure(text, label))
            section {
                h2 { "As a file or text" }
                div.buttons { a class=(Look::Plain.class()) href=(download) download=(file_name) { "Download the file" } }
                details {
                    summary { "Show the text" }
                    div.scroll role="region" aria-label=(label) tabindex="0" { pre { (text) } }
                }
                (beside)
            }
        }
    }
}
