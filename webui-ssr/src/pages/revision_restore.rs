//! Earlier settings come back: what happens then.

use cell_control::change::Preview;
use cell_control::view::RevisionView;
use maud::{Markup, html};

use super::review::preview_of;
use crate::frame::Frame;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, revision: &RevisionView, preview: &Preview) -> Markup {
    let path = format!("/revisions/{}", revision.number);
    let content = html! {
        p.lead { "The settings become what they were after: " (revision.summary) "." }
        ul {
            li { "Everything that was changed since is undone, devices included. It stays in the history." }
            li { "Accounts, sessions and the audit stay as they are." }
            li { "Keys of devices that were removed are gone for good: such a device needs a new one." }
        }
        (preview_of(preview))
        div.buttons {
            @if !preview.changes_nothing {
                (button(frame, &format!("{path}/restore"), "Bring these settings back", Look::Danger, &[]))
            }
            (link(&path, "Keep the present ones", Look::Plain))
        }
    };
    page(frame, &content)
}
