//! Forms: fields with their labels, hints and errors, and the summary above them.

use maud::{Markup, PreEscaped, html};

use super::action::{Look, token};
use crate::forms::Draft;
use crate::forms::field::{Choice, Field, Kind};
use crate::frame::Frame;

/// A whole form: the summary of what is wrong, all fields in their order, and the button.
pub(crate) fn form(frame: &Frame, draft: &Draft, path: &str, submit: &str) -> Markup {
    html! {
        (summary(draft))
        form.stack method="post" action=(path) {
            (token(frame))
            (fields(draft, draft.fields()))
            div.buttons { button class=(Look::Main.class()) { (submit) } }
        }
    }
}

/// Some fields of a form.
pub(crate) fn fields(draft: &Draft, fields: &[Field]) -> Markup {
    html! { @for each in fields { (field(draft, each)) } }
}

/// What is wrong, with links to the fields. Takes the focus, so that it is the first thing heard.
pub(crate) fn summary(draft: &Draft) -> Markup {
    let refused = draft.refused();
    if refused.is_none() && draft.errors().is_empty() {
        return html! {};
    }
    let title = refused.map_or("Something is not right yet", |(title, _)| title);
    html! {
        div.summary role="alert" tabindex="-1" autofocus aria-labelledby="summary-title" {
            h2 #summary-title { (title) }
            @if let Some((_, detail)) = refused { @if !detail.is_empty() { p { (detail) } } }
            @if !draft.errors().is_empty() {
                ul {
                    @for error in draft.errors() {
                        li {
                            @match draft.field(&error.field) {
                                Some(field) if !matches!(field.kind, Kind::Hidden) => {
                                    a href={ "#" (field.id()) } { (field.label) " " (error.message) }
                                },
                                _ => { (error.field) " " (error.message) },
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One field.
pub(crate) fn field(draft: &Draft, field: &Field) -> Markup {
    match field.kind {
        Kind::Hidden => html! {
            @let value = draft.typed(field.name);
            @if !value.is_empty() { input type="hidden" name=(field.name) value=(value); }
        },
        Kind::Flag => flag(draft, field),
        Kind::Boxes(choices) => group(draft, field, choices, "checkbox"),
        Kind::One(choices) => group(draft, field, choices, "radio"),
        Kind::Word(words) => {
            let choices: Vec<Choice> = words.iter().map(|word| (&**word, &**word)).collect();
            group(draft, field, &choices, "radio")
        }
        _ => line(draft, field),
    }
}

/// A field of one control with its label above.
fn line(draft: &Draft, field: &Field) -> Markup {
    let error = draft.error(field.name);
    let id = field.id();
    html! {
        div.field.wrong[error.is_some()] {
            label for=(id) { (field.label) (optional(field)) }
            (hint_and_error(field, error))
            (control(draft, field, &id, error.is_some()))
        }
    }
}

fn control(draft: &Draft, field: &Field, id: &str, wrong: bool) -> Markup {
    let value = draft.typed(field.name);
    let described = described_by(field, wrong);
    let invalid = wrong.then_some("true");
    let input = |kind: &str, autocomplete: &str, value: Option<&str>, list: Option<&str>| {
        html! {
            input id=(id) name=(field.name) type=(kind) value=[value] autocomplete=(autocomplete)
                required[!field.optional] autocapitalize="none" spellcheck="false" list=[list]
                aria-describedby=[described.as_deref()] aria-invalid=[invalid];
        }
    };
    let lines = |value: &str| {
        html! {
            textarea id=(id) name=(field.name) rows="4" spellcheck="false" autocapitalize="none"
                aria-describedby=[described.as_deref()] aria-invalid=[invalid] { (value) }
        }
    };
    match field.kind {
        // Never sent back: the page with the error may stay open for others to see.
        Kind::Password(autocomplete) => input("password", autocomplete, None, None),
        Kind::Text(autocomplete) => input("text", autocomplete, Some(value), None),
        Kind::Number => html! {
            // No `type="number"`: it turns under a wheel, and says nothing of what it does not take.
            input id=(id) name=(field.name) type="text" inputmode="numeric" value=(value) autocomplete="off"
                required[!field.optional] aria-describedby=[described.as_deref()] aria-invalid=[invalid];
        },
        Kind::Moment => input("datetime-local", "off", Some(value), None),
        Kind::TimeZone => html! {
            (input("text", "off", Some(value), Some("time-zones")))
            datalist #time-zones { (time_zones()) }
        },
        Kind::SecretLines => lines(""),
        _ => lines(value),
    }
}

/// One box to tick.
fn flag(draft: &Draft, field: &Field) -> Markup {
    let error = draft.error(field.name);
    let id = field.id();
    let described = described_by(field, error.is_some());
    html! {
        div.field.wrong[error.is_some()] {
            div.choice {
                input id=(id) name=(field.name) type="checkbox" value="yes" checked[draft.ticked(field.name)]
                    aria-describedby=[described.as_deref()];
                label for=(id) { (field.label) }
            }
            (hint_and_error(field, error))
        }
    }
}

/// Several boxes, or several of which one is chosen. Links to the field lead to the first.
fn group(draft: &Draft, field: &Field, choices: &[Choice], kind: &str) -> Markup {
    let error = draft.error(field.name);
    let described = described_by(field, error.is_some());
    html! {
        fieldset.field.wrong[error.is_some()] aria-describedby=[described.as_deref()] {
            legend { (field.label) }
            (hint_and_error(field, error))
            @for (at, (value, label)) in choices.iter().enumerate() {
                // By number: a value may be anything.
                @let id = if at == 0 { field.id() } else { format!("{}-{at}", field.id()) };
                div.choice {
                    input id=(id) name=(field.name) type=(kind) value=(value)
                        checked[draft.all(field.name).any(|typed| typed == *value)];
                    label for=(id) { (label) }
                }
            }
        }
    }
}

fn optional(field: &Field) -> Markup {
    html! { @if field.optional { span.quiet { " (optional)" } } }
}

fn hint_and_error(field: &Field, error: Option<&str>) -> Markup {
    html! {
        @if !field.hint.is_empty() { p.hint id={ (field.id()) "-hint" } { (field.hint) } }
        @if let Some(error) = error {
            p.error id={ (field.id()) "-error" } { (field.label) " " (error) }
        }
    }
}

fn described_by(field: &Field, wrong: bool) -> Option<String> {
    let hint = (!field.hint.is_empty()).then(|| format!("{}-hint", field.id()));
    let error = wrong.then(|| format!("{}-error", field.id()));
    let ids: Vec<String> = [hint, error].into_iter().flatten().collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

/// The time zones of the IANA database that are named after a place.
fn time_zones() -> PreEscaped<String> {
    let mut options = String::from("<option value=\"UTC\">");
    for zone in jiff::tz::TimeZoneDatabase::bundled().available() {
        let place = zone.as_str().contains('/') && !zone.as_str().starts_with("Etc/");
        let plain = zone
            .as_str()
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte));
        if place && plain {
            options.push_str(&format!("<option value=\"{}\">", zone.as_str()));
        }
    }
    PreEscaped(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    const FIELDS: &[Field] = &[
        Field::text("name", "Name").hint("Short."),
        Field::new_password("password", "Password"),
        Field::one("role", "Role", &[("a", "A"), ("b", "B")]),
    ];

    fn page(body: &str) -> String {
        let mut draft = Draft::read(FIELDS, &Form::parse(body.as_bytes()).unwrap());
        draft.note("name", "must not be so");
        let all = fields(&draft, FIELDS).into_string();
        summary(&draft).into_string() + &all
    }

    #[test]
    fn wrong_field_is_linked_described_and_filled_in() {
        let page = page("name=%22%3E%3Cscript%3E&role=b");
        assert!(page.contains("<a href=\"#f-name\">Name must not be so</a>"));
        assert!(
            page.contains("aria-describedby=\"f-name-hint f-name-error\" aria-invalid=\"true\"")
        );
        assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;\""));
        assert!(page.contains("value=\"b\" checked"));
    }

    #[test]
    fn password_is_never_sent_back() {
        let page = page("password=correct-horse");
        assert!(page.contains("autocomplete=\"new-password\"") && !page.contains("correct-horse"));
    }

    #[test]
    fn every_label_belongs_to_a_control() {
        let page = page("");
        for (at, _) in page.match_indices("<label for=\"") {
            let id: String = page[at + 12..].chars().take_while(|c| *c != '"').collect();
            assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
}
