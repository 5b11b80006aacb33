//! A new passkey.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::action::{Look, token};
use crate::parts::form::{fields, summary};
use crate::parts::passkey::{says, script};
use crate::parts::shell::scripted_form_page;
use crate::parts::text::{Weight, notice};

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "Your device asks for your finger, your face or a PIN, and keeps a key that it uses for this box alone." }
        div #passkey-without {
            (notice(Weight::Note, &html! {
                p { "This browser cannot do that, or JavaScript is off. Your password and a second factor do without." }
            }))
        }
        (summary(draft))
        div hidden {
            form.stack method="post" action="/account/passkeys/new" data-passkey="make" data-ask="/api/auth/passkey-offer" {
                (token(frame))
                (fields(draft, draft.fields()))
                div.buttons { button class=(Look::Main.class()) { "Make the passkey" } }
                (says())
            }
        }
    };
    scripted_form_page(frame, draft, &script(), &content)
}
