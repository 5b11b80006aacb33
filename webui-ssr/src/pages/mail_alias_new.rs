//! A new further address.

use cell_control::mail::MailView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, mail: &MailView, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "Another address at " (mail.domain) ", for one person or for several: a second name, a family, a club." }
        p { "People here who get its mail may also write under it." }
        (form(frame, draft, "/mail/aliases/new", "Add the address"))
    };
    form_page(frame, draft, &content)
}
