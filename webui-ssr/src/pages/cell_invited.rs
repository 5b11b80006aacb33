//! An invite for another cell that was just made. It is shown this once, with its secret.

use cell_control::link::NewLinkInvite;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, link};
use crate::parts::document::handed_over;
use crate::parts::shell::answer;
use crate::parts::text::{Weight, facts, notice, time};

/// The page.
pub(crate) fn render(frame: &Frame, made: &NewLinkInvite) -> Markup {
    let text = serde_json::to_string(&made.invite).unwrap_or_default();
    let warning = match made.view.auto_accept {
        true => "Whoever has it is linked at once: hand it to the other owner yourself.",
        false => "Whoever has it can ask to be linked: hand it to the other owner alone.",
    };
    let content = html! {
        (notice(Weight::Warning, &html! { p { strong { "This is shown once. " } (warning) } }))
        (facts(&[("Counts until", time(&frame.clock, made.view.expires_at))]))
        (handed_over(&text, "The invite: its text is what the other owner imports", "invite.json", &html! {
            @if !made.view.auto_accept {
                p { "Once it was imported, the other cell is listed here, with a code that both of you compare." }
            }
        }))
        div.buttons { (link("/cells", "Done", Look::Main)) }
    };
    answer(frame, "Invite for another cell", &content)
}
