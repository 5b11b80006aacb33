//! Who gets what is sent to an address that nobody has.

use cell_control::mail::MailView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, mail: &MailView, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "What is sent to an address at " (mail.domain) " that nobody has, because somebody mistyped it or guesses." }
        p { "Whoever gets it gets a lot of spam with it. Refused, it does not get lost: whoever sent it is told." }
        (form(frame, draft, "/mail/rest", "Save"))
    };
    form_page(frame, draft, &content)
}
