//! The code of a cell that has used an invite of this one's.

use cell_control::link::LinkView;
use maud::{Markup, html};

use crate::forms::Draft;
use crate::frame::Frame;
use crate::navigation::cell_path;
use crate::parts::action::{Look, link as leads};
use crate::parts::form::form;
use crate::parts::shell::form_page;

/// The page.
pub(crate) fn render(frame: &Frame, link: &LinkView, draft: &Draft) -> Markup {
    let path = cell_path(&link.name);
    let content = html! {
        p.lead { "Have the other owner read the code to you that their cell shows, by telephone or in person. Three wrong ones end the invite." }
        (form(frame, draft, &format!("{path}/confirm"), "Link the cells"))
        div.buttons { (leads(&format!("{path}/remove"), "Give the link up", Look::Danger)) }
    };
    form_page(frame, draft, &content)
}
