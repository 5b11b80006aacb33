//! A way out goes: what happens then, or who has it still.

use cell_control::connection::ConnectionView;
use maud::{Markup, html};

use super::exit::NAMED;
use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::{exit_path, peer_path};
use crate::parts::action::{Look, button, link};
use crate::parts::form::summary;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, connection: &ConnectionView, draft: &Draft) -> Markup {
    let path = exit_path(connection.id);
    let more = connection.peers.len().saturating_sub(NAMED);
    let content = html! {
        (summary(draft))
        @if connection.peers.is_empty() {
            p.lead { strong { (connection.name) } " is no way out any more." }
            ul {
                li { "No device has it, so nobody's internet changes." }
                li { "Its settings are forgotten, and its password or keys with them." }
                li { "To have it again, add it anew." }
            }
            div.buttons {
                (button(frame, &format!("{path}/remove"), "Remove the way out", Look::Danger, &[]))
                (link(&path, "Keep it", Look::Plain))
            }
        } @else {
            p.lead { strong { (connection.name) } " cannot be removed as long as devices have it." }
            p { "Give them another way out first, each on its page:" }
            ul {
                @for peer in connection.peers.iter().take(NAMED) { li { a href=(peer_path(peer.as_str())) { (peer) } } }
                @if more > 0 { li { "and " (more) " more" } }
            }
            div.buttons { (link(&path, "Back to the way out", Look::Plain)) }
        }
    };
    form_page(frame, draft, &content)
}
