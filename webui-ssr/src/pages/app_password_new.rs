//! A new app password.

use cell_model::name::Username;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::app_passwords_path;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page. `whose`: for somebody else.
pub(crate) fn render(frame: &Frame, whose: Option<&Username>, draft: &Draft) -> Markup {
    let path = format!("{}/new", app_passwords_path(whose));
    let content = html! {
        p.lead { "The box makes the password. The next page shows it, once, to be typed into the device." }
        (form(frame, draft, &path, "Make the password"))
    };
    form_page(frame, draft, &content)
}
