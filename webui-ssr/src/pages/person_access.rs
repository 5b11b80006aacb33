//! What an account may do, and until when.

use cell_control::view::AccountView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::person_path;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, account: &AccountView, draft: &Draft) -> Markup {
    let path = format!("{}/access", person_path(account.username.as_str()));
    let content = html! {
        p.lead { "It counts at once, for sessions that are open too. Devices of theirs lose access with them." }
        (form(frame, draft, &path, "Save"))
    };
    form_page(frame, draft, &content)
}
