//! How mail leaves the box.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "Most connections at home cannot bring mail to others by themselves. A provider that does it for the box is the answer then." }
        ul {
            li { "Such a provider is often called a relay, an SMTP relay or a smart host. Where you have your domain, or a mailbox, you may have one already." }
            li { "It has to let you send from addresses of your domain, and says which DNS records it wants for that." }
            li { "It can read everything you send. Mail that comes in does not go through it." }
        }
        (form(frame, draft, "/mail/delivery", "Save"))
    };
    form_page(frame, draft, &content)
}
