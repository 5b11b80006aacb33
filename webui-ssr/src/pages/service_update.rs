//! A service is to become a newer one: what that means.

use cell_control::view::{ServiceUpdateView, ServiceView};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::service_path;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, service: &ServiceView) -> Markup {
    let page_path = service_path(&service.id);
    let path = format!("{page_path}/update");
    let content = html! {
        @match &service.update {
            Some(update) => { (offer(frame, service, update, &path)) }
            None => {
                p.lead { strong { (service.name) } " is at version " (service.version) ", the newest the box knows of." }
                div.buttons { (link(&page_path, "Back", Look::Plain)) }
            }
        }
    };
    page(frame, &content)
}

fn offer(frame: &Frame, service: &ServiceView, update: &ServiceUpdateView, path: &str) -> Markup {
    html! {
        p.lead { strong { (service.name) } " becomes version " (update.version) " instead of " (service.version) "." }
        ul {
            li { "It goes on as it is until the new version is here: that may have to be fetched first." }
            li { "The new version works on a copy of its data. That takes as long as copying does, and room on the disk." }
            li { "Nobody reaches it from then on until that is well: its address answers that it is away, and devices try again by themselves." }
            li { "If it does not get well, it becomes what it was, with the data it had." }
        }
        div.buttons {
            (button(frame, path, "Update it", Look::Main, &[]))
            (link(&service_path(&service.id), "Do nothing", Look::Plain))
        }
    }
}
