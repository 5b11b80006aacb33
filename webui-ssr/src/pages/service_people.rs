//! Who may use a service.

use cell_control::view::ServiceView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::service_path;
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, service: &ServiceView, draft: &Draft) -> Markup {
    let path = format!("{}/people", service_path(&service.id));
    let content = html! {
        p.lead { "It counts at once: app passwords of others open " strong { (service.name) } " no more, and what they keep in it stays." }
        p { a href="/groups" { "Groups" } }
        (form(frame, draft, &path, "Save"))
    };
    form_page(frame, draft, &content)
}
