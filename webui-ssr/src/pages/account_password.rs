//! One's own new password.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "Other sessions of yours end. This one stays, and so do your app passwords." }
        (form(frame, draft, "/account/password", "Change the password"))
    };
    form_page(frame, draft, &content)
}
