//! A source of services goes: what happens then.

use cell_control::view::SourceView;
use maud::{Markup, html};

use super::source::listed;
use crate::frame::Frame;
use crate::navigation::source_path;
use crate::parts::action::{Look, button, link};
use crate::parts::shell::page;

/// The page.
pub(crate) fn render(frame: &Frame, source: &SourceView) -> Markup {
    let path = source_path(&source.source);
    let content = html! {
        p.lead { "Nothing of " strong { (source.source) } " is offered or fetched any more." }
        ul {
            @if source.installed.is_empty() {
                li { "Nothing that is installed came from it." }
            } @else {
                li { "What was installed from it stays and goes on: " (listed(&source.installed)) ". Newer versions of it come only with the box, if at all; what is not fetched yet does not come." }
            }
            @if !source.kept_data.is_empty() {
                li { "Data that was kept stays: " (listed(&source.kept_data)) ". Only this source, or the box's own image, can be given it." }
            }
            li { "A source that is called " (source.source) " later counts as this one. With the same keys, the box takes nothing that is older than what it has seen." }
        }
        div.buttons {
            (button(frame, &format!("{path}/remove"), "Remove the source", Look::Danger, &[]))
            (link(&path, "Keep it", Look::Plain))
        }
    };
    page(frame, &content)
}
