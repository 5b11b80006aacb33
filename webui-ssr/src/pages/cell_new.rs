//! An invite of another cell's is imported.

use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, draft: &Draft) -> Markup {
    let content = html! {
        p.lead { "Paste the invite that the other owner gave you. This cell calls the other one, and both show a code if there is one to compare." }
        p { "If you have made the invite, and the other box cannot reach this one, paste here what its owner gave you back: this cell then calls theirs." }
        (form(frame, draft, "/cells/new", "Link the cells"))
    };
    form_page(frame, draft, &content)
}
