//! What a removed service has kept is to go: what happens then.

use cell_control::view::KeptDataView;
use maud::{Markup, html};

use super::service_details::size;
use crate::frame::Frame;
use crate::navigation::service_path;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, data: &KeptDataView) -> Markup {
    let content = html! {
        p.lead { strong { (data.name) } " was removed, and what people have put there was kept: " (size(data.data_bytes)) "." }
        ul {
            li { "Deleted, it is gone for good: neither installing the service again nor going back to an earlier revision brings it back." }
            li { "Kept, the service goes on with it when it is installed again." }
        }
        div.buttons {
            (button(frame, &format!("{}/data", service_path(&data.id)), "Delete it", Look::Danger, &[]))
            (link("/services", "Keep it", Look::Plain))
        }
    };
    page(frame, &content)
}
