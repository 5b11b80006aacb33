//! An app password goes: what happens then.

use cell_control::app_password::AppPasswordView;
use cell_model::name::Username;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::app_passwords_path;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page. `whose`: of somebody else.
pub(crate) fn render(
    frame: &Frame,
    whose: Option<&Username>,
    password: &AppPasswordView,
) -> Markup {
    let list = app_passwords_path(whose);
    let path = format!("{list}/{}/remove", cell_gate::form::encode(&password.id));
    let content = html! {
        p.lead { strong { (password.device) } " is refused from its next request on, in every service." }
        ul {
            li { "What it has fetched already stays on it." }
            li { "To let it in again, make a new app password." }
        }
        div.buttons {
            (button(frame, &path, "Remove the app password", Look::Danger, &[]))
            (link(&list, "Keep it", Look::Plain))
        }
    };
    page(frame, &content)
}
