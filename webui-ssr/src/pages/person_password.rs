//! A password set for somebody else.

use cell_model::name::Username;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::person_path;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, username: &Username, draft: &Draft) -> Markup {
    let path = format!("{}/password", person_path(username.as_str()));
    let content = html! {
        p.lead { "Their sessions, app passwords, tokens, passkeys and second factor end. They choose a password of their own when they sign in next." }
        p.quiet { "Their devices stay on the VPN: remove those that are not theirs on the page of devices." }
        (form(frame, draft, &path, "Set the password"))
    };
    form_page(frame, draft, &content)
}
