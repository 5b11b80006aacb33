//! A new account.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "Tell them the first password. They choose their own when they sign in." }
        (form(frame, draft, "/people/new", "Add the person"))
    };
    form_page(frame, draft, &content)
}
