//! A token goes: what happens then.

use cell_control::api_token::ApiTokenView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, token: &ApiTokenView) -> Markup {
    let id = cell_gate::form::encode(&token.id);
    let path = format!("/account/tokens/{id}/remove");
    let content = html! {
        p.lead { "Whatever uses the token for " strong { (token.label) } " is refused from its next request on." }
        div.buttons {
            (button(frame, &path, "Remove the token", Look::Danger, &[]))
            (link("/account/tokens", "Keep it", Look::Plain))
        }
    };
    page(frame, &content)
}
