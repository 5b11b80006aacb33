//! One group.

use cell_control::view::GroupView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::{group_path, service_path};
use crate::parts::action::{Look, button};
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, group: &GroupView, draft: &Draft) -> Markup {
    let path = group_path(&group.name);
    let content = html! {
        (form(frame, draft, &path, "Save"))
        section {
            h2 { "Remove" }
            @if group.services.is_empty() {
                p { "No service is for it: nobody loses anything." }
                div.buttons { (button(frame, &format!("{path}/remove"), "Remove the group", Look::Danger, &[])) }
            } @else {
                p { "Services are for it. Choose other groups there first:" }
                ul { @for id in &group.services { li { a href=(service_path(id)) { (id) } } } }
            }
        }
    };
    form_page(frame, draft, &content)
}
