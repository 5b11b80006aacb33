//! The keys that mail is signed with.

use cell_control::mail::MailView;
use cell_model::mail::{DkimKey, DkimState};
use http::Method;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::mail_key_path;
use crate::parts::action::{Look, button, link};
use crate::parts::icon::Icon;
use crate::parts::shell::page;
use crate::parts::state::labelled;
use crate::parts::text::{empty, facts, time};

/// The page.
pub(crate) fn render(frame: &Frame, mail: &MailView, keys: &[DkimKey]) -> Markup {
    // A second one waits for the first.
    let is_coming = keys.iter().any(|key| waits(key.state));
    let may_add = mail.installed && !is_coming && frame.may_post("/mail/keys");
    let content = html! {
        p.lead { "The box signs what it sends (DKIM). With the other half of the key, which is in public DNS, everybody can tell that a message is from here and was not changed." }
        @if keys.is_empty() {
            (empty(
                "There is no key.",
                &html! { p { "The box makes the first one by itself once mail is installed." } },
            ))
        }
        @for key in keys { (shown(frame, key)) }
        @if may_add {
            section {
                h2 { "New key" }
                p { "A key that may be known to others should be replaced. The present one signs until the record of the new one is there." }
                div.buttons { (button(frame, "/mail/keys", "Make a new key", Look::Plain, &[])) }
            }
        }
    };
    page(frame, &content)
}

fn shown(frame: &Frame, key: &DkimKey) -> Markup {
    let (class, picture, word) = match key.state {
        DkimState::Made => ("pending", Icon::Clock, "Waits for its record"),
        DkimState::Published => ("pending", Icon::Clock, "Signs soon"),
        DkimState::Signing => ("ok", Icon::Tick, "Signs"),
        DkimState::Retiring => ("unknown", Icon::Clock, "Signs no more"),
        DkimState::Revoked => ("unknown", Icon::Cross, "Not valid any more"),
    };
    let since = html! { span.quiet { "since " (time(&frame.clock, key.since)) } };
    let may_sign = frame.may(&Method::GET, "/mail/keys/{selector}/sign");
    html! {
        section {
            h2 { (key.selector) }
            (facts(&[
                ("State", html! { (labelled(class, picture, word)) " " (since) }),
                ("What to do", next(key.state)),
            ]))
            @if may_sign && waits(key.state) {
                div.buttons { (link(&mail_key_path(&key.selector), "Sign with it now", Look::Plain)) }
            }
        }
    }
}

/// What is to be done about a key.
fn next(state: DkimState) -> Markup {
    let records = html! { a href="/mail/records" { "records" } };
    match state {
        DkimState::Made => html! {
            "Put its record, which is among the " (records) ", into public DNS. Once the box has seen it there, it signs with this key an hour later."
        },
        DkimState::Published => html! {
            "Nothing. Its record was seen; in an hour at most, when nobody remembers that there was none, the box signs with it."
        },
        DkimState::Signing => html! { "Nothing. Leave its record where it is." },
        DkimState::Retiring => html! {
            "Leave its record for a week: messages under way still need it. Then the " (records) " say what becomes of it."
        },
        DkimState::Revoked => html! {
            "Put the empty record that is among the " (records) " in place of its own. The key is forgotten 30 days later, and the record can go."
        },
    }
}

/// Whether it will sign, and does not yet.
fn waits(state: DkimState) -> bool {
    matches!(state, DkimState::Made | DkimState::Published)
}
