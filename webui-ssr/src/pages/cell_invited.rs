//! An invite for another cell that was just made. It is shown this once, with its secret.

use cell_control::link::NewLinkInvite;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::shell::answer;
use crate::parts::text::{Weight, facts, notice, qr_figure, time};

/// The page.
pub(crate) fn render(frame: &Frame, made: &NewLinkInvite) -> Markup {
    let text = serde_json::to_string(&made.invite).unwrap_or_default();
    // A link and not a form: there is nothing to ask the box for again.
    let download = format!(
        "data:application/json;charset=utf-8,{}",
        cell_gate::form::encode(&text)
    );
    let warning = match made.view.auto_accept {
        true => "Whoever has it is linked at once: hand it to the other owner yourself.",
        false => "Whoever has it can ask to be linked: hand it to the other owner alone.",
    };
    let content = html! {
        (notice(Weight::Warning, &html! { p { strong { "This is shown once. " } (warning) } }))
        (facts(&[("Counts until", time(&frame.clock, made.view.expires_at))]))
        div.pair {
            (qr_figure(&text, "The invite: its text is what the other owner imports"))
            section {
                h2 { "As a file or text" }
                div.buttons { a class=(Look::Plain.class()) href=(download) download="invite.json" { "Download the file" } }
                details {
                    summary { "Show the text" }
                    div.scroll role="region" aria-label="The invite" tabindex="0" { pre { (text) } }
                }
                @if !made.view.auto_accept {
                    p { "Once it was imported, the other cell is listed here, with a code that both of you compare." }
                }
            }
        }
        div.buttons { (link("/cells", "Done", Look::Main)) }
    };
    answer(frame, "Invite for another cell", &content)
}
