//! How the test of a part went.

use cell_control::action::TestResult;
use cell_model::status::Part;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button, link};
use crate::parts::icon::Icon;
use crate::parts::shell::answer;
use crate::parts::state::{labelled, part_name};

/// The page.
pub(crate) fn render(frame: &Frame, part: Part, result: &TestResult) -> Markup {
    let path = format!("/parts/{}", part.as_str());
    let content = html! {
        p.figure {
            @if result.ok { (labelled("ok", Icon::Tick, "It works")) }
            @else { (labelled("failed", Icon::Cross, "It does not work")) }
        }
        ul { @for line in &result.detail { li { (line) } } }
        div.buttons {
            (button(frame, &format!("{path}/test"), "Test it again", Look::Plain, &[]))
            (link(&path, "Back to the part", Look::Plain))
        }
    };
    answer(frame, &format!("Test: {}", part_name(part)), &content)
}
