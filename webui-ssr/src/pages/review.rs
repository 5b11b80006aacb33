//! What a change would do, before it is made.

use cell_control::change::Preview;
use maud::{Markup, html};

use crate::forms::{Draft, REVIEWED};
use crate::frame::Frame;
use crate::parts::action::{Look, token};
use crate::parts::shell::answer;
use crate::parts::text::{Weight, notice};

/// The page. It carries along what was typed, so that the person can also go back to it.
pub(crate) fn render(frame: &Frame, draft: &Draft, preview: &Preview) -> Markup {
    let content = html! {
        (preview_of(preview))
        form method="post" action=(frame.path) {
            (token(frame))
            @for field in draft.fields() {
                @if field.name != REVIEWED.name {
                    @for value in draft.all(field.name) { input type="hidden" name=(field.name) value=(value); }
                }
            }
            div.buttons {
                @if !preview.changes_nothing {
                    button class=(Look::Main.class()) name=(REVIEWED.name) value="yes" { "Make the change" }
                }
                button class=(Look::Plain.class()) name=(REVIEWED.name) value="no" { "Back to the form" }
            }
        }
    };
    answer(frame, "Review the change", &content)
}

/// Steps, warnings, and whether it returns by itself.
pub(crate) fn preview_of(preview: &Preview) -> Markup {
    html! {
        section {
            h2 { "What happens" }
            @if preview.changes_nothing {
                p { "Nothing: the settings are like this already." }
            } @else if preview.steps.is_empty() {
                p { "The settings are kept; nothing in the system changes." }
            } @else {
                ol { @for step in &preview.steps { li { (step) } } }
            }
        }
        @for warning in &preview.warnings { (notice(Weight::Warning, &html! { p { (warning) } })) }
        @if preview.needs_confirmation {
            (notice(Weight::Warning, &html! {
                p { strong { "This can cut you off. " } "It returns by itself after 90 seconds unless you confirm it on the overview. If an address or the name of the box changes, open the page at the new one and confirm there." }
            }))
        }
    }
}
