//! An account goes: what happens then.

use cell_model::name::Username;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::person_path;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, username: &Username) -> Markup {
    let path = format!("{}/remove", person_path(username.as_str()));
    let content = html! {
        p.lead { strong { (username) } " cannot sign in any more, and their sessions and app passwords end at once." }
        ul {
            li { "Their devices are cut off at once, and removed. Devices of the household stay." }
            li { "What they did stays in the audit." }
            li { "What they keep in services stays there, under their name: whoever gets an account of that name finds it." }
        }
        div.buttons {
            (button(frame, &path, "Remove the account", Look::Danger, &[]))
            (link("/people", "Keep it", Look::Plain))
        }
    };
    page(frame, &content)
}
