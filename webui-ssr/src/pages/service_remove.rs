//! A service goes: what happens then.

use cell_control::view::ServiceView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::service_path;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, service: &ServiceView) -> Markup {
    let page_path = service_path(&service.id);
    let content = html! {
        p.lead { strong { (service.name) } " ends at once, for everybody." }
        ul {
            li { "With its data kept, it goes on where it was when it is installed again." }
            li { "With its data deleted, everything that people have put there is gone for good." }
        }
        div.buttons {
            (button(frame, &format!("{page_path}/remove"), "Remove it, keep its data", Look::Main, &[]))
            (button(frame, &format!("{page_path}/delete"), "Remove it and delete its data", Look::Danger, &[]))
            (link(&page_path, "Do nothing", Look::Plain))
        }
    };
    page(frame, &content)
}
