//! What a service asks, to be answered anew.

use cell_control::view::ServiceView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::service_path;
use crate::parts::action::{Look, button, link};
use crate::parts::form::form;
use crate::parts::shell::form_page;
use crate::parts::text::empty;

/// The page.
pub(crate) fn render(frame: &Frame, service: &ServiceView, draft: &Draft) -> Markup {
    let page_path = service_path(&service.id);
    let path = format!("{page_path}/settings");
    let is_as_it_came = service.settings.iter().all(|setting| setting.is_default);
    let content = html! {
        @if draft.fields().is_empty() {
            (empty("It has nothing to set.", &link(&page_path, "Back", Look::Plain)))
        } @else {
            p.lead { "What " strong { (service.name) } " asks. It starts anew with other answers, which takes a few seconds." }
            (form(frame, draft, &path, "Save"))
            @if !is_as_it_came {
                section {
                    h2 { "Back to how it came" }
                    p { "All answers at once; what people have put there stays." }
                    (button(frame, &format!("{path}/reset"), "Set all back", Look::Plain, &[]))
                }
            }
        }
    };
    form_page(frame, draft, &content)
}
