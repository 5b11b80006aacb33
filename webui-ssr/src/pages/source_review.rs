//! Whom the box shall trust, before it does.

use cell_control::change::Preview;
use cell_model::config::{Purpose, SourceConfig};
use cell_model::name::SourceName;
use maud::{Markup, html};

use super::source_keys::{keys, place};
use crate::forms::{Draft, REVIEWED};
use crate::frame::Frame;
use crate::parts::action::{Look, token};
use crate::parts::shell::answer;
use crate::parts::text::{Weight, facts, notice};

/// What there is to look at.
pub(crate) struct Review<'a> {
    /// What the source is called.
    pub(crate) name: &'a SourceName,
    /// What it is to be.
    pub(crate) source: &'a SourceConfig,
    /// What it is; `None`: a new one.
    pub(crate) before: Option<&'a SourceConfig>,
    /// What the core says to it.
    pub(crate) preview: &'a Preview,
}

/// The page. It carries along what was typed, so that the person can also go back to it.
pub(crate) fn render(frame: &Frame, draft: &Draft, review: &Review<'_>) -> Markup {
    let Review {
        name,
        source,
        before,
        preview,
    } = review;
    let is_other = before.is_some_and(|before| before.keys != source.keys);
    let submit = if before.is_some() {
        "Change it"
    } else {
        "Trust it and add it"
    };
    let content = html! {
        p.lead {
            "Whoever has " (source.keys.threshold) " of the keys below decides what the services of " strong { (name) }
            " are, and what they do with what you give them."
        }
        @if is_other {
            (warning("These are other keys, so another publisher. Nothing that is known of the source counts until it is asked again, and newer versions of what was installed from it come from whoever has these keys."))
        }
        @if source.keys.purpose == Purpose::Development {
            (warning("These keys lie beside each other on a machine that builds. They are meant for whoever made them, on boxes of their own."))
        }
        @for said in &preview.warnings { (warning(said)) }
        (facts(&place(source)))
        section {
            h2 { "Publisher's keys" }
            p { "Compare them with those that the publisher hands out, by another way than this source." }
            (keys(&source.keys))
        }
        @if preview.changes_nothing { p { "Nothing changes: the source is like this already." } }
        form method="post" action=(frame.path) {
            (token(frame))
            @for field in draft.fields() {
                @for value in draft.all(field.name) { input type="hidden" name=(field.name) value=(value); }
            }
            div.buttons {
                @if !preview.changes_nothing {
                    button class=(Look::Main.class()) name=(REVIEWED.name) value="yes" { (submit) }
                }
                button class=(Look::Plain.class()) name=(REVIEWED.name) value="no" { "Back to the form" }
            }
        }
    };
    answer(frame, "Review the source", &content)
}

fn warning(text: &str) -> Markup {
    notice(Weight::Warning, &html! { p { (text) } })
}
