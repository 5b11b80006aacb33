//! A linked cell has a domain of the internet's from now on, if the owner here wants that.

use cell_control::link::LinkView;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::cell_path;
use crate::parts::action::{Look, button, link as leads};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, link: &LinkView) -> Markup {
    let path = cell_path(&link.name);
    let content = html! {
        @match &link.held {
            Some(held) if !held.acceptable => {
                p.lead { (held.detail) }
                div.buttons { (leads(&path, "Back to the cell", Look::Plain)) }
            }
            Some(held) => {
                p.lead { "From now on, the cell is called " strong { (held.name) } " and has the network " (held.vpn_subnet) ". Names in " strong { (held.domain) } " are asked of it alone, whoever has that domain on the internet." }
                div.buttons {
                    (button(frame, &format!("{path}/accept"), "Take it over", Look::Danger, &[]))
                    (leads(&path, "Leave it held", Look::Plain))
                }
            }
            None => {
                p.lead { "The cell is what it says that it is: there is nothing to take over." }
                div.buttons { (leads(&path, "Back to the cell", Look::Plain)) }
            }
        }
    };
    page(frame, &content)
}
